"""Calls over REST: taken in, listed, read, tried again, objected to, erased."""

from __future__ import annotations

import errno
import io
import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from rest_framework.test import APIClient

from callanalytics.calls.models import Call
from callanalytics.people.models import Agent, Queue, Team
from callanalytics.privacy.models import Erasure
from tests.factories import World, agents_call, analyzed, tone_wav

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django.fixtures import Settings

EMOTION = ("frustrated_s", "peak_frustration", "flag_count")


def recording(audio: bytes | None = None, name: str = "call.wav") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, tone_wav() if audio is None else audio, "audio/wav")


def post(client: APIClient, audio: bytes | None = None, **fields: Any) -> Any:
    return client.post("/api/v1/calls/", {"file": recording(audio), **fields}, format="multipart")


def error(response: Any) -> dict[str, Any]:
    """Problem details, their `errors` as names of fields and their `type` as `code`."""
    found: dict[str, Any] = response.json()
    assert response["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= set(found) <= {"type", "title", "status", "detail", "errors", "subject"}
    assert found["status"] == response.status_code
    assert found["title"]
    assert found["detail"]
    code = found["type"].removeprefix("urn:callanalytics:problem:")
    return found | {"code": code, "fields": {each["field"]: each["detail"] for each in found.get("errors", [])}}


def test_a_disk_that_fills_while_an_upload_comes_in_is_said(
    api: Callable[[str], APIClient], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(TemporaryFileUploadHandler, "receive_data_chunk", full)
    found = error(post(api("supervisor")))
    assert (found["status"], found["code"]) == (507, "no_space")
    assert not Call.objects.exists()


def test_a_recording_becomes_a_queued_call(api: Callable[[str], APIClient], world: World) -> None:
    response = post(
        api("supervisor"), external_id="c-1", agent="A17", queue="invoices", channels="Agent, customer", notice="given", tags="vip,late",
        started_at="2026-03-01T10:00:00+01:00", direction="inbound", language="en", customer_reference="K9", scoring="words",
    )  # fmt: skip
    assert response.status_code == 202
    assert response["Location"] == response.json()["url"] == f"http://testserver/api/v1/calls/{response.json()['id']}/"
    call = Call.objects.get(id=response.json()["id"])
    assert (call.status, call.team, call.agent, call.queue) == ("queued", world.billing, world.agent, world.queue)
    assert (call.channels, call.notice, call.tags, call.scoring) == (["agent", "customer"], "given", ["vip", "late"], "words")
    assert call.started_at.isoformat() == "2026-03-01T09:00:00+00:00"


def test_a_worker_is_told_once_the_row_is_committed(
    api: Callable[[str], APIClient], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[tuple[str, ...]] = []
    monkeypatch.setattr("callanalytics.calls.queueing._send", lambda *args: sent.append(args))
    with django_capture_on_commit_callbacks(execute=True):
        call_id = post(api("supervisor")).json()["id"]
        assert sent == []
    assert sent == [("worker.call_analyze", call_id)]


def test_the_same_audio_answers_with_the_call_that_is_there(api: Callable[[str], APIClient]) -> None:
    first, second = post(api("supervisor"), agent="A17"), post(api("supervisor"), agent="A17")
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"]


def test_the_same_external_id_with_other_audio_is_a_conflict(api: Callable[[str], APIClient]) -> None:
    first = post(api("supervisor"), external_id="c-1").json()
    response = post(api("supervisor"), tone_wav(hz=200), external_id="c-1")
    assert response.status_code == 409
    assert error(response)["subject"] == first["id"]
    assert error(response)["fields"].keys() == {"external_id"}


def test_every_problem_is_named_by_its_field(api: Callable[[str], APIClient]) -> None:
    response = api("supervisor").post(
        "/api/v1/calls/",
        {
            "started_at": "yesterday",
            "channels": "agent,robot",
            "notice": "perhaps",
            "scoring": "all",
            "colour": "red",
            "language": "English!",
        },
        format="multipart",
    )
    assert response.status_code == 400
    assert set(error(response)["fields"]) == {"file", "started_at", "channels", "notice", "scoring", "colour", "language"}
    assert Call.objects.count() == 0


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"file": SimpleUploadedFile("a.wav", b"")}, "file"),
        ({"file": "not a file"}, "file"),
        ({"started_at": "2026-02-30"}, "started_at"),
        ({"started_at": "0001-01-01T00:00:00+14:00"}, "started_at"),
        ({"started_at": "9999-12-31T23:59:59-12:00"}, "started_at"),
        ({"team": "Nobody"}, "team"),
        ({"external_id": "x" * 121}, "external_id"),
        ({"external_id": "nul\x00"}, "external_id"),
        ({"channels": "agent,customer,agent"}, "channels"),
        ({"channels": "agent,agent"}, "channels"),
        ({"objected": "perhaps"}, "objected"),
        ({"direction": "sideways"}, "direction"),
        ({"tags": "x" * 1001}, "tags"),
        ({"tags": "vip,nul\x00"}, "tags"),
        ({"file": [SimpleUploadedFile("a.wav", b"a"), SimpleUploadedFile("b.wav", b"b")]}, "file"),
    ],
)
def test_bad_metadata_is_refused_and_nothing_is_kept(
    api: Callable[[str], APIClient], world: World, settings: Settings, fields: dict[str, Any], named: str
) -> None:
    response = api("owner").post("/api/v1/calls/", {"file": recording(), **fields}, format="multipart")
    assert response.status_code == 400
    assert named in error(response)["fields"]
    assert Call.objects.count() == 0
    assert [file for file in settings.MEDIA_ROOT.rglob("*") if file.is_file()] == []


