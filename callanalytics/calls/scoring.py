"""How far a call may be scored: the strictest of what the caller, the queue and the call itself say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.values import Scoring, ScoringMode

if TYPE_CHECKING:
    from callanalytics.calls.models import Call

STRICTNESS: tuple[ScoringMode, ...] = (ScoringMode.FULL, ScoringMode.WORDS, ScoringMode.MEASURES, ScoringMode.NONE)
"""Loosest first."""


def allowed(call: Call) -> Scoring:
    """The strictest mode that applies, and who asked for it; no reason where nothing restricts it."""
    asked: list[tuple[ScoringMode, str | None]] = [(ScoringMode.FULL, None)]
    if call.scoring:
        asked.append((ScoringMode(call.scoring), f"this call is set to {call.scoring}"))
    if call.queue is not None:
        asked.append((ScoringMode(call.queue.scoring), f"the queue {call.queue.name} is set to {call.queue.scoring}"))
    if call.objected:
        asked.append((ScoringMode.MEASURES, "the caller objected"))
    mode, reason = max(asked, key=lambda item: STRICTNESS.index(item[0]))
    return Scoring(mode, reason)


def looser(mode: ScoringMode, than: ScoringMode) -> bool:
    return STRICTNESS.index(mode) < STRICTNESS.index(than)
