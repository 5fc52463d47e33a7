"""Verdicts become rows, a refit becomes active and can be undone, and nothing is changed on thin ground."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError, transaction

from analysis.config import Config, FuseConfig
from analysis.values import Contributions
from callanalytics.calls.models import AnalysisRun, Call, Flag
from callanalytics.calls.services import call_objection_set, flag_retract
from callanalytics.errors import ApplicationError
from callanalytics.events.models import Event
from callanalytics.review import calibration, fitting, judged
from callanalytics.review.calibration import calibration_fit, calibration_store, calibration_undo
from callanalytics.review.models import Calibration, Verdict
from callanalytics.review.selectors import calibration_active, config_calibrated
from callanalytics.review.services import verdict_record
from tests import factories
from tests.analysis import made

if TYPE_CHECKING:
    from callanalytics.review.judged import Collected
    from tests.factories import World

FUSE = FuseConfig()
CALM = Contributions(tone=-0.5, wording=-0.6, effort=0.0, measures=0.0, context=0.0, prior=-2.2)
ANGRY = Contributions(tone=1.8, wording=0.2, effort=0.1, measures=0.2, context=0.4, prior=-2.2)
BITTER = Contributions(tone=-0.2, wording=2.6, effort=0.1, measures=0.2, context=0.4, prior=-2.2)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "RESAMPLES", 10)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Minima that small_desk() reaches: for what becomes of a fit, it matters little how good it is."""
    for name, least in (("MIN_STRETCHES", 10), ("MIN_OF_EACH", 3), ("MIN_CALLS", 5)):
        monkeypatch.setattr(calibration, name, least)
    monkeypatch.setattr(fitting, "MIN_RANDOM", 4)


def small_desk(world: World) -> None:
    desk(world, flags=12, random=4)


def desk(world: World, *, flags: int = 30, random: int = 30) -> None:
    """Reviewers who find that bitter words are meant, and that an angry voice without them is not."""
    chance = Random(5)
    for number in range(flags):
        bitter = number % 2 == 0
        answer = "confirm" if bitter != (chance.random() < 0.1) else "reject"
        factories.judged_call(world, answer, contributions=BITTER if bitter else ANGRY)
    for number in range(random):
        factories.judged_call(world, "confirm" if number == 0 else "reject", contributions=CALM, chance=0.001)


def collected(fuse: FuseConfig = FUSE) -> Collected:
    return judged.collected(fuse)


def test_a_refit_moves_towards_what_reviewers_say_and_measures_better(world: World) -> None:
    desk(world)
    refit = calibration_fit(FUSE)
    assert refit.after.tone_weight < FUSE.tone_weight - 0.05
    assert refit.after.wording_weight > FUSE.wording_weight
    assert refit.improves
    assert refit.metrics["after"]["log_loss"] < refit.metrics["before"]["log_loss"]
    assert (len(refit.collected.rows), refit.random) == (60, 30)
    assert refit.after.prior != FUSE.prior
    assert refit.rate is not None
    assert not Calibration.objects.exists()


def test_fitting_twice_to_the_same_verdicts_gives_the_same_weights(world: World) -> None:
    desk(world)
    first = calibration_store(calibration_fit(FUSE))
    second = calibration_fit(FUSE)
    assert [getattr(second.after, name) for name in Calibration.FUSE_FIELDS] == [getattr(first, name) for name in Calibration.FUSE_FIELDS]
    assert second.before.prior == first.prior
    assert not second.improves


def test_too_few_verdicts_are_refused_with_what_is_missing(world: World) -> None:
    for number in range(20):
        factories.judged_call(world, "reject" if number < 8 else "confirm", contributions=ANGRY)
    factories.judged_call(world, "unsure", contributions=ANGRY)
    with pytest.raises(ApplicationError) as caught:
        calibration_fit(FUSE)
    assert caught.value.message == (
        "20 judged stretches can be fitted to (12 frustrated, 8 not frustrated), 50 are needed, with 12 of each: 30 more, of them at least "
        "4 not frustrated. Left out: 1 on which reviewers are even or cannot tell."
    )


