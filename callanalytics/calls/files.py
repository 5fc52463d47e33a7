"""Files of calls on disk: each is written under another name, flushed, and renamed, so that a half-written one is never seen."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from callanalytics.calls.models import Call

CHUNK = 1 << 20
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class Staged:
    """An incoming recording, whole and flushed, under a name of its own."""

    path: Path
    sha256: str
    size: int


class Incoming:
    """A recording that is being written to the incoming folder."""

    def __init__(self, path: Path, out: BinaryIO) -> None:
        self._path, self._out = path, out
        self._digest, self._size = hashlib.sha256(), 0

    def write(self, chunk: bytes) -> None:
        self._out.write(chunk)
        self._digest.update(chunk)
        self._size += len(chunk)

    def whole(self) -> Staged:
        """Nothing more comes: what is there, flushed to the disk."""
        self._out.flush()
        os.fsync(self._out.fileno())
        return Staged(self._path, self._digest.hexdigest(), self._size)


@contextmanager
def incoming() -> Iterator[Incoming]:
    """A file of its own in the incoming folder of the same disk; where it was not moved away, it is removed at the end."""
    folder = settings.MEDIA_ROOT / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(handle, "wb") as out:
            yield Incoming(Path(name), out)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def staged(source: BinaryIO | Path, *, limit: int) -> Iterator[Staged]:
    """Copy a recording to the incoming folder; what was not moved away is removed at the end.

    Reading stops one chunk past `limit` bytes, so an endless source fills no disk; the caller sees the size and decides.
    """
    with incoming() as draft:
        if isinstance(source, Path):
            with source.open("rb") as opened:
                _copy(opened, draft, limit)
        else:
            _copy(source, draft, limit)
        yield draft.whole()


def _copy(source: BinaryIO, draft: Incoming, limit: int) -> None:
    size = 0
    while size <= limit and (chunk := source.read(CHUNK)):
        draft.write(chunk)
        size += len(chunk)


def settle(path: Path, relative: str) -> None:
    """Give a finished file its place below MEDIA_ROOT; an existing one is replaced in one step."""
    target = absolute(relative)
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)
    _sync_folder(target.parent)


@contextmanager
def replaced_atomically(target: Path) -> Iterator[Path]:
    """A draft beside `target` that takes its place when the block ends well, and is removed when it does not. Keeps the suffix."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, suffix=target.suffix)
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        with draft.open("rb+") as written:
            os.fsync(written.fileno())
        draft.replace(target)
        _sync_folder(target.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """A rename survives a power cut only once its folder is flushed too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def absolute(relative: str) -> Path:
    return Path(settings.MEDIA_ROOT) / relative


def recording_name(recording_id: UUID, original_name: str) -> str:
    """Path of a new recording below MEDIA_ROOT. The suffix is kept for people; nothing trusts it."""
    suffix = Path(original_name).suffix.lower()
    return _spread("recordings", recording_id, suffix if SUFFIX.fullmatch(suffix) else "")


def upload_path(upload_id: UUID) -> Path:
    """What has arrived so far of a recording that comes in parts."""
    return absolute(_spread("uploads", upload_id, ""))


def document_name(run_id: UUID) -> str:
    return _spread("documents", run_id, ".json.gz")


def _spread(folder: str, public_id: UUID, suffix: str) -> str:
    """256 folders by the id's last, random byte: its first ones are the time."""
    return f"{folder}/{public_id.hex[-2:]}/{public_id}{suffix}"


def recording_path(call: Call) -> Path:
    """Raises ValueError while the recording is not fetched yet."""
    if call.recording is None:
        raise ValueError(f"the recording of call {call.id} is not fetched yet")
    return absolute(call.recording.file)


def playback_path(call: Call) -> Path:
    """The copy that browsers play (AAC in m4a); made by the worker."""
    return absolute(_spread("playback", call.id, ".m4a"))


def peaks_path(call: Call) -> Path:
    """The waveform's peaks (JSON); made by the worker."""
    return absolute(_spread("peaks", call.id, ".json"))


def cleaner_path(call: Call) -> Path:
    """The copy with its noise taken out (AAC in m4a), where somebody asked for one; made by the worker."""
    return absolute(_spread("cleaner", call.id, ".m4a"))


def copy_paths(call: Call) -> list[Path]:
    """Everything that is made of the recording to be heard and seen, whether it is there or not."""
    return [playback_path(call), peaks_path(call), cleaner_path(call)]


def document_write(relative: str, document: dict[str, Any]) -> None:
    """Write a document gzipped; the same document gives the same bytes."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    with replaced_atomically(absolute(relative)) as draft:
        draft.write_bytes(gzip.compress(text.encode(), mtime=0))


def document_read(relative: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(gzip.decompress(absolute(relative).read_bytes()))
    return document


def remove(relative: str | Path) -> bool:
    """Remove a file below MEDIA_ROOT; False where there was none."""
    try:
        absolute(str(relative)).unlink()
    except FileNotFoundError:
        return False
    return True
