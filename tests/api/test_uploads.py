"""Resumable upload as the protocol has it, header by header."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from rest_framework.test import APIClient

from callanalytics.calls import files
from callanalytics.calls.models import Call, Upload
from tests import factories
from tests.api.test_calls import error
from tests.api.test_keys import key

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings

    from tests.factories import World

PART = "application/offset+octet-stream"
TUS = {"HTTP_TUS_RESUMABLE": "1.0.0"}
AUDIO = factories.tone_wav()


def encoded(**fields: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in fields.items())


def begin(client: Any, length: int | str = len(AUDIO), *, body: bytes = b"", metadata: str | None = None, **headers: str) -> Any:
    given = encoded(filename="big.wav", external_id="c-1") if metadata is None else metadata
    known = {**TUS, "HTTP_UPLOAD_LENGTH": str(length), "HTTP_UPLOAD_METADATA": given, **headers}
    return client.generic("POST", "/api/v1/uploads/", body, content_type=PART if body else "", **known)


def append(client: Any, where: str, offset: int | str, body: bytes, *, content_type: str = PART, **headers: str) -> Any:
    known = {**TUS, "HTTP_UPLOAD_OFFSET": str(offset), **headers}
    return client.generic("PATCH", where, body, content_type=content_type, **known)


@pytest.fixture
def client(api: Callable[[str], Any]) -> Any:
    return api("supervisor")


@pytest.fixture
def where(client: Any) -> str:
    return str(begin(client)["Location"])


def test_an_upload_in_parts_becomes_a_call(client: Any) -> None:
    made = begin(client)
    assert made.status_code == 201
    assert made["Tus-Resumable"] == "1.0.0"
    assert made["Upload-Offset"] == "0"
    assert made["Upload-Expires"].endswith("GMT")
    first = append(client, made["Location"], 0, AUDIO[:1000])
    assert (first.status_code, first["Upload-Offset"], "Content-Location" in first) == (204, "1000", False)
    head = client.head(made["Location"], **TUS)
    assert (head.status_code, head["Upload-Offset"], head["Upload-Length"]) == (200, "1000", str(len(AUDIO)))
    assert head["Cache-Control"] == "no-store"
    last = append(client, made["Location"], 1000, AUDIO[1000:])
    call = Call.objects.get()
    assert (last.status_code, last["Content-Location"]) == (204, f"http://testserver/api/v1/calls/{call.id}/")
    assert (call.external_id, call.file_name, call.team.name) == ("c-1", "big.wav", "Billing")
    assert files.recording_path(call).read_bytes() == AUDIO
    assert client.head(made["Location"], **TUS)["Content-Location"] == last["Content-Location"]


def test_the_first_part_may_come_with_the_beginning(client: Any) -> None:
    made = begin(client, body=AUDIO[:700])
    assert (made.status_code, made["Upload-Offset"]) == (201, "700")
    whole = begin(client, body=AUDIO, metadata=encoded(filename="whole.wav"))
    assert (whole.status_code, "Content-Location" in whole) == (201, True)


def test_what_the_server_can_is_told(client: Any, settings: Settings) -> None:
    told = client.options("/api/v1/uploads/")
    assert told.status_code == 204
    assert told["Tus-Version"] == "1.0.0"
    assert told["Tus-Extension"] == "creation,creation-with-upload,termination,checksum,expiration"
    assert told["Tus-Max-Size"] == str(settings.MAX_UPLOAD_BYTES)
    assert told["Tus-Checksum-Algorithm"] == "sha1,sha256"


def test_another_version_is_refused(client: Any, where: str) -> None:
    for response in (client.head(where), client.generic("PATCH", where, b"x", HTTP_TUS_RESUMABLE="0.2.2")):
        assert (response.status_code, response["Tus-Version"]) == (412, "1.0.0")


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (lambda client, where: append(client, where, 7, b"x"), 409),
        (lambda client, where: append(client, where, "-1", b"x"), 400),
        (lambda client, where: append(client, where, "", b"x"), 400),
        (lambda client, where: append(client, where, 0, b"x", content_type="application/octet-stream"), 415),
        (lambda client, where: append(client, where, 0, AUDIO + b"x"), 413),
        (lambda client, where: append(client, where, 0, b"x", HTTP_UPLOAD_CHECKSUM="sha1 " + base64.b64encode(b"y" * 20).decode()), 460),
        (lambda client, where: append(client, where, 0, b"x", HTTP_UPLOAD_CHECKSUM="crc32 AAAA"), 400),
        (lambda client, where: append(client, where, 0, b"x", HTTP_UPLOAD_CHECKSUM="sha1 ?"), 400),
        (lambda client, where: append(client, where, 0, b"x", HTTP_UPLOAD_CHECKSUM="sha1 \xe9"), 400),
        (lambda client, where: append(client, where.replace("/uploads/0", "/uploads/1"), 0, b"x"), 404),
        (lambda client, _: begin(client, "many"), 400),
        (lambda client, _: begin(client, "0"), 400),
        (lambda client, _: begin(client, 10**17), 413),
        (lambda client, _: begin(client, 10**30), 400),
        (lambda client, _: begin(client, metadata="filename ???"), 400),
        (lambda client, _: begin(client, metadata="filename \xe9"), 400),
        (lambda client, _: begin(client, metadata=encoded(agnet="A17")), 400),
        (lambda client, _: begin(client, metadata=encoded(started_at="yesterday")), 400),
        (lambda client, _: begin(client, metadata=encoded(team="Sales")), 400),
    ],
)
def test_what_is_not_as_it_must_be_is_refused_and_nothing_of_it_is_kept(client: Any, where: str, answer: Any, status: int) -> None:
    response = answer(client, where)
    assert error(response)["status"] == status
    assert response["Tus-Resumable"] == "1.0.0"
    assert [each.offset for each in Upload.objects.all()] == [0]
    assert not Call.objects.exists()


def test_a_part_whose_checksum_is_right_is_kept(client: Any, where: str) -> None:
    digest = base64.b64encode(hashlib.sha256(AUDIO[:10]).digest()).decode()
    assert append(client, where, 0, AUDIO[:10], HTTP_UPLOAD_CHECKSUM=f"sha256 {digest}")["Upload-Offset"] == "10"


def test_other_audio_for_a_known_id_is_refused_and_the_upload_stays(client: Any, world: World) -> None:
    factories.queued_call(world.billing, external_id="c-1")
    where = begin(client)["Location"]
    assert error(append(client, where, 0, AUDIO))["status"] == 409
    assert client.head(where, **TUS)["Upload-Offset"] == "0"


def test_what_clients_say_by_themselves_is_no_field_of_a_call(client: Any) -> None:
    assert begin(client, metadata=encoded(filename="a.wav", filetype="audio/wav", relativePath="null")).status_code == 201
    assert begin(client, metadata="filename").status_code == 201


def test_an_upload_is_ended(client: Any, where: str) -> None:
    assert client.delete(where, **TUS).status_code == 204
    assert client.head(where, **TUS).status_code == 404


def test_a_proxy_that_knows_no_patch_is_got_around(client: Any, where: str) -> None:
    known = {**TUS, "HTTP_UPLOAD_OFFSET": "0", "HTTP_X_HTTP_METHOD_OVERRIDE": "PATCH"}
    assert client.generic("POST", where, AUDIO[:10], content_type=PART, **known)["Upload-Offset"] == "10"


def test_nobody_elses_upload_can_be_told_from_none(api: Callable[[str], Any], where: str) -> None:
    for role in ("owner", "other_supervisor"):
        assert error(append(api(role), where, 0, b"x"))["status"] == 404


@pytest.mark.parametrize("role", ["reviewer", "agent"])
def test_only_supervisors_begin_uploads(api: Callable[[str], Any], role: str) -> None:
    assert error(begin(api(role)))["status"] == 403
    assert not Upload.objects.exists()


def test_a_key_needs_the_scope(world: World) -> None:
    made = APIClient()
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {key(world, 'calls:read', team=world.billing)}")
    assert error(begin(made))["status"] == 403