def test_too_few_stretches_of_too_few_calls_are_refused_with_both(world: World) -> None:
    with pytest.raises(ApplicationError, match=r"^0 judged .*: 50 more, .*\. They come from no call, 20 are needed: 20 more, because what"):
        calibration_fit(FUSE)
    for _ in range(2):
        factories.judged_call(world, "confirm", contributions=ANGRY)
    with pytest.raises(ApplicationError, match=r"^2 judged .*: 48 more, .*\. They come from 2 calls, 20 are needed: 18 more, because what"):
        calibration_fit(FUSE)


def test_one_answer_alone_is_refused(world: World) -> None:
    for _ in range(52):
        factories.judged_call(world, "confirm", contributions=ANGRY)
    with pytest.raises(ApplicationError, match=r"\(52 frustrated, 0 not frustrated\).*12 more, of them at least 12 not frustrated\.$"):
        calibration_fit(FUSE)


def test_a_few_calls_are_refused_however_many_verdicts(world: World) -> None:
    desk(world)
    one = Call.objects.all()[0]
    Verdict.objects.all().update(call=one)
    for number, verdict in enumerate(Verdict.objects.filter(flag=None)):
        Verdict.objects.filter(id=verdict.id).update(start=4.2 + number / 100)
    with pytest.raises(ApplicationError, match=r"^The 60 judged stretches come from 1 call, 20 are needed: 19 more, because what"):
        calibration_fit(FUSE)


def test_the_prior_stays_where_random_stretches_are_few(world: World) -> None:
    desk(world, random=fitting.MIN_RANDOM - 1)
    refit = calibration_fit(FUSE)
    assert (refit.after.prior, refit.rate) == (FUSE.prior, None)
    assert refit.after.tone_weight != FUSE.tone_weight


def test_the_latest_answer_of_each_reviewer_counts_the_majority_wins_and_even_ones_are_left_out(world: World) -> None:
    flags = [factories.judged_call(world, "confirm", contributions=ANGRY).flag for _ in range(3)]
    assert None not in flags
    won, even, changed = [flag.id for flag in flags if flag]
    for flag_id, person, answer in (
        (won, world.supervisor, "reject"), (won, world.reviewer, "confirm"), (even, world.supervisor, "reject"),
        (changed, world.owner, "reject"),
    ):  # fmt: skip
        verdict_record(user=person, flag_id=flag_id, answer=answer)
    found = collected()
    assert sorted(found.rows.frustrated.tolist()) == [False, True]
    assert found.left_out == {judged.UNCLEAR: 1}


def test_a_row_is_the_mean_of_its_moments_by_seconds_at_the_configured_weights(world: World) -> None:
    moments = [made.customer_moment(1, 4.2, 5.2, "one", 0.5), made.customer_moment(2, 6.0, 9.0, "two", 0.5)]
    for place, parts in enumerate((ANGRY, BITTER)):
        scored = moments[place].frustration
        assert scored is not None
        moments[place] = dataclasses.replace(moments[place], frustration=dataclasses.replace(scored, contributions=parts))
    analysis = dataclasses.replace(made.analysis(moments=tuple(moments)), flags=(made.flag(4.2, 9.0),))
    flag = Flag.objects.get(call=factories.done_call(world.billing, analysis))
    verdict_record(user=world.owner, flag_id=flag.id, answer="confirm")
    rows = collected(dataclasses.replace(FUSE, tone_weight=2 * FUSE.tone_weight)).rows
    assert rows.parts[0][:2] == pytest.approx([2 * (0.25 * 1.8 - 0.75 * 0.2), 0.25 * 0.2 + 0.75 * 2.6])
    assert (rows.limited[0], rows.moments[0]) == (0.0, 2)


