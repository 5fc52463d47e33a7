"""What people change about a call: its objection, who is who, another attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from analysis.values import Party
from callanalytics.calls import files
from callanalytics.calls.flagging import flag_retract
from callanalytics.calls.lease import call_requeue
from callanalytics.calls.models import AnalysisRun, Call, CallStatus, Flag
from callanalytics.calls.redaction import emotion_withdraw
from callanalytics.calls.selectors import call_to_supervise
from callanalytics.errors import ApplicationError
from callanalytics.events.services import event_record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from callanalytics.people.models import User

OTHER: Mapping[Party, Party] = {Party.AGENT: Party.CUSTOMER, Party.CUSTOMER: Party.AGENT}

MOST_PARTIES = 2
"""With more voices nobody is scored, whoever they are."""


def call_retry(*, user: User, call_id: UUID) -> Call:
    """Analyse a failed or finished call again. Raises ApplicationError `conflict` where it is on its way already."""
    call = call_to_supervise(user=user, call_id=call_id)
    with transaction.atomic():
        locked = _locked(call)
        if locked.status not in (CallStatus.FAILED, CallStatus.DONE):
            raise ApplicationError(f"The call is {locked.status} already; wait for its result.", code="conflict")
        call_requeue(locked, actor=user, why="retry")
    return _fresh(call)


def call_objection_set(*, user: User, call_id: UUID, objected: bool) -> Call:
    """Record that the caller objects to scoring, or that this was a mistake.

    With an objection every emotion value of the call is gone at once, and the call is analysed again for its measures alone.
    """
    call = call_to_supervise(user=user, call_id=call_id)
    with transaction.atomic():
        objection_apply(_locked(call), objected=objected, actor=user)
    return _fresh(call)


def objection_apply(call: Call, *, objected: bool, actor: User | None) -> None:
    """The change itself, inside the caller's transaction and without asking for rights. Nothing happens where nothing changes."""
    if call.objected == objected:
        return
    Call.objects.filter(id=call.id).update(objected=objected)
    event_record(type="call.objection", subject=call.id, team=call.team, payload={"objected": objected}, actor=actor)
    if objected:
        for flag in Flag.objects.filter(call=call, peak__isnull=False, status__in=Flag.STANDING):
            flag_retract(flag, "the caller objected to scoring", actor=actor)
        emotion_withdraw(call)
    if call.status in (CallStatus.DONE, CallStatus.RUNNING):
        call_requeue(call, actor=actor, why="objection" if objected else "objection withdrawn")


def call_swap_roles(*, user: User, call_id: UUID) -> Call:
    """Exchange agent and customer, and analyse again with that correction, which stands above everything else known of the roles.

    Raises ApplicationError `conflict` before the call is analysed, and where a voice is nobody known.
    """
    return _roles_correct(user, call_id, lambda parties: [OTHER[party] for party in _known(parties)], why="roles swapped")


def call_confirm_roles(*, user: User, call_id: UUID) -> Call:
    """Take the roles as they are for a person's word, and analyse again: what the dialogue says against them counts no longer.

    Raises ApplicationError `conflict` as `call_swap_roles` does.
    """
    return _roles_correct(user, call_id, _known, why="roles confirmed")


def call_set_customer(*, user: User, call_id: UUID, voice: int) -> Call:
    """Say which voice is the customer, by its id; another is then the agent. Analysed again as after `call_swap_roles`.

    Raises ApplicationError `conflict` before the call is analysed and with more than two voices, `invalid` where there is no such voice.
    """

    def told(parties: list[Party]) -> list[Party]:
        if len(parties) > MOST_PARTIES:
            raise ApplicationError("More than two voices are heard in this call, so nobody is scored.", code="conflict")
        if voice not in range(len(parties)):
            raise ApplicationError(f"There is no voice {voice + 1} in this call.", field="voice")
        return [Party.CUSTOMER if each == voice else Party.AGENT for each in range(len(parties))]

    return _roles_correct(user, call_id, told, why="roles set")


def _roles_correct(user: User, call_id: UUID, told: Callable[[list[Party]], list[Party]], *, why: str) -> Call:
    """Store who each voice is. Where that is news, what was scored may be the agent's voice, so those values are gone at once."""
    call = call_to_supervise(user=user, call_id=call_id)
    with transaction.atomic():
        locked = _locked(call)
        found = _parties_found(locked)
        voices = told(found)
        Call.objects.filter(id=call.id).update(voices=voices)
        if voices != found:
            emotion_withdraw(locked)
        event_record(type=f"call.{why.replace(' ', '_')}", subject=call.id, team=call.team, payload={"voices": voices}, actor=user)
        call_requeue(locked, actor=user, why=why)
    return _fresh(call)


def _known(parties: list[Party]) -> list[Party]:
    """The parties by voice id, of which none is unknown."""
    if Party.UNKNOWN in parties:
        raise ApplicationError("Who is agent and who is customer is not known here; say which voice is the customer.", code="conflict")
    return parties


def _parties_found(call: Call) -> list[Party]:
    """Who each voice was taken for in the current run, by voice id. Beside the lone voice of a second channel, the first is the other."""
    run = AnalysisRun.objects.filter(call=call, current=True).first()
    if call.status != CallStatus.DONE or run is None or not run.document:
        raise ApplicationError("Who is agent and who is customer can be set once the call is analysed.", code="conflict")
    parties = files.document_read(run.document)["parties"]
    if not parties:
        raise ApplicationError("Nobody speaks in this call, so there is nobody to name.", code="conflict")
    found = {entry["voice"]: Party(entry["party"]) for entry in parties}
    last = max(found)
    silent = OTHER.get(found[last], Party.UNKNOWN) if len(found) == 1 else Party.UNKNOWN
    return [found.get(voice, silent) for voice in range(last + 1)]


def _locked(call: Call) -> Call:
    return Call.objects.select_related("team").select_for_update(of=("self",)).get(id=call.id)


def _fresh(call: Call) -> Call:
    return Call.objects.select_related("team", "agent", "queue", "recording").get(id=call.id)
