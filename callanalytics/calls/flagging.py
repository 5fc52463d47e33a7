"""Flags through time: raised, taken over by a newer analysis with their verdicts, retracted, judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.values import Span
from callanalytics.calls.models import Call, Flag, FlagStatus
from callanalytics.events.services import event_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from callanalytics.people.models import User

TAKE_OVER_SHARE = 0.5
"""Of the longer of two flags: a verdict on ten seconds says little about a flag of a minute around them."""

TOLD = ("rule", "severity", "start", "end", "peak", "main_part")
"""What events tell of a flag; a newer analysis that changes it updates the flag wherever it was sent."""

FOUND = ("run", "segment", "severity", "start", "end", "evidence", "peak", "main_part", "started_at")
"""What a newer analysis says of a flag; its id, status, verdicts and age stay."""


def flags_merge(call: Call, found: Sequence[Flag], *, gone: str) -> None:
    """Store a new run's flags: over the old ones they match, beside them where new; retract, because `gone`, old ones not found again."""
    old = list(Flag.objects.filter(call=call))
    pairs = _matched(old, found)
    for number, flag in enumerate(found):
        if number in pairs:
            _take_over(pairs[number], flag)
        else:
            flag.save(force_insert=True)
            _raised(flag, call)
    kept = {flag.id for flag in pairs.values()}
    for flag in old:
        if flag.id not in kept and flag.status != FlagStatus.RETRACTED:
            flag_retract(flag, gone)


def flag_retract(flag: Flag, reason: str, *, actor: User | None = None) -> None:
    """Take a flag back, telling why. Call it in a transaction; the count on the call follows."""
    Flag.objects.filter(id=flag.id).update(status=FlagStatus.RETRACTED, retracted_from=flag.status, retracted_reason=reason[:300])
    flag.refresh_from_db(fields=["status", "retracted_from", "retracted_reason"])
    flag_count_refresh(flag.call_id)
    event_record(type="flag.retracted", subject=flag.id, team=flag.team, payload=flag_payload(flag) | {"reason": reason}, actor=actor)


def flag_judge(flag: Flag, status: FlagStatus, *, reason: str, actor: User) -> None:
    """Give a flag the status of a person's verdict: a rejected one is taken back wherever it was sent, one that stands again is raised."""
    before = flag.status
    Flag.objects.filter(id=flag.id).update(status=status, retracted_from="", retracted_reason="")
    flag.refresh_from_db(fields=["status", "retracted_from", "retracted_reason"])
    flag_count_refresh(flag.call_id)
    stood, stands = before in Flag.STANDING, status in Flag.STANDING
    if stood and not stands:
        why = reason or "a reviewer rejected it"
        event_record(type="flag.retracted", subject=flag.id, team=flag.team, payload=flag_payload(flag) | {"reason": why}, actor=actor)
    elif stands and not stood:
        event_record(type="flag.raised", subject=flag.id, team=flag.team, payload=flag_payload(flag), actor=actor)


def flag_payload(flag: Flag) -> dict[str, object]:
    """What events tell of a flag."""
    change = flag.evidence.get("change")
    return flag.call.told | {
        "flag": str(flag.id),
        **{name: getattr(flag, name) for name in TOLD},
        "change": change and {name: change.get(name) for name in ("loudness_db", "pitch_semitones", "rate_wps", "baseline_s")},
    }


def flag_count_refresh(call_id: UUID) -> None:
    count = Flag.objects.filter(call_id=call_id, status__in=Flag.STANDING).count()
    Call.objects.filter(id=call_id).update(flag_count=count)


def overlap_share(one: Span, other: Span) -> float:
    """Seconds both share over the seconds of the longer one; two moments without length match where they coincide."""
    longer = max(one.seconds, other.seconds)
    if longer == 0:
        return 1.0 if one.start == other.start else 0.0
    return one.overlap(other) / longer


def _matched(old: Sequence[Flag], found: Sequence[Flag]) -> dict[int, Flag]:
    """Index of a found flag to the old one it takes over: best overlap first, one to one."""
    pairs: dict[int, Flag] = {}
    used: set[object] = set()
    for share, number, flag in _candidates(old, found):
        if share >= TAKE_OVER_SHARE and number not in pairs and flag.id not in used:
            pairs[number] = flag
            used.add(flag.id)
    return pairs


def _candidates(old: Sequence[Flag], found: Sequence[Flag]) -> Iterable[tuple[float, int, Flag]]:
    rated = [
        (overlap_share(Span(flag.start, flag.end), Span(new.start, new.end)), number, flag)
        for number, new in enumerate(found)
        for flag in old
        if flag.rule == new.rule
    ]
    return sorted(rated, key=lambda item: (-item[0], item[1], item[2].start))


def _take_over(flag: Flag, found: Flag) -> None:
    """Write what was found over an old flag. One that was retracted is what it was before that, and is raised again if it stands."""
    before = [getattr(flag, name) for name in TOLD]
    for name in FOUND:
        setattr(flag, name, getattr(found, name))
    revived = flag.status == FlagStatus.RETRACTED
    if revived:
        flag.status, flag.retracted_from, flag.retracted_reason = flag.retracted_from or FlagStatus.OPEN, "", ""
    flag.save()
    if revived and flag.status in Flag.STANDING:
        _raised(flag, flag.call)
    elif flag.status in Flag.STANDING and before != [getattr(flag, name) for name in TOLD]:
        event_record(type="flag.updated", subject=flag.id, team=flag.team, payload=flag_payload(flag))


def _raised(flag: Flag, call: Call) -> None:
    event_record(type="flag.raised", subject=flag.id, team=call.team, payload=flag_payload(flag))