def test_a_body_of_5_gb_is_refused_by_its_stated_length(world: World) -> None:
    response = APIClient().post("/api/v1/calls/", b"", content_type="multipart/form-data; boundary=x", CONTENT_LENGTH=str(5 * 1024**3))
    assert response.status_code == 413
    assert error(response)["fields"].keys() == {"file"}


def test_a_file_over_the_limit_is_refused(api: Callable[[str], APIClient], settings: Settings) -> None:
    client = api("supervisor")
    settings.MAX_UPLOAD_BYTES = 6000
    assert error(post(client))["code"] == "too_large"
    assert Call.objects.count() == 0


@pytest.mark.parametrize("body", [b"", b"--x\r\nnonsense", b"\xff\xfe\x00"])
def test_a_broken_multipart_body_is_a_400(api: Callable[[str], APIClient], body: bytes) -> None:
    response = api("supervisor").post("/api/v1/calls/", body, content_type="multipart/form-data; boundary=x")
    assert response.status_code == 400
    error(response)


def test_a_body_of_another_kind_is_a_415(api: Callable[[str], APIClient]) -> None:
    response = api("supervisor").post("/api/v1/calls/", "file", content_type="text/plain")
    assert response.status_code == 415
    assert error(response)["code"] == "unsupported_media_type"


def test_only_supervisors_add_calls_and_only_to_their_teams(api: Callable[[str], APIClient]) -> None:
    for role, status in {"reviewer": 403, "agent": 403, "outsider": 404}.items():
        assert post(api(role), agent="NEW1").status_code == status
    assert post(api("supervisor"), team="Sales", agent="NEW1").status_code == 400
    assert not Agent.objects.filter(code="NEW1").exists()
    assert Call.objects.count() == 0


def test_a_team_of_others_answers_as_one_that_there_is_not(api: Callable[[str], APIClient], world: World) -> None:
    Agent.objects.create(code="S1", team=world.sales)
    foreign, missing = post(api("supervisor"), team="Sales"), post(api("supervisor"), team="Nobody")
    assert foreign.status_code == missing.status_code == 400
    assert foreign.content.replace(b"Sales", b"Nobody") == missing.content
    implied = post(api("supervisor"), agent="S1")
    assert error(implied)["fields"].keys() == {"agent"}
    assert b"Sales" not in implied.content


@pytest.mark.parametrize("named", [" billing ", "BILLING", "Billing\t"])
def test_a_team_is_found_however_its_name_is_typed(api: Callable[[str], APIClient], named: str) -> None:
    assert post(api("supervisor"), team=named).json()["team"] == "Billing"


def test_of_two_teams_that_differ_in_capitals_the_exact_one_is_taken(api: Callable[[str], APIClient], world: World) -> None:
    Team.objects.create(name="billing", parent=world.billing)
    assert post(api("supervisor"), team="billing").json()["team"] == "billing"


def test_a_refused_call_leaves_no_new_agent_or_queue(api: Callable[[str], APIClient]) -> None:
    post(api("supervisor"), external_id="c-1")
    assert post(api("supervisor"), tone_wav(hz=200), external_id="c-1", agent="NEW1", queue="new queue").status_code == 409
    assert not Agent.objects.filter(code="NEW1").exists()
    assert not Queue.objects.filter(name="new queue").exists()


