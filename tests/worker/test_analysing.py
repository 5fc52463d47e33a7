"""One attempt at one call, with the real engines; ports are replaced only to fail."""

from __future__ import annotations

import dataclasses
import json
import threading
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import av
import pytest
from django.db import OperationalError

from analysis.errors import AnalysisError
from callanalytics.calls import files, lease, storing
from callanalytics.calls.models import AnalysisRun, Call
from callanalytics.calls.queueing import CALL_ANALYZE
from callanalytics.privacy.services import call_erase
from tests.factories import agents_call
from tests.worker.installation import ROOT
from worker import analysing, holding, runtime, stopping, tasks
from worker.analysing import AttemptFailedError, call_attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_django.fixtures import Settings

    from analysis.config import Config
    from analysis.ports import Engines
    from tests.factories import World

SAMPLE = (ROOT / "samples" / "escalates.flac").read_bytes()


@pytest.fixture
def real(engines: Engines, config: Config, monkeypatch: pytest.MonkeyPatch) -> Engines:
    """The engines of the whole test run in place of ones of this process's own."""
    monkeypatch.setattr(runtime, "engines", lambda: engines)
    monkeypatch.setattr(runtime, "config", lambda: config)
    return engines


class Failing:
    """A speech detector that does something else the first time, and then fails or works as the real one."""

    hop_s = 0.032
    name = "failing"

    def __init__(self, act: Callable[[], object], then: Any) -> None:
        self._act, self._then = act, then

    def start(self) -> Any:
        act, self._act = self._act, lambda: None
        act()
        return self._then()


def replaced(monkeypatch: pytest.MonkeyPatch, real: Engines, act: Callable[[], object]) -> None:
    """Do something in the middle of the analysis, and go on with the real detector."""
    broken = dataclasses.replace(real, speech=Failing(act, real.speech.start))
    monkeypatch.setattr(runtime, "engines", lambda: broken)


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def state(call: Call) -> tuple[str, int, str]:
    call.refresh_from_db()
    return call.status, call.attempts, call.reason


def test_a_call_is_analysed_copied_for_the_browser_and_stored(world: World, real: Engines) -> None:
    call = agents_call(world, SAMPLE)
    seen: list[str] = []
    assert call_attempt(call.id, listener=lambda step, _: seen.append(step)) == "done"
    call.refresh_from_db()
    assert (call.status, call.percent, call.attempts, call.lease_token) == ("done", 100, 1, None)
    assert call.flag_count >= 1
    assert list(dict.fromkeys(seen))[:4] == ["decode", "speech", "voices", "transcribe"]
    document = files.document_read(AnalysisRun.objects.get(call=call).document)
    assert document["file"] == "call.wav"
    assert {entry["party"] for entry in document["utterances"]} >= {"agent", "customer"}
    with av.open(str(files.playback_path(call))) as copy:
        assert copy.streams.audio[0].codec_context.name == "aac"
        assert copy.duration is not None
        assert copy.duration / av.time_base == pytest.approx(call.seconds, abs=0.2)
    peaks = json.loads(files.peaks_path(call).read_text())
    assert len(peaks["channels"]) == 2
    assert len(peaks["channels"][0]) / peaks["per_second"] == pytest.approx(call.seconds, abs=0.1)


def test_an_objected_call_is_transcribed_and_never_scored(world: World, real: Engines) -> None:
    call = agents_call(world, SAMPLE, objected=True)
    assert call_attempt(call.id) == "done"
    document = files.document_read(AnalysisRun.objects.get(call=call).document)
    assert document["scoring"] == {"mode": "measures", "reason": "the caller objected"}
    assert all(entry["tone"] is None and entry["wording"] is None for entry in document["utterances"])
    assert any(entry["text"] for entry in document["utterances"])
    assert (call.flags.filter(peak__isnull=False).count(), state(call)[0]) == (0, "done")
    assert call.peak_frustration is None


def test_a_call_is_taken_once(world: World, real: Engines) -> None:
    call = agents_call(world)
    assert call_attempt(call.id) == "done"
    assert call_attempt(call.id) is None
    assert AnalysisRun.objects.count() == 1


def test_a_call_that_another_worker_has_is_left_alone(world: World) -> None:
    call = agents_call(world)
    lease.call_claim(call.id, uuid4())
    tasks.call_analyze(str(call.id))
    assert state(call)[:2] == ("running", 1)


