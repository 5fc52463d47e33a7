"""Many calls in one list: each row by itself, and the same list again does no harm."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from callanalytics import uploads
from callanalytics.api import manifests
from callanalytics.calls.files import recording_path
from callanalytics.calls.models import Call
from callanalytics.calls.services import call_announce
from tests.api.test_calls import error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.factories import World

URL = "https://pbx.example.org/{}.wav"
CSV = """url,external_id,agent,started_at,tags
https://pbx.example.org/1.wav,c-1,A17,2026-01-31T09:30:00Z,"vip,late"
https://pbx.example.org/2.wav,c-2,,yesterday,
https://127.0.0.1/3.wav,c-3,,,
https://pbx.example.org/1.wav,c-1,A17,,
https://pbx.example.org/other.wav,c-1,,,
"""


def send(client: Any, body: Any, content_type: str = "application/json") -> Any:
    content = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return client.generic("POST", "/api/v1/calls/batch/", content, content_type=content_type)


@pytest.fixture
def client(api: Callable[[str], Any]) -> Any:
    return api("supervisor")


def test_each_row_is_taken_in_or_refused_by_itself(client: Any) -> None:
    response = send(client, CSV, "text/csv")
    assert response.status_code == 200
    told = response.json()
    assert (told["accepted"], told["existing"], told["refused"]) == (1, 1, 3)
    assert [row["status"] for row in told["rows"]] == ["accepted", "refused", "refused", "existing", "refused"]
    assert [set(row["errors"]) for row in told["rows"]] == [set(), {"started_at"}, {"url"}, set(), {"external_id"}]
    assert [row["external_id"] for row in told["rows"]] == ["c-1", "c-2", "c-3", "c-1", "c-1"]
    call = Call.objects.get()
    assert told["rows"][0]["id"] == told["rows"][3]["id"] == str(call.id)
    assert client.get(told["rows"][0]["url"]).json()["tags"] == ["vip", "late"]


def test_the_same_list_again_changes_nothing_and_takes_what_was_corrected(client: Any) -> None:
    send(client, CSV, "text/csv")
    told = send(client, CSV.replace("yesterday", ""), "text/csv").json()
    assert [row["status"] for row in told["rows"]] == ["existing", "accepted", "refused", "existing", "refused"]
    assert Call.objects.count() == 2


def test_a_json_list_is_taken_like_a_table(client: Any) -> None:
    told = send(client, [{"url": URL.format(1), "tags": ["a", "b"]}, {"agnet": "A17"}, "c", None, [], {"external_id": "\ud800"}]).json()
    assert (told["accepted"], told["refused"]) == (1, 5)
    assert set(told["rows"][1]["errors"]) == {"url", "agnet"}


def test_other_separators_and_a_mark_of_bytes_are_understood(client: Any) -> None:
    table = f"\ufeffexternal_id;url\r\nc-1;{URL.format(1)}\r\n"
    assert send(client, table, "text/csv").json()["accepted"] == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("\n", "it is empty"),
        ("url,agnet\n", "no field 'agnet'"),
        ("url,url\n", "twice"),
        (f"url\n{URL},more\n", "Row 1 has more cells"),
        ('url\n"half', "cannot be read as CSV"),
        (b"url\n\xff\n", "UTF-8"),
    ],
)
def test_a_table_that_is_none_is_refused_as_a_whole(client: Any, body: Any, words: str) -> None:
    told = error(send(client, body, "text/csv"))
    assert told["status"] == 400
    assert words in told["detail"]
    assert not Call.objects.exists()


@pytest.mark.parametrize("body", [{"url": URL}, "x", 7])
def test_json_that_is_no_list_is_refused(client: Any, body: Any) -> None:
    assert error(send(client, json.dumps(body)))["status"] == 400


def test_a_list_that_is_too_long_is_refused_before_a_row_is_taken(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "MOST_ROWS", 1)
    assert error(send(client, [{"url": URL.format(each)} for each in range(2)]))["status"] == 413
    monkeypatch.setattr(uploads, "MOST_IN_MEMORY", 10)
    assert error(send(client, [{"url": URL}]))["status"] == 413
    assert not Call.objects.exists()


def test_a_row_that_the_database_did_not_take_is_said_and_the_others_go_on(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, away = call_announce, [OperationalError("gone")]

    def announce(*args: Any, **kwargs: Any) -> Any:
        if away:
            raise away.pop()
        return real(*args, **kwargs)

    monkeypatch.setattr("callanalytics.api.manifests.call_announce", announce)
    told = send(client, [{"url": URL.format(each)} for each in range(2)]).json()
    assert [row["status"] for row in told["rows"]] == ["refused", "accepted"]
    assert told["rows"][0]["errors"] == {"": [manifests.NOT_STORED]}


@pytest.mark.parametrize("role", ["reviewer", "agent"])
def test_only_supervisors_send_lists(api: Callable[[str], Any], role: str) -> None:
    assert error(send(api(role), []))["status"] == 403


def run(manifest: Path, **options: Any) -> str:
    out = io.StringIO()
    call_command("import", str(manifest), stdout=out, stderr=out, **options)
    return out.getvalue()


def test_files_beside_a_list_are_imported(world: World, tmp_path: Path) -> None:
    (tmp_path / "rec").mkdir()
    (tmp_path / "rec" / "a.wav").write_bytes(b"audio of a")
    manifest = tmp_path / "calls.csv"
    manifest.write_text(f"file,url,external_id,agent,team\nrec/a.wav,,c-1,A17,\n,{URL.format(2)},c-2,,Sales\n")
    assert run(manifest, team="Billing") == "row 1: c-1: queued\nrow 2: c-2: queued\n"
    first, second = Call.objects.order_by("external_id")
    assert recording_path(first).read_bytes() == b"audio of a"
    assert (first.team, first.agent, first.file_name) == (world.billing, world.agent, "a.wav")
    assert (second.team, second.source) == (world.sales, URL.format(2))
    assert "was there already" in run(manifest, team="Billing")


def test_rows_that_cannot_be_imported_are_told_and_the_others_are(world: World, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"audio of a")
    manifest = tmp_path / "calls.json"
    manifest.write_text(
        json.dumps([{"file": "no.wav"}, {}, {"file": "a.wav", "url": URL}, {"file": "a.wav"}, {"file": "a.wav", "team": "No"}])
    )
    err = io.StringIO()
    with pytest.raises(CommandError, match="4 of 5 refused"):
        call_command("import", str(manifest), stderr=err, stdout=io.StringIO())
    assert [line.split(":")[0] for line in err.getvalue().splitlines()] == ["row 1", "row 2", "row 3", "row 5"]
    assert Call.objects.count() == 1


@pytest.mark.parametrize(("name", "content"), [("no.csv", None), ("a.json", "{"), ("b.json", "{}"), ("c.csv", "agnet\n")])
def test_a_list_that_is_none_is_told_in_one_line(world: World, tmp_path: Path, name: str, content: str | None) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(CommandError, match=name):
        run(tmp_path / name)
