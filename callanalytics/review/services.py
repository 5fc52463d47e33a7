"""Writes judgements and coaching notes."""

from __future__ import annotations

from random import SystemRandom
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from callanalytics.calls.flagging import flag_judge
from callanalytics.calls.models import Call, Flag, FlagStatus
from callanalytics.calls.selectors import call_to_supervise, flag_get, judgeable
from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.events.services import event_record
from callanalytics.people.selectors import access_for
from callanalytics.review import sampling
from callanalytics.review.models import Answer, BlindSample, CoachingNote, Verdict
from callanalytics.review.selectors import blind_sample_get

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random
    from uuid import UUID

    from callanalytics.people.models import User

STATUS_OF: Mapping[str, FlagStatus] = {
    Answer.CONFIRM: FlagStatus.CONFIRMED,
    Answer.REJECT: FlagStatus.REJECTED,
    Answer.UNSURE: FlagStatus.UNSURE,
}
NOTE_MAX = 4000
REASON_MAX = 1000


def verdict_record(*, user: User, flag_id: UUID, answer: str, reason: str = "") -> Verdict:
    """A reviewer's judgement of a flag, which gives the flag its status; a rejected flag is taken back wherever it was sent.

    Raises NotFoundError, or ApplicationError: `invalid` answer or reason, `conflict` where the flag was retracted meanwhile.
    """
    _check(answer, reason)
    seen = flag_get(user=user, flag_id=flag_id)
    with transaction.atomic():
        _call_lock(seen.call_id)
        flag = Flag.objects.select_related("team").select_for_update(of=("self",)).filter(id=seen.id).first()
        if flag is None:
            raise NotFoundError("flag")
        if flag.status == FlagStatus.RETRACTED:
            raise ApplicationError(f"This flag was retracted: {flag.retracted_reason}.", code="conflict")
        verdict = Verdict.objects.create(
            call_id=flag.call_id, flag=flag, run_id=flag.run_id, start=flag.start, end=flag.end, reviewer=user, answer=answer, reason=reason
        )
        flag_judge(flag, STATUS_OF[answer], reason=reason, actor=user)
        payload = flag.call.told | {"flag": str(flag.id), "answer": answer, "reason": reason}
        event_record(type="review.completed", subject=flag.call_id, team=flag.team, payload=payload, actor=user)
    return verdict


def blind_sample_draw(*, user: User, random: Random | None = None) -> BlindSample | None:
    """A random unflagged stretch to judge; the one drawn before as long as it waits, so that nobody picks. None where nothing is left."""
    with transaction.atomic():
        waiting = _waiting(user)
        if waiting is not None:
            return waiting
        drawn = sampling.draw(user, random or SystemRandom())
        if drawn is None:
            return None
        return BlindSample.objects.create(
            call_id=drawn.call_id,
            run_id=drawn.run_id,
            start=drawn.span.start,
            end=drawn.span.end,
            probability=drawn.probability,
            reviewer=user,
        )


def blind_verdict_record(*, user: User, sample_id: int, answer: str, reason: str = "") -> Verdict:
    """The judgement of a stretch that was drawn for this user. Raises NotFoundError, or ApplicationError `conflict` where it has one."""
    _check(answer, reason)
    seen = blind_sample_get(user=user, sample_id=sample_id)
    with transaction.atomic():
        _call_lock(seen.call_id)
        sample = BlindSample.objects.select_for_update(of=("self",)).select_related("call__team").filter(id=seen.id).first()
        if sample is None:
            raise NotFoundError("sample")
        if sample.verdict_id is not None:
            raise ApplicationError("This stretch is judged already.", code="conflict")
        sample.verdict = Verdict.objects.create(
            call_id=sample.call_id,
            run_id=sample.run_id,
            start=sample.start,
            end=sample.end,
            reviewer=user,
            answer=answer,
            reason=reason,
            sampling_probability=sample.probability,
        )
        sample.save(update_fields=["verdict"])
        payload = sample.call.told | {"flag": None, "start": sample.start, "end": sample.end, "answer": answer, "blind": True}
        event_record(type="review.completed", subject=sample.call_id, team=sample.call.team, payload=payload, actor=user)
    return sample.verdict


def coaching_note_add(*, user: User, call_id: UUID, text: str, flag_id: UUID | None = None) -> CoachingNote:
    """A note to the call's agent. Raises NotFoundError, or ApplicationError where the text is empty or the call has no agent."""
    call = call_to_supervise(user=user, call_id=call_id)
    text = text.strip()
    if not text or len(text) > NOTE_MAX:
        raise ApplicationError(f"A note has between 1 and {NOTE_MAX} characters.", field="text")
    if call.agent is None:
        raise ApplicationError("Nobody knows who the agent of this call is, so a note has nobody to go to.", code="conflict")
    flag = flag_get(user=user, flag_id=flag_id) if flag_id is not None else None
    if flag is not None and flag.call_id != call.id:
        raise NotFoundError("flag")
    with transaction.atomic():
        note = CoachingNote.objects.create(call=call, flag=flag, agent=call.agent, author=user, text=text)
        event_record(
            type="coaching.added", subject=call.id, team=call.team, payload={"note": note.id, "agent": call.agent.code}, actor=user
        )
    return note


def coaching_note_read(*, user: User, note_id: int) -> CoachingNote:
    """The agent acknowledges a note; the first time counts. Raises NotFoundError for everyone whom it is not addressed to."""
    agent_id = access_for(user).agent_id
    with transaction.atomic():
        mine = CoachingNote.objects.select_for_update(of=("self",)).filter(id=note_id, agent_id=agent_id) if agent_id else None
        note = mine.select_related("call__team").first() if mine is not None else None
        if note is None:
            raise NotFoundError("note")
        if note.read_at is None:
            note.read_at = timezone.now()
            note.save(update_fields=["read_at"])
            event_record(type="coaching.read", subject=note.call_id, team=note.call.team, payload={"note": note.id}, actor=user)
    return note


def _waiting(user: User) -> BlindSample | None:
    """The user's drawn stretch that waits for its verdict, if they may still judge it and it is still of the current run."""
    mine = BlindSample.objects.filter(judgeable(access_for(user), "call__"), reviewer=user, verdict=None)
    return mine.filter(run__current=True, call__objected=False, call__status="done").select_related("call").first()


def _call_lock(call_id: UUID) -> None:
    """The call before what belongs to it, as storing, objection and erasure lock them: else each could wait for the other."""
    list(Call.objects.select_for_update().filter(id=call_id).values_list("id"))


def _check(answer: str, reason: str) -> None:
    if answer not in Answer.values:
        raise ApplicationError(f"answer is {answer!r}; it must be one of {', '.join(Answer.values)}.", field="answer")
    if len(reason) > REASON_MAX:
        raise ApplicationError(f"A reason has at most {REASON_MAX} characters.", field="reason")
