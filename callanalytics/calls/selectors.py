"""Reads calls for a user. What a user may not see is not found; an agent finds their own calls without anyone's emotion values."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Q, QuerySet

from analysis.words import NOTABLE_DISAGREEMENT
from callanalytics.calls import files
from callanalytics.calls.models import AnalysisRun, Call, CallStatus, CleanerCopy, EffortSign, Flag, FrustrationSegment, Utterance
from callanalytics.calls.redaction import NO_EMOTION, document_without_emotion
from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.people.selectors import access_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from django.contrib.auth.models import AnonymousUser

    from callanalytics.people.models import User
    from callanalytics.people.selectors import Access

logger = logging.getLogger(__name__)

PAGE_SIZE = 50
UNSCORED = Q(status=CallStatus.DONE, peak_frustration__isnull=True)
"""Analysed, and without a single score: no customer was made out, scoring was off, or the evidence was too thin."""
CALL_EMOTION = ("frustrated_s", "peak_frustration", "flag_count", "moment_count", "abstained_count")
"""Numbers of a call that tell of somebody's emotion."""


@dataclass(frozen=True, slots=True)
class CallFilters:
    """What a list is narrowed to; the defaults narrow nothing."""

    status: str = ""
    team_id: int | None = None
    queue_id: int | None = None
    agent_id: int | None = None
    flagged: bool | None = None
    unscored: bool = False
    """True for analysed calls without a single score."""
    disagreement: bool | None = None
    """True for calls in which voice and words disagree somewhere, by NOTABLE_DISAGREEMENT or more."""
    text: str = ""
    """Part of the file name, external id, customer reference or agent."""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class FlagFilters:
    """As CallFilters."""

    status: str = ""
    severity: str = ""
    rule: str = ""
    team_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallPage:
    """One page of a list. Calls that the user may not see emotion values of carry None in their place."""

    calls: list[Call]
    number: int
    pages: int
    total: int


@dataclass(frozen=True, slots=True)
class Outlined:
    """What charts, lanes and counts need of one utterance: of 2,800 of them, too. No emotion value where the reader may see none."""

    party: str
    start: float
    end: float
    number: int
    frustration: float | None = None
    anger: float | None = None
    wording: float | None = None
    abstained: str = ""
    tone_abstained: str = ""


@dataclass(frozen=True, slots=True)
class CallDetail:
    """Everything of a call page but its transcript. `emotion` is false for the call's agent: then nothing here holds an emotion value."""

    call: Call
    run: AnalysisRun | None
    outline: list[Outlined]
    segments: list[FrustrationSegment]
    flags: list[Flag]
    effort: list[EffortSign]
    summary: dict[str, Any]
    """Of the document; empty while there is none."""
    emotion: bool


def visible(access: Access, prefix: str = "") -> Q:
    """Calls that the user may read, as a condition on Call or, with a prefix as in "call__", on something that belongs to one."""
    if access.is_owner:
        return Q()
    own = Q(**{f"{prefix}agent_id": access.agent_id}) if access.agent_id is not None else Q(pk__in=[])
    return judgeable(access, prefix) | own


def judgeable(access: Access, prefix: str = "") -> Q:
    """Calls that the user may read with their emotion values."""
    return Q() if access.is_owner else Q(**{f"{prefix}team_id__in": access.team_ids})


def call_list(*, user: User | AnonymousUser, filters: CallFilters = CallFilters()) -> QuerySet[Call]:
    """Calls the user may read, newest first. For showing use call_page, which leaves out what may not be seen of them."""
    access = access_for(user)
    found = Call.objects.filter(visible(access)).select_related("team", "agent", "queue")
    if filters.flagged is not None:
        # By emotion values only calls may be found whose emotion values may be seen.
        flagged = Q(flag_count__gt=0) if filters.flagged else Q(flag_count=0)
        found = found.filter(judgeable(access) & flagged)
    if filters.unscored:
        found = found.filter(judgeable(access) & UNSCORED)
    if filters.disagreement:
        found = found.filter(judgeable(access) & Exists(_disagreeing()))
    return found.filter(_narrowed(filters)).order_by("-started_at", "-id")


