"""A recording that arrives in parts: bytes are appended to a file, and the last one makes it a call.

The row's offset is written once the bytes below it are flushed, and what a crash left behind it is cut off: no offset ever promises a
byte that is not there. One request at a time appends to an upload; the lock goes with the process that holds it, however that ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import FileIO
from typing import TYPE_CHECKING, Any, Protocol

from django.conf import settings
from django.db.models import F
from django.http import UnreadablePostError
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from callanalytics.calls import files
from callanalytics.calls.ingest import call_ingest
from callanalytics.calls.models import Upload
from callanalytics.errors import ApplicationError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from uuid import UUID

    from callanalytics.calls.ingest import NewCall
    from callanalytics.people.models import User

KEPT_FOR = timedelta(hours=24)
"""After the last byte that came."""
MOST_OPEN = 100
"""Unfinished uploads of one user."""
COPIES = 2
"""A finished upload lies on the disk twice for a moment."""
FLUSH_BYTES = 32 << 20
"""A process that is killed loses no more than this of what a client sent."""
ALGORITHMS = ("sha1", "sha256")


class Source(Protocol):
    """A request's body."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a part must come to, or none of it is kept."""

    algorithm: str
    digest: bytes


class ChecksumError(ApplicationError):
    """The part arrived other than it was sent."""

    def __init__(self) -> None:
        super().__init__("The part does not match its checksum; nothing of it was kept. Send it again.", code="checksum")


def upload_create(length: int, fields: Mapping[str, Any], *, user: User) -> Upload:
    """Begin an upload of so many bytes. Raises ApplicationError `too_large`, `no_space`, `conflict`, or `invalid` for an empty one."""
    if length <= 0:
        raise ApplicationError("The recording is empty; nothing was recorded.", field="Upload-Length")
    if length > settings.MAX_UPLOAD_BYTES:
        limit = filesizeformat(settings.MAX_UPLOAD_BYTES)
        raise ApplicationError(f"At most {limit} are taken; compress the recording (FLAC, Opus).", code="too_large", field="Upload-Length")
    if COPIES * length > shutil.disk_usage(settings.MEDIA_ROOT).free:
        raise _full()
    if _open(user) >= MOST_OPEN:
        raise ApplicationError(f"{MOST_OPEN} uploads are unfinished; finish or delete one.", code="conflict")
    upload = Upload(user=user, length=length, fields=dict(fields), expires_at=timezone.now() + KEPT_FOR)
    path = files.upload_path(upload.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    upload.save(force_insert=True)
    return upload


def upload_get(upload_id: UUID, *, user: User) -> Upload:
    """An upload of the user's own. Raises NotFoundError, also for one that expired."""
    found = Upload.objects.filter(id=upload_id, user=user, expires_at__gt=timezone.now()).first()
    if found is None:
        raise NotFoundError("upload")
    return found


def upload_append(
    upload: Upload, offset: int, body: Source, details: Callable[[Upload], NewCall], checksum: Checksum | None = None
) -> Upload:
    """Append what a request brings, from this offset on. With the last byte the recording becomes the call of `details`.

    A body that breaks off keeps what came, unless it has a checksum. Raises ApplicationError: `conflict` where the offset is not the
    upload's, `locked` where another request is at it, `too_large` beyond its length, `no_space`, ChecksumError, and as `call_ingest` does.
    """
    with _locked(upload) as out:
        upload = upload_get(upload.id, user=upload.user)
        if offset != upload.offset:
            raise ApplicationError(f"The upload is at {upload.offset} bytes, not at {offset}.", code="conflict", field="Upload-Offset")
        if upload.call_id is None:
            try:
                arrived = _Writer(upload, out).take(body, checksum)
            except OSError as error:
                if error.errno not in files.FULL_DISK:
                    raise
                raise _full() from error
            if arrived == upload.length:
                return _finished(upload, details(upload))
            _keep(upload, arrived)
    return upload


def upload_delete(upload: Upload) -> None:
    """Forget an upload; the call that it became stays. Raises ApplicationError `locked` where a request is at it."""
    with _locked(upload):
        Upload.objects.filter(id=upload.id).delete()
        files.upload_path(upload.id).unlink(missing_ok=True)


def uploads_expire() -> int:
    """Remove uploads that nobody went on with, and what is known of those that became calls; how many."""
    expired = Upload.objects.filter(expires_at__lte=timezone.now())
    doomed = [upload_id for upload_id in expired.values_list("id", flat=True) if expired.filter(id=upload_id).delete()[0]]
    for upload_id in doomed:
        files.upload_path(upload_id).unlink(missing_ok=True)
    return len(doomed)


def _finished(upload: Upload, details: NewCall) -> Upload:
    """The call first: where the process ends before the offset is written, the client sends the rest again and gets the same call."""
    path = files.upload_path(upload.id)
    call = call_ingest(path, details, user=upload.user).call
    Upload.objects.filter(id=upload.id).update(offset=F("length"), call=call, fields={})
    path.unlink(missing_ok=True)
    upload.refresh_from_db()
    return upload


class _Writer:
    """Writes a part behind what is there."""

    def __init__(self, upload: Upload, out: FileIO) -> None:
        self._upload, self._out = upload, out
        self._at = self._flushed = upload.offset

    def take(self, body: Source, checksum: Checksum | None) -> int:
        """Where the upload is then, with everything below it flushed."""
        self._out.truncate(self._at)
        self._out.seek(self._at)
        digest = hashlib.new(checksum.algorithm) if checksum else None
        for chunk in _chunks(body):
            if self._at + len(chunk) > self._upload.length:
                self._cut()
                raise ApplicationError(f"The upload is {self._upload.length} bytes long; this goes on.", code="too_large")
            self._write(chunk)
            if digest is not None:
                digest.update(chunk)
            elif self._at - self._flushed >= FLUSH_BYTES and self._at < self._upload.length:
                self._flush()
                _keep(self._upload, self._at)
        if checksum is not None and digest is not None and digest.digest() != checksum.digest:
            self._cut()
            raise ChecksumError
        self._flush()
        return self._at

    def _write(self, chunk: bytes) -> None:
        left = memoryview(chunk)
        try:
            while left:
                left = left[self._out.write(left) :]
            self._at += len(chunk)
        except OSError:
            self._cut()
            raise

    def _cut(self) -> None:
        self._out.truncate(self._upload.offset)

    def _flush(self) -> None:
        os.fsync(self._out.fileno())
        self._flushed = self._at


def _chunks(body: Source) -> Iterator[bytes]:
    """Until the body ends, or its connection does."""
    try:
        while chunk := body.read(files.CHUNK):
            yield chunk
    except UnreadablePostError:
        return


def _keep(upload: Upload, offset: int) -> None:
    upload.offset, upload.expires_at = offset, timezone.now() + KEPT_FOR
    Upload.objects.filter(id=upload.id).update(offset=offset, expires_at=upload.expires_at)


@contextmanager
def _locked(upload: Upload) -> Iterator[FileIO]:
    path = files.upload_path(upload.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileIO(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as out:
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ApplicationError("Another request is writing to this upload.", code="locked") from error
        yield out


def _open(user: User) -> int:
    return Upload.objects.filter(user=user, call=None, expires_at__gt=timezone.now()).count()


def _full() -> ApplicationError:
    return ApplicationError("The disk for recordings is full. What was sent before is kept; tell who runs this platform.", code="no_space")
