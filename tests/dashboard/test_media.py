"""Audio, waveform and transcript of a call: who gets them, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callanalytics.calls import files
from callanalytics.calls.models import CleanerCopy
from callanalytics.calls.services import (
    cleaner_copy_ask,
    cleaner_copy_finish,
    cleaner_copy_report,
    peaks_path,
    playback_path,
)
from tests import factories
from tests.dashboard.conftest import AUDIO

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.test import Client

    from callanalytics.calls.models import Call
    from tests.factories import World


@pytest.mark.parametrize("role", ["owner", "supervisor", "reviewer", "agent"])
def test_who_may_read_a_call_may_hear_it(browser: Callable[[str], Client], call: Call, role: str) -> None:
    response = browser(role).get(f"/calls/{call.id}/audio/")
    assert response.status_code == 200
    assert response["Content-Type"] == "audio/mp4"
    assert b"".join(response) == AUDIO


def test_an_outsider_hears_nothing(browser: Callable[[str], Client], call: Call) -> None:
    for part in ("audio", "audio/cleaner", "cleaner", "peaks", "transcript"):
        assert browser("outsider").get(f"/calls/{call.id}/{part}/").status_code == 404


def test_an_outsider_has_no_cleaner_copy_made(browser: Callable[[str], Client], call: Call) -> None:
    assert browser("outsider").post(f"/calls/{call.id}/cleaner/").status_code == 404
    assert not CleanerCopy.objects.exists()


def test_another_teams_call_is_not_found(browser: Callable[[str], Client], world: World) -> None:
    foreign = factories.done_call(world.sales)
    assert browser("reviewer").get(f"/calls/{foreign.id}/audio/").status_code == 404


def test_seeking_gets_a_part(browser: Callable[[str], Client], call: Call) -> None:
    response = browser("agent").get(f"/calls/{call.id}/audio/", headers={"range": "bytes=100-199"})
    assert response.status_code == 206
    assert response["Content-Range"] == f"bytes 100-199/{len(AUDIO)}"
    assert b"".join(response) == AUDIO[100:200]


def test_seeking_past_the_end_is_416(browser: Callable[[str], Client], call: Call) -> None:
    response = browser("agent").get(f"/calls/{call.id}/audio/", headers={"range": f"bytes={len(AUDIO)}-"})
    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(AUDIO)}"


def test_head_sends_headers_only(browser: Callable[[str], Client], call: Call) -> None:
    response = browser("agent").head(f"/calls/{call.id}/audio/")
    assert response.status_code == 200
    assert response["Content-Length"] == str(len(AUDIO))


@pytest.fixture
def cleaner(world: World, call: Call) -> CleanerCopy:
    """One that was asked for and waits."""
    cleaner_copy_ask(user=world.agent_user, call_id=call.id)
    return CleanerCopy.objects.get()


def made(call: Call, token: UUID) -> None:
    files.cleaner_path(call).parent.mkdir(parents=True, exist_ok=True)
    files.cleaner_path(call).write_bytes(AUDIO[::-1])
    assert cleaner_copy_finish(call.id, token)


def test_the_cleaner_copy_is_heard_like_the_original_once_it_is_made(
    browser: Callable[[str], Client], call: Call, cleaner: CleanerCopy
) -> None:
    where = f"/calls/{call.id}/audio/cleaner/"
    assert browser("agent").get(where).status_code == 404
    made(call, factories.cleaner_claimed(call))
    response = browser("agent").get(where, headers={"range": "bytes=100-199"})
    assert (response.status_code, response["Content-Type"]) == (206, "audio/mp4")
    assert b"".join(response) == AUDIO[::-1][100:200]


def test_the_player_offers_a_cleaner_copy_follows_its_making_and_then_lets_choose(browser: Callable[[str], Client], call: Call) -> None:
    client, where = browser("agent"), f"/calls/{call.id}/cleaner/"
    offered = client.get(f"/calls/{call.id}/").content.decode()
    assert "Make a cleaner copy to listen to" in offered
    assert "no score rests on it" in offered
    waiting = client.post(where, headers={"hx-request": "true"}).content.decode()
    assert "waits for a worker" in waiting
    assert f'hx-get="{where}"' in waiting
    token = factories.cleaner_claimed(call)
    cleaner_copy_report(call.id, token, 0.42)
    assert "is being made: 42 %" in client.get(where).content.decode()
    made(call, token)
    for shown in (client.get(where).content.decode(), client.get(f"/calls/{call.id}/").content.decode()):
        assert f'data-source="/calls/{call.id}/audio/"' in shown
        assert f'data-source="/calls/{call.id}/audio/cleaner/"' in shown
        assert "no score rests on it" in shown
        assert f'hx-get="{where}"' not in shown
        assert "Make a cleaner copy" not in shown


def test_where_none_can_be_made_the_reason_stands_by_the_button(browser: Callable[[str], Client], call: Call, cleaner: CleanerCopy) -> None:
    cleaner_copy_finish(call.id, factories.cleaner_claimed(call), reason="The disk <is> full.")
    shown = browser("agent").get(f"/calls/{call.id}/").content.decode()
    assert "None could be made: The disk &lt;is&gt; full." in shown
    assert "Make a cleaner copy to listen to" in shown
    response = browser("agent").post(f"/calls/{call.id}/cleaner/")
    assert (response.status_code, response["Location"]) == (302, f"/calls/{call.id}/")
    cleaner.refresh_from_db()
    assert cleaner.status == "queued"


def test_without_a_denoiser_there_is_no_button_and_what_was_made_still_plays(
    browser: Callable[[str], Client], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callanalytics.weights.denoiser_installed", lambda: False)
    client = browser("agent")
    assert "cleaner copy" not in client.get(f"/calls/{call.id}/").content.decode()
    assert "is not installed" in client.post(f"/calls/{call.id}/cleaner/", follow=True).content.decode()
    CleanerCopy.objects.create(call=call)
    made(call, factories.cleaner_claimed(call))
    assert "data-source" in client.get(f"/calls/{call.id}/").content.decode()


def test_other_methods_are_refused(browser: Callable[[str], Client], call: Call) -> None:
    assert browser("owner").post(f"/calls/{call.id}/audio/").status_code == 405


def test_a_call_without_its_files_is_not_found(browser: Callable[[str], Client], call: Call) -> None:
    playback_path(call).unlink()
    peaks_path(call).unlink()
    assert browser("owner").get(f"/calls/{call.id}/audio/").status_code == 404
    assert browser("owner").get(f"/calls/{call.id}/peaks/").status_code == 404


def test_waveform_is_json(browser: Callable[[str], Client], call: Call) -> None:
    response = browser("agent").get(f"/calls/{call.id}/peaks/")
    assert response["Content-Type"] == "application/json"
    assert b'"channels"' in b"".join(response)


def test_transcript_as_text_and_vtt_has_no_scores(browser: Callable[[str], Client], call: Call) -> None:
    text = browser("agent").get(f"/calls/{call.id}/transcript/", {"format": "txt"})
    assert text.content.decode() == "[0:00] Agent: Thank you for calling\n[0:04] Customer: I have called four times\n[0:09] Customer: Yes\n"
    vtt = browser("agent").get(f"/calls/{call.id}/transcript/", {"format": "vtt"})
    assert vtt["Content-Type"].startswith("text/vtt")
    assert vtt.content.decode().startswith("WEBVTT\n\n1\n00:00:00.500 --> 00:00:03.100\n<v Agent>Thank you")
    assert vtt["Content-Disposition"] == 'attachment; filename="C-1.vtt"'


def test_an_unknown_format_is_not_found(browser: Callable[[str], Client], call: Call) -> None:
    assert browser("owner").get(f"/calls/{call.id}/transcript/", {"format": "exe"}).status_code == 404


def test_a_hostile_id_cannot_write_headers(browser: Callable[[str], Client], world: World) -> None:
    call = factories.done_call(world.billing, external_id='a"\r\nSet-Cookie: x=1')
    response = browser("owner").get(f"/calls/{call.id}/transcript/")
    assert response["Content-Disposition"] == 'attachment; filename="a-Set-Cookie-x-1.txt"'
