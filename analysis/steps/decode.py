"""First step: a file becomes a `Recording` whose length has been checked against what the file says of itself."""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.errors import AnalysisError
from analysis.values import Note, Recording

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import IO, BinaryIO

    from analysis.config import DecodeConfig
    from analysis.ports import Decoded, Decoder

STREAMED_BYTES = 0x7FFF0000
"""A WAV data size from here on was written by a recorder that did not know its length yet (0x7FFFFFFF, 0xFFFFFFFF and near)."""

MAX_CHUNKS = 1000
"""Chunks of a WAV before its sound; a damaged file of zeros reads as one chunk for every 8 bytes."""

NOT_AGAIN = frozenset({errno.ENOENT, errno.ESTALE})
"""What opening a file without a name answers where the file system has let go of it with its name."""

READABLE = "WAV, MP3, M4A, Ogg, FLAC, WebM, AMR, 3GP or WMA"


@dataclass(frozen=True, slots=True)
class _Reading:
    decoded: Decoded
    spool: IO[bytes]


class OpenedRecording:
    """A decoded recording whose spool is gone on leaving the `with` block."""

    def __init__(self, recording: Recording, spools: ExitStack) -> None:
        self._recording = recording
        self._spools = spools

    def __enter__(self) -> Recording:
        return self._recording

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._spools.close()


def open_recording(file: Path, decoders: Sequence[Decoder], config: DecodeConfig) -> OpenedRecording:
    """Decode a whole file to a spool in the temporary folder (`TMPDIR`).

    The decoders are tried in order until one reads all of the stated length. Raises a permanent AnalysisError for a file that
    cannot be read, is cut short, too long, or has more than two channels, and where the temporary folder cannot hold a spool; one that is
    not permanent when the disk is full.
    """
    _refuse_no_file(file)
    spools = ExitStack()
    try:
        reading = _best_reading(file, decoders, spools, config)
        return OpenedRecording(_recording(file, reading), spools)
    except BaseException as error:
        spools.close()
        if isinstance(error, OSError):
            raise _spool_error(file, error) from error
        raise


def _spool_error(file: Path, error: OSError) -> AnalysisError:
    message = (
        f"{file.name}: the decoded audio could not be written to {tempfile.gettempdir()} ({error.strerror}); free some space and retry"
    )
    return AnalysisError(message, permanent=False)


def _refuse_no_file(file: Path) -> None:
    try:
        _refuse_unfit_file(file)
    except OSError as error:
        raise AnalysisError(f"{file}: cannot be opened ({error.strerror})", permanent=isinstance(error, PermissionError)) from error


def _refuse_unfit_file(file: Path) -> None:
    if file.is_dir():
        raise AnalysisError(f"{file}: a folder, not a recording; give the files in it", permanent=True)
    if not file.exists():
        raise AnalysisError(f"{file}: no such file", permanent=True)
    if not file.is_file():
        raise AnalysisError(f"{file}: not a regular file; save the recording to one first", permanent=True)
    if not file.stat().st_size:
        raise AnalysisError(f"{file.name}: the file is empty; record or upload it again", permanent=True)
    file.open("rb").close()