def test_a_call_that_is_gone_is_no_error(world: World) -> None:
    tasks.call_analyze(str(uuid4()))


@pytest.mark.parametrize("audio", [b"RIFF", b"not audio at all", SAMPLE[:2000]])
def test_a_broken_file_fails_at_once_with_its_name_and_reason(world: World, real: Engines, audio: bytes) -> None:
    call = agents_call(world, audio)
    assert call_attempt(call.id) == "failed"
    status, attempts, reason = state(call)
    assert (status, attempts) == ("failed", 1)
    assert len(reason) > 30
    assert str(files.absolute("")) not in reason
    assert reason.startswith(call.file_name)
    assert not AnalysisRun.objects.exists()


def test_a_language_that_nobody_can_write_down_fails_before_the_recording_is_read_or_copied(world: World, real: Engines) -> None:
    call = agents_call(world, b"not audio at all", language="tlh")
    seen: list[str] = []
    assert call_attempt(call.id, listener=lambda step, _: seen.append(step)) == "failed"
    assert state(call)[2].startswith("call.wav: whisper-base does not know the language 'tlh'; ")
    assert state(call)[2].endswith("tokenizer.py"), "told whole"
    assert (seen, files.playback_path(call).exists(), files.peaks_path(call).exists()) == ([], False, False)


def test_silence_is_done_and_says_so(world: World, real: Engines) -> None:
    call = agents_call(world)
    assert call_attempt(call.id) == "done"
    document = files.document_read(AnalysisRun.objects.get(call=call).document)
    assert document["utterances"] == []
    assert "no_speech" in {note["code"] for note in document["notes"]}


