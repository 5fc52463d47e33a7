"""A recording that arrives in parts: no byte is promised that is not there, and the last one makes the call."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.http import UnreadablePostError
from django.utils import timezone

from callanalytics.calls import files, resumable
from callanalytics.calls.ingest import NewCall, call_ingest
from callanalytics.calls.leftovers import FOLDERS, OLD_S, leftovers_remove
from callanalytics.calls.models import Call, Upload
from callanalytics.calls.resumable import Checksum, ChecksumError, upload_append, upload_create, upload_delete, upload_get, uploads_expire
from callanalytics.errors import ApplicationError, NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

    from tests.factories import World

AUDIO = bytes(range(256)) * 40


@pytest.fixture
def upload(world: World) -> Upload:
    return upload_create(len(AUDIO), {"external_id": "X1"}, user=world.supervisor)


def append(upload: Upload, offset: int, body: bytes | Any, checksum: Checksum | None = None) -> Upload:
    def details(found: Upload) -> NewCall:
        return NewCall(file_name="big.wav", team=found.user.memberships.get().team, external_id=found.fields.get("external_id", ""))

    return upload_append(upload, offset, io.BytesIO(body) if isinstance(body, bytes) else body, details, checksum)


def content(upload: Upload) -> bytes:
    return files.upload_path(upload.id).read_bytes()


class Broken:
    """A body whose connection is cut."""

    def __init__(self, content: bytes) -> None:
        self._left = io.BytesIO(content)

    def read(self, size: int, /) -> bytes:
        chunk = self._left.read(size)
        if not chunk:
            raise UnreadablePostError("the connection is gone")
        return chunk


def test_what_arrived_is_for_the_platform_alone_to_read(upload: Upload) -> None:
    assert files.upload_path(upload.id).stat().st_mode & 0o077 == 0


def test_parts_become_a_call_with_the_whole_recording(world: World, upload: Upload, media: Path) -> None:
    assert append(upload, 0, AUDIO[:100]).offset == 100
    assert append(upload, 100, AUDIO[100:5000]).call is None
    done = append(upload, 5000, AUDIO[5000:])
    assert done.call is not None
    assert (done.offset, done.call.external_id, done.fields) == (len(AUDIO), "X1", {})
    assert files.recording_path(done.call).read_bytes() == AUDIO
    assert not files.upload_path(upload.id).exists()
    assert append(done, len(AUDIO), b"").call == done.call


def test_what_came_before_the_connection_broke_is_kept(upload: Upload) -> None:
    assert append(upload, 0, Broken(AUDIO[:777])).offset == 777
    assert content(upload) == AUDIO[:777]
    assert append(upload, 777, AUDIO[777:]).call is not None


def test_what_a_crash_left_behind_the_offset_is_written_again(upload: Upload) -> None:
    append(upload, 0, AUDIO[:100])
    with files.upload_path(upload.id).open("ab") as out:
        out.write(b"bytes that nobody was told of")
    done = append(upload, 100, AUDIO[100:])
    assert done.call is not None
    assert files.recording_path(done.call).read_bytes() == AUDIO


def test_a_long_part_is_promised_as_it_arrives(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK", 1000)
    monkeypatch.setattr(resumable, "FLUSH_BYTES", 3000)
    promised = []

    class Watching(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            promised.append(Upload.objects.get(id=upload.id).offset)
            return super().read(size)

    append(upload, 0, Watching(AUDIO))
    assert sorted(set(promised)) == [0, 3000, 6000, 9000]


def test_a_process_that_ends_between_call_and_offset_makes_no_second_call(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    append(upload, 0, AUDIO[:100])
    ingest = call_ingest

    def killed(*args: Any, **kwargs: Any) -> Any:
        ingest(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr("callanalytics.calls.resumable.call_ingest", killed)
    with pytest.raises(KeyboardInterrupt):
        append(upload, 100, AUDIO[100:])
    monkeypatch.setattr("callanalytics.calls.resumable.call_ingest", ingest)
    assert Upload.objects.get().offset == 100
    assert append(upload, 100, AUDIO[100:]).call == Call.objects.get()


@pytest.mark.parametrize("offset", [1, 99, 10_000_000])
def test_an_offset_that_is_not_the_uploads_is_refused(upload: Upload, offset: int) -> None:
    append(upload, 0, AUDIO[:100])
    with pytest.raises(ApplicationError, match="is at 100 bytes") as caught:
        append(upload, offset, b"x")
    assert caught.value.code == "conflict"
    assert content(upload) == AUDIO[:100]


def test_two_requests_at_once_do_not_mix(upload: Upload) -> None:
    with files.upload_path(upload.id).open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        for act in (lambda: append(upload, 0, AUDIO), lambda: upload_delete(upload)):
            with pytest.raises(ApplicationError) as caught:
                act()
            assert caught.value.code == "locked"
    assert append(upload, 0, AUDIO).call is not None


@pytest.mark.parametrize("algorithm", resumable.ALGORITHMS)
def test_a_part_with_a_checksum_is_kept_whole_or_not_at_all(upload: Upload, algorithm: str) -> None:
    good = Checksum(algorithm, hashlib.new(algorithm, AUDIO[:100]).digest())
    append(upload, 0, AUDIO[:100], good)
    for body in (AUDIO[100:199] + b"?", Broken(AUDIO[100:150])):
        with pytest.raises(ChecksumError):
            append(upload, 100, body, Checksum(algorithm, hashlib.new(algorithm, AUDIO[100:200]).digest()))
        assert (Upload.objects.get().offset, content(upload)) == (100, AUDIO[:100])


def test_bytes_beyond_the_length_are_refused(upload: Upload) -> None:
    append(upload, 0, AUDIO[:100])
    with pytest.raises(ApplicationError) as caught:
        append(upload, 100, AUDIO[100:] + b"!")
    assert caught.value.code == "too_large"
    assert content(upload) == AUDIO[:100]


def test_a_full_disk_is_said_and_what_was_there_stays(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    append(upload, 0, AUDIO[:100])

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(ApplicationError) as caught:
            append(upload, 100, AUDIO[100:200])
    assert caught.value.code == "no_space"
    assert Upload.objects.get().offset == 100
    assert append(upload, 100, AUDIO[100:]).call is not None


@pytest.mark.parametrize(("length", "code"), [(0, "invalid"), (-1, "invalid"), (1 << 50, "too_large")])
def test_a_length_that_is_not_taken_is_refused_before_a_byte_is_sent(world: World, length: int, code: str) -> None:
    with pytest.raises(ApplicationError) as caught:
        upload_create(length, {}, user=world.supervisor)
    assert caught.value.code == code


def test_a_disk_that_holds_no_two_copies_takes_no_upload(world: World, settings: Settings) -> None:
    settings.MAX_UPLOAD_BYTES = 1 << 60
    with pytest.raises(ApplicationError) as caught:
        upload_create(1 << 55, {}, user=world.supervisor)
    assert caught.value.code == "no_space"


def test_unfinished_uploads_are_counted(world: World, upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "MOST_OPEN", 1)
    with pytest.raises(ApplicationError, match="unfinished"):
        upload_create(10, {}, user=world.supervisor)
    append(upload, 0, AUDIO)
    assert upload_create(10, {}, user=world.supervisor)


def test_an_upload_is_its_users_alone(world: World, upload: Upload) -> None:
    assert upload_get(upload.id, user=world.supervisor) == upload
    for name in ("owner", "other_supervisor", "outsider"):
        with pytest.raises(NotFoundError):
            upload_get(upload.id, user=world.people()[name])


def test_a_deleted_upload_is_gone(world: World, upload: Upload, media: Path) -> None:
    append(upload, 0, AUDIO[:100])
    upload_delete(upload)
    with pytest.raises(NotFoundError):
        append(upload, 100, AUDIO[100:])
    assert not Upload.objects.exists()


def test_an_upload_that_nobody_goes_on_with_expires(world: World, upload: Upload, media: Path) -> None:
    append(upload, 0, AUDIO[:100])
    assert uploads_expire() == 0
    Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(NotFoundError):
        upload_get(upload.id, user=world.supervisor)
    assert uploads_expire() == 1
    assert [path for path in media.rglob("*") if path.is_file()] == []


def test_only_the_file_of_an_upload_that_goes_on_is_known(world: World, upload: Upload, media: Path) -> None:
    lost = files.upload_path(Upload().id)
    lost.parent.mkdir(parents=True, exist_ok=True)
    lost.write_bytes(b"x")
    for path in (lost, files.upload_path(upload.id)):
        os.utime(path, (path.stat().st_mtime - OLD_S - 60,) * 2)
    assert leftovers_remove(FOLDERS) == 1
    assert files.upload_path(upload.id).exists()
