"""Buttons: swap, delete, objection, verdicts, random stretches, coaching."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from django.utils.formats import date_format

from analysis.steps import roles
from analysis.values import Moment, Note, Party, Role, RoleSource, Voice
from callanalytics.calls.models import Call, CallStatus, Flag, FlagStatus
from callanalytics.privacy.models import Erasure
from callanalytics.review.models import BlindSample, CoachingNote, Verdict
from callanalytics.review.services import coaching_note_add
from tests import factories
from tests.analysis import made

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.factories import World


UNKNOWN = Party.UNKNOWN
KNOWN = (Party.AGENT, Party.CUSTOMER)
SAID = ((0, "Sí."), (1, "Hola, llamo por mi factura"), (0, "Buenos días, le atiende Ana"), (1, "Gracias"))


@pytest.fixture
def flag(call: Call) -> Flag:
    return Flag.objects.get(call=call)


def test_swap_analyses_again_with_the_parties_exchanged(browser: Callable[[str], Client], call: Call) -> None:
    page = browser("supervisor").post(f"/calls/{call.id}/swap/", follow=True).content.decode()
    assert "Agent and customer are swapped" in page
    call.refresh_from_db()
    assert (call.voices, call.status) == (["customer", "agent"], CallStatus.QUEUED)


def analysed_as(world: World, *parties: Party, notes: tuple[Note, ...] = ()) -> Call:
    """A call whose analysis took its voices for these parties."""
    voices = tuple(Voice(voice, voice, ()) for voice in range(len(parties)))
    named = tuple(Role(voice, party, 0.0 if party is UNKNOWN else 0.9, RoleSource.METADATA) for voice, party in enumerate(parties))
    moments = tuple(
        Moment(made.utterance(number, voice, number * 4.0, number * 4.0 + 3.5, text), parties[voice], made.MEASURES)
        for number, (voice, text) in enumerate(SAID)
        if voice < len(parties)
    )
    bare = dataclasses.replace(made.analysis(moments=moments), voices=voices, roles=named, notes=notes, segments=(), flags=())
    return factories.done_call(world.billing, bare)


def shown(client: Client, call: Call) -> str:
    return client.get(f"/calls/{call.id}/").content.decode()


@pytest.mark.parametrize("parties", [(UNKNOWN, UNKNOWN), (Party.AGENT, UNKNOWN)])
def test_where_a_voice_is_not_known_the_customer_is_chosen_by_first_words_and_nothing_is_swapped(
    browser: Callable[[str], Client], world: World, parties: tuple[Party, ...]
) -> None:
    call = analysed_as(world, *parties)
    html = shown(browser("supervisor"), call)
    assert "Swap agent/customer" not in html
    assert "The roles are right" not in html
    assert "Say who the customer is" in html
    for voice, text in ((0, "Buenos días, le atiende Ana"), (1, "Hola, llamo por mi factura")):
        assert f"“{text}”" in html
        assert f"Voice {voice + 1} is the customer" in html
        assert f"/calls/{call.id}/customer/{voice}/" in html
    assert 'data-clip="8.00,11.50"' in html
    page = browser("supervisor").post(f"/calls/{call.id}/customer/1/", follow=True).content.decode()
    assert "Voice 2 is the customer; the call is analysed again." in page
    call.refresh_from_db()
    assert (call.voices, call.status) == (["agent", "customer"], CallStatus.QUEUED)


def test_a_voice_that_says_nothing_can_still_be_chosen(browser: Callable[[str], Client], world: World) -> None:
    call = analysed_as(world, UNKNOWN, UNKNOWN)
    call.utterances.filter(voice=1).delete()
    html = shown(browser("supervisor"), call)
    assert "Voice 2 is the customer" in html
    assert "Play what Voice 2 says" not in html


def test_roles_can_be_confirmed_beside_the_swap_only_where_the_dialogue_contradicts_them(
    browser: Callable[[str], Client], world: World
) -> None:
    plain, doubted = (analysed_as(world, *KNOWN, notes=notes) for notes in ((), (roles.CONTRADICTED,)))
    assert "The roles are right" not in shown(browser("supervisor"), plain)
    html = shown(browser("supervisor"), doubted)
    assert "The roles are right" in html
    assert "Swap agent/customer" in html
    assert "contradicts the channel map" in html
    page = browser("supervisor").post(f"/calls/{doubted.id}/roles/confirm/", follow=True).content.decode()
    assert "The roles are confirmed; the call is analysed again with them." in page
    doubted.refresh_from_db()
    assert (doubted.voices, doubted.status) == (["agent", "customer"], CallStatus.QUEUED)


def test_of_three_voices_nothing_about_roles_is_offered(browser: Callable[[str], Client], world: World) -> None:
    html = shown(browser("supervisor"), analysed_as(world, UNKNOWN, UNKNOWN, UNKNOWN))
    assert "Voice 3" in html
    for offer in ("Swap agent/customer", "Say who the customer is", "The roles are right", "is the customer"):
        assert offer not in html


def test_who_may_not_correct_roles_is_offered_nothing(browser: Callable[[str], Client], world: World) -> None:
    html = shown(browser("reviewer"), analysed_as(world, UNKNOWN, UNKNOWN))
    assert "Say who the customer is" not in html
    assert "is the customer" not in html


def test_what_cannot_be_swapped_now_is_told(browser: Callable[[str], Client], call: Call) -> None:
    browser("supervisor").post(f"/calls/{call.id}/swap/")
    assert "once the call is analysed" in browser("supervisor").post(f"/calls/{call.id}/swap/", follow=True).content.decode()


def test_delete_needs_a_reason_and_leaves_a_receipt(browser: Callable[[str], Client], call: Call) -> None:
    assert "Say why the call is deleted" in browser("supervisor").post(f"/calls/{call.id}/delete/", follow=True).content.decode()
    assert Call.objects.filter(id=call.id).exists()
    page = browser("supervisor").post(f"/calls/{call.id}/delete/", {"reason": "the caller asked"}, follow=True).content.decode()
    receipt = Erasure.objects.get()
    assert str(receipt.id) in page
    assert receipt.reason == "the caller asked"
    assert not Call.objects.filter(id=call.id).exists()


def test_deleting_is_asked_before(browser: Callable[[str], Client], call: Call) -> None:
    page = browser("supervisor").get(f"/calls/{call.id}/").content.decode()
    assert 'data-opens="delete"' in page
    assert '<dialog id="delete"' in page
    assert 'aria-describedby="id_reason_helptext"' in page
    assert "Administrators read it; leave out who the caller was." in page
    assert browser("supervisor").get(f"/calls/{call.id}/delete/").status_code == 405


def test_an_objection_takes_the_scores_away_at_once(browser: Callable[[str], Client], call: Call) -> None:
    browser("supervisor").post(f"/calls/{call.id}/objection/", {"objected": "1"})
    call.refresh_from_db()
    assert call.objected
    assert call.peak_frustration is None
    browser("supervisor").post(f"/calls/{call.id}/objection/", {"objected": "0"})
    call.refresh_from_db()
    assert not call.objected


def test_a_nonsense_objection_changes_nothing(browser: Callable[[str], Client], call: Call) -> None:
    browser("supervisor").post(f"/calls/{call.id}/objection/", {"objected": "perhaps"})
    call.refresh_from_db()
    assert not call.objected


def test_a_verdict_by_htmx_gives_the_card_back(browser: Callable[[str], Client], flag: Flag) -> None:
    response = browser("reviewer").post(
        f"/flags/{flag.id}/verdict/", {"answer": "reject", "reason": "laughing"}, headers={"hx-request": "true"}
    )
    html = response.content.decode()
    assert response.status_code == 200
    assert f'id="flag-{flag.id}"' in html
    assert "laughing" in html
    assert "<html" not in html
    flag.refresh_from_db()
    assert flag.status == FlagStatus.REJECTED


def test_a_verdict_without_scripts_goes_back_to_the_flag(browser: Callable[[str], Client], flag: Flag) -> None:
    response = browser("reviewer").post(f"/flags/{flag.id}/verdict/", {"answer": "unsure"})
    assert response["Location"] == f"/calls/{flag.call_id}/#flag-{flag.id}"
    assert Verdict.objects.get().answer == "unsure"


def test_a_verdict_needs_an_answer(browser: Callable[[str], Client], flag: Flag) -> None:
    response = browser("reviewer").post(f"/flags/{flag.id}/verdict/", {"reason": "?"}, headers={"hx-request": "true"})
    assert "Choose a verdict." in response.content.decode()
    assert not Verdict.objects.exists()


def test_an_agent_does_not_even_know_of_flags(browser: Callable[[str], Client], flag: Flag) -> None:
    assert browser("agent").post(f"/flags/{flag.id}/verdict/", {"answer": "reject"}).status_code == 404


def test_a_random_stretch_is_judged_blind(browser: Callable[[str], Client], call: Call) -> None:
    html = browser("reviewer").get("/review/random/").content.decode()
    assert "frustration 83%" not in html
    assert "83" not in html.replace(str(call.id), "")
    assert f"/calls/{call.id}/audio/#t=4.00,14.30" in html
    assert "Yes" in html
    sample = BlindSample.objects.get()
    response = browser("reviewer").post(f"/review/random/{sample.id}/", {"answer": "confirm"})
    assert response["Location"] == f"/review/random/?last={sample.id}"
    verdict = Verdict.objects.get()
    assert verdict.sampling_probability == sample.probability
    told = browser("reviewer").get(response["Location"]).content.decode()
    assert "The models gave no score here." in told


def test_reloading_shows_the_same_stretch(browser: Callable[[str], Client], call: Call) -> None:
    for _ in range(2):
        assert browser("reviewer").get("/review/random/").status_code == 200
    assert BlindSample.objects.count() == 1


def test_a_stretch_needs_an_answer_and_is_judged_once(browser: Callable[[str], Client], call: Call) -> None:
    browser("reviewer").get("/review/random/")
    address = f"/review/random/{BlindSample.objects.get().id}/"
    assert browser("reviewer").post(address, {}).status_code == 422
    browser("reviewer").post(address, {"answer": "reject"})
    assert "judged already" in browser("reviewer").post(address, {"answer": "confirm"}, follow=True).content.decode()
    assert Verdict.objects.get().answer == "reject"


def test_nothing_to_draw_says_so(browser: Callable[[str], Client]) -> None:
    assert "Nothing to draw from yet" in browser("reviewer").get("/review/random/").content.decode()


@pytest.mark.parametrize("last", ["x", "-1", "999", "9" * 40])
def test_a_wrong_last_is_no_error(browser: Callable[[str], Client], call: Call, last: str) -> None:
    assert browser("reviewer").get("/review/random/", {"last": last}).status_code in (200, 404)


def test_a_note_reaches_the_agent_who_marks_it_read(browser: Callable[[str], Client], call: Call, flag: Flag) -> None:
    browser("supervisor").post(f"/calls/{call.id}/notes/", {"text": "Name the next step.", "flag": str(flag.id)})
    page = browser("agent").get("/coaching/").content.decode()
    assert "Name the next step." in page
    assert f"/calls/{call.id}/?t=0.00" in page
    assert f'<a href="/calls/{call.id}/">C-1</a>' in page
    assert f"Call of {date_format(call.started_at, 'j M Y, H:i')} UTC" in page
    note = CoachingNote.objects.get()
    browser("agent").post(f"/coaching/{note.id}/read/")
    note.refresh_from_db()
    assert note.read_at is not None
    assert "Mark as read" not in browser("agent").get("/coaching/").content.decode()
    assert "read " in browser("supervisor").get("/coaching/").content.decode()


def test_an_empty_note_is_shown_again_with_what_is_wrong(browser: Callable[[str], Client], call: Call) -> None:
    response = browser("supervisor").post(f"/calls/{call.id}/notes/", {"text": "  "})
    assert response.status_code == 422
    assert "Write what the agent should know." in response.content.decode()


def test_nobody_else_can_mark_a_note_read(browser: Callable[[str], Client], call: Call, world: World) -> None:
    note = coaching_note_add(user=world.supervisor, call_id=call.id, text="Well done.")
    assert browser("supervisor").post(f"/coaching/{note.id}/read/").status_code == 404
