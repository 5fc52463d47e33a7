"""Whether a window's text is a loop that the recogniser fell into, or a speaker who repeats a sentence."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.config import TranscribeConfig


def repeats(text: str, config: TranscribeConfig) -> bool:
    """Whether the text says the same again and again: its zlib ratio is over Whisper's own limit."""
    written = text.strip().encode()
    return bool(written) and len(written) / len(zlib.compress(written)) > config.max_compression


def could_be_said(text: str, seconds: float, config: TranscribeConfig) -> bool:
    """Whether so many words can have been said in so many seconds, and were not stretched over them."""
    return config.min_repeating_wps <= len(text.split()) / max(seconds, 1e-9) <= config.max_repeating_wps
