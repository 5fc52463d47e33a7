"""What a person sees of calls on their way: bars on a terminal, in a log a line a step, or nothing."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stderr
from typing import TYPE_CHECKING

import pytest

from analysis import words
from callanalytics.calls.models import Call, CallStatus
from tests import factories
from worker import progress
from worker.progress import STEPS, CallProgress, follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.factories import World


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def running(step: str, percent: int) -> Call:
    return Call(file_name="calm.flac", status=CallStatus.RUNNING, step=step, percent=percent)


def newest(terminal: Terminal, act: Callable[[], None]) -> str:
    before = len(terminal.getvalue())
    act()
    return " ".join(terminal.getvalue()[before:].split())


def test_a_row_moves_a_bar_for_the_call_and_one_for_its_step() -> None:
    with redirect_stderr(Terminal()) as terminal, CallProgress("calm.flac") as shown:
        assert "calm.flac" in terminal.getvalue()
        assert "waits its turn" in terminal.getvalue()
        moved = newest(terminal, lambda: shown.show(running("transcribe", 50)))
        assert "Writing down what was said 50 %" in moved
        assert "calm.flac 50 %" in moved
        done = newest(terminal, lambda: shown.show(Call(file_name="calm.flac", status=CallStatus.DONE, percent=100)))
        assert done.count("100 %") == 2
        failed = newest(terminal, lambda: shown.show(Call(file_name="calm.flac", status=CallStatus.FAILED, percent=0)))
        assert "failed" in failed
        assert "calm.flac 0 %" in failed


def test_the_analysis_itself_moves_the_same_bars() -> None:
    with redirect_stderr(Terminal()) as terminal, CallProgress("calm.flac") as shown:
        moved = newest(terminal, lambda: shown.advance("speech", 0.5))
    assert "Finding speech 50 %" in moved
    assert "calm.flac 6 %" in moved


def test_a_long_name_is_cut_so_that_the_bars_stay_in_line() -> None:
    with redirect_stderr(Terminal()) as terminal, CallProgress("a" * 100):
        assert f"{'a' * (progress.WIDTH - 1)}…  " in terminal.getvalue()


def test_every_step_has_plain_words_and_its_bar_fits_a_terminal_of_80_columns() -> None:
    with redirect_stderr(Terminal()) as terminal, CallProgress("calm.flac") as shown:
        for step in STEPS:
            shown.advance(step, 0.5)
    lines = re.split(r"[\r\n]", terminal.getvalue())
    assert max(map(len, lines)) < 80
    for step in STEPS:
        assert any(line.strip().startswith(words.STEPS[step]) for line in lines)


def test_in_a_log_a_call_has_one_line_a_step() -> None:
    with redirect_stderr(io.StringIO()) as log, CallProgress("calm.flac", in_lines=True) as shown:
        for call in (
            Call(status=CallStatus.QUEUED),
            running("", 0),
            running("speech", 3),
            running("speech", 9),
            running("transcribe", 20),
            Call(status=CallStatus.DONE),
        ):
            shown.show(call)
    assert log.getvalue().splitlines() == [
        "calm.flac: queued",
        "calm.flac: running",
        f"calm.flac: Finding speech, step 2 of {len(STEPS)}",
        f"calm.flac: Writing down what was said, step 4 of {len(STEPS)}",
        "calm.flac: done",
    ]


def test_where_nobody_watches_a_command_is_silent() -> None:
    with redirect_stderr(io.StringIO()) as log, CallProgress("calm.flac") as shown:
        shown.advance("speech", 0.5)
        shown.show(running("transcribe", 20))
    assert log.getvalue() == ""


def test_calls_are_followed_until_all_are_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "POLL_S", 0.0)
    first, second, deleted = (factories.queued_call(world.billing) for _ in range(3))
    left: list[Callable[[], object]] = [
        lambda: Call.objects.filter(pk=first.pk).update(status=CallStatus.DONE),
        lambda: Call.objects.filter(pk=deleted.pk).delete(),
        lambda: Call.objects.filter(pk=second.pk).update(status=CallStatus.FAILED),
    ]
    ended = follow([first, second, deleted], check=lambda: left.pop(0)())
    assert {call.pk: call.status for call in ended} == {first.pk: "done", second.pk: "failed"}
    assert left == []


def test_what_the_check_raises_ends_the_watch(world: World) -> None:
    def check() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        follow([factories.queued_call(world.billing)], check=check)
