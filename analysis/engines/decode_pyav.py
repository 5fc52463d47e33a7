"""Decoder over PyAV (FFmpeg): every container and codec a call may come in, packet by packet, so that a bad one costs only itself."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import av
import av.error

from analysis import limits
from analysis.errors import AnalysisError
from analysis.ports import Decoded
from analysis.values import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from analysis.config import Config

CONTAINERS = (
    "wav,w64,aiff,au,caf,voc,sox,flac,wv,ape,tta,mp3,mp2,aac,ac3,amr,amrnb,amrwb,gsm,g722,"
    "ogg,matroska,webm,mov,mp4,m4a,3gp,asf,avi,mpegts,mpeg,flv"
)
"""What may be opened. Playlists (hls, concat, dash, image2 …) are left out: they would read other files of the machine."""

HEADERLESS = frozenset({"mp3", "mp2", "aac", "amr", "amrnb", "amrwb", "gsm", "g722", "ac3"})
"""Streams of bare frames: FFmpeg guesses their length from the bit rate, so the packets are counted instead."""

MIN_BYTES_A_SECOND = 8
"""A header that claims more time than this much data for each second is broken; 8 kHz FLAC of digital silence takes about 27."""

MAX_DEMUX_ERRORS = 20
"""Failed reads in a row after which the rest of the file is given up."""


@dataclass(slots=True)
class _Tally:
    packet_s: float = 0.0
    skipped: int = 0


class _Resampler:
    """Turns frames of any format into interleaved int16 at 16 kHz; a format that changes inside the file starts a new conversion."""

    def __init__(self, channels: int) -> None:
        self._layout = "stereo" if channels == 2 else "mono"
        self._source: tuple[str, str, int] | None = None
        self._inner: Any = None

    def push(self, frame: Any) -> bytes:
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        head = b""
        if source != self._source:
            head, self._source = self.finish(), source
            self._inner = av.AudioResampler(format="s16", layout=self._layout, rate=SAMPLE_RATE)
        frame.pts = None
        return head + self._bytes(self._inner.resample(frame))

    def finish(self) -> bytes:
        return b"" if self._inner is None else self._bytes(self._inner.resample(None))

    @staticmethod
    def _bytes(frames: list[Any]) -> bytes:
        return b"".join(frame.to_ndarray().tobytes() for frame in frames)


class PyAVDecoder:
    """Reads whatever FFmpeg reads, by content and never by the name's ending."""

    def __init__(self, config: Config) -> None:
        self._config = config

    @property
    def name(self) -> str:
        return f"pyav/{av.__version__}"

    def decode(self, path: Path, spool: Path, *, max_s: float) -> Decoded:
        """Write interleaved int16 PCM at 16 kHz to `spool`. Raises AnalysisError where the file holds no audio it can read."""
        with _container(path) as container:
            stream = _audio_stream(container, path)
            header_s = _header_s(container, stream, path)
            limits.refuse_longer(header_s or 0.0, max_s, path)
            tally = _Tally()
            channels, seconds = _spooled(_frames(container, stream, tally), spool, path=path, max_s=max_s)
            stated_s = tally.packet_s if header_s is None and container.format.name in HEADERLESS else header_s
            return Decoded(
                channels=channels,
                sample_rate=stream.codec_context.sample_rate,
                codec=stream.codec_context.name,
                seconds=seconds,
                stated_s=stated_s,
                skipped_packets=tally.skipped,
                tracks=len(container.streams.audio),
            )


@contextmanager
def _container(path: Path) -> Iterator[Any]:
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    try:
        opened = av.open(str(path.absolute()), metadata_errors="ignore", options=options)
    except av.error.FFmpegError as error:
        raise AnalysisError(f"{path.name}: not a recording that can be read", permanent=True) from error
    with opened as container:
        try:
            yield container
        except av.error.FFmpegError as error:
            raise AnalysisError(f"{path.name}: its audio cannot be read ({error.strerror}); export it again", permanent=True) from error


def _audio_stream(container: Any, path: Path) -> Any:
    if not container.streams.audio:
        raise AnalysisError(f"{path.name}: the file holds no audio track", permanent=True)
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise AnalysisError(f"{path.name}: its audio is in a format that cannot be read; export it as WAV, FLAC or MP3", permanent=True)
    return stream


def _header_s(container: Any, stream: Any, path: Path) -> float | None:
    """The length the header states; None where it states none, only guesses, or cannot be right."""
    if container.format.name in HEADERLESS and not _has_frame_count(path):
        return None
    if stream.duration is not None:
        stated = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        stated = container.duration / av.time_base
    else:
        return None
    plausible = 0 < stated * MIN_BYTES_A_SECOND <= path.stat().st_size
    return stated if plausible else None


def _has_frame_count(path: Path) -> bool:
    """Whether an MP3 carries a Xing, Info or VBRI tag, which counts its frames; the tag sits in the first frame after any ID3v2 tag."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3" and len(head) == 10:
            file.seek(10 + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)))
        frame = head + file.read(2048)
    return any(tag in frame for tag in (b"Xing", b"Info", b"VBRI"))


def _packets(container: Any, stream: Any, tally: _Tally) -> Iterator[Any]:
    """The stream's packets; a read that fails is counted and the next one tried."""
    failures = 0
    while failures < MAX_DEMUX_ERRORS:
        try:
            for packet in container.demux(stream):
                failures = 0
                yield packet
            return
        except av.error.FFmpegError:
            failures += 1
            tally.skipped += 1


def _frames(container: Any, stream: Any, tally: _Tally) -> Iterator[Any]:
    """Decoded frames; a packet that cannot be decoded is counted and left out."""
    for packet in _packets(container, stream, tally):
        if packet.duration and packet.size:
            tally.packet_s += float(packet.duration * packet.time_base)
        try:
            decoded = packet.decode()
        except av.error.FFmpegError:
            tally.skipped += 1
            continue
        yield from decoded


def _spooled(frames: Iterator[Any], spool: Path, *, path: Path, max_s: float) -> tuple[int, float]:
    """Write all frames; give the number of channels and the seconds written. FFmpeg gives nothing for less than about 1 ms."""
    first = next(frames, None)
    if first is None:
        raise limits.no_sound(path)
    channels = len(first.layout.channels)
    limits.refuse_channels(channels, path)
    limits.refuse_rate(first.sample_rate, path)
    resampler = _Resampler(channels)
    width = 2 * channels * SAMPLE_RATE
    with spool.open("wb") as file:
        _write(file, resampler.push(first))
        for frame in frames:
            limits.refuse_longer(_write(file, resampler.push(frame)) / width, max_s, path)
        written = _write(file, resampler.finish())
    if not written:
        raise limits.no_sound(path)
    return channels, written / width


def _write(file: BinaryIO, pcm: bytes) -> int:
    """Append and give the bytes written so far."""
    file.write(pcm)
    return file.tell()
