"""Takes a call in by the address of its recording: its row is there at once, and a worker fetches what lies there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from callanalytics.calls import addresses, queueing
from callanalytics.calls.ingest import Ingested, NewCall, call_answered, call_check, call_create, people_kept
from callanalytics.calls.lease import call_requeue
from callanalytics.calls.models import Call, CallStatus
from callanalytics.errors import ApplicationError
from callanalytics.people.models import Team, User

if TYPE_CHECKING:
    from django.db.models import QuerySet


def call_announce(url: str, details: NewCall, *, user: User | None) -> Ingested:
    """Queue a call whose recording lies at an `https://` or `s3://` address; `user` is None for the operator's command line.

    Identity is (team, external id); without an external id, the same address in the same team within SAME_AUDIO_HOURS. Addresses are
    the same whatever their signatures. Raises ApplicationError as `call_ingest` does, `invalid` for an address that is never asked.
    """
    team = call_check(details, user=user)
    addresses.check(url, team.name)
    details = details if details.file_name else replace(details, file_name=addresses.file_name(url))
    try:
        return _announced(url, details, team, user)
    except IntegrityError:
        # Another request with the same external id was faster: this one now finds its call, as same or as conflict.
        return _announced(url, details, team, user)


def _announced(url: str, details: NewCall, team: Team, user: User | None) -> Ingested:
    where = {"source_url": url, "source": addresses.shown(url), "source_digest": addresses.digest(url)}
    with transaction.atomic(durable=True):
        # Announcements of a team take turns: of two with one address and no external id, the second finds the first one's call.
        Team.objects.select_for_update(no_key=True).get(id=team.id)
        existing = _existing(where["source_digest"], details, team)
        if existing is not None:
            _address_renew(existing, url, user)
            return call_answered(existing, details, user)
        call = call_create(people_kept(details, team, user), team, user, **where)
        queueing.enqueue(call.id)
        return Ingested(call, created=True)


def _existing(digest: str, details: NewCall, team: Team) -> Call | None:
    if not details.external_id:
        since = timezone.now() - timedelta(hours=settings.SAME_AUDIO_HOURS)
        return _locked().filter(team=team, source_digest=digest, external_id="", created_at__gte=since).order_by("-created_at").first()
    call = _locked().filter(team=team, external_id=details.external_id).first()
    if call is not None and call.source_digest != digest:
        raise ApplicationError(
            f"The team {team} already has a call {details.external_id!r} with another recording. Delete that one first, or use another id.",
            code="conflict",
            field="external_id",
            subject=call.id,
        )
    return call


def _locked() -> QuerySet[Call]:
    return Call.objects.select_related("team").select_for_update(of=("self",))


def _address_renew(call: Call, url: str, user: User | None) -> None:
    """The address may come with a newer signature. A call that could not be fetched is tried again."""
    if call.recording_id is not None:
        return
    Call.objects.filter(id=call.id).update(source_url=url)
    if call.status == CallStatus.FAILED:
        call_requeue(call, actor=user, why="announced again")
    call.refresh_from_db()