def test_a_part_at_its_limit_is_no_evidence_on_its_weight(world: World) -> None:
    factories.judged_call(world, "reject", contributions=dataclasses.replace(CALM, wording=-1.0, tone=FUSE.voice_limit))
    rows = collected().rows
    assert (rows.parts[0][:2].tolist(), rows.limited[0]) == ([0.0, 0.0], pytest.approx(FUSE.voice_limit - 1.0))


def analysed_with(verdict: Verdict, **limits: float) -> None:
    """The run that was judged names these limits of the voice and no others."""
    run = AnalysisRun.objects.get(call=verdict.call_id)
    run.summary["provenance"]["fuse"].pop("voice_limit")
    run.summary["provenance"]["fuse"] |= limits
    run.save(update_fields=["summary"])


@pytest.mark.parametrize(("limits", "most"), [({"voice_limit": 2.5}, 2.5), ({"voice_limit": 9.0}, 3.0)])
def test_the_limit_of_a_voice_is_the_lower_of_both(world: World, limits: dict[str, float], most: float) -> None:
    for part in ("tone", "measures"):
        for added in (most, most - 0.1):
            analysed_with(factories.judged_call(world, "reject", contributions=dataclasses.replace(CALM, **{part: added})), **limits)
    rows = collected().rows
    assert sorted(rows.parts[:, 0]) == [-0.5, -0.5, 0.0, pytest.approx(most - 0.1)]
    assert sorted(rows.parts[:, 3]) == [0.0, 0.0, 0.0, pytest.approx(most - 0.1)]


@pytest.mark.parametrize(("tone", "measures", "limited"), [(1.8, 0.7, 2.5), (1.6, 0.9, 2.5), (1.8, 0.6, 0.0), (2.5, -0.4, 2.5)])
def test_tone_and_measures_stand_at_the_voices_limit_where_their_sum_does(
    world: World, tone: float, measures: float, limited: float
) -> None:
    """A voice that is at its limit adds the same at any weight of its two parts; a quiet one is counted by itself."""
    factories.judged_call(world, "reject", contributions=dataclasses.replace(CALM, tone=tone, measures=measures))
    rows = collected().rows
    assert rows.limited[0] == pytest.approx(limited)
    assert rows.limited[0] + rows.parts[0].sum() == pytest.approx(tone + measures + CALM.wording)


@pytest.mark.parametrize(("limits", "most"), [({"tone_limit": 2.5}, 2.5), ({"tone_limit": 9.0}, 3.0), ({}, 3.0)])
def test_analyses_from_before_the_voice_had_a_limit_are_read_by_their_own(world: World, limits: dict[str, float], most: float) -> None:
    """They limited tone alone, or by nothing of its own, and measures beside it."""
    for added in (most, most - 0.1):
        analysed_with(factories.judged_call(world, "reject", contributions=dataclasses.replace(CALM, tone=added, measures=1.2)), **limits)
    rows = collected().rows
    assert sorted(rows.parts[:, 0]) == [0.0, pytest.approx(most - 0.1)]
    assert rows.parts[:, 3].tolist() == pytest.approx([1.2, 1.2])


def test_what_is_another_question_no_sample_or_not_to_be_used_is_no_row(world: World) -> None:
    effort, withdrawn, objected, other = (factories.judged_call(world, "confirm", contributions=ANGRY) for _ in range(4))
    kept = factories.judged_call(world, "confirm", contributions=ANGRY)
    Flag.objects.filter(call=effort.call).update(rule=Flag.EFFORT)
    with transaction.atomic():
        flag_retract(Flag.objects.get(call=withdrawn.call), "a newer analysis did not find it again")
    call_objection_set(user=world.owner, call_id=objected.call_id, objected=True)
    AnalysisRun.objects.filter(call_id=other.call_id).update(engines={"tone": "another/head"})
    found = collected()
    assert len(found.rows) == 1
    assert kept.call_id is not None
    assert found.left_out == {judged.OTHER_MODELS: 1}


