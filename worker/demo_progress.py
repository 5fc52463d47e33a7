"""Shows how far the sample calls are: on a terminal a bar per call and one per step, else a line for each new step."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Never, Self, TextIO

from tqdm import tqdm

from analysis.pipeline import STEP_SHARES
from callanalytics.calls.models import Call, CallStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.processes import Processes

POLL_S = 0.25
STEPS = tuple(STEP_SHARES)
ENDED = frozenset({CallStatus.DONE, CallStatus.FAILED})


class CallBars:
    """Two bars: how much of the call is done, and which of its steps runs."""

    def __init__(self, call: Call, place: int, out: TextIO) -> None:
        self._call = tqdm(
            total=100, position=2 * place, file=out, desc=f"{call.file_name:<18}", bar_format="{desc}{percentage:3.0f} % |{bar:30}|"
        )
        self._steps = tqdm(
            total=len(STEPS), position=2 * place + 1, file=out, desc="  waits its turn", bar_format="{desc:<18}      |{bar:30}|"
        )

    def show(self, call: Call) -> None:
        done = call.status == CallStatus.DONE
        _move(self._call, 100 if done else call.percent)
        if call.status in ENDED:
            self._steps.set_description_str("  done" if done else "  failed", refresh=False)
        elif call.step:
            self._steps.set_description_str(f"  {call.step}", refresh=False)
        _move(self._steps, len(STEPS) if done else step_number(call.step))

    def close(self) -> None:
        self._steps.close()
        self._call.close()


def _move(bar: tqdm[Never], to: int) -> None:
    bar.n = to
    bar.refresh()


class CallLines:
    """For a log: one line when a call comes to a new step."""

    def __init__(self, _call: Call, _place: int, out: TextIO) -> None:
        self._out = out
        self._shown = ""

    def show(self, call: Call) -> None:
        now = (
            f"{call.step}, step {step_number(call.step)} of {len(STEPS)}"
            if call.status == CallStatus.RUNNING and call.step
            else call.status
        )
        if now != self._shown:
            self._shown = now
            self._out.write(f"{call.file_name}: {now}\n")
            self._out.flush()

    def close(self) -> None:
        """Nothing is open."""


class Progress:
    """The display of several calls; closes its bars however the wait ends."""

    def __init__(self, calls: Sequence[Call], out: TextIO = sys.stderr) -> None:
        kind = CallBars if out.isatty() else CallLines
        self._displays = {call.pk: kind(call, place, out) for place, call in enumerate(calls)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        for display in reversed(self._displays.values()):
            display.close()

    def show(self, calls: Sequence[Call]) -> None:
        for call in calls:
            self._displays[call.pk].show(call)


def step_number(step: str) -> int:
    """Which step of the pipeline it is, from 1; the work after the last one counts as the last."""
    return STEPS.index(step) + 1 if step in STEPS else len(STEPS) if step else 0


def follow(calls: Sequence[Call], processes: Processes) -> list[Call]:
    """Show the calls' progress until all have ended; gives them as they are then. Raises what `processes.check` raises."""
    with Progress(calls) as progress:
        while True:
            now = list(Call.objects.filter(pk__in=[call.pk for call in calls]).order_by("started_at"))
            progress.show(now)
            if all(call.status in ENDED for call in now):
                return now
            processes.check()
            time.sleep(POLL_S)
