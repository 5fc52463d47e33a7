"""Draws random unflagged stretches of customer speech, keeping the chance of each: what the miss rate is estimated from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Q

from analysis.values import Span
from callanalytics.calls.models import Call, CallStatus, Flag, FlagStatus, PartyChoice, Utterance
from callanalytics.calls.selectors import judgeable
from callanalytics.people.models import ScoringChoice
from callanalytics.people.selectors import access_for
from callanalytics.review.models import BlindSample

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random
    from uuid import UUID

    from callanalytics.people.models import User

STRETCH_S = 15.0
TRIES = 50
"""Calls drawn until one has a stretch left; one that has none is passed over, which scales every chance by the same factor."""


@dataclass(frozen=True, slots=True)
class Drawn:
    call_id: UUID
    run_id: UUID
    span: Span
    probability: float
    """Of this stretch in this draw: its call's share of all customer moments over the stretches of its call."""


def draw(user: User, random: Random) -> Drawn | None:
    """A call in proportion to its customer moments, then one of its stretches evenly. None where nothing is left to judge."""
    weights = _weights(user)
    total = sum(weights.values())
    for _ in range(TRIES if total else 0):
        call_id = random.choices(list(weights), list(weights.values()))[0]
        found = _left(call_id, user)
        if found:
            run_id, spans = found
            return Drawn(call_id, run_id, random.choice(spans), weights[call_id] / total / len(spans))
    return None


def stretches(speech: Iterable[Span], flagged: Sequence[Span]) -> list[Span]:
    """Customer speech in order of time as spans of at most STRETCH_S; what touches a flag is left out, and none reaches across one."""

    def touches(span: Span) -> bool:
        return any(span.overlap(flag) for flag in flagged)

    found: list[Span] = []
    for span in speech:
        if not span.seconds or touches(span):
            continue
        joined = Span(found[-1].start, span.end) if found else span
        if found and joined.seconds <= STRETCH_S and not touches(joined):
            found[-1] = joined
        else:
            found.append(span)
    return found


def _weights(user: User) -> dict[UUID, int]:
    """Customer moments of each call that may be drawn: analysed, scored, not objected to, and the user's to judge."""
    scored = Q(runs__current=True, runs__scoring__in=(ScoringChoice.FULL, ScoringChoice.WORDS))
    calls = Call.objects.filter(judgeable(access_for(user)) & scored, status=CallStatus.DONE, objected=False, moment_count__gt=0)
    return dict(calls.order_by().values_list("id", "moment_count"))


def _left(call_id: UUID, user: User) -> tuple[UUID, list[Span]] | None:
    """The stretches of a call that this user has not judged yet, with the run they come from."""
    speech = list(
        Utterance.objects.filter(call_id=call_id, party=PartyChoice.CUSTOMER).order_by("start").values_list("run_id", "start", "end")
    )
    flags = Flag.objects.filter(call_id=call_id).exclude(status=FlagStatus.RETRACTED).values_list("start", "end")
    judged = [Span(*pair) for pair in BlindSample.objects.filter(call_id=call_id, reviewer=user).values_list("start", "end")]
    spans = stretches([Span(start, end) for _, start, end in speech], [Span(*pair) for pair in flags])
    left = [span for span in spans if not any(span.overlap(other) for other in judged)]
    return (speech[0][0], left) if left else None
