"""What lies between a mouth and a recorder, simulated: room, noise, level, clipping, telephone band, codec and lost packets.

A simulation, not recorded telephone speech. `telephone` and `noisy` are what models are measured on; `draw_channel` is what they are
trained through, and it reaches further than both.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfiltfilt

from analysis.values import SAMPLE_RATE, FloatArray

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DoubleArray: TypeAlias = NDArray[np.float64]

LINE_RATE = 8000
BAND_HZ = (300.0, 3400.0)
"""Voice band of a telephone line (ITU-T G.712)."""
_BAND = butter(4, BAND_HZ, btype="bandpass", fs=LINE_RATE, output="sos")
_PEAK = 0.99
PACKET_S = 0.02
"""Of RTP speech in practice; a lost packet is silence."""
AMR_BIT_RATES = (7400, 12200)
OPUS_BIT_RATES = (8000, 12000, 16000)
VOICES_OF_BABBLE = 5


@dataclass(frozen=True, slots=True)
class Channel:
    """One connection: the same for everything a speaker says in a window, as on a call."""

    level_db: float = -26.0
    """RMS of the window at the receiving end, dBFS; nominal by ITU-T P.56."""
    reverb_s: float = 0.0
    """Time in which the room's echo falls by 60 dB; 0 is a close microphone."""
    noise: str | None = None
    """A key of `NOISES`, added before the line."""
    snr_db: float = 40.0
    clipped_share: float = 0.0
    """Share of the samples that the microphone cuts off."""
    narrow: bool = True
    """Whether the line passes 300-3400 Hz only."""
    codec: str | None = "mu-law"
    """A key of `CODECS`; None is a wire."""
    packet_loss: float = 0.0


def draw_telephone(rng: np.random.Generator) -> Channel:
    """A G.711 line as models are measured on: levels about the nominal one, 12 to 40 dB of white noise; the ranges are ours."""
    return Channel(level_db=float(rng.uniform(-36.0, -18.0)), noise="white", snr_db=float(rng.uniform(12.0, 40.0)))


def draw_noisy(rng: np.random.Generator) -> Channel:
    """A wideband recording among noise at 5 to 20 dB, as models are measured on."""
    noise = str(rng.choice(sorted(NOISES)))
    return Channel(level_db=float(rng.uniform(-36.0, -18.0)), noise=noise, snr_db=float(rng.uniform(5.0, 20.0)), narrow=False, codec=None)


def draw_channel(rng: np.random.Generator) -> Channel:
    """Any connection that models are trained through."""
    codec = [*sorted(CODECS), None][rng.integers(len(CODECS) + 1)]
    return Channel(
        level_db=-26.0 + float(rng.uniform(-20.0, 14.0)),
        reverb_s=float(rng.uniform(0.1, 0.5)) if rng.random() < 0.3 else 0.0,
        noise=str(rng.choice(sorted(NOISES))) if rng.random() < 0.8 else None,
        snr_db=float(rng.uniform(5.0, 30.0)),
        clipped_share=float(rng.uniform(0.001, 0.02)) if rng.random() < 0.2 else 0.0,
        narrow=codec in NARROW_CODECS or bool(rng.random() < 0.3),
        codec=codec,
        packet_loss=float(rng.uniform(0.01, 0.05)) if rng.random() < 0.2 else 0.0,
    )


def heard(samples: FloatArray, channel: Channel, rng: np.random.Generator, voices: Sequence[FloatArray] = ()) -> FloatArray:
    """Samples at 16 kHz as they arrive, same rate and length, shape [n]. `voices` are others' speech at 16 kHz, needed for babble."""
    sound = samples.astype(np.float64)
    if channel.reverb_s:
        sound = _in_room(sound, channel.reverb_s, rng)
    if channel.noise is not None:
        noise = NOISES[channel.noise](len(sound), rng, voices)
        sound = sound + noise * noise_gain(noise, sound, channel.snr_db)
    if channel.clipped_share:
        limit = np.quantile(np.abs(sound), 1.0 - channel.clipped_share)
        sound = np.clip(sound, -limit, limit)
    rate = LINE_RATE if channel.narrow or channel.codec in NARROW_CODECS else SAMPLE_RATE
    line = soxr.resample(sound, SAMPLE_RATE, rate)
    if channel.narrow:
        line = sosfiltfilt(_BAND, line)
    line = np.clip(line * 10 ** (channel.level_db / 20) / max(rms(line), 1e-9), -_PEAK, _PEAK)
    if channel.codec is not None:
        line = fitted(CODECS[channel.codec](line, rate), len(line))
    if channel.packet_loss:
        line = _with_lost_packets(line, rate, channel.packet_loss, rng)
    return fitted(soxr.resample(line, rate, SAMPLE_RATE), len(samples)).astype(np.float32)


Copy: TypeAlias = "Callable[[Sequence[FloatArray], np.random.Generator, Sequence[FloatArray]], list[FloatArray]]"
"""Takes the pieces of one window and others' voices; gives the pieces as they arrive."""


def as_recorded(pieces: Sequence[FloatArray], _: np.random.Generator, __: Sequence[FloatArray]) -> list[FloatArray]:
    return list(pieces)


def over_one_line(line: Callable[[FloatArray, np.random.Generator, Sequence[FloatArray]], FloatArray]) -> Copy:
    """A copy whose line takes a window's pieces as one sound and keeps its length."""

    def copy(pieces: Sequence[FloatArray], rng: np.random.Generator, voices: Sequence[FloatArray]) -> list[FloatArray]:
        return np.split(line(np.concatenate(pieces), rng, voices), np.cumsum([len(piece) for piece in pieces])[:-1])

    return copy