def call_page(*, user: User | AnonymousUser, filters: CallFilters = CallFilters(), number: int = 1, size: int = PAGE_SIZE) -> CallPage:
    """One page of call_list; a number past the end gives the last page."""
    access = access_for(user)
    page = Paginator(call_list(user=user, filters=filters), size).get_page(number)
    calls = [_redacted(call, access) for call in page.object_list]
    return CallPage(calls, page.number, page.paginator.num_pages, page.paginator.count)


def call_get(*, user: User | AnonymousUser, call_id: UUID) -> Call:
    """A call the user may read. Raises NotFoundError where there is none, or none for them."""
    access = access_for(user)
    return _redacted(_found(access, call_id), access)


def call_to_supervise(*, user: User, call_id: UUID) -> Call:
    """A call the user may change. Raises NotFoundError where they may not read it, `forbidden` where they may only read."""
    access = access_for(user)
    call = _found(access, call_id)
    if not access.can_supervise(call.team_id):
        raise ApplicationError("Only a supervisor of the call's team may do this.", code="forbidden")
    return call


def call_detail(*, user: User | AnonymousUser, call_id: UUID) -> CallDetail:
    access = access_for(user)
    call = _found(access, call_id)
    run = AnalysisRun.objects.filter(call=call, current=True).first()
    emotion = access.can_review(call.team_id)
    return CallDetail(
        call=_redacted(call, access),
        run=run,
        outline=_outline(call, emotion=emotion),
        segments=list(FrustrationSegment.objects.filter(call=call)) if emotion else [],
        flags=_flags(call) if emotion else [],
        effort=list(EffortSign.objects.filter(call=call)) if emotion else [],
        summary=_summary(run),
        emotion=emotion,
    )


def utterance_list(
    *, user: User | AnonymousUser, call_id: UUID, places: slice = slice(None), within: tuple[float, float] | None = None
) -> list[Utterance]:
    """The transcript of a call, in order: all of it, those in some places, or those that are heard within a stretch."""
    access = access_for(user)
    call = _found(access, call_id)
    heard = Q() if within is None else Q(start__lt=within[1], end__gt=within[0])
    return _utterances(Utterance.objects.filter(heard, call=call), places, emotion=access.can_review(call.team_id))


def document_get(*, user: User | AnonymousUser, call_id: UUID) -> dict[str, Any] | None:
    """The whole analysis as JSON (design section 7); None while there is none."""
    access = access_for(user)
    call = _found(access, call_id)
    run = AnalysisRun.objects.filter(call=call, current=True).first()
    return _document(run, emotion=access.can_review(call.team_id))


def flag_list(*, user: User | AnonymousUser, call_id: UUID) -> list[Flag]:
    """The flags of a call; none for its agent."""
    access = access_for(user)
    call = _found(access, call_id)
    return _flags(call) if access.can_review(call.team_id) else []


def flag_search(*, user: User | AnonymousUser, filters: FlagFilters = FlagFilters()) -> QuerySet[Flag]:
    """Flags of calls whose emotion values the user may see, newest call first."""
    return Flag.objects.filter(judgeable(access_for(user)), _of_flags(filters)).order_by("-started_at", "-id")


def flag_get(*, user: User | AnonymousUser, flag_id: UUID) -> Flag:
    """A flag of a call that the user may judge. Raises NotFoundError, for agents too."""
    found = Flag.objects.filter(judgeable(access_for(user)), id=flag_id).select_related("call", "team", "run").first()
    if found is None:
        raise NotFoundError("flag")
    return found


def cleaner_copy_get(*, user: User | AnonymousUser, call_id: UUID) -> CleanerCopy | None:
    """The copy for listening, made or on its way; None where nobody asked for one, or its file is lost."""
    call = _found(access_for(user), call_id)
    copy = CleanerCopy.objects.filter(call=call).first()
    lost = copy is not None and copy.status == CallStatus.DONE and not files.cleaner_path(call).is_file()
    return None if lost else copy