def _digest(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _best_reading(file: Path, decoders: Sequence[Decoder], spools: ExitStack, config: DecodeConfig) -> _Reading:
    """The first complete reading, else the longest one where no length is stated. Raises AnalysisError where all fail or are short."""
    share = _wav_share(file)
    readings: list[_Reading] = []
    failures: list[AnalysisError] = []
    for decoder in decoders:
        spool = spools.enter_context(_nameless())
        _refuse_lost(spool)
        try:
            readings.append(_Reading(decoder.decode(file, _path(spool), max_s=config.max_s), spool))
        except AnalysisError as error:
            failures.append(error)
            continue
        stated_s = _stated_s(readings, share)
        if stated_s is not None and not _is_short(readings[-1].decoded.seconds, stated_s, config):
            return readings[-1]
    return _longest(file, readings, failures, stated_s=_stated_s(readings, share), config=config)


def _nameless() -> IO[bytes]:
    """A file in the temporary folder without a name: the kernel takes it away with the process, however that ends."""
    return tempfile.TemporaryFile()


def _refuse_lost(spool: IO[bytes]) -> None:
    """Raises a permanent AnalysisError on a file system that does not open a file without a name again, as some network ones do not."""
    try:
        _path(spool).open("r+b").close()
    except OSError as error:
        if error.errno not in NOT_AGAIN:
            raise
        message = (
            f"{tempfile.gettempdir()} does not hold temporary files as the analysis needs them; set TMPDIR to a folder on a local disk"
        )
        raise AnalysisError(message, permanent=True) from error


def _path(spool: IO[bytes]) -> Path:
    """By which this process opens it again."""
    return Path(f"/dev/fd/{spool.fileno()}")


def _stated_s(readings: Sequence[_Reading], share: float) -> float | None:
    """The length the file states: the longest that any decoder read from it, which is `share` of the whole where the file is cut."""
    stated = (reading.decoded.stated_s for reading in readings)
    return max((seconds / share for seconds in stated if seconds is not None), default=None)


def _is_short(seconds: float, stated_s: float, config: DecodeConfig) -> bool:
    return stated_s - seconds > max(config.short_s, config.short_share * stated_s)


def _longest(
    file: Path, readings: Sequence[_Reading], failures: Sequence[AnalysisError], *, stated_s: float | None, config: DecodeConfig
) -> _Reading:
    if not readings:
        raise _unreadable(file, failures)
    longest = max(readings, key=lambda reading: reading.decoded.seconds)
    for reading in readings:
        if reading is not longest:
            reading.spool.close()
    seconds = longest.decoded.seconds
    if stated_s is not None and _is_short(seconds, stated_s, config):
        message = (
            f"{file.name}: only {seconds:.1f} s of the {stated_s:.1f} s that the file states could be decoded; it is cut short or damaged. "
            "Export or upload it again"
        )
        raise AnalysisError(message, permanent=True)
    return longest


def _unreadable(file: Path, failures: Sequence[AnalysisError]) -> AnalysisError:
    """One error for all decoders: what the first one said, and what to do where it is no recording at all."""
    reason = failures[0].message if failures else f"{file.name}: no decoder is configured"
    if "not a recording" in reason:
        reason = f"{reason}; give a {READABLE} file. Bare samples need a WAV header first"
    return AnalysisError(reason, permanent=all(failure.permanent for failure in failures))


def _recording(file: Path, reading: _Reading) -> Recording:
    decoded = reading.decoded
    return Recording(
        file=str(file),
        spool=_path(reading.spool),
        seconds=decoded.seconds,
        channels=decoded.channels,
        sample_rate=decoded.sample_rate,
        codec=decoded.codec,
        sha256=_digest(file),
        notes=_notes(decoded),
    )


def _notes(decoded: Decoded) -> tuple[Note, ...]:
    notes = []
    if decoded.skipped_packets:
        count = decoded.skipped_packets
        notes.append(Note("skipped_packets", f"{count} damaged {'packet was' if count == 1 else 'packets were'} left out of the recording"))
    if decoded.tracks > 1:
        notes.append(Note("other_tracks", f"the file holds {decoded.tracks} audio tracks; only the first was analysed"))
    return tuple(notes)


def _wav_share(file: Path) -> float:
    """The share of a WAV's stated data that the file really holds; 1 for another format or a streamed header.

    Both decoders cut a WAV's stated length to what the file holds, so neither sees that it was truncated.
    Layout: Microsoft/IBM Multimedia Programming Interface and Data Specifications 1.0 (1991).
    """
    with file.open("rb") as source:
        riff = source.read(12)
        if riff[:4] != b"RIFF" or riff[8:12] != b"WAVE":
            return 1.0
        stated = _data_bytes(source, file)
        held = file.stat().st_size - source.tell()
    return held / stated if 0 < held < stated < STREAMED_BYTES else 1.0


def _data_bytes(source: BinaryIO, file: Path) -> int:
    """Walk the chunks; leave the file at the start of the `data` chunk's body and give its stated size, 0 where there is none.

    Raises AnalysisError where there is none among the first `MAX_CHUNKS`.
    """
    for _ in range(MAX_CHUNKS):
        if len(head := source.read(8)) < 8:
            return 0
        kind, size = struct.unpack("<4sI", head)
        if kind == b"data":
            return int(size)
        source.seek(size + size % 2, os.SEEK_CUR)
    raise AnalysisError(f"{file.name}: a WAV header with no sound behind it; export or upload it again", permanent=True)
