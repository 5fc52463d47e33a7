"""An analysis becomes rows and a document under its lease, and judgements live through a new one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from analysis.document import to_document
from analysis.values import Flag as FoundFlag
from analysis.values import Scoring, ScoringMode, Span
from callanalytics.calls import files, flagging, mapping
from callanalytics.calls.models import AnalysisRun, Call, CallStatus, Flag, FlagStatus, Utterance
from callanalytics.calls.services import analysis_store
from callanalytics.events.models import Event
from callanalytics.people.models import Queue
from callanalytics.review.services import verdict_record
from tests import factories
from tests.analysis import made

if TYPE_CHECKING:
    from pathlib import Path

    from analysis.values import CallAnalysis
    from tests.factories import World


def with_flags(*flags: FoundFlag) -> CallAnalysis:
    return dataclasses.replace(made.analysis(), flags=flags)


def again(call: Call, analysis: CallAnalysis) -> None:
    """Analyse a call that is done once more."""
    Call.objects.filter(id=call.id).update(status=CallStatus.QUEUED)
    factories.analyzed(call, analysis)


def events(kind: str) -> int:
    return Event.objects.filter(type=kind).count()


def test_rows_say_what_the_document_says(world: World) -> None:
    call = factories.done_call(world.billing)
    run = AnalysisRun.objects.get(call=call)
    document = files.document_read(run.document)
    assert document == to_document(made.analysis())
    assert run.summary == {key: value for key, value in document.items() if key not in ("utterances", "effort", "segments", "flags")}
    rows = list(call.utterances.order_by("number"))
    assert [row.text for row in rows] == [entry["text"] for entry in document["utterances"]]
    customer, entry = rows[1], document["utterances"][1]
    assert (customer.tone, customer.wording, customer.words) == (entry["tone"], entry["wording"], entry["words"])
    assert (customer.frustration, customer.contributions) == (entry["frustration"]["probability"], entry["frustration"]["contributions"])
    assert rows[2].abstained == "no_evidence"
    assert rows[2].tone_abstained == "too_short"


def test_a_done_call_carries_its_numbers(world: World) -> None:
    call = factories.done_call(world.billing)
    assert (call.status, call.percent, call.attempts, call.lease_token) == (CallStatus.DONE, 100, 1, None)
    assert (call.seconds, call.frustrated_s, call.peak_frustration) == (12.0, 3.7, 0.8314)
    assert (call.flag_count, call.moment_count, call.abstained_count, call.language) == (1, 2, 1, "en")


def test_a_flag_keeps_its_peak_its_segment_and_its_main_part(world: World) -> None:
    flag = Flag.objects.get(call=factories.done_call(world.billing))
    assert flag.segment is not None
    assert (flag.peak, flag.main_part, flag.status) == (0.8314, "tone", FlagStatus.OPEN)
    assert (events("flag.raised"), events("call.analyzed")) == (1, 1)


def test_effort_alone_is_the_reason_where_nothing_is_scored() -> None:
    assert mapping.main_part({"quotes": [], "effort": [{"kind": "repeat"}]}) == "effort"
    assert mapping.main_part({"quotes": [], "effort": []}) == ""


def test_a_worker_that_lost_its_lease_stores_nothing(world: World, media: Path) -> None:
    call = factories.queued_call(world.billing)
    factories.claimed(call)
    assert analysis_store(call.id, uuid4(), made.analysis()) is None
    assert not AnalysisRun.objects.exists()
    assert not list(media.rglob("*.json.gz"))


def test_an_analysis_that_cannot_be_stored_leaves_neither_rows_nor_document(
    world: World, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = factories.queued_call(world.billing)
    token = factories.claimed(call)

    def broken(*_: object, **__: object) -> None:
        raise IntegrityError("flags")

    monkeypatch.setattr("callanalytics.calls.storing.flags_merge", broken)
    with pytest.raises(IntegrityError):
        analysis_store(call.id, token, made.analysis())
    assert not Utterance.objects.exists()
    assert not list(media.rglob("*.json.gz"))
    call.refresh_from_db()
    assert call.status == CallStatus.RUNNING


def test_scoring_restricted_while_it_ran_stores_nothing_and_starts_over(world: World) -> None:
    call = factories.queued_call(world.billing, queue=world.queue)
    token = factories.claimed(call)
    Queue.objects.filter(id=world.queue.id).update(scoring="measures")
    assert analysis_store(call.id, token, made.analysis()) is None
    call.refresh_from_db()
    assert call.status == CallStatus.QUEUED
    assert not Utterance.objects.exists()


def test_a_new_run_replaces_the_rows_and_keeps_the_old_document(world: World) -> None:
    call = factories.done_call(world.billing)
    again(call, made.analysis())
    runs = AnalysisRun.objects.filter(call=call)
    assert [run.current for run in runs] == [True, False]
    assert all(files.absolute(run.document).exists() for run in runs)
    assert set(call.utterances.values_list("run_id", flat=True)) == {runs[0].id}


def test_a_flag_found_again_keeps_its_id_and_its_verdict(world: World) -> None:
    call = factories.done_call(world.billing)
    flag = Flag.objects.get(call=call)
    verdict = verdict_record(user=world.reviewer, flag_id=flag.id, answer="confirm")
    again(call, with_flags(made.flag(4.0, 8.5)))
    taken = Flag.objects.get(call=call)
    assert (taken.id, taken.status, taken.start, taken.end) == (flag.id, FlagStatus.CONFIRMED, 4.0, 8.5)
    verdict.refresh_from_db()
    assert verdict.run_id == flag.run_id != taken.run_id
    assert (events("flag.raised"), events("flag.retracted")) == (1, 0)


def test_a_flag_not_found_again_is_retracted_with_a_reason_and_keeps_its_verdict(world: World) -> None:
    call = factories.done_call(world.billing)
    flag = Flag.objects.get(call=call)
    verdict_record(user=world.reviewer, flag_id=flag.id, answer="confirm")
    again(call, with_flags())
    flag.refresh_from_db()
    assert flag.status == FlagStatus.RETRACTED
    assert "newer analysis" in flag.retracted_reason
    assert flag.verdicts.count() == 1
    call.refresh_from_db()
    assert (call.flag_count, events("flag.retracted")) == (0, 1)


def test_a_retracted_flag_that_is_found_again_is_what_it_was(world: World) -> None:
    call = factories.done_call(world.billing)
    flag = Flag.objects.get(call=call)
    verdict_record(user=world.reviewer, flag_id=flag.id, answer="confirm")
    again(call, with_flags())
    again(call, made.analysis())
    flag.refresh_from_db()
    assert (flag.status, flag.retracted_reason) == (FlagStatus.CONFIRMED, "")
    assert events("flag.raised") == 2


def test_a_rejected_flag_stays_rejected(world: World) -> None:
    call = factories.done_call(world.billing)
    flag = Flag.objects.get(call=call)
    verdict_record(user=world.reviewer, flag_id=flag.id, answer="reject")
    again(call, made.analysis())
    flag.refresh_from_db()
    call.refresh_from_db()
    assert (flag.status, call.flag_count) == (FlagStatus.REJECTED, 0)


def test_a_flag_of_another_rule_takes_nothing_over(world: World) -> None:
    call = factories.done_call(world.billing)
    again(call, with_flags(dataclasses.replace(made.flag(), rule="effort")))
    assert {(flag.rule, flag.status) for flag in Flag.objects.filter(call=call)} == {("high_frustration", "retracted"), ("effort", "open")}


def test_of_two_new_flags_the_one_that_overlaps_more_takes_over(world: World) -> None:
    call = factories.done_call(world.billing, with_flags(made.flag(2.0, 8.0)))
    old = Flag.objects.get(call=call)
    again(call, with_flags(made.flag(2.0, 5.0), made.flag(3.0, 8.0)))
    old.refresh_from_db()
    assert (old.start, old.end) == (3.0, 8.0)
    assert Flag.objects.filter(call=call, status=FlagStatus.OPEN).count() == 2


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [((0, 10), (5, 15), 0.5), ((0, 10), (5.1, 15), 0.49), ((0, 10), (0, 60), 1 / 6), ((3, 3), (3, 3), 1.0), ((3, 3), (4, 4), 0.0)],
)
def test_overlap_is_measured_on_the_longer_flag(one: tuple[float, float], other: tuple[float, float], share: float) -> None:
    assert flagging.overlap_share(Span(*one), Span(*other)) == pytest.approx(share)


def test_the_database_itself_keeps_emotion_off_the_agent(world: World) -> None:
    call = factories.done_call(world.billing)
    with pytest.raises(IntegrityError), transaction.atomic():
        Utterance.objects.filter(call=call, party="agent").update(frustration=0.5)


def test_the_database_itself_keeps_one_run_current(world: World) -> None:
    call = factories.done_call(world.billing)
    with pytest.raises(IntegrityError), transaction.atomic():
        AnalysisRun.objects.create(call=call, attempt=9, current=True)


def test_what_the_row_says_goes_to_the_analysis(world: World) -> None:
    call = factories.queued_call(world.billing, queue=world.queue, channels=("customer", "agent"), language="de", objected=True)
    options = mapping.call_options(call)
    assert [party.value for party in options.parties.channels] == ["customer", "agent"]
    assert options.language == "de"
    assert options.scoring == Scoring(ScoringMode.MEASURES, "the caller objected")


@pytest.mark.parametrize(
    ("own", "queue", "objected", "mode"),
    [
        ("", "full", False, "full"),
        ("words", "full", False, "words"),
        ("full", "words", False, "words"),
        ("none", "words", False, "none"),
        ("words", "full", True, "measures"),
        ("", "none", True, "none"),
    ],
)
def test_the_strictest_scoring_wins(world: World, own: str, queue: str, objected: bool, mode: str) -> None:
    world.queue.scoring = queue
    world.queue.save()
    call = factories.queued_call(world.billing, queue=world.queue, scoring=own, objected=objected)
    assert mapping.call_options(call).scoring.mode == mode


def test_a_language_that_was_heard_is_not_taken_for_one_that_was_told(world: World) -> None:
    call = factories.done_call(world.billing)
    assert call.language == "en"
    assert mapping.call_options(call).language is None