def test_nobody_hands_a_call_to_another_team_s_agent_or_queue(api: Callable[[str], APIClient], world: World) -> None:
    Agent.objects.create(code="S1", team=world.sales)
    Queue.objects.create(name="offers", team=world.sales)
    named: tuple[dict[str, Any], ...] = ({"agent": "S1"}, {"queue": "offers"})
    for fields in named:
        response = post(api("supervisor"), team="Billing", **fields)
        assert response.status_code == 403
        assert error(response)["fields"].keys() == fields.keys()
    assert Call.objects.count() == 0


def test_a_queue_in_capitals_is_the_same_queue_with_its_scoring_switch(api: Callable[[str], APIClient], world: World) -> None:
    assert post(api("supervisor"), queue="INVOICES", agent="a17").status_code == 202
    call = Call.objects.get()
    assert (call.queue, call.agent) == (world.queue, world.agent)


def test_without_a_team_the_only_team_of_the_supervisor_gets_the_call(api: Callable[[str], APIClient], world: World) -> None:
    assert post(api("supervisor"), agent="NEW1").json()["team"] == "Billing"
    assert Agent.objects.get(code="NEW1").team == world.billing


def test_without_a_team_an_owner_s_call_is_unassigned(api: Callable[[str], APIClient]) -> None:
    assert post(api("owner")).json()["team"] == "Unassigned"


def test_the_list_is_narrowed_by_its_filters(api: Callable[[str], APIClient], world: World) -> None:
    done = analyzed(agents_call(world, started_at=datetime(2026, 3, 2, tzinfo=UTC)))
    waiting = agents_call(world, tone_wav(hz=200), agent=world.other_agent, queue=None, started_at=datetime(2026, 2, 1, tzinfo=UTC))
    for query, found in {
        "": [done, waiting],
        "?status=done": [done],
        "?status=queued": [waiting],
        "?queue=Invoices": [done],
        "?agent=B4": [waiting],
        "?flagged=true": [done],
        "?flagged=false": [waiting],
        "?since=2026-03-01": [done],
        "?until=2026-03-01T00:00:00Z": [waiting],
        "?team=Billing&text=kim": [done],
    }.items():
        listed = api("supervisor").get(f"/api/v1/calls/{query}").json()["results"]
        assert [entry["id"] for entry in listed] == [str(call.id) for call in found], query


@pytest.mark.parametrize(
    "query", ["status=late", "queue=nowhere", "agent=X", "team=Sales", "flagged=maybe", "since=spring", "colour=red", "page_size=0"]
)
def test_a_bad_filter_is_named(api: Callable[[str], APIClient], query: str) -> None:
    response = api("supervisor").get(f"/api/v1/calls/?{query}")
    assert response.status_code == 400
    assert set(error(response)["fields"]) == {query.partition("=")[0]}


def test_the_list_comes_in_pages(api: Callable[[str], APIClient], world: World) -> None:
    for number in range(5):
        agents_call(world, external_id=str(number))
    seen: list[str] = []
    address = "/api/v1/calls/?page_size=2"
    while address:
        page = api("reviewer").get(address).json()
        assert len(page["results"]) <= 2
        seen += [entry["external_id"] for entry in page["results"]]
        address = page["next"]
    assert seen == ["4", "3", "2", "1", "0"]


@pytest.mark.parametrize("place", ["p=spring", "p=a\x00", "o=x", "p=2026-01-01&o=-5"])
def test_a_cursor_that_leads_nowhere_is_not_found(api: Callable[[str], APIClient], place: str) -> None:
    response = api("reviewer").get("/api/v1/calls/", {"cursor": b64encode(place.encode()).decode()})
    assert response.status_code == 404
    assert error(response)["code"] == "not_found"


def test_a_finished_call_carries_its_analysis(api: Callable[[str], APIClient], world: World) -> None:
    found = api("reviewer").get(f"/api/v1/calls/{analyzed(agents_call(world)).id}/").json()
    assert (found["status"], found["percent"], found["flag_count"]) == ("done", 100, 1)
    assert found["analysis"]["schema"] == "callanalytics/analysis/1"
    assert found["analysis"]["utterances"][1]["tone"]["anger"] == 0.71
    assert len(found["analysis"]["flags"]) == 1


def test_a_waiting_call_has_none_yet(api: Callable[[str], APIClient], world: World) -> None:
    found = api("reviewer").get(f"/api/v1/calls/{agents_call(world).id}/").json()
    assert (found["status"], found["analysis"]) == ("queued", None)


