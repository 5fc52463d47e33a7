"""What a recording may be, whichever decoder reads it: each refusal says what was found and what to give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.errors import AnalysisError

if TYPE_CHECKING:
    from pathlib import Path

LOWEST_HZ, HIGHEST_HZ = 1_000, 768_000
"""Sample rates outside these are a damaged header: speech needs 4 kHz, and no recorder writes more than 768 kHz."""


def refuse_channels(channels: int, path: Path) -> None:
    """Raises a permanent AnalysisError unless there are one or two channels."""
    if channels not in (1, 2):
        message = f"{path.name}: {channels} channels; give one (both parties mixed) or two (one party on each)"
        raise AnalysisError(message, permanent=True)


def refuse_rate(rate: int, path: Path) -> None:
    """Raises a permanent AnalysisError for a sample rate, in Hz, that no recorder writes."""
    if not LOWEST_HZ <= rate <= HIGHEST_HZ:
        raise AnalysisError(f"{path.name}: its header states {rate} samples a second; it is damaged. Export it again", permanent=True)


def refuse_longer(seconds: float, max_s: float, path: Path) -> None:
    """Raises a permanent AnalysisError for what lasts longer than `max_s`."""
    if seconds > max_s:
        message = f"{path.name}: longer than the {max_s / 3600:.4g} hours a call may last; cut it into single calls"
        raise AnalysisError(message, permanent=True)


def no_sound(path: Path) -> AnalysisError:
    """What is said of a file without a single sample."""
    return AnalysisError(f"{path.name}: the file holds no sound; record or export it again", permanent=True)
