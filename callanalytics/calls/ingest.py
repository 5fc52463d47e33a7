"""Takes a recording in: a file on disk and a queued call, or the call that is already there."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO

from django.conf import settings
from django.db import IntegrityError, transaction
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from uuid6 import uuid7

from analysis.values import Party
from callanalytics.calls import files, queueing
from callanalytics.calls.corrections import objection_apply
from callanalytics.calls.models import Call, Direction, Notice, Recording
from callanalytics.errors import ApplicationError
from callanalytics.events.services import event_record
from callanalytics.people.models import Agent, Queue, ScoringChoice, Team, User
from callanalytics.people.selectors import access_for, agents_visible, queues_visible
from callanalytics.people.services import agent_kept, queue_kept, team_unassigned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from callanalytics.calls.files import Staged

MAX_CHANNELS = 2
REFERENCE_MAX = 120
YEARS = range(1970, 2101)
LANGUAGE = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class NewCall:
    """What is known of a call that comes in. Without a team it is the agent's, else the queue's, else `Unassigned`.

    An agent or queue that is not stored yet is stored with the call, or not at all.
    """

    file_name: str
    team: Team | None = None
    external_id: str = ""
    agent: Agent | None = None
    queue: Queue | None = None
    direction: str = ""
    started_at: datetime | None = None
    channels: tuple[str, ...] = ()
    """Who is on which channel, in order, as in ("agent", "customer")."""
    language: str = ""
    notice: str = Notice.UNKNOWN
    objected: bool = False
    scoring: str = ""
    customer_reference: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ingested:
    call: Call
    created: bool
    """False where the same call was there before."""


def call_ingest(source: BinaryIO | Path, details: NewCall, *, user: User | None) -> Ingested:
    """Keep a recording and queue its analysis; `user` is None for the operator's command line.

    Identity is (team, external id); without an external id, the same bytes in the same team within SAME_AUDIO_HOURS. Raises
    ApplicationError: `forbidden` team, `invalid` field, empty file, `too_large`, `no_space`, or `conflict` (same external id, other audio).
    """
    team = call_check(details, user=user)
    try:
        with files.staged(source, limit=settings.MAX_UPLOAD_BYTES) as staged:
            _check_size(details.file_name, staged.size)
            try:
                return _kept(staged, details, team, user)
            except IntegrityError:
                # Another request with the same external id was faster: this one now finds its call, as same or as conflict.
                return _kept(staged, details, team, user)
    except OSError as error:
        if error.errno not in files.FULL_DISK:
            raise
        message = f"{details.file_name} was not kept: the disk for recordings is full. Tell who runs this platform, and send it again."
        raise ApplicationError(message, code="no_space", field="file") from error


def call_check(details: NewCall, *, user: User | None) -> Team:
    """The team that the call will have. Raises ApplicationError where the user may not add it, or a field makes no sense."""
    team = _team(details)
    if user is not None:
        _check_rights(details, team, user)
    _check(details)
    return team


def _team(details: NewCall) -> Team:
    if details.team is not None:
        return details.team
    if details.agent is not None:
        return details.agent.team
    if details.queue is not None and details.queue.team is not None:
        return details.queue.team
    return team_unassigned()


def _check_rights(details: NewCall, team: Team, user: User) -> None:
    """Nobody hands a call to a team, agent or queue of others by naming it. The team comes last: it may be that of a foreign agent.

    Codes of agents and names of queues are unique over the installation, so that one of others cannot be made anew and the answer must
    tell that it is taken; whose it is, it does not tell.
    """
    agent, queue = details.agent, details.queue
    if agent is not None and agent.pk and not agents_visible(user).filter(pk=agent.pk).exists():
        raise ApplicationError(f"The agent {agent.code} belongs to a team that is not yours.", code="forbidden", field="agent")
    if queue is not None and queue.pk and not queues_visible(user).filter(pk=queue.pk).exists():
        raise ApplicationError(f"The queue {queue.name} belongs to a team that is not yours.", code="forbidden", field="queue")
    if not access_for(user).can_supervise(team.id):
        raise ApplicationError(f"You may not add calls to the team {team}.", code="forbidden", field="team")


def _check(details: NewCall) -> None:
    for field, value, known in (
        ("notice", details.notice, Notice.values),
        ("direction", details.direction, Direction.values),
        ("scoring", details.scoring, ["", *ScoringChoice.values]),
    ):
        if value not in known:
            raise ApplicationError(f"{field} is {value!r}; it must be one of {', '.join(filter(None, known))}.", field=field)
    if details.language and not LANGUAGE.fullmatch(details.language):
        raise ApplicationError("language is a code of two or three letters, as in en.", field="language")
    if details.started_at is not None and timezone.is_naive(details.started_at):
        raise ApplicationError("started_at needs a time zone, as in 2026-01-31T09:30:00Z.", field="started_at")
    if details.started_at is not None and details.started_at.year not in YEARS:
        raise ApplicationError(f"started_at lies outside the years {YEARS[0]} to {YEARS[-1]}.", field="started_at")
    if len(details.channels) > MAX_CHANNELS or not set(details.channels) <= set(Party):
        raise ApplicationError(
            "channels names one or two parties, each agent, customer or unknown, as in agent,customer.", field="channels"
        )
    if len(details.channels) == MAX_CHANNELS and details.channels[0] == details.channels[1] != Party.UNKNOWN:
        raise ApplicationError(f"channels names {details.channels[0]} twice.", field="channels")
    for field, text in (("external_id", details.external_id), ("customer_reference", details.customer_reference)):
        if len(text) > REFERENCE_MAX:
            raise ApplicationError(f"{field} is longer than {REFERENCE_MAX} characters.", field=field)


def _check_size(file_name: str, size: int) -> None:
    if size == 0:
        raise ApplicationError(f"{file_name} is empty; nothing was recorded, or the upload broke off. Send it again.", field="file")
    if size > settings.MAX_UPLOAD_BYTES:
        limit = filesizeformat(settings.MAX_UPLOAD_BYTES)
        raise ApplicationError(f"{file_name} is larger than {limit}; compress it (FLAC, Opus).", code="too_large", field="file")


def _kept(staged: Staged, details: NewCall, team: Team, user: User | None) -> Ingested:
    with files_and_rows() as placed:
        recording, new = recording_kept(staged, details.file_name, team)
        existing = _existing(recording, details, team)
        if existing is not None:
            return call_answered(existing, details, user)
        call = call_create(people_kept(details, team, user), team, user, recording=recording)
        queueing.enqueue(call.id)
        recording_place(staged, recording, placed, new=new)
        return Ingested(call, created=True)


@contextmanager
def files_and_rows() -> Iterator[list[str]]:
    """A transaction that files stand or fall with: what is placed as its last act, and noted in the list, leaves again if it fails."""
    placed: list[str] = []
    try:
        with transaction.atomic(durable=True):
            yield placed
    except BaseException:
        for file in placed:
            if not Recording.objects.filter(file=file).exists():
                files.remove(file)
        raise


def recording_kept(staged: Staged, file_name: str, team: Team) -> tuple[Recording, bool]:
    """The team's row of these bytes, locked to the end of the transaction: uploads of one file take turns, as do upload and erasure."""
    recording_id = uuid7()
    made = {
        "id": recording_id,
        "size": staged.size,
        "file": files.recording_name(recording_id, file_name),
        "original_name": file_name[:255],
    }
    return Recording.objects.select_for_update().get_or_create(team=team, sha256=staged.sha256, defaults=made)


