"""Objections, swapped roles and erasure take effect at once, on everything that is kept."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from analysis.values import Flag as FoundFlag
from analysis.values import Party, Role, RoleSource, Scoring, ScoringMode, Voice
from callanalytics.calls import files, mapping
from callanalytics.calls.models import AnalysisRun, Call, CallStatus, Flag, FlagStatus, Recording, Utterance
from callanalytics.calls.services import (
    analysis_store,
    call_confirm_roles,
    call_objection_set,
    call_retry,
    call_set_customer,
    call_swap_roles,
    peaks_path,
    playback_path,
    recording_path,
)
from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.events.models import Event
from callanalytics.privacy.models import Erasure
from callanalytics.privacy.selectors import erasure_list
from callanalytics.privacy.services import NO_REASON, call_erase
from callanalytics.review.services import coaching_note_add, verdict_record
from tests import factories
from tests.analysis import made

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_django import DjangoCaptureOnCommitCallbacks

    from analysis.values import CallAnalysis
    from tests.factories import World


def measured() -> CallAnalysis:
    """What an analysis in the mode `measures` gives: nothing scored."""
    bare = [
        dataclasses.replace(moment, tone=None, tone_abstained=None, wording=None, frustration=None, disagreement=None)
        for moment in made.analysis().moments
    ]
    scoring = Scoring(ScoringMode.MEASURES, "the caller objected")
    return dataclasses.replace(made.analysis(), moments=tuple(bare), segments=(), flags=(), scoring=scoring)


def emotion_left(call: Call) -> list[object]:
    """Every emotion value that is stored of a call, wherever."""
    call.refresh_from_db()
    columns = Utterance.objects.filter(call=call).values_list(*Utterance.EMOTION_FIELDS)
    quotes = [quote for flag in Flag.objects.filter(call=call) for quote in flag.evidence["quotes"]]
    kept = [value for row in columns for value in row]
    kept += [value for quote in quotes for value in (quote["probability"], quote["contributions"], quote["disagreement"])]
    kept += [*Flag.objects.filter(call=call).values_list("peak", flat=True), call.peak_frustration, call.frustrated_s or None]
    kept += [*call.segments.all(), *AnalysisRun.objects.filter(call=call).exclude(document="")]
    return [value for value in kept if value is not None]


def test_an_objection_removes_what_was_scored_and_analyses_for_measures_only(
    world: World, media: Path, nudged: list[str], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    call = factories.done_call(world.billing)
    call_retry(user=world.supervisor, call_id=call.id)
    factories.analyzed(call)
    assert len(emotion_left(call)) > 10
    with django_capture_on_commit_callbacks(execute=True):
        objected = call_objection_set(user=world.supervisor, call_id=call.id, objected=True)
    assert (objected.status, objected.objected) == (CallStatus.QUEUED, True)
    assert emotion_left(call) == []
    assert not list(media.rglob("*.json.gz"))
    assert list(AnalysisRun.objects.filter(call=call).values_list("document", "summary")) == [("", {})] * 2
    flag = Flag.objects.get(call=call)
    assert (flag.status, flag.retracted_reason) == (FlagStatus.RETRACTED, "the caller objected to scoring")
    assert Event.objects.filter(type="flag.retracted", subject=str(flag.id)).exists()
    assert nudged == [str(call.id)]
    assert mapping.call_options(objected).scoring.mode is ScoringMode.MEASURES


def test_after_an_objection_only_the_words_and_measures_come_back(world: World) -> None:
    call = factories.done_call(world.billing)
    call_objection_set(user=world.supervisor, call_id=call.id, objected=True)
    token = factories.claimed(call)
    assert analysis_store(call.id, token, made.analysis()) is None
    token = factories.claimed(call)
    assert analysis_store(call.id, token, measured()) is not None
    assert [row.text for row in call.utterances.order_by("number")] == ["Thank you for calling", "I have called four times", "Yes"]
    assert all(row.measures for row in call.utterances.all())
    assert [value for value in emotion_left(call) if not isinstance(value, AnalysisRun)] == []


def test_an_objection_stops_the_worker_that_is_scoring(world: World) -> None:
    call = factories.queued_call(world.billing)
    token = factories.claimed(call)
    call_objection_set(user=world.supervisor, call_id=call.id, objected=True)
    assert analysis_store(call.id, token, made.analysis()) is None
    assert not Utterance.objects.filter(call=call).exists()


def test_a_flag_without_emotion_outlives_an_objection(world: World) -> None:
    evidence = dataclasses.replace(made.flag().evidence, quotes=())
    analysis = dataclasses.replace(made.analysis(), flags=(FoundFlag("effort", 1.0, 9.0, "medium", evidence),))
    call = factories.done_call(world.billing, analysis)
    call_objection_set(user=world.supervisor, call_id=call.id, objected=True)
    assert Flag.objects.get(call=call).status == FlagStatus.OPEN


def test_an_objection_twice_changes_nothing(world: World) -> None:
    call = factories.queued_call(world.billing, objected=True)
    call_objection_set(user=world.supervisor, call_id=call.id, objected=True)
    assert not Event.objects.filter(type="call.objection").exists()


def test_swapping_removes_what_was_the_agents_and_analyses_with_the_correction(world: World) -> None:
    call = factories.done_call(world.billing)
    call = call_swap_roles(user=world.supervisor, call_id=call.id)
    assert call.status == CallStatus.QUEUED
    assert emotion_left(call) == []
    assert mapping.call_options(call).parties.voices == (Party.CUSTOMER, Party.AGENT)


def test_swapping_keeps_judgements(world: World) -> None:
    call = factories.done_call(world.billing)
    flag = Flag.objects.get(call=call)
    verdict_record(user=world.reviewer, flag_id=flag.id, answer="confirm", reason="clearly")
    call_swap_roles(user=world.supervisor, call_id=call.id)
    factories.analyzed(call, dataclasses.replace(made.analysis(), flags=()))
    flag.refresh_from_db()
    assert flag.status == FlagStatus.RETRACTED
    assert flag.verdicts.get().reason == "clearly"


def test_a_call_that_is_not_analysed_cannot_be_swapped(world: World) -> None:
    call = factories.queued_call(world.billing)
    with pytest.raises(ApplicationError, match="once the call is analysed"):
        call_swap_roles(user=world.supervisor, call_id=call.id)


A, C, U = Party.AGENT, Party.CUSTOMER, Party.UNKNOWN


def analysed_as(world: World, *parties: Party) -> Call:
    """A call whose analysis took its voices for these parties."""
    voices = tuple(Voice(voice, 0, ()) for voice in range(len(parties)))
    found = tuple(Role(voice, party, 0.0 if party is U else 0.9, RoleSource.DIALOGUE) for voice, party in enumerate(parties))
    return factories.done_call(world.billing, dataclasses.replace(made.analysis(), voices=voices, roles=found))


@pytest.mark.parametrize(("before", "after"), [([A, C], [C, A]), ([C, A], [A, C]), ([C], [A])])
def test_swapping_exchanges_the_parties(world: World, before: list[Party], after: list[Party]) -> None:
    assert call_swap_roles(user=world.supervisor, call_id=analysed_as(world, *before).id).voices == after


@pytest.mark.parametrize(("correct", "after"), [(call_swap_roles, [C, A]), (call_confirm_roles, [A, C])])
def test_the_one_voice_of_a_second_channel_is_swapped_and_confirmed_too(
    world: World, correct: Callable[..., Call], after: list[Party]
) -> None:
    role = Role(1, C, 0.01, RoleSource.METADATA)
    call = factories.done_call(world.billing, dataclasses.replace(made.analysis(), voices=(Voice(1, 1, ()),), roles=(role,)))
    assert correct(user=world.supervisor, call_id=call.id).voices == after


@pytest.mark.parametrize("parties", [[U, U], [A, U], [U, C], [U]])
@pytest.mark.parametrize("correct", [call_swap_roles, call_confirm_roles])
def test_what_is_not_known_can_be_neither_swapped_nor_confirmed(world: World, parties: list[Party], correct: Callable[..., Call]) -> None:
    call = analysed_as(world, *parties)
    with pytest.raises(ApplicationError, match="say which voice is the customer"):
        correct(user=world.supervisor, call_id=call.id)
    call.refresh_from_db()
    assert (call.voices, call.status) == ([], CallStatus.DONE)


def test_confirmed_roles_are_a_persons_word_and_analyse_again_with_what_was_scored_kept_until_then(world: World) -> None:
    call = factories.done_call(world.billing)
    scored = len(emotion_left(call))
    call = call_confirm_roles(user=world.supervisor, call_id=call.id)
    assert (call.status, len(emotion_left(call))) == (CallStatus.QUEUED, scored)
    assert mapping.call_options(call).parties.voices == (A, C)
    assert Event.objects.get(type="call.roles_confirmed").payload == {"voices": ["agent", "customer"]}


@pytest.mark.parametrize(("voice", "after"), [(0, [C, A]), (1, [A, C])])
def test_the_voice_that_is_said_to_be_the_customer_is_and_the_other_is_the_agent(world: World, voice: int, after: list[Party]) -> None:
    call = call_set_customer(user=world.supervisor, call_id=analysed_as(world, U, U).id, voice=voice)
    assert (call.voices, call.status) == (after, CallStatus.QUEUED)
    assert emotion_left(call) == []
    assert Event.objects.get(type="call.roles_set").actor == world.supervisor


def test_the_one_voice_of_a_recording_can_be_said_to_be_the_customer(world: World) -> None:
    assert call_set_customer(user=world.supervisor, call_id=analysed_as(world, U).id, voice=0).voices == [C]


@pytest.mark.parametrize("voice", [-1, 2])
def test_a_voice_that_is_not_heard_cannot_be_the_customer(world: World, voice: int) -> None:
    with pytest.raises(ApplicationError, match=f"no voice {voice + 1} in this call"):
        call_set_customer(user=world.supervisor, call_id=analysed_as(world, U, U).id, voice=voice)


def test_of_three_voices_none_can_be_said_to_be_the_customer(world: World) -> None:
    with pytest.raises(ApplicationError, match="More than two voices"):
        call_set_customer(user=world.supervisor, call_id=analysed_as(world, U, U, U).id, voice=0)


def erased(world: World, call: Call, capture: DjangoCaptureOnCommitCallbacks, reason: str = "asked for") -> Erasure:
    with capture(execute=True):
        return call_erase(user=world.supervisor, call_id=call.id, reason=reason)


def test_erasing_leaves_no_row_and_no_file_but_a_receipt(
    world: World, media: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    call = factories.done_call(world.billing, agent=world.agent, external_id="X1", file_name="+49 170 1234567.wav")
    verdict_record(user=world.reviewer, flag_id=Flag.objects.get().id, answer="confirm")
    coaching_note_add(user=world.supervisor, call_id=call.id, text="Well done")
    for path in (playback_path(call), peaks_path(call), files.cleaner_path(call)):
        with files.replaced_atomically(path) as draft:
            draft.write_text("x")
    receipt = erased(world, call, django_capture_on_commit_callbacks)
    assert [path for path in media.rglob("*") if path.is_file()] == []
    assert not Call.objects.exists()
    assert not Recording.objects.exists()
    assert not Utterance.objects.exists()
    assert (receipt.call_public_id, receipt.external_id, receipt.actor, receipt.reason) == (call.id, "X1", world.supervisor, "asked for")
    assert receipt.counts["utterances"] == 3
    assert (receipt.counts["flags"], receipt.counts["verdicts"], receipt.counts["coaching_notes"]) == (1, 1, 1)
    assert (receipt.counts["files"], receipt.counts["audio_shared"]) == (5, False)
    assert not any("1234567" in str(event.payload) for event in Event.objects.all())
    assert Event.objects.filter(type="call.erased", subject=str(call.id)).exists()


def test_a_file_that_cannot_go_yet_keeps_none_of_the_others(
    world: World, media: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    call = factories.done_call(world.billing)
    stuck = playback_path(call)
    (stuck / "a folder in its place").mkdir(parents=True)
    erased(world, call, django_capture_on_commit_callbacks)
    assert [path for path in media.rglob("*") if path.is_file()] == []
    assert stuck.exists()


def test_audio_that_another_call_shares_stays_until_that_is_erased_too(
    world: World, media: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    source = factories.audio()
    first = factories.queued_call(world.billing, source, external_id="X1")
    source.seek(0)
    second = factories.queued_call(world.billing, source, external_id="X2")
    audio = recording_path(first)
    assert erased(world, first, django_capture_on_commit_callbacks).counts["audio_shared"]
    assert audio.exists()
    erased(world, second, django_capture_on_commit_callbacks)
    assert not audio.exists()


def test_a_worker_whose_call_is_erased_stores_nothing(
    world: World, media: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    call = factories.queued_call(world.billing)
    token = factories.claimed(call)
    erased(world, call, django_capture_on_commit_callbacks)
    assert analysis_store(call.id, token, made.analysis()) is None
    assert not list(media.rglob("*.gz"))


def test_an_erasure_that_fails_leaves_the_call_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    call = factories.done_call(world.billing)

    def broken(**_: object) -> None:
        raise RuntimeError("outbox")

    monkeypatch.setattr("callanalytics.privacy.services.event_record", broken)
    with pytest.raises(RuntimeError):
        call_erase(user=world.supervisor, call_id=call.id, reason="x")
    assert Call.objects.filter(id=call.id).exists()
    assert recording_path(call).exists()
    assert not Erasure.objects.exists()


def test_receipts_are_for_supervisors(world: World, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> None:
    receipt = erased(world, factories.queued_call(world.billing), django_capture_on_commit_callbacks, reason=" ")
    assert receipt.reason == NO_REASON
    seen = {name: erasure_list(user=person).count() for name, person in world.people().items()}
    assert seen == dict.fromkeys(seen, 0) | {"owner": 1, "supervisor": 1}


@pytest.mark.parametrize("name", ["reviewer", "agent"])
def test_who_may_only_read_can_change_nothing(world: World, name: str) -> None:
    call = factories.done_call(world.billing, agent=world.agent)
    user = world.people()[name]
    with pytest.raises(ApplicationError, match="supervisor"):
        call_erase(user=user, call_id=call.id, reason="x")
    with pytest.raises(ApplicationError, match="supervisor"):
        call_swap_roles(user=user, call_id=call.id)
    with pytest.raises(ApplicationError, match="supervisor"):
        call_confirm_roles(user=user, call_id=call.id)
    with pytest.raises(ApplicationError, match="supervisor"):
        call_set_customer(user=user, call_id=call.id, voice=0)
    with pytest.raises(ApplicationError, match="supervisor"):
        call_objection_set(user=user, call_id=call.id, objected=True)


def test_an_outsider_does_not_learn_that_there_is_a_call(world: World) -> None:
    call = factories.done_call(world.billing)
    with pytest.raises(NotFoundError):
        call_erase(user=world.outsider, call_id=call.id, reason="x")
