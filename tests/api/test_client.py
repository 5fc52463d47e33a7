"""The Python client against a real server, and against one that fails."""

from __future__ import annotations

import io
import json
import re
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from callanalytics import client as module
from callanalytics.client import ApiError, Client
from callanalytics.people.scopes import Scope
from tests.factories import tone_wav
from tests.worker.installation import ROOT, Installation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED = """
import io
from django.utils import timezone
from callanalytics.routing.models import Handover
from callanalytics.routing.opening import handovers_open
from callanalytics.routing.outbox import events_relay
from tests import factories
world = factories.world()
for number in range(60):
    factories.queued_call(world.sales, external_id=f"old-{number}")
factories.done_call(world.billing, external_id="done")
while events_relay():
    pass
Handover.objects.update(opens_at=timezone.now())
handovers_open()
example = io.BytesIO(factories.tone_wav(hz=500))
factories.analyzed(factories.queued_call(world.billing, example, external_id="C-20481"))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Its address, and a key."""
    with Installation(tmp_path_factory.mktemp("home")) as installation:
        installation.manage("shell", "-c", SEED)
        key = installation.manage("api_key", "CRM", "--scopes", *Scope.values).stdout.strip()
        yield installation.serve(), key


@pytest.fixture
def client(server: tuple[str, str]) -> Iterator[Client]:
    with Client(*server) as made:
        yield made


def test_a_recording_is_handed_in_and_found_again(client: Client, tmp_path: Path) -> None:
    recording = tmp_path / "call.wav"
    recording.write_bytes(tone_wav())
    started = datetime(2026, 3, 1, 9, tzinfo=UTC)
    made = client.send(
        recording, external_id="c-1", team="Billing", agent="A17", channels=("agent", "customer"), started_at=started, tags=["vip", "late"]
    )
    assert (made.status, made.team, made.agent, made.file_name) == ("queued", "Billing", "A17", "call.wav")
    assert datetime.fromisoformat(made.started_at) == started
    assert client.send(recording, external_id="c-1", team="Billing").id == made.id
    assert [call.id for call in client.calls(team="Billing", status="queued", since=started)] == [made.id]
    assert client.call(made.id).analysis is None
    client.erase(made.id)
    with pytest.raises(ApiError) as gone:
        client.call(made.id)
    assert (gone.value.status, gone.value.type) == (404, "not_found")


def test_what_was_found_is_typed(client: Client) -> None:
    (done,) = client.calls(status="done", text="done")
    whole = client.wait(done.id)
    assert whole.analysis is not None
    assert whole.flag_count == 1
    (flag,) = client.flags(done.id)
    assert flag.rule == "high_frustration"
    assert client.transcript(done.id)[1].text == "I have called four times"
    assert client.transcript_text(done.id, "vtt").startswith("WEBVTT")


def test_the_example_of_the_readme_runs(
    server: tuple[str, str], client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "call.wav").write_bytes(tone_wav(hz=500))
    exec(example.replace("http://localhost:8000", server[0]), {"KEY": server[1]})
    (flag,) = client.flags(next(client.calls(text="C-20481")).id)
    assert capsys.readouterr().out == f"{flag.severity} {flag.start} {flag.page}\n"


def test_a_recording_that_lies_elsewhere_is_handed_in_by_its_address(client: Client) -> None:
    made = client.send_url("https://recordings.example/a.wav?signature=secret", external_id="far", tags=("late",))
    assert (made.status, made.external_id) == ("queued", "far")
    client.erase(made.id)


def test_a_handover_is_claimed_given_back_and_resolved(client: Client) -> None:
    (waiting,) = client.handovers()
    assert client.claim(waiting.id, external_reference="ann@pager").external_reference == "ann@pager"
    assert client.release(waiting.id).status == "open"
    done = client.resolve(waiting.id, "called_back", note="Apologised.")
    assert (done.status, done.outcome) == ("resolved", "called_back")
    assert done.claimed_after_s is not None
    assert list(client.handovers()) == []


def test_a_list_is_read_over_its_pages(client: Client) -> None:
    assert len({call.id for call in client.calls(team="Sales")}) == 60


def test_what_is_refused_says_why(client: Client, server: tuple[str, str]) -> None:
    with pytest.raises(ApiError) as refused:
        client.send(io.BytesIO(tone_wav()), team="Nobody", language="en")
    assert (refused.value.status, refused.value.type, set(refused.value.errors)) == (400, "invalid", {"team"})
    first = client.send(io.BytesIO(tone_wav(hz=300)), external_id="twice")
    with pytest.raises(ApiError) as conflict:
        client.send(io.BytesIO(tone_wav(hz=310)), external_id="twice")
    assert (conflict.value.status, conflict.value.subject) == (409, first.id)
    with Client(server[0], "ca_wrong") as stranger, pytest.raises(ApiError, match="401"):
        stranger.about()


class Scripted(BaseHTTPRequestHandler):
    """Answers as it is told, one after the other; notes what it was sent."""

    answers: list[tuple[int, dict[str, Any]] | None] = []
    """None breaks the connection off."""
    seen: list[tuple[str, str, bytes]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.seen.append((self.path, self.headers.get("idempotency-key", ""), body))
        said = self.answers.pop(0)
        if said is None:
            self.connection.close()
            return
        answer = json.dumps(said[1]).encode()
        self.send_response(said[0])
        self.send_header("content-length", str(len(answer)))
        if said[0] in (409, 503):
            self.send_header("retry-after", "0")
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST  # noqa: N815 - the name that http.server calls

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr(module, "WAIT_S", 0.01)
    Scripted.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Scripted) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        with Client(f"http://127.0.0.1:{receiver.server_port}", "ca_x") as client:
            yield client
        receiver.shutdown()


def test_a_request_is_sent_again_whole_under_the_same_key(scripted: Client) -> None:
    Scripted.answers = [None, (409, {"detail": "the first is still under way"}), (503, {"detail": "later"}), (202, {})]
    scripted._asked("POST", "calls/", data={"team": "Billing"}, files={"file": ("a.wav", io.BytesIO(b"all of it"))})
    assert len(Scripted.seen) == 4
    assert len({key for _, key, _ in Scripted.seen}) == 1
    assert all(b"all of it" in body for _, _, body in Scripted.seen)


def test_the_key_is_told_to_no_other_host_that_a_page_names(scripted: Client) -> None:
    Scripted.answers = [
        (200, {"results": [], "next": "http://evil.invalid/api/v1/calls/?cursor=c%3D&team=A"}),
        (200, {"results": [], "next": None}),
    ]
    assert list(scripted.calls(team="A")) == []
    assert [path for path, _, _ in Scripted.seen] == ["/api/v1/calls/?team=A", "/api/v1/calls/?cursor=c%3D&team=A"]


def test_an_answer_that_is_no_problem_of_ours_is_told_by_its_status(scripted: Client) -> None:
    Scripted.answers = [(418, ["of a proxy"])]  # type: ignore[list-item]  # a proxy answers what it likes
    with pytest.raises(ApiError) as refused:
        scripted.about()
    assert refused.value.status == 418


def test_a_server_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_S", 0.0)
    with Client("http://127.0.0.1:1", "ca_x") as client, pytest.raises(ApiError, match="does not answer") as refused:
        client.about()
    assert refused.value.status == 0
