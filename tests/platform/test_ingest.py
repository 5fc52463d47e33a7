"""A recording comes in once, whole, or not at all."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from callanalytics.calls import files, ingest
from callanalytics.calls.models import Call, CallStatus, Recording
from callanalytics.calls.services import NewCall, call_ingest, recording_path
from callanalytics.errors import ApplicationError
from callanalytics.events.models import Event
from callanalytics.people.models import UNASSIGNED, Agent, Queue, Team
from callanalytics.people.services import agent_and_queue
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

    from tests.factories import World

AUDIO = b"some audio"


def take(world: World, content: bytes = AUDIO, **details: Any) -> ingest.Ingested:
    new: dict[str, Any] = {"file_name": "a call.WAV", "team": world.billing} | details
    return call_ingest(io.BytesIO(content), NewCall(**new), user=None)


def broken_disk(_path: Path, _relative: str) -> None:
    raise OSError("disk full")


def stored(media: Path) -> list[Path]:
    return [path for path in media.rglob("*") if path.is_file()]


def test_a_new_call_is_queued_with_its_audio_and_a_worker_is_told(
    world: World, media: Path, nudged: list[str], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        call = take(world, external_id="X1", queue=world.queue, agent=world.agent, channels=("agent", "customer")).call
    assert (call.status, call.attempts, call.channels) == (CallStatus.QUEUED, 0, ["agent", "customer"])
    assert recording_path(call).read_bytes() == AUDIO
    assert recording_path(call).suffix == ".wav"
    assert call.recording is not None
    assert call.recording.sha256 == hashlib.sha256(AUDIO).hexdigest()
    assert stored(media) == [recording_path(call)]
    assert nudged == [str(call.id)]
    assert Event.objects.filter(type="call.received", subject=str(call.id)).exists()


def test_a_full_disk_is_said_and_leaves_nothing(world: World, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ApplicationError, match="disk for recordings is full") as caught:
        take(world)
    assert caught.value.code == "no_space"
    assert stored(media) == []
    assert not Call.objects.exists()


def test_a_start_that_no_calendar_holds_is_refused(world: World) -> None:
    for year in (1, 9999):
        with pytest.raises(ApplicationError) as caught:
            take(world, started_at=datetime(year, 6, 1, tzinfo=UTC))
        assert caught.value.field == "started_at"


def test_a_path_on_disk_is_copied_and_stays(world: World, tmp_path: Path) -> None:
    source = tmp_path / "mine.mp3"
    source.write_bytes(AUDIO)
    call = call_ingest(source, NewCall(file_name=source.name, team=world.billing), user=None).call
    assert recording_path(call).read_bytes() == source.read_bytes() == AUDIO


def test_the_same_audio_within_a_day_answers_with_the_same_call(world: World, media: Path) -> None:
    first, second = take(world), take(world)
    assert second.call == first.call
    assert (first.created, second.created) == (True, False)
    assert len(stored(media)) == 1


def test_the_same_audio_after_a_day_is_another_call_on_the_same_file(world: World, media: Path) -> None:
    first = take(world).call
    Call.objects.filter(id=first.id).update(created_at=timezone.now() - timedelta(hours=25))
    second = take(world)
    assert second.created
    assert second.call.recording_id == first.recording_id
    assert len(stored(media)) == 1


def test_the_same_audio_in_another_team_shares_nothing(world: World, media: Path) -> None:
    first, second = take(world).call, take(world, team=world.sales).call
    assert first.recording_id != second.recording_id
    assert len(stored(media)) == 2


def test_two_external_ids_with_the_same_audio_are_two_calls_on_one_file(world: World, media: Path) -> None:
    first, second = take(world, external_id="X1").call, take(world, external_id="X2").call
    assert first != second
    assert len(stored(media)) == 1


def test_the_same_external_id_with_the_same_audio_is_the_same_call(world: World) -> None:
    first = take(world, external_id="X1").call
    assert take(world, external_id="X1").call == first


def test_the_same_external_id_with_other_audio_is_a_conflict_and_leaves_nothing(world: World, media: Path) -> None:
    call = take(world, external_id="X1").call
    with pytest.raises(ApplicationError, match="X1") as caught:
        take(world, b"other", external_id="X1")
    assert caught.value.code == "conflict"
    assert stored(media) == [recording_path(call)]
    assert Recording.objects.count() == 1


def test_the_same_external_id_in_another_team_is_another_call(world: World) -> None:
    assert take(world, external_id="X1").call != take(world, external_id="X1", team=world.sales).call


def test_an_objection_in_a_second_sending_counts(world: World) -> None:
    take(world, external_id="X1")
    again = take(world, external_id="X1", objected=True)
    assert not again.created
    assert again.call.objected


def test_without_a_team_the_agents_or_the_queues_or_unassigned_takes_it(world: World) -> None:
    assert take(world, b"1", team=None, agent=world.agent).call.team == world.billing
    assert take(world, b"2", team=None, queue=world.queue).call.team == world.billing
    assert take(world, b"3", team=None).call.team.name == UNASSIGNED


def test_a_new_agent_or_queue_joins_the_team_of_the_known_other(world: World) -> None:
    agent, queue = agent_and_queue("new agent", world.queue.name, None)
    assert agent is not None
    assert (agent.team, queue) == (world.billing, world.queue)
    agent, queue = agent_and_queue(world.agent.code, "new queue", None)
    assert queue is not None
    assert (agent, queue.team) == (world.agent, world.billing)


def test_a_new_agent_and_queue_are_kept_with_the_call(world: World) -> None:
    agent, queue = agent_and_queue("A99", "new queue", world.sales)
    first, second = take(world, b"1", agent=agent, queue=queue).call, take(world, b"2", agent=agent, queue=queue).call
    assert first.agent == second.agent == Agent.objects.get(code="A99", team=world.sales)
    assert first.queue == second.queue == Queue.objects.get(name="new queue", team=world.sales)


def test_a_refused_call_leaves_no_new_agent_or_queue(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    take(world, external_id="X1")
    agent, queue = agent_and_queue("A99", "new queue", world.billing)
    with pytest.raises(ApplicationError):
        take(world, b"", agent=agent, queue=queue)
    with pytest.raises(ApplicationError):
        take(world, b"other audio", external_id="X1", agent=agent, queue=queue)
    monkeypatch.setattr(files, "settle", broken_disk)
    with pytest.raises(OSError, match="disk full"):
        take(world, b"third audio", agent=agent, queue=queue)
    assert not Agent.objects.filter(code="A99").exists()
    assert not Queue.objects.filter(name="new queue").exists()


def test_a_file_that_the_command_refuses_leaves_no_new_agent(world: World, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    with pytest.raises(CommandError):
        call_command("analyze", str(tmp_path / "empty.wav"), "--enqueue", "--agent", "A99", "--queue", "new queue")
    assert not Agent.objects.filter(code="A99").exists()
    assert not Queue.objects.filter(name="new queue").exists()


def test_a_name_that_another_team_took_in_the_meantime_is_refused(world: World) -> None:
    agent, _ = agent_and_queue("A99", "", world.billing)
    Agent.objects.create(code="A99", team=Team.objects.create(name="Elsewhere"))
    with pytest.raises(ApplicationError) as caught:
        call_ingest(factories.audio(), NewCall(file_name="x.wav", team=world.billing, agent=agent), user=world.supervisor)
    assert (caught.value.code, caught.value.field) == ("forbidden", "agent")
    assert not Call.objects.exists()


@pytest.mark.parametrize(
    ("details", "field"),
    [
        ({"notice": "maybe"}, "notice"),
        ({"direction": "sideways"}, "direction"),
        ({"scoring": "some"}, "scoring"),
        ({"channels": ("agent", "robot")}, "channels"),
        ({"channels": ("agent", "agent")}, "channels"),
        ({"channels": ("agent", "customer", "unknown")}, "channels"),
        ({"language": "English"}, "language"),
        ({"external_id": "x" * 121}, "external_id"),
        ({"started_at": datetime(2026, 1, 31, 9, 30)}, "started_at"),
    ],
)
def test_a_field_that_makes_no_sense_is_named_and_nothing_is_kept(world: World, media: Path, details: dict[str, Any], field: str) -> None:
    with pytest.raises(ApplicationError) as caught:
        take(world, **details)
    assert caught.value.field == field
    assert not stored(media)
    assert not Call.objects.exists()


def test_an_empty_file_is_refused_by_name(world: World, media: Path) -> None:
    with pytest.raises(ApplicationError, match=r"a call\.WAV is empty") as caught:
        take(world, b"")
    assert caught.value.field == "file"
    assert not stored(media)


def test_a_source_without_end_is_cut_off_at_the_limit(world: World, media: Path, settings: Settings) -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b"\0" * size

    settings.MAX_UPLOAD_BYTES = 3 * files.CHUNK
    source = Endless()
    with pytest.raises(ApplicationError) as caught:
        call_ingest(source, NewCall(file_name="bomb.wav", team=world.billing), user=None)  # type: ignore[arg-type]
    assert caught.value.code == "too_large"
    assert source.given <= 5 * files.CHUNK
    assert not stored(media)


def test_a_transaction_that_fails_leaves_no_file(world: World, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = files.settle

    def settle_and_break(path: Path, relative: str) -> None:
        real(path, relative)
        raise OSError("disk full")

    monkeypatch.setattr(files, "settle", settle_and_break)
    with pytest.raises(OSError, match="disk full"):
        take(world)
    assert not stored(media)
    assert not Recording.objects.exists()
    assert not Event.objects.exists()


def test_a_lost_file_is_put_back_by_the_next_sending_of_it(world: World) -> None:
    call = take(world, external_id="X1").call
    recording_path(call).unlink()
    take(world, external_id="X2")
    assert recording_path(call).read_bytes() == AUDIO


@pytest.mark.parametrize("name", ["reviewer", "agent", "outsider"])
def test_only_supervisors_and_owners_add_calls(world: World, name: str) -> None:
    with pytest.raises(ApplicationError) as caught:
        call_ingest(factories.audio(), NewCall(file_name="x.wav", team=world.billing), user=world.people()[name])
    assert caught.value.code == "forbidden"


@pytest.mark.parametrize("name", ["supervisor", "owner"])
def test_a_supervisor_adds_calls_to_teams_below_theirs(world: World, name: str) -> None:
    assert call_ingest(factories.audio(), NewCall(file_name="x.wav", team=world.sales), user=world.people()[name]).created