def test_an_error_that_may_pass_is_tried_three_times(world: World, real: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    call = agents_call(world)
    for expected in (("queued", 1), ("queued", 2), ("failed", 3)):
        replaced(monkeypatch, real, raising(AnalysisError("the disk is full", permanent=False)))
        call_attempt(call.id)
        assert state(call) == (*expected, "the disk is full")
        assert (call.next_attempt_at is not None) == (expected[0] == "queued")
        assert call_attempt(call.id) is None, "it waits for its time"
        Call.objects.update(next_attempt_at=None)


def test_an_error_nobody_foresaw_is_recorded_and_raised(world: World, real: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    call = agents_call(world)
    replaced(monkeypatch, real, raising(ZeroDivisionError("float division by zero")))
    with pytest.raises(AttemptFailedError):
        call_attempt(call.id)
    status, _, reason = state(call)
    assert status == "queued"
    assert "ZeroDivisionError: float division by zero" in reason


def test_a_worker_that_is_stopped_gives_the_call_back(world: World, real: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    call = agents_call(world)
    replaced(monkeypatch, real, raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        call_attempt(call.id)
    assert state(call) == ("queued", 0, analysing.STOPPED)


def test_a_call_goes_back_at_once_when_its_worker_is_asked_to_stop_in_a_long_step(
    world: World, real: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = agents_call(world, SAMPLE)
    given_back: list[Any] = []

    def long_step() -> None:
        monkeypatch.setattr(stopping, "is_asked", lambda: True)
        threading.Event().wait(3 * holding.LOOK_EVERY_S)
        given_back.append(state(call))

    replaced(monkeypatch, real, long_step)
    assert call_attempt(call.id) is None
    assert given_back == [("queued", 0, analysing.STOPPED)]
    assert not AnalysisRun.objects.exists()
    assert (call.lease_token, call.next_attempt_at) == (None, None)


def test_a_worker_that_is_asked_to_stop_takes_no_call_and_announces_it_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    call, told = agents_call(world), []
    monkeypatch.setattr("callanalytics.calls.queueing._send", lambda *arguments: told.append(arguments))
    monkeypatch.setattr(stopping, "is_asked", lambda: True)
    assert call_attempt(call.id) is None
    assert state(call)[:2] == ("queued", 0)
    assert told == [(CALL_ANALYZE, str(call.id))]


def test_a_database_that_is_away_for_a_moment_costs_neither_progress_nor_the_finished_analysis(
    world: World, real: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = [OperationalError("server closed the connection")] * 2
    report, store = lease.progress_report, storing.analysis_store

    def no_report(*args: Any, **kwargs: Any) -> bool:
        monkeypatch.setattr(lease, "progress_report", report)
        raise away[0]

    def no_store(*args: Any) -> Any:
        if away:
            raise away.pop()
        return store(*args)

    monkeypatch.setattr(lease, "progress_report", no_report)
    monkeypatch.setattr(storing, "analysis_store", no_store)
    monkeypatch.setattr(holding, "ASK_AGAIN_AFTER_S", (0.0, 0.0))
    call = agents_call(world)
    assert call_attempt(call.id) == "done"
    assert (away, state(call)) == ([], ("done", 1, ""))


def test_a_worker_that_lost_its_lease_stores_nothing(world: World, real: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    call = agents_call(world)
    other = uuid4()
    replaced(monkeypatch, real, lambda: _taken_over(call, other))
    assert call_attempt(call.id) is None
    call.refresh_from_db()
    assert (call.status, call.lease_token) == ("running", other)
    assert not AnalysisRun.objects.exists()


def _taken_over(call: Call, other: Any) -> None:
    Call.objects.filter(id=call.id).update(lease_token=other)


def test_a_call_erased_while_it_is_analysed_leaves_nothing(
    world: World, real: Engines, monkeypatch: pytest.MonkeyPatch, media: Path
) -> None:
    call = agents_call(world)
    replaced(monkeypatch, real, lambda: call_erase(user=world.owner, call_id=call.id, reason="asked"))
    assert call_attempt(call.id) is None
    assert [file for file in media.rglob("*") if file.is_file()] == []


def test_a_call_erased_before_its_analysis_fails_leaves_nothing(
    world: World, real: Engines, monkeypatch: pytest.MonkeyPatch, media: Path
) -> None:
    call = agents_call(world)

    def erased_and_failed() -> None:
        call_erase(user=world.owner, call_id=call.id, reason="asked")
        raise AnalysisError("no memory", permanent=False)

    replaced(monkeypatch, real, erased_and_failed)
    assert call_attempt(call.id) is None
    assert [file for file in media.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("error", [SystemExit(), OperationalError("server closed the connection")])
def test_a_call_erased_before_its_worker_ends_leaves_nothing(
    world: World, real: Engines, monkeypatch: pytest.MonkeyPatch, media: Path, error: BaseException
) -> None:
    call = agents_call(world)

    def erased_and_ended() -> None:
        call_erase(user=world.owner, call_id=call.id, reason="asked")
        files.playback_path(call).write_bytes(b"put there after the erasure looked")
        raise error

    replaced(monkeypatch, real, erased_and_ended)
    with pytest.raises((SystemExit, AttemptFailedError)):
        call_attempt(call.id)
    assert [file for file in media.rglob("*") if file.is_file()] == []


def test_an_objection_while_it_is_analysed_wins(world: World, real: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    from callanalytics.calls.services import call_objection_set

    call = agents_call(world, SAMPLE)
    replaced(monkeypatch, real, lambda: call_objection_set(user=world.owner, call_id=call.id, objected=True))
    assert call_attempt(call.id) is None
    assert state(call)[0] == "queued"
    assert not AnalysisRun.objects.exists()


def test_the_lease_is_renewed_while_a_step_says_nothing(
    world: World, real: Engines, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.LEASE_S, settings.LEASE_RENEW_S = 2.0, 0.3
    call = agents_call(world)
    ends: list[Any] = []

    def long_step() -> None:
        for _ in range(4):
            threading.Event().wait(1.0)
            ends.append(Call.objects.get(id=call.id).lease_until)
            assert lease.call_requeue_expired() == 0

    replaced(monkeypatch, real, long_step)
    assert call_attempt(call.id) == "done"
    assert ends == sorted(ends)
    assert ends[0] < ends[-1]


def test_progress_is_written_at_most_once_a_second() -> None:
    written: list[int] = []

    def write() -> bool:
        written.append(len(written))
        return True

    hold = holding.Hold(analysing.CallClaim(uuid4(), uuid4()))
    for _ in range(50):
        hold.report(write)
    assert written == [0]


def test_the_task_has_the_name_that_the_web_sends(world: World) -> None:
    assert tasks.call_analyze.name == CALL_ANALYZE
