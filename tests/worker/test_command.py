"""`callanalytics analyze`: files in, calls out, an exit status that tells."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from callanalytics.calls import lease
from callanalytics.calls.models import Call
from callanalytics.people.models import Agent, Queue
from tests.factories import tone_wav
from worker import analysing, progress, runtime

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from analysis.config import Config
    from analysis.ports import Engines
    from tests.factories import World


@pytest.fixture(autouse=True)
def real(engines: Engines, config: Config, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "engines", lambda: engines)
    monkeypatch.setattr(runtime, "config", lambda: config)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    file = tmp_path / "tone.wav"
    file.write_bytes(tone_wav())
    return file


def analyze(*arguments: Any) -> tuple[str, str, bool]:
    """What it says, what it complains of, and whether it ended well."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("analyze", *map(str, arguments), stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue(), f"{err.getvalue()}{error}", error.returncode == 0
    return out.getvalue(), err.getvalue(), True


def test_a_file_is_stored_with_what_is_known_of_it_and_analysed(wav: Path, world: World) -> None:
    said, _, well = analyze(
        wav, "--agent", "A99", "--queue", "support", "--team", " billing ", "--external-id", "c-1", "--channels", "agent,customer",
        "--scoring", "words", "--notice", "given", "--objected", "--language", "en",
    )  # fmt: skip
    assert well
    call = Call.objects.get()
    assert f"done, 0 flags. See /calls/{call.id}/" in said
    assert (call.status, call.team, call.external_id, call.channels) == ("done", world.billing, "c-1", ["agent", "customer"])
    assert (call.scoring, call.notice, call.objected, call.language) == ("words", "given", True, "en")
    assert (call.agent, call.queue) == (Agent.objects.get(code="A99"), Queue.objects.get(name="support"))


def test_a_file_that_fails_gives_its_reason_and_status_1_and_the_others_are_done(wav: Path, tmp_path: Path) -> None:
    broken, empty, absent = tmp_path / "broken.wav", tmp_path / "empty.wav", tmp_path / "absent.wav"
    broken.write_bytes(b"this is a text")
    empty.touch()
    said, complained, well = analyze(broken, empty, absent, wav)
    assert not well
    assert "tone.wav: done" in said
    assert "3 of 4 failed: broken.wav, empty.wav, absent.wav" in complained
    assert "empty" in complained
    assert "no such file" in complained
    assert sorted(Call.objects.values_list("file_name", "status")) == [("broken.wav", "failed"), ("tone.wav", "done")]


def test_the_same_file_again_is_the_same_call(wav: Path) -> None:
    analyze(wav)
    said, _, well = analyze(wav)
    assert well
    assert "was there already (done)" in said
    assert Call.objects.count() == 1


def test_enqueue_leaves_the_call_to_the_workers(wav: Path) -> None:
    said, _, well = analyze(wav, "--enqueue")
    assert well
    assert "queued. See /calls/" in said
    assert Call.objects.get().attempts == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--team", "Nobody"], "There is no team 'Nobody'"),
        (["--channels", "agent,robot"], "channels names one or two parties"),
    ],
)
def test_what_cannot_be_right_is_said(wav: Path, arguments: list[str], complaint: str) -> None:
    _, complained, well = analyze(wav, *arguments)
    assert not well
    assert complaint in complained
    assert not Call.objects.exists()


def test_one_external_id_does_not_name_two_files(wav: Path) -> None:
    _, complained, well = analyze(wav, wav, "--external-id", "c-1")
    assert not well
    assert "names one call" in complained


def test_a_failed_call_is_tried_again_by_the_same_command(tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"this is a text")
    for _ in range(2):
        assert not analyze(broken)[2]
    assert Call.objects.get().attempts == 1
    assert Call.objects.get().status == "failed"


def test_a_call_whose_process_was_killed_is_taken_over_where_there_is_no_worker(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RETRY_AFTER_S", (0.5, 0.5))
    analyze(wav, "--enqueue")
    call = Call.objects.get()
    lease.call_claim(call.id, uuid4())
    Call.objects.update(lease_until="2020-01-01T00:00:00Z")
    said, _, well = analyze(wav)
    assert well
    assert "was there already (running)" in said
    call.refresh_from_db()
    assert (call.status, call.attempts) == ("done", 2)


def test_while_another_process_has_the_call_the_installation_is_swept_every_few_seconds_only(
    wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyze(wav, "--enqueue")
    call, token = Call.objects.get(), uuid4()
    lease.call_claim(call.id, token)
    looks, sweeps = iter(range(20)), []

    def look(call_id: UUID) -> bool:
        if next(looks, None) is None:
            lease.call_fail(call_id, token, "not audio", permanent=True)
        return False

    monkeypatch.setattr(progress, "POLL_S", 0.0)
    monkeypatch.setattr(lease, "call_is_due", look)
    monkeypatch.setattr(lease, "call_requeue_expired", lambda: sweeps.append("swept"))
    _, complained, well = analyze(wav)
    assert not well
    assert "not audio" in complained
    assert sweeps == ["swept"]


def test_a_call_that_is_not_due_yet_is_waited_for_by_the_database_s_clock(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analyze(wav, "--enqueue")
    Call.objects.update(next_attempt_at=lease.from_now(1.0))
    attempts: list[object] = []
    true, attempt = timezone.now, analysing.call_attempt

    def counted(*args: Any, **kwargs: Any) -> str | None:
        attempts.append(args)
        return attempt(*args, **kwargs)

    monkeypatch.setattr(timezone, "now", lambda: true() + timedelta(hours=1))
    monkeypatch.setattr("worker.management.commands.analyze.call_attempt", counted)
    assert analyze(wav)[2]
    assert len(attempts) == 2


def test_a_call_that_is_deleted_meanwhile_is_told(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analyze(wav, "--enqueue")
    lease.call_claim(Call.objects.get().id, uuid4())
    monkeypatch.setattr(lease, "call_requeue_expired", lambda: Call.objects.all().delete())
    _, complained, well = analyze(wav)
    assert not well
    assert "tone.wav: the call was deleted before it was analysed" in complained
