"""What people and other systems do with a handover: claim it, give it back, give it to someone, end it with an outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models.functions import Now

from callanalytics.errors import ApplicationError
from callanalytics.events.services import event_record
from callanalytics.people.selectors import access_for, reviewers_of
from callanalytics.routing.board import handover_get
from callanalytics.routing.models import Handover, HandoverStatus, Outcome, TargetChoice
from callanalytics.routing.paging import handover_tell

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from callanalytics.people.models import User

NOTE_MAX, REFERENCE_MAX = 1000, 200
UNCLAIMED = {"claimed_by": None, "claimed_at": None, "claimed_after_s": None, "external_reference": ""}
WAITS_AGAIN = {"status": HandoverStatus.OPEN, "claim_by": None, "overdue": False, **UNCLAIMED}
"""The relay gives it a new deadline."""


def handover_claim(*, user: User, handover_id: UUID, external_reference: str = "") -> Handover:
    """Take an open handover: one of any number of people gets it. Claiming again what one has is no error.

    `external_reference` says who took it in another system. Raises NotFoundError, or ApplicationError `conflict` that says who has it.
    """
    if len(external_reference) > REFERENCE_MAX:
        raise ApplicationError(f"A reference has at most {REFERENCE_MAX} characters.", field="external_reference")
    seen = handover_get(user=user, handover_id=handover_id)
    with transaction.atomic():
        if not _claimed(seen, user, external_reference):
            found = handover_get(user=user, handover_id=handover_id)
            if _is_theirs(found, user, external_reference):
                return found
            raise taken(found)
        handover_tell("flag.claimed", seen.id, actor=user)
    return handover_get(user=user, handover_id=handover_id)


def handover_release(*, user: User, handover_id: UUID) -> Handover:
    """Give a claimed handover back to the board, with a new deadline. Only who claimed it may, or a supervisor."""
    with transaction.atomic():
        handover = _locked(user, handover_id)
        if handover.status != HandoverStatus.CLAIMED:
            raise taken(handover)
        _check_theirs(user, handover)
        Handover.objects.filter(id=handover.id).update(**WAITS_AGAIN)
        handover_tell("handover.released", handover.id, actor=user)
    return handover_get(user=user, handover_id=handover_id)


def handover_assign(*, user: User, handover_id: UUID, person: User) -> Handover:
    """Say whom an open handover is for; it stays open until they claim it, with a new deadline. For supervisors of its team."""
    with transaction.atomic():
        handover = _locked(user, handover_id)
        if not access_for(user).can_supervise(handover.team_id):
            raise ApplicationError("Only a supervisor of the team says whom a handover is for.", code="forbidden")
        if handover.status != HandoverStatus.OPEN:
            raise taken(handover)
        if not reviewers_of(handover.team).filter(id=person.id).exists():
            raise ApplicationError("This person cannot see the team's calls, and so could not claim.", field="person")
        Handover.objects.filter(id=handover.id).update(target=TargetChoice.PERSON, person=person, **WAITS_AGAIN)
        payload = {"handover": str(handover.id), "person": person.id}
        event_record(type="handover.assigned", subject=handover.flag_id, team=handover.team, payload=payload, actor=user)
    return handover_get(user=user, handover_id=handover_id)


def handover_resolve(*, user: User, handover_id: UUID, outcome: str, note: str = "", external_reference: str = "") -> Handover:
    """End a handover with what came of it. One that nobody claimed is claimed with it; another's only a supervisor ends.

    The same end by the same user again is no error. Raises NotFoundError, or ApplicationError: `invalid` field, `conflict`.
    """
    if outcome not in Outcome.values:
        raise ApplicationError(f"outcome is {outcome!r}; it must be one of {', '.join(Outcome.values)}.", field="outcome")
    if len(note) > NOTE_MAX:
        raise ApplicationError(f"A note has at most {NOTE_MAX} characters.", field="note")
    with transaction.atomic():
        handover = _locked(user, handover_id)
        if (handover.status, handover.resolved_by_id, handover.outcome, handover.note) == (
            HandoverStatus.RESOLVED,
            user.pk,
            outcome,
            note.strip(),
        ):
            return handover
        if handover.status == HandoverStatus.OPEN:
            handover = handover_claim(user=user, handover_id=handover_id, external_reference=external_reference)
        if handover.status != HandoverStatus.CLAIMED:
            raise taken(handover)
        _check_theirs(user, handover)
        Handover.objects.filter(id=handover.id).update(
            status=HandoverStatus.RESOLVED, resolved_by=user, resolved_at=Now(), outcome=outcome, note=note.strip()
        )
        handover_tell("flag.resolved", handover.id, actor=user, outcome=outcome)
    return handover_get(user=user, handover_id=handover_id)


def holder(handover: Handover) -> str:
    """Who has it, for those who may see it."""
    if handover.external_reference:
        return f"{handover.external_reference} (in another system)"
    return "somebody who is gone" if handover.claimed_by is None else handover.claimed_by.get_full_name() or handover.claimed_by.username


def taken(handover: Handover) -> ApplicationError:
    """Why a handover cannot be claimed, released or ended now."""
    match handover.status:
        case HandoverStatus.CLAIMED:
            told = f"{holder(handover)} has claimed this already{_when(handover.claimed_at)}."
        case HandoverStatus.RESOLVED:
            told = f"This is resolved already{_when(handover.resolved_at)}: {handover.get_outcome_display()}."
        case HandoverStatus.WITHDRAWN:
            told = "This was withdrawn: its flag was taken back."
        case HandoverStatus.OPEN:
            told = "Nobody has claimed this."
        case _:
            told = "This is not open yet."
    return ApplicationError(told, code="conflict")


def _when(at: datetime | None) -> str:
    return "" if at is None else f", at {at:%H:%M} UTC"


def _claimed(handover: Handover, user: User, external_reference: str) -> bool:
    """The conditional UPDATE that one of two claims wins; then the time since the stretch ended is kept with it."""
    still_open = Handover.objects.filter(id=handover.id, status=HandoverStatus.OPEN)
    claim = {"claimed_by": user, "claimed_at": Now(), "claimed_after_s": 0.0, "external_reference": external_reference}
    if not still_open.update(status=HandoverStatus.CLAIMED, overdue=False, **claim):
        return False
    claimed = Handover.objects.get(id=handover.id)
    assert claimed.claimed_at is not None
    after_s = (claimed.claimed_at - claimed.segment_ended_at).total_seconds()
    Handover.objects.filter(id=handover.id).update(claimed_after_s=max(0.0, after_s))
    return True


def _is_theirs(handover: Handover, user: User, external_reference: str) -> bool:
    held = (HandoverStatus.CLAIMED, user.pk, external_reference)
    return held == (handover.status, handover.claimed_by_id, handover.external_reference)


def _locked(user: User, handover_id: UUID) -> Handover:
    seen = handover_get(user=user, handover_id=handover_id)
    list(Handover.objects.select_for_update().filter(id=seen.id).values_list("id"))
    return handover_get(user=user, handover_id=handover_id)


def _check_theirs(user: User, handover: Handover) -> None:
    if handover.claimed_by_id != user.pk and not access_for(user).can_supervise(handover.team_id):
        raise taken(handover)
