"""Makes recordings for tests: signals, spoken calls, and files in every container and codec a user may bring."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import soundfile

from analysis.values import SAMPLE_RATE, Recording

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from analysis.values import FloatArray

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
"""The sample calls."""


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of file is made. `subtype` writes it with libsndfile, else FFmpeg's `codec` in the suffix's container does."""

    suffix: str
    subtype: str | None = None
    codec: str | None = None
    bit_rate: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    rates: tuple[int, ...] = (8000, 16000, 44100, 48000)
    channels: tuple[int, ...] = (1, 2)


FORMATS: dict[str, Format] = {
    "pcm8": Format("wav", "PCM_U8"),
    "pcm16": Format("wav", "PCM_16"),
    "pcm24": Format("wav", "PCM_24"),
    "float": Format("wav", "FLOAT"),
    "mulaw": Format("wav", "ULAW", rates=(8000, 16000)),
    "alaw": Format("wav", "ALAW", rates=(8000, 16000)),
    "gsm": Format("wav", "GSM610", rates=(8000,), channels=(1,)),
    "ima-adpcm": Format("wav", "IMA_ADPCM"),
    "flac": Format("flac", "PCM_16"),
    "aiff": Format("aiff", "PCM_16"),
    "mp3": Format("mp3", codec="libmp3lame"),
    "aac": Format("m4a", codec="aac"),
    "adts": Format("aac", codec="aac"),
    "ogg-opus": Format("ogg", codec="libopus", rates=(8000, 16000, 48000)),
    "ogg-vorbis": Format("ogg", "VORBIS"),
    "webm": Format("webm", codec="libopus", rates=(48000,)),
    "live-webm": Format("webm", codec="libopus", options={"live": "1"}, rates=(48000,)),
    "amr": Format("amr", codec="libopencore_amrnb", bit_rate=12200, rates=(8000,), channels=(1,)),
    "3gp": Format("3gp", codec="libopencore_amrnb", bit_rate=12200, rates=(8000,), channels=(1,)),
    "wma": Format("wma", codec="wmav2", bit_rate=48000, rates=(8000, 16000, 44100)),
}

VARIANTS = [(name, rate, channels) for name, made in FORMATS.items() for rate in made.rates for channels in made.channels]


def tones(seconds: float, rate: int, frequencies: Sequence[float]) -> FloatArray:
    """One tone a channel, shape [channels, n], at a third of full scale."""
    at = np.arange(round(seconds * rate)) / rate
    samples: FloatArray = (np.sin(2 * np.pi * np.array(frequencies)[:, None] * at) / 3).astype(np.float32)
    return samples


def noise(seconds: float, level_db: float, seed: int = 0) -> FloatArray:
    """White noise at 16 kHz of the given RMS level in dBFS, shape [n]."""
    samples = np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE)) * 10.0 ** (level_db / 20.0)
    return np.asarray(samples, np.float32)


def pitch_hz(samples: FloatArray, rate: int = SAMPLE_RATE) -> float:
    """The strongest frequency."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate / len(samples))


def level_db(samples: NDArray[Any]) -> float:
    """RMS level in dBFS."""
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2)))


def write(path: Path, samples: NDArray[Any], rate: int, *, codec: str = "pcm16") -> Path:
    """Write samples [channels, n] in one of `FORMATS`; the name's ending is the caller's choice."""
    made = FORMATS[codec]
    if made.subtype is not None:
        kind = {"ogg": "OGG", "flac": "FLAC", "aiff": "AIFF"}.get(made.suffix, "WAV")
        soundfile.write(path, samples.T, rate, subtype=made.subtype, format=kind)
    else:
        _encode(path, np.asarray(samples, np.float32), rate, made)
    return path


def _encode(path: Path, samples: FloatArray, rate: int, made: Format) -> None:
    container_format = {"m4a": "ipod", "ogg": "ogg", "aac": "adts", "wma": "asf"}.get(made.suffix, made.suffix)
    layout = "stereo" if len(samples) == 2 else "mono"
    with av.open(str(path), "w", format=container_format, options=dict(made.options)) as container:
        stream: Any = container.add_stream(str(made.codec), rate=rate, layout=layout)
        if made.bit_rate is not None:
            stream.bit_rate = made.bit_rate
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def with_data_size(wav: Path, size: int) -> Path:
    """State another length in a plain WAV header, as recorders that stream do."""
    with wav.open("r+b") as file:
        at = file.read(4096).index(b"data") + 4
        file.seek(at)
        file.write(struct.pack("<I", size))
    return wav


def recording(folder: Path, samples: NDArray[Any], name: str = "made") -> Recording:
    """A decoded recording of samples [channels, n] at 16 kHz, spooled to the folder."""
    spool = folder / f"{name}.pcm"
    np.clip(np.rint(samples.T * 32768.0), -32768, 32767).astype(np.int16).tofile(spool)
    return Recording(
        file=name,
        spool=spool,
        seconds=samples.shape[1] / SAMPLE_RATE,
        channels=len(samples),
        sample_rate=SAMPLE_RATE,
        codec="pcm_s16le",
        sha256="0" * 64,
    )