def through(draw: Callable[[np.random.Generator], Channel]) -> Copy:
    """A copy that passes every window through a channel of its own."""
    return over_one_line(lambda samples, rng, voices: heard(samples, draw(rng), rng, voices))


def fitted(samples: DoubleArray, length: int) -> DoubleArray:
    return np.pad(samples, (0, max(0, length - len(samples))))[:length]


def rms(samples: DoubleArray | FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def noise_gain(noise: DoubleArray | FloatArray, speech: DoubleArray | FloatArray, snr_db: float) -> float:
    """What the noise is multiplied with to lie `snr_db` under the speech."""
    return rms(speech) / max(rms(noise), 1e-9) * 10 ** (-snr_db / 20)


def _in_room(samples: DoubleArray, reverb_s: float, rng: np.random.Generator) -> DoubleArray:
    """Direct sound and a noise tail that falls by 60 dB in `reverb_s` (Polack 1988), 6 to 15 dB under it."""
    length = round(reverb_s * SAMPLE_RATE)
    tail = rng.normal(0.0, 1.0, length) * 10 ** (-3.0 * np.arange(length) / length)
    tail *= 10 ** (-float(rng.uniform(6.0, 15.0)) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return np.asarray(fftconvolve(samples, tail)[: len(samples)])


def _white(length: int, rng: np.random.Generator, _: Sequence[FloatArray]) -> DoubleArray:
    return rng.normal(0.0, 1.0, length)


def pink(length: int, rng: np.random.Generator) -> DoubleArray:
    """Noise whose power falls by 3 dB an octave, by shaping the spectrum of white noise."""
    spectrum = np.fft.rfft(rng.normal(0.0, 1.0, length))
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), length)


def _street(length: int, rng: np.random.Generator, _: Sequence[FloatArray]) -> DoubleArray:
    """Pink noise that swells and fades from second to second, as vehicles pass."""
    levels_db = rng.uniform(-12.0, 0.0, length // SAMPLE_RATE + 2)
    swell_db = np.interp(np.arange(length) / SAMPLE_RATE, np.arange(len(levels_db)), levels_db)
    return pink(length, rng) * 10 ** (swell_db / 20)


def _hum(length: int, rng: np.random.Generator, _: Sequence[FloatArray]) -> DoubleArray:
    """Mains hum with its harmonics, over a little hiss."""
    mains = float(rng.choice([50.0, 60.0]))
    times = np.arange(length) / SAMPLE_RATE
    harmonics = sum(np.sin(2 * np.pi * mains * n * times + rng.uniform(0, 2 * np.pi)) / n for n in range(1, 12))
    return np.asarray(harmonics + 0.1 * rng.normal(0.0, 1.0, length))


def _babble(length: int, rng: np.random.Generator, voices: Sequence[FloatArray]) -> DoubleArray:
    """Several people talking at once."""
    if not voices:
        raise ValueError("babble needs recordings of other voices")
    total = np.zeros(length)
    for index in rng.choice(len(voices), min(VOICES_OF_BABBLE, len(voices)), replace=False):
        voice = np.roll(np.resize(voices[index].astype(np.float64), length), int(rng.integers(length)))
        total += voice / max(rms(voice), 1e-9)
    return total


NOISES: Mapping[str, Callable[[int, np.random.Generator, Sequence[FloatArray]], DoubleArray]] = {
    "babble": _babble,
    "hum": _hum,
    "street": _street,
    "white": _white,
}


def _stored(kind: str, subtype: str) -> Callable[[DoubleArray, int], DoubleArray]:
    """A codec that libsndfile knows."""

    def code(samples: DoubleArray, rate: int) -> DoubleArray:
        wire = io.BytesIO()
        soundfile.write(wire, samples, rate, format=kind, subtype=subtype)
        wire.seek(0)
        return np.asarray(soundfile.read(wire, dtype="float64")[0])

    return code


def _streamed(encoder: str, kind: str, bit_rate: int) -> Callable[[DoubleArray, int], DoubleArray]:
    """A codec that FFmpeg knows."""

    def code(samples: DoubleArray, rate: int) -> DoubleArray:
        wire = io.BytesIO()
        with av.open(wire, "w", format=kind) as container:
            stream: Any = container.add_stream(encoder, rate=rate)
            stream.bit_rate, stream.layout = bit_rate, "mono"
            frame = av.AudioFrame.from_ndarray(np.round(samples * 32767).astype(np.int16)[None], format="s16", layout="mono")
            frame.sample_rate = rate
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
        wire.seek(0)
        with av.open(wire, "r") as container:
            resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
            parts = [part.to_ndarray()[0] for decoded in container.decode(audio=0) for part in resampler.resample(decoded)]
            parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
        return np.concatenate(parts).astype(np.float64)

    return code


CODECS: Mapping[str, Callable[[DoubleArray, int], DoubleArray]] = {
    "mu-law": _stored("WAV", "ULAW"),
    "a-law": _stored("WAV", "ALAW"),
    "gsm": _stored("WAV", "GSM610"),
    **{f"amr-nb-{rate}": _streamed("libopencore_amrnb", "amr", rate) for rate in AMR_BIT_RATES},
    **{f"opus-{rate}": _streamed("libopus", "ogg", rate) for rate in OPUS_BIT_RATES},
}
NARROW_CODECS = frozenset(name for name in CODECS if not name.startswith("opus"))
"""Those that carry 8 kHz."""


def _with_lost_packets(samples: DoubleArray, rate: int, share: float, rng: np.random.Generator) -> DoubleArray:
    packet = round(PACKET_S * rate)
    kept = rng.random(-(-len(samples) // packet)) >= share
    return samples * np.repeat(kept, packet)[: len(samples)]