def test_random_stretches_carry_the_inverse_of_their_chance_and_flags_the_share_they_cover(world: World) -> None:
    for chance in (None, 0.25, 0.01):
        factories.judged_call(world, "reject", contributions=CALM, chance=chance)
    found = collected()
    assert sorted(found.rows.inverse.tolist()) == pytest.approx([0.0, 4.0, 100.0])
    assert found.flagged_share == pytest.approx(1 / 3)


def test_folds_keep_agents_apart_where_there_are_many(world: World) -> None:
    from callanalytics.people.models import Agent

    agents = [Agent.objects.create(code=f"X{number}", team=world.billing) for number in range(judged.MANY_AGENTS)]
    for number in range(2 * judged.MANY_AGENTS - 2):
        factories.judged_call(world, "confirm", contributions=ANGRY, agent=agents[number % (judged.MANY_AGENTS - 1)])
    assert not collected().by_agent
    factories.judged_call(world, "confirm", contributions=ANGRY, agent=agents[-1])
    factories.judged_call(world, "confirm", contributions=ANGRY)
    found = collected()
    assert found.by_agent
    assert len(set(found.rows.groups.tolist())) == judged.MANY_AGENTS + 1


def test_undo_goes_back_one_by_one_to_the_configured_weights_and_all_is_recorded(world: World, small: None) -> None:
    small_desk(world)
    first = calibration_store(calibration_fit(FUSE), actor=world.owner)
    second = calibration_store(calibration_fit(FUSE))
    assert (calibration_active(), second.replaced) == (second, first)
    assert calibration_undo(actor=world.owner) == first
    assert calibration_undo() is None
    assert config_calibrated(Config()) == Config()
    with pytest.raises(ApplicationError, match="as configured"):
        calibration_undo()
    events = Event.objects.filter(type__startswith="calibration.").order_by("created_at", "id")
    assert [(event.type, event.subject, event.actor) for event in events] == [
        ("calibration.made", str(first), world.owner),
        ("calibration.made", str(second), None),
        ("calibration.undone", str(second), world.owner),
        ("calibration.undone", str(first), None),
    ]
    assert Calibration.objects.count() == 2
    assert calibration_store(calibration_fit(FUSE)).replaced is None


def test_of_two_fits_at_once_one_is_stored(world: World, small: None) -> None:
    small_desk(world)
    one, other = calibration_fit(FUSE), calibration_fit(FUSE)
    stored = calibration_store(one)
    with pytest.raises(ApplicationError, match="meanwhile"):
        calibration_store(other)
    assert calibration_active() == stored


def test_the_database_holds_one_active_calibration(world: World, small: None) -> None:
    small_desk(world)
    made_first = calibration_store(calibration_fit(FUSE))
    made_first.pk = None
    with pytest.raises(IntegrityError, match="active"), transaction.atomic():
        made_first.save(force_insert=True)


def test_a_calibration_names_itself_in_the_configuration_and_its_digest(world: World, small: None) -> None:
    small_desk(world)
    fitted = calibration_store(calibration_fit(FUSE))
    site = dataclasses.replace(Config(), fuse=dataclasses.replace(FUSE, effort_half_life_s=60.0))
    used = config_calibrated(site)
    assert (used.fuse.calibration, used.fuse.tone_weight) == (str(fitted), fitted.tone_weight)
    assert used.fuse.effort_half_life_s == 60.0
    assert used.digest() != site.digest()


@pytest.mark.parametrize("prior", [-4.0, -1.5])
def test_no_single_voice_gets_higher_from_a_refitted_prior(world: World, small: None, prior: float) -> None:
    small_desk(world)
    calibration_store(calibration_fit(FUSE))
    Calibration.objects.update(prior=prior)
    used = config_calibrated(Config()).fuse
    assert used.prior == prior
    assert used.prior + used.voice_limit == pytest.approx(FUSE.prior + FUSE.voice_limit)
