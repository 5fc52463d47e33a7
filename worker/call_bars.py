"""Two bars a call on standard error: how far the call is, and how far its step. Silent where nobody watches."""

from __future__ import annotations

from typing import NoReturn, Self

from tqdm import tqdm

from analysis.pipeline import STEP_SHARES, share_done

WIDTH = 24


class CallBars:
    """Moves with the analysis (`advance`) or with a call's row (`show`)."""

    def __init__(self, label: str) -> None:
        shown = label if len(label) <= WIDTH else f"{label[: WIDTH - 1]}…"
        bar = "{desc} {percentage:3.0f} % |{bar:30}|"
        self._call: tqdm[NoReturn] = tqdm(total=100, desc=f"{shown:<{WIDTH}}", bar_format=f"{bar} {{elapsed}}", position=0, disable=None)
        self._step: tqdm[NoReturn] = tqdm(
            total=100, desc=f"{'  waits its turn':<{WIDTH}}", bar_format=bar, position=1, leave=False, disable=None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._step.close()
        self._call.close()

    def advance(self, step: str, fraction: float) -> None:
        self._step.set_description_str(f"{'  ' + step:<{WIDTH}}", refresh=False)
        _move(self._step, 100 * fraction)
        _move(self._call, 100 * share_done(step, fraction))

    def show(self, step: str, percent: int) -> None:
        """What a row says: the whole exactly, the step by what its share of the whole leaves."""
        if step in STEP_SHARES:
            before = share_done(step, 0.0)
            self.advance(step, min(1.0, max(0.0, (percent / 100 - before) / STEP_SHARES[step])))


def _move(bar: tqdm[NoReturn], to: float) -> None:
    bar.n = round(to)
    bar.refresh()
