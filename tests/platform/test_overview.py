"""The first page's numbers are right, and quick with thousands of calls."""

from __future__ import annotations

import dataclasses
import time
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING

from django.utils import timezone
from uuid6 import uuid7

from analysis.values import EffortSign
from callanalytics.calls.models import AnalysisRun, Call, CallStatus, Flag, Recording, Utterance
from callanalytics.calls.overview import Counted, overview
from callanalytics.calls.selectors import CallFilters, call_page
from callanalytics.review.services import verdict_record
from tests import factories
from tests.analysis import made

if TYPE_CHECKING:
    from callanalytics.people.models import User
    from tests.factories import World

CALLS = 5000


def test_the_numbers_are_those_of_the_calls(world: World) -> None:
    effort = (EffortSign("repeat", 1.0, "again"), EffortSign("repeat", 3.0, "again"), EffortSign("hold", 5.0, ""))
    flagged = factories.done_call(world.billing, dataclasses.replace(made.analysis(), effort=effort))
    factories.done_call(world.billing, dataclasses.replace(made.analysis(), segments=(), flags=()))
    rejected = factories.done_call(world.billing, started_at=timezone.now() - timedelta(days=2))
    verdict_record(user=world.reviewer, flag_id=Flag.objects.get(call=rejected).id, answer="reject")
    factories.queued_call(world.billing)
    old = factories.done_call(world.billing)
    Call.objects.filter(id=old.id).update(started_at=timezone.now() - timedelta(days=40))
    Flag.objects.filter(call=old).update(started_at=timezone.now() - timedelta(days=40))
    found = overview(user=world.reviewer, days=30)
    assert (found.calls, found.by_status) == (4, {"queued": 1, "running": 0, "done": 3, "failed": 0})
    numbers = found.frustration
    assert numbers is not None
    assert (numbers.done, numbers.unscored, numbers.flagged, numbers.share) == (3, 0, 1, 1 / 3)
    assert (numbers.seconds, numbers.frustrated_s) == (36.0, 7.4)
    assert (numbers.rules, numbers.parts) == ([Counted("high_frustration", 1)], [Counted("tone", 1)])
    assert numbers.effort == [Counted("hold", 1), Counted("repeat", 1)]
    assert [flag.call_id for flag in numbers.newest] == [flagged.id]
    assert len(numbers.trend) == 31
    assert [(day.calls, day.flagged) for day in numbers.trend[-3:]] == [(1, 0), (0, 0), (2, 1)]


def test_analysed_calls_without_a_score_are_counted_apart(world: World) -> None:
    factories.done_call(world.billing)
    factories.done_call(world.billing, dataclasses.replace(made.analysis(), moments=(), segments=(), flags=()))
    factories.queued_call(world.billing)
    numbers = overview(user=world.reviewer).frustration
    assert numbers is not None
    assert (numbers.done, numbers.unscored) == (2, 1)


def test_a_new_installation_has_no_share_rather_than_a_zero(world: World) -> None:
    numbers = overview(user=world.owner).frustration
    assert numbers is not None
    assert numbers.share is None


def many(world: World) -> None:
    """Calls as the services leave them, in bulk: 10 customer utterances each, every fourth one flagged."""
    now = timezone.now()
    recording = Recording.objects.create(team=world.billing, sha256="0" * 64, size=1, file="x")
    shared = {"team": world.billing, "recording": recording, "status": CallStatus.DONE, "seconds": 300.0, "moment_count": 10}
    calls = [
        Call(**shared, file_name=f"{n}.wav", started_at=now - timedelta(minutes=8 * n), flag_count=int(n % 4 == 0), abstained_count=3)
        for n in range(CALLS)
    ]
    Call.objects.bulk_create(calls, batch_size=500)
    runs = [AnalysisRun(id=uuid7(), call=call, attempt=1, scoring="full") for call in calls]
    AnalysisRun.objects.bulk_create(runs, batch_size=500)
    place = [{"run": run, "call": run.call, "team": world.billing, "started_at": run.call.started_at} for run in runs]
    spoken = {"voice": 1, "party": "customer", "text": "words", "asr_confidence": 0.9}
    Utterance.objects.bulk_create(
        (
            Utterance(**where, **spoken, number=n, start=n, end=n + 1, abstained="too_short" if n < 3 else "")
            for where in place
            for n in range(10)
        ),
        batch_size=500,
    )
    flag = {"rule": "high_frustration", "severity": "high", "start": 0, "end": 1, "main_part": "tone"}
    Flag.objects.bulk_create([Flag(**where, **flag) for where in place[::4]], batch_size=500)


def timed(user: User) -> dict[str, float]:
    def once(view: int) -> float:
        started = time.perf_counter()
        if view == 0:
            overview(user=user)
        elif view == 1:
            call_page(user=user, number=50)
        else:
            call_page(user=user, filters=CallFilters(text="499", flagged=True))
        return time.perf_counter() - started

    return {name: median(once(view) for _ in range(5)) for view, name in enumerate(("overview", "page 50", "search"))}


def test_five_thousand_calls_are_counted_without_reading_them(world: World) -> None:
    many(world)
    taken = timed(world.supervisor)
    print({name: f"{seconds * 1000:.0f} ms" for name, seconds in taken.items()})  # noqa: T201
    numbers = overview(user=world.supervisor, days=365).frustration
    assert numbers is not None
    assert (numbers.done, numbers.flagged, numbers.abstentions) == (CALLS, CALLS // 4, [Counted("too_short", 3 * CALLS)])
    # Generous: a bench measures, this only notices when a page starts to read every row.
    assert max(taken.values()) < 2.0