def recording_place(staged: Staged, recording: Recording, placed: list[str], *, new: bool) -> None:
    """Give a recording's file its place, where it is new or was lost."""
    if new or not files.absolute(recording.file).exists():
        placed.append(recording.file)
        files.settle(staged.path, recording.file)


def _existing(recording: Recording, details: NewCall, team: Team) -> Call | None:
    if not details.external_id:
        since = timezone.now() - timedelta(hours=settings.SAME_AUDIO_HOURS)
        return Call.objects.filter(recording=recording, created_at__gte=since).order_by("-created_at").first()
    call = Call.objects.filter(team=team, external_id=details.external_id).first()
    if call is not None and call.recording_id != recording.id:
        other = "other audio" if call.recording_id else f"a recording that is still to be fetched from {call.source}"
        raise ApplicationError(
            f"The team {team} already has a call {details.external_id!r} with {other}, {call.id}. Delete it first, or use another id.",
            code="conflict",
            field="external_id",
            subject=call.id,
        )
    return call


def call_answered(call: Call, details: NewCall, user: User | None) -> Ingested:
    """The call that is already there. An objection that comes with the second sending counts all the same."""
    if details.objected and not call.objected:
        objection_apply(call, objected=True, actor=user)
        call.refresh_from_db()
    return Ingested(call, created=False)


def people_kept(details: NewCall, team: Team, user: User | None) -> NewCall:
    """With the agent and queue stored. Somebody else may just have made one of that name in another team, so rights are looked at again."""
    agent = agent_kept(details.agent) if details.agent is not None else None
    queue = queue_kept(details.queue) if details.queue is not None else None
    kept = replace(details, agent=agent, queue=queue)
    if user is not None and (agent, queue) != (details.agent, details.queue):
        _check_rights(kept, team, user)
    return kept


def call_create(details: NewCall, team: Team, user: User | None, **where: Any) -> Call:
    """The row and its event, inside the caller's transaction; `where` is the recording, or the fields of where it is to be fetched."""
    call = Call.objects.create(
        **where,
        team=team,
        external_id=details.external_id,
        agent=details.agent,
        queue=details.queue,
        direction=details.direction,
        started_at=details.started_at or timezone.now(),
        file_name=details.file_name[:255],
        channels=list(details.channels),
        language=details.language,
        language_given=details.language,
        notice=details.notice,
        objected=details.objected,
        scoring=details.scoring,
        customer_reference=details.customer_reference,
        tags=list(details.tags),
    )
    payload = call.told | {"file": call.file_name, "notice": call.notice, "objected": call.objected}
    event_record(type="call.received", subject=call.id, team=call.team, payload=payload, actor=user)
    return call