def test_the_agent_reads_the_transcript_without_any_emotion(api: Callable[[str], APIClient], world: World) -> None:
    call = analyzed(agents_call(world))
    found = api("agent").get(f"/api/v1/calls/{call.id}/").json()
    listed = api("agent").get("/api/v1/calls/").json()["results"]
    assert [entry["id"] for entry in listed] == [str(call.id)]
    assert all(entry[name] is None for entry in (found, *listed) for name in EMOTION)
    assert found["analysis"]["utterances"][1]["text"] == "I have called four times"
    told = json.dumps(found["analysis"])
    assert found["analysis"]["flags"] == found["analysis"]["segments"] == []
    assert not any(word in told for word in ("anger", "probability", "0.8314", "contributions"))


def test_an_agent_cannot_find_out_by_filtering_which_calls_are_flagged(api: Callable[[str], APIClient], world: World) -> None:
    analyzed(agents_call(world))
    for value in ("true", "false"):
        assert api("agent").get(f"/api/v1/calls/?flagged={value}").json()["results"] == []


def test_reanalyze_queues_a_finished_call_once(api: Callable[[str], APIClient], world: World) -> None:
    call = analyzed(agents_call(world))
    client = api("supervisor")
    assert client.post(f"/api/v1/calls/{call.id}/reanalyze/").status_code == 202
    again = client.post(f"/api/v1/calls/{call.id}/reanalyze/")
    assert again.status_code == 409
    assert error(again)["code"] == "conflict"


def test_an_objection_takes_the_emotion_values_away(api: Callable[[str], APIClient], world: World) -> None:
    call = analyzed(agents_call(world))
    response = api("supervisor").post(f"/api/v1/calls/{call.id}/objection/", {"objected": True}, format="json")
    assert (response.status_code, response.json()["objected"]) == (200, True)
    assert response.json()["peak_frustration"] is None
    assert api("reviewer").get(f"/api/v1/calls/{call.id}/").json()["analysis"] is None


@pytest.mark.parametrize(
    "body", ["{}", "[]", "[1]", '{"objected": "perhaps"}', '{"objected": null}', '{"objection": true}', "{", "null", '{"\\ud800": 1}']
)
def test_a_bad_objection_is_refused(api: Callable[[str], APIClient], world: World, body: str) -> None:
    call = analyzed(agents_call(world))
    response = api("supervisor").post(f"/api/v1/calls/{call.id}/objection/", body, content_type="application/json")
    assert response.status_code == 400
    error(response)
    call.refresh_from_db()
    assert not call.objected


def test_delete_leaves_a_receipt_and_nothing_else(api: Callable[[str], APIClient], world: World) -> None:
    call = analyzed(agents_call(world))
    response = api("supervisor").delete(f"/api/v1/calls/{call.id}/")
    assert response.status_code == 200
    assert Erasure.objects.get(id=response.json()["receipt"]).call_public_id == call.id
    assert response.json()["counts"]["utterances"] == 3
    assert api("owner").get(f"/api/v1/calls/{call.id}/").status_code == 404


def test_a_call_of_another_team_is_not_found(api: Callable[[str], APIClient], world: World) -> None:
    call = analyzed(agents_call(world))
    for role in ("other_supervisor", "other_agent", "outsider"):
        response = api(role).get(f"/api/v1/calls/{call.id}/")
        assert response.status_code == 404
        assert error(response)["code"] == "not_found"


@pytest.mark.parametrize("path", ["/api/", "/api/v1/calls/7/", "/api/v1/calls", "/api/v2/calls/", "/api/v1/calls/?cursor=nonsense"])
def test_an_address_that_is_not_there_gets_the_same_error_shape(api: Callable[[str], APIClient], path: str) -> None:
    response = api("owner").get(path)
    assert response.status_code == 404
    error(response)


def test_a_method_that_is_not_offered_is_a_405(api: Callable[[str], APIClient]) -> None:
    response = api("owner").put("/api/v1/calls/")
    assert response.status_code == 405
    assert error(response)["code"] == "method_not_allowed"


def test_nobody_is_told_to_sign_in(world: World) -> None:
    response = APIClient().get("/api/v1/calls/")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert error(response)["code"] == "not_authenticated"


def test_a_session_writes_with_its_csrf_token_only(world: World) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(world.supervisor)
    response = client.post("/api/v1/calls/", {"file": io.BytesIO(tone_wav())}, format="multipart")
    assert response.status_code == 403
    assert "CSRF" in error(response)["detail"]
