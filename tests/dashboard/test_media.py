"""Audio, waveform and transcript of a call: who gets them, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callanalytics.calls.services import peaks_path, playback_path
from tests import factories
from tests.dashboard.conftest import AUDIO

if TYPE_CHECKING:
    from collections.abc import Callable

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
    for part in ("audio", "peaks", "transcript"):
        assert browser("outsider").get(f"/calls/{call.id}/{part}/").status_code == 404


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
