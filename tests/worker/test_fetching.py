"""A worker fetches what was announced by its address: once, whole, and under the lease; or the call says why not."""

from __future__ import annotations

import errno
import io
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from callanalytics.calls import announcing, fetching, files
from callanalytics.calls.ingest import NewCall
from callanalytics.calls.models import Call, Recording
from callanalytics.egress import URL, Egress, Policy
from callanalytics.env import Twilio
from callanalytics.privacy.services import call_erase
from tests import factories
from tests.receiver import receiving
from tests.store import BUCKET
from tests.store import stored as stored_in_s3
from worker import runtime, stopping
from worker.analysing import STOPPED, call_attempt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django.fixtures import Settings

    from analysis.config import Config
    from analysis.ports import Engines
    from tests.factories import World
    from tests.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def real(engines: Engines, config: Config, receiver: Receiver, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Engines:
    monkeypatch.setattr(runtime, "engines", lambda: engines)
    monkeypatch.setattr(runtime, "config", lambda: config)
    settings.EGRESS_ALLOW = [receiver.url]
    monkeypatch.setattr(runtime, "egress", lambda: Egress(Policy.of(settings.EGRESS_ALLOW)))
    return engines


def announced(world: World, url: str, **details: Any) -> Call:
    known: dict[str, Any] = {"file_name": "", "team": world.billing} | details
    return announcing.call_announce(url, NewCall(**known), user=None).call


def state(call: Call) -> tuple[str, int, str]:
    call.refresh_from_db()
    return call.status, call.attempts, call.reason


def stored(media: Path) -> list[Path]:
    return [path for path in media.rglob("*") if path.is_file()]


def test_the_recording_is_fetched_kept_and_analysed_and_the_address_forgotten(world: World, real: Engines, receiver: Receiver) -> None:
    receiver.files["/a.wav"] = audio = factories.tone_wav()
    call = announced(world, receiver.url + "/a.wav?sig=s3cret")
    assert call_attempt(call.id) == "done"
    assert state(call) == ("done", 1, "")
    assert files.recording_path(call).read_bytes() == audio
    assert (call.source_url, call.source) == ("", receiver.url + "/a.wav")
    assert call.recording is not None
    assert (call.recording.size, call.recording.original_name) == (len(audio), "a.wav")


def test_a_recording_that_the_team_has_is_kept_once(world: World, real: Engines, receiver: Receiver) -> None:
    receiver.files["/a.wav"] = audio = factories.tone_wav()
    first = factories.queued_call(world.billing, io.BytesIO(audio))
    call = announced(world, receiver.url + "/a.wav")
    assert call_attempt(call.id) == "done"
    assert Call.objects.get(id=call.id).recording_id == first.recording_id
    assert len(stored(files.absolute("recordings"))) == 1


def test_what_was_fetched_is_not_fetched_again(world: World, real: Engines, receiver: Receiver) -> None:
    receiver.files["/a.wav"] = b"not audio at all"
    call = announced(world, receiver.url + "/a.wav")
    assert call_attempt(call.id) == "failed"
    assert state(call)[2].startswith("a.wav")
    Call.objects.filter(id=call.id).update(status="queued")
    assert call_attempt(call.id) == "failed"
    assert len(receiver.asked) == 1


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/missing", "failed", "answered 404, there is nothing"),
        ("/forbidden", "failed", "answered 403, no entry. An address that is signed may be too old"),
        ("/metadata", "failed", "not one that requests may be sent to"),
        ("/busy", "queued", "answered 503"),
        ("/reset", "queued", "broke off"),
        ("/short", "queued", "broke off"),
        ("/silent", "queued", "no whole answer in time"),
        ("/empty.wav", "queued", "is empty"),
        ("/long", "failed", "larger than"),
    ],
)
def test_what_cannot_be_fetched_is_told_in_plain_words(
    world: World,
    real: Engines,
    receiver: Receiver,
    media: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    status: str,
    words: str,
) -> None:
    monkeypatch.setattr(fetching, "SILENCE_S", 1.0)
    settings.MAX_UPLOAD_BYTES = 50_000
    receiver.files["/empty.wav"] = b""
    call = announced(world, receiver.url + path + "?sig=s3cret")
    assert call_attempt(call.id) == status
    assert words in state(call)[2]
    assert (call.permanent, call.attempts) == (status == "failed", 1)
    assert "169.254" not in call.reason
    assert "s3cret" not in call.reason
    assert stored(media) == []
    assert not Recording.objects.exists()


def test_a_name_that_means_an_inner_address_is_refused_when_it_is_asked_for(
    world: World, real: Engines, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runtime, "egress", lambda: Egress(Policy()))
    call = announced(world, "https://localhost/a.wav?sig=s3cret")
    assert call_attempt(call.id) == "failed"
    assert state(call)[2].startswith("The recording could not be fetched. This address is not one")
    assert "s3cret" not in caplog.text


