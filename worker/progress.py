"""Shows on standard error how far calls are: on a terminal a bar for each call and one for its step, in a log a line for each new step."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, NoReturn, Self

from tqdm import tqdm

from analysis.pipeline import STEP_SHARES, share_done
from analysis.words import plain
from callanalytics.calls.models import Call, CallStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

POLL_S = 0.25
BAR = "{desc} {percentage:3.0f} % |{bar:20}|"
STEPS = tuple(STEP_SHARES)
INDENT = "  "
WIDTH = max(len(INDENT + plain(step, "step")) for step in STEPS)
"""Of a label: with bar and time it fits into 80 columns."""
ENDED = frozenset({CallStatus.DONE, CallStatus.FAILED})


class CallProgress:
    """How far the call is and how far its step, by the analysis (`advance`) or by the call's row (`show`). Silent where nobody watches."""

    def __init__(self, file_name: str, place: int = 0, *, in_lines: bool = False) -> None:
        shown = file_name if len(file_name) <= WIDTH else f"{file_name[: WIDTH - 1]}…"
        self._call = _bar(shown, 2 * place, f"{BAR} {{elapsed}}")
        self._step = _bar(f"{INDENT}waits its turn", 2 * place + 1, BAR)
        self._file_name, self._told = file_name, ""
        self._in_lines = in_lines and not sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._step.close()
        self._call.close()

    def advance(self, step: str, fraction: float) -> None:
        self._move(step, share_done(step, fraction), fraction)

    def show(self, call: Call) -> None:
        """What the row says: the whole exactly, the step by what its share of the whole leaves."""
        if self._in_lines:
            self._tell(call)
        if call.status in ENDED:
            self._move(call.status, 1.0 if call.status == CallStatus.DONE else call.percent / 100, 1.0)
        elif call.step in STEPS:
            within = (call.percent / 100 - share_done(call.step, 0.0)) / STEP_SHARES[call.step]
            self._move(call.step, call.percent / 100, min(1.0, max(0.0, within)))

    def _move(self, label: str, done: float, done_of_step: float) -> None:
        self._step.set_description_str(f"{INDENT + plain(label, 'step'):<{WIDTH}}", refresh=False)
        for bar, share in ((self._step, done_of_step), (self._call, done)):
            bar.n = round(100 * share)
            bar.refresh()

    def _tell(self, call: Call) -> None:
        """One line when the call comes to a new step."""
        known = call.status == CallStatus.RUNNING and call.step in STEPS
        now = f"{plain(call.step, 'step')}, step {STEPS.index(call.step) + 1} of {len(STEPS)}" if known else call.status
        if now != self._told:
            self._told = now
            sys.stderr.write(f"{self._file_name}: {now}\n")
            sys.stderr.flush()


def _bar(label: str, position: int, bar_format: str) -> tqdm[NoReturn]:
    return tqdm(total=100, desc=f"{label:<{WIDTH}}", position=position, bar_format=bar_format, leave=False, disable=None)


def follow(
    calls: Sequence[Call],
    *,
    over: Callable[[Call], bool] = lambda call: call.status in ENDED,
    check: Callable[[], object] = lambda: None,
    in_lines: bool = False,
) -> list[Call]:
    """Show the calls' progress until each is over; gives them as they are then, less those that were deleted. Raises what `check` raises.

    Where nobody watches it is silent, or tells each new step in a line where `in_lines` asks for that.
    """
    with ExitStack() as shown:
        displays = {
            call.pk: shown.enter_context(CallProgress(call.file_name, place, in_lines=in_lines)) for place, call in enumerate(calls)
        }
        while True:
            now = list(Call.objects.filter(pk__in=displays).order_by("started_at"))
            for call in now:
                displays[call.pk].show(call)
            if all(map(over, now)):
                return now
            check()
            time.sleep(POLL_S)