def _disagreeing() -> QuerySet[Utterance]:
    """Utterances of the outer query's call in which voice and words are far apart."""
    apart = Q(disagreement__gte=NOTABLE_DISAGREEMENT) | Q(disagreement__lte=-NOTABLE_DISAGREEMENT)
    return Utterance.objects.filter(apart, call_id=OuterRef("pk"))


def _found(access: Access, call_id: UUID) -> Call:
    related = ("team", "agent", "queue", "recording")
    call = Call.objects.filter(visible(access), id=call_id).select_related(*related).first()
    if call is None:
        raise NotFoundError("call")
    return call


def _narrowed(filters: CallFilters) -> Q:
    exact = {
        "status": filters.status or None,
        "team_id": filters.team_id,
        "queue_id": filters.queue_id,
        "agent_id": filters.agent_id,
        "started_at__gte": filters.since,
        "started_at__lt": filters.until,
    }
    return _given(exact) & _mentions(filters.text.strip())


def _of_flags(filters: FlagFilters) -> Q:
    exact = {
        "status": filters.status or None,
        "severity": filters.severity or None,
        "rule": filters.rule or None,
        "team_id": filters.team_id,
        "started_at__gte": filters.since,
        "started_at__lt": filters.until,
    }
    return _given(exact)


def _given(exact: Mapping[str, object]) -> Q:
    return Q(**{name: value for name, value in exact.items() if value is not None})


def _mentions(text: str) -> Q:
    if not text:
        return Q()
    fields = ("file_name", "external_id", "customer_reference", "agent__code", "agent__name")
    condition = Q()
    for field in fields:
        condition |= Q(**{f"{field}__icontains": text})
    return condition


def _redacted(call: Call, access: Access) -> Call:
    """None in place of what the user may not see. Such a row cannot be saved by mistake: the columns take no null."""
    if not access.can_review(call.team_id):
        for name in CALL_EMOTION:
            setattr(call, name, None)
    return call


def _utterances(found: QuerySet[Utterance], places: slice, *, emotion: bool) -> list[Utterance]:
    """Without what no reader of this list asks for: the single words are half of a row."""
    found = found.order_by("number").defer("words", "contributions")
    if emotion:
        return list(found[places])
    # Not read at all, so that no template can show them.
    bare = list(found.defer(*NO_EMOTION, "tone_abstained", "abstained")[places])
    for utterance in bare:
        utterance.__dict__ |= {**NO_EMOTION, "tone_abstained": "", "abstained": ""}
    return bare


def _outline(call: Call, *, emotion: bool) -> list[Outlined]:
    scores = ("frustration", "tone__anger", "wording__frustration", "abstained", "tone_abstained") if emotion else ()
    found = Utterance.objects.filter(call=call).order_by("number").values_list("party", "start", "end", "number", *scores)
    return [Outlined(*row) for row in found]


def _flags(call: Call) -> list[Flag]:
    return list(Flag.objects.filter(call=call).select_related("segment").prefetch_related("verdicts__reviewer"))


def _summary(run: AnalysisRun | None) -> dict[str, Any]:
    return run.summary if run is not None and _is_told(run) else {}


def _is_told(run: AnalysisRun) -> bool:
    """Whether a run's document may be read: not once it is withdrawn, nor while another analysis is on its way."""
    return bool(run.document) and run.call.status == CallStatus.DONE


def _document(run: AnalysisRun | None, *, emotion: bool) -> dict[str, Any] | None:
    if run is None or not _is_told(run):
        return None
    try:
        document = files.document_read(run.document)
    except FileNotFoundError:
        # A database that was restored without its files: the rows still tell most of the call.
        logger.error("call %s: its document %s is missing", run.call_id, run.document)
        return None
    return document if emotion else document_without_emotion(document)