def test_a_full_disk_is_told_and_tried_again(
    world: World, real: Engines, receiver: Receiver, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    receiver.files["/a.wav"] = factories.tone_wav()
    call = announced(world, receiver.url + "/a.wav")
    monkeypatch.setattr(os, "fsync", full)
    assert call_attempt(call.id) == "queued"
    assert "the disk for recordings is full" in state(call)[2]
    assert stored(media) == []


class _Interrupting(Egress):
    """Does something once the recording has begun to arrive."""

    def __init__(self, policy: Policy, act: Any) -> None:
        super().__init__(policy)
        self._act = act

    def fetch(self, url: str, out: Any, **options: Any) -> Any:
        self._act()
        return super().fetch(url, out, **options)


def interrupted(monkeypatch: pytest.MonkeyPatch, receiver: Receiver, act: Any) -> None:
    receiver.files["/a.wav"] = factories.tone_wav()
    monkeypatch.setattr(runtime, "egress", lambda: _Interrupting(Policy.of([receiver.url]), act))


def test_a_call_erased_while_it_is_fetched_leaves_nothing(
    world: World, real: Engines, receiver: Receiver, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(monkeypatch, receiver, lambda: call_erase(user=world.owner, call_id=Call.objects.get().id, reason="asked"))
    call = announced(world, receiver.url + "/a.wav")
    assert call_attempt(call.id) is None
    assert stored(media) == []
    assert not Recording.objects.exists()


def test_a_worker_that_lost_its_lease_keeps_nothing(
    world: World, real: Engines, receiver: Receiver, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(monkeypatch, receiver, lambda: Call.objects.update(lease_token="01890000-0000-7000-8000-000000000000"))
    call = announced(world, receiver.url + "/a.wav")
    assert call_attempt(call.id) is None
    assert state(call)[:2] == ("running", 1)
    assert (stored(media), call.recording) == ([], None)


def test_a_worker_that_is_asked_to_stop_gives_the_call_back_in_the_middle(
    world: World, real: Engines, receiver: Receiver, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop() -> None:
        monkeypatch.setattr(stopping, "is_asked", lambda: True)
        until = time.monotonic() + 10
        while state(call)[0] != "queued" and time.monotonic() < until:
            time.sleep(0.05)

    interrupted(monkeypatch, receiver, stop)
    call = announced(world, receiver.url + "/a.wav")
    assert call_attempt(call.id) is None
    assert state(call) == ("queued", 0, STOPPED)
    assert stored(media) == []


def test_the_token_is_told_to_twilio_and_to_nobody_else(
    world: World, real: Engines, receiver: Receiver, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TWILIO = Twilio("AC1", "t0ken")
    account = "/2010-04-01/Accounts/AC1"
    for url in ("https://api.twilio.com", "https://api.dublin.ie1.twilio.com:443"):
        for path in ("/Recordings/RE1", "/Recordings/RE1.wav?RequestedChannels=2", "/Calls/CA1/Recordings/RE1.mp3"):
            assert fetching.credentials(URL(url + account + path)) == {"authorization": "Basic QUMxOnQwa2Vu"}
    for url in (
        *(
            f"https://{host}{account}/Recordings/RE1"
            for host in ("twilio.com.evil.example", "eviltwilio.com", "xapi.twilio.com", "127.0.0.1")
        ),
        *(f"https://api.twilio.com{account}{path}" for path in ("/Keys.json", "/Messages.json", "/Recordings.json", "/Recordings/../Keys")),
        f"http://api.twilio.com{account}/Recordings/RE1",
    ):
        assert fetching.credentials(URL(url)) == {}, url
    receiver.files["/a.wav"] = factories.tone_wav()
    assert call_attempt(announced(world, receiver.url + "/a.wav").id) == "done"
    assert "authorization" not in receiver.asked[0][3]


def test_an_object_in_s3_is_fetched_by_an_address_signed_here(
    world: World, real: Engines, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
    with stored_in_s3() as store:
        settings.S3, settings.EGRESS_ALLOW = store.access, [store.url]
        store.put("2026/a call+1 100%.wav", audio := factories.tone_wav())
        call, gone = (announced(world, f"s3://{BUCKET}/2026/{name}.wav") for name in ("a call+1 100%", "gone"))
        assert call_attempt(call.id) == "done"
        assert call_attempt(gone.id) == "failed"
    call.refresh_from_db()
    assert files.recording_path(call).read_bytes() == audio
    assert (call.source, call.source_url) == (f"s3://{BUCKET}/2026/a call+1 100%.wav", "")
    assert "answered 404" in state(gone)[2]
