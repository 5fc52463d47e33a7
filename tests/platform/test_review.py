"""Judgements are kept, and measure what they say they measure."""

from __future__ import annotations

import dataclasses
from collections import Counter
from random import Random
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from analysis.values import Party, Span
from callanalytics.calls.models import Call, Flag, FlagStatus
from callanalytics.calls.services import call_objection_set
from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.events.models import Event
from callanalytics.review.models import BlindSample, Verdict
from callanalytics.review.sampling import stretches
from callanalytics.review.selectors import blind_sample_get, misses_estimated, precision_measured, wilson
from callanalytics.review.services import (
    blind_sample_draw,
    blind_verdict_record,
    coaching_note_add,
    coaching_note_read,
    verdict_record,
)
from tests import factories
from tests.analysis import made

if TYPE_CHECKING:
    from uuid import UUID

    from analysis.values import CallAnalysis
    from tests.factories import World


def talk(*starts: float) -> CallAnalysis:
    """An unflagged call in which the customer speaks for 10 s from each start."""
    moments = tuple(made.customer_moment(number, start, start + 10, "words", 0.2) for number, start in enumerate(starts))
    return dataclasses.replace(made.analysis(moments=moments), segments=(), flags=())


def kinds(flag: Flag) -> list[str]:
    return list(Event.objects.filter(subject=str(flag.id)).order_by("created_at", "id").values_list("type", flat=True))


@pytest.mark.parametrize(
    ("answer", "status", "count"),
    [("confirm", FlagStatus.CONFIRMED, 1), ("reject", FlagStatus.REJECTED, 0), ("unsure", FlagStatus.UNSURE, 1)],
)
def test_a_verdict_gives_the_flag_its_status(world: World, answer: str, status: str, count: int) -> None:
    call = factories.done_call(world.billing)
    flag = Flag.objects.get()
    verdict = verdict_record(user=world.reviewer, flag_id=flag.id, answer=answer, reason="heard it")
    flag.refresh_from_db()
    call.refresh_from_db()
    assert (flag.status, call.flag_count) == (status, count)
    assert (verdict.reviewer, verdict.reason, verdict.run_id) == (world.reviewer, "heard it", flag.run_id)


def test_rejecting_takes_the_flag_back_and_confirming_after_all_raises_it_again(world: World) -> None:
    factories.done_call(world.billing)
    flag = Flag.objects.get()
    for answer in ("reject", "reject", "confirm"):
        verdict_record(user=world.reviewer, flag_id=flag.id, answer=answer)
    assert kinds(flag) == ["flag.raised", "flag.retracted", "flag.raised"]
    assert Verdict.objects.count() == 3


def test_a_retracted_flag_is_not_judged(world: World) -> None:
    call = factories.done_call(world.billing)
    call_objection_set(user=world.supervisor, call_id=call.id, objected=True)
    with pytest.raises(ApplicationError, match="objected"):
        verdict_record(user=world.reviewer, flag_id=Flag.objects.get().id, answer="confirm")


def test_an_answer_that_is_none_is_refused(world: World) -> None:
    factories.done_call(world.billing)
    with pytest.raises(ApplicationError) as caught:
        verdict_record(user=world.reviewer, flag_id=Flag.objects.get().id, answer="perhaps")
    assert caught.value.field == "answer"


@pytest.mark.parametrize("name", ["agent", "outsider"])
def test_who_may_not_judge_does_not_find_the_flag(world: World, name: str) -> None:
    factories.done_call(world.billing, agent=world.agent)
    with pytest.raises(NotFoundError):
        verdict_record(user=world.people()[name], flag_id=Flag.objects.get().id, answer="confirm")


def test_precision_counts_each_flags_latest_clear_verdict(world: World) -> None:
    answers = [("confirm",), ("confirm",), ("reject", "confirm"), ("reject",), ("unsure",)]
    for given in answers:
        flag = Flag.objects.get(call=factories.done_call(world.billing))
        for answer in given:
            verdict_record(user=world.reviewer, flag_id=flag.id, answer=answer)
    measured = precision_measured(user=world.reviewer)
    assert (measured.n, measured.confirmed, measured.rejected, measured.unsure, measured.value) == (4, 3, 1, 1, 0.75)
    assert (measured.low, measured.high) == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert precision_measured(user=world.outsider).value is None


def test_verdicts_on_effort_count_apart_from_those_on_frustration(world: World) -> None:
    flag = Flag.objects.get(call=factories.done_call(world.billing))
    Flag.objects.filter(id=flag.id).update(rule=Flag.EFFORT)
    verdict_record(user=world.reviewer, flag_id=flag.id, answer="reject")
    assert precision_measured(user=world.reviewer).n == 0


@pytest.mark.parametrize(("hits", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)])
def test_wilsons_interval_agrees_with_published_values(hits: int, n: int, low: float, high: float) -> None:
    """81 of 263 is the example of Newcombe, Statistics in Medicine 17 (1998), table I."""
    assert wilson(hits, n) == pytest.approx((low, high), abs=1e-4)


