"""How a program of the project hears that it is to stop: Ctrl-C, SIGTERM, a closed terminal."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def handled(act: Callable[[int], object]) -> Iterator[None]:
    """Within the block a stop signal calls `act` with its number; one that is ignored, as under nohup, stays ignored."""
    heard = [each for each in STOP_SIGNALS if signal.getsignal(each) != signal.SIG_IGN]
    before = {each: signal.signal(each, lambda number, _frame: act(number)) for each in heard}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def leave(number: int) -> None:
    """End as by an error: what is half done is removed, or given back, on the way out. The exit status is a shell's."""
    raise SystemExit(128 + number)