def test_misses_are_weighted_by_the_chance_of_each_stretch(world: World) -> None:
    call = factories.done_call(world.billing, talk(0))
    for answer, probability in (("confirm", 0.01), ("reject", 0.1), ("reject", 0.1), ("unsure", 0.1)):
        Verdict.objects.create(call=call, start=0, end=1, reviewer=world.reviewer, answer=answer, sampling_probability=probability)
    misses = misses_estimated(user=world.reviewer)
    assert (misses.n, misses.missed, misses.unsure) == (3, 1, 1)
    assert misses.rate == pytest.approx(100 / 120)
    assert misses.low is not None
    assert misses.high is not None
    assert misses.low < 0.833 < misses.high
    assert misses.low < 0.3


def test_stretches_hold_customer_speech_of_15_s_and_keep_clear_of_flags() -> None:
    speech = [Span(0, 5), Span(6, 12), Span(13, 20), Span(30, 40), Span(60, 70)]
    assert stretches(speech, []) == [Span(0, 12), Span(13, 20), Span(30, 40), Span(60, 70)]
    assert stretches(speech, [Span(5.2, 5.8)]) == [Span(0, 5), Span(6, 20), Span(30, 40), Span(60, 70)]
    assert stretches(speech, [Span(35, 65)]) == [Span(0, 12), Span(13, 20)]


def test_what_is_drawn_is_unflagged_customer_speech_with_its_chance(world: World) -> None:
    factories.done_call(world.billing, talk(0, 20, 40))
    factories.done_call(world.billing, talk(0))
    chances: Counter[tuple[UUID, float]] = Counter()
    for seed in range(200):
        sample = blind_sample_draw(user=world.reviewer, random=Random(seed))
        assert sample is not None
        assert sample.probability == pytest.approx(1 / 4)
        chances[(sample.call_id, sample.start)] += 1
        sample.delete()
    assert len(chances) == 4
    assert all(25 <= count <= 75 for count in chances.values())


def test_the_drawn_stretch_waits_until_it_is_judged(world: World) -> None:
    factories.done_call(world.billing, talk(0, 20))
    first = blind_sample_draw(user=world.reviewer)
    assert first is not None
    assert blind_sample_draw(user=world.reviewer) == first
    verdict = blind_verdict_record(user=world.reviewer, sample_id=first.id, answer="reject")
    assert (verdict.flag, verdict.sampling_probability) == (None, first.probability)
    second = blind_sample_draw(user=world.reviewer)
    assert second is not None
    assert second.start != first.start
    blind_verdict_record(user=world.reviewer, sample_id=second.id, answer="unsure")
    assert blind_sample_draw(user=world.reviewer) is None
    with pytest.raises(ApplicationError, match="judged already"):
        blind_verdict_record(user=world.reviewer, sample_id=first.id, answer="confirm")


def test_flagged_foreign_agent_and_objected_speech_is_never_drawn(world: World) -> None:
    whole = dataclasses.replace(made.flag(0.0, 12.0))
    factories.done_call(world.billing, dataclasses.replace(made.analysis(), flags=(whole,)))
    factories.done_call(world.sales, talk(0))
    agent = tuple(dataclasses.replace(moment, party=Party.AGENT) for moment in made.analysis().moments[:1])
    factories.done_call(world.billing, dataclasses.replace(talk(0), moments=agent))
    objected = factories.done_call(world.billing, talk(0))
    Call.objects.filter(id=objected.id).update(objected=True)
    assert blind_sample_draw(user=world.reviewer) is None
    assert blind_sample_draw(user=world.agent_user) is None


def test_a_stretch_is_judged_only_by_whom_it_was_drawn_for(world: World) -> None:
    factories.done_call(world.billing, talk(0))
    sample = blind_sample_draw(user=world.reviewer)
    assert sample is not None
    assert blind_sample_get(user=world.reviewer, sample_id=sample.id) == sample
    with pytest.raises(NotFoundError):
        blind_verdict_record(user=world.owner, sample_id=sample.id, answer="reject")
    assert BlindSample.objects.get().verdict is None


def test_an_agent_reads_a_note_once_and_nobody_reads_it_for_them(world: World) -> None:
    call = factories.done_call(world.billing, agent=world.agent)
    note = coaching_note_add(user=world.supervisor, call_id=call.id, text=" Well done ", flag_id=Flag.objects.get().id)
    assert (note.text, note.agent, note.read_at) == ("Well done", world.agent, None)
    for other in (world.supervisor, world.owner, world.outsider):
        with pytest.raises(NotFoundError):
            coaching_note_read(user=other, note_id=note.id)
    read_at = coaching_note_read(user=world.agent_user, note_id=note.id).read_at
    assert read_at is not None
    assert coaching_note_read(user=world.agent_user, note_id=note.id).read_at == read_at
    assert Event.objects.filter(type="coaching.read").count() == 1


def test_a_note_needs_words_an_agent_a_supervisor_and_a_flag_of_its_call(world: World) -> None:
    call = factories.done_call(world.billing, agent=world.agent)
    nobodys = factories.done_call(world.billing)
    with pytest.raises(ApplicationError) as caught:
        coaching_note_add(user=world.supervisor, call_id=call.id, text="  ")
    assert caught.value.field == "text"
    with pytest.raises(ApplicationError, match="agent"):
        coaching_note_add(user=world.supervisor, call_id=nobodys.id, text="x")
    with pytest.raises(ApplicationError, match="supervisor"):
        coaching_note_add(user=world.reviewer, call_id=call.id, text="x")
    for flag_id in (Flag.objects.get(call=nobodys).id, uuid4()):
        with pytest.raises(NotFoundError):
            coaching_note_add(user=world.supervisor, call_id=call.id, text="x", flag_id=flag_id)
