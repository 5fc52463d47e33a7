"""The simulated connection: what each part of it does to speech, how much, and that it is the same every time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import soxr
from scipy.signal import correlate, welch

from analysis.values import SAMPLE_RATE, FloatArray
from tests.audio import SAMPLES, level_db, noise, tones
from training.channel import (
    CODECS,
    NARROW_CODECS,
    NOISES,
    PACKET_S,
    Channel,
    as_recorded,
    draw_channel,
    draw_noisy,
    draw_telephone,
    heard,
    through,
)

if TYPE_CHECKING:
    from collections.abc import Callable

WIRE = Channel(level_db=-30.0, narrow=False, codec=None)
DRAWS = (draw_telephone, draw_noisy, draw_channel)


@pytest.fixture(scope="module")
def speech() -> FloatArray:
    """Twelve seconds of the customer of a sample call, 16 kHz."""
    samples, rate = soundfile.read(SAMPLES / "escalates.flac", dtype="float32")
    return np.asarray(soxr.resample(samples[20 * rate : 32 * rate, 1], rate, SAMPLE_RATE), np.float32)


@pytest.fixture(scope="module")
def voices() -> list[FloatArray]:
    """Seven others of unlike level and length."""
    return [noise(1.0 + number / 3, -40.0 + 5 * number, seed=number) for number in range(7)]


def tone(hz: float, seconds: float = 2.0) -> FloatArray:
    return np.asarray(tones(seconds, SAMPLE_RATE, [hz])[0])


def carried(samples: FloatArray, channel: Channel, seed: int = 0, voices: list[FloatArray] | None = None) -> FloatArray:
    return heard(samples, channel, np.random.default_rng(seed), voices or [])


def coded(codec: str | None, level_db: float = -26.0) -> Channel:
    return Channel(level_db=level_db, narrow=codec in NARROW_CODECS, codec=codec)


def power(samples: FloatArray, low_hz: float, high_hz: float) -> float:
    frequencies, density = welch(samples, SAMPLE_RATE, nperseg=2048)
    return float(density[(frequencies >= low_hz) & (frequencies < high_hz)].sum())


def delay_ms(later: FloatArray, samples: FloatArray) -> float:
    shifts = np.abs(correlate(later.astype(np.float64), samples.astype(np.float64)))
    return float((shifts.argmax() - len(samples) + 1) / SAMPLE_RATE * 1000)


def residual_db(found: FloatArray, samples: FloatArray) -> float:
    """What of `found` is no scaled copy of `samples`, against that copy."""
    copy, wanted = found.astype(np.float64), samples.astype(np.float64)
    scaled = wanted * (copy @ wanted) / (wanted @ wanted)
    return float(10 * np.log10(np.sum((copy - scaled) ** 2) / np.sum(scaled**2)))


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_keeps_level_and_time_and_loses_something(codec: str, speech: FloatArray) -> None:
    found = carried(speech, coded(codec))
    assert level_db(found) == pytest.approx(-26.0, abs=1.5)
    assert abs(delay_ms(found, speech)) < 6.0
    plain = carried(speech, replace(coded(codec), codec=None))
    assert residual_db(found, plain) > -45.0, "nothing was lost"


@pytest.mark.parametrize("codec", sorted({*CODECS} - {"mu-law", "a-law"}))
def test_a_speech_codec_loses_more_than_the_rounding_of_g711(codec: str, speech: FloatArray) -> None:
    plain = carried(speech, replace(coded(codec), codec=None))
    rounded = carried(speech, coded("mu-law"))
    narrow = carried(speech, replace(coded("mu-law"), codec=None))
    assert residual_db(carried(speech, coded(codec)), plain) > residual_db(rounded, narrow) + 10.0


@pytest.mark.parametrize("codec", sorted(NARROW_CODECS))
def test_a_narrow_codec_leaves_nothing_outside_the_voice_band(codec: str) -> None:
    samples = noise(4.0, -20.0)
    found = carried(samples, coded(codec))
    inside = power(found, 500, 3000) / power(samples, 500, 3000)
    assert power(found, 4100, 8000) / power(samples, 4100, 8000) < inside / 300
    assert power(found, 3700, 8000) / power(samples, 3700, 8000) < inside / 30


def test_a_wide_codec_carries_what_a_narrow_line_does_not() -> None:
    samples = noise(4.0, -20.0)
    wide, narrow = (carried(samples, Channel(narrow=narrow, codec="opus-16000")) for narrow in (False, True))
    assert power(wide, 4500, 7000) > 0.1 * power(wide, 500, 3000)
    assert power(narrow, 4500, 7000) < 0.001 * power(narrow, 500, 3000)


@pytest.mark.parametrize("codecs", [("opus-8000", "opus-12000", "opus-16000"), ("amr-nb-7400", "amr-nb-12200")])
def test_fewer_bits_lose_more(codecs: tuple[str, ...], speech: FloatArray) -> None:
    plain = carried(speech, replace(coded(codecs[0]), codec=None))
    lost = []
    for codec in codecs:
        found = carried(speech, coded(codec))
        lost.append(residual_db(np.roll(found, -round(delay_ms(found, plain) * SAMPLE_RATE / 1000)), plain))
    assert all(fewer > more + 0.3 for fewer, more in pairwise(lost)), lost


def test_white_noise_loses_what_lies_outside_the_voice_band() -> None:
    samples = noise(4.0, -20.0)
    found = carried(samples, Channel(codec=None))
    inside = power(found, 500, 3000) / power(samples, 500, 3000)
    for low, high in ((0, 120), (3900, 8000)):
        assert power(found, low, high) / power(samples, low, high) < inside / 300, (low, high)


@pytest.mark.parametrize("hz", [500, 1000, 3000])
def test_tones_inside_the_band_pass(hz: float) -> None:
    found = carried(tone(hz), Channel(level_db=-20.0))
    assert power(found, hz - 50, hz + 50) > 0.95 * power(found, 0, 8000)


def test_mu_law_leaves_its_rounding() -> None:
    loud, soft = (carried(tone(1000), Channel(level_db=level)) for level in (-18.0, -60.0))
    relative = [1 - power(found, 950, 1050) / power(found, 0, 8000) for found in (loud, soft)]
    assert relative[1] > 10 * relative[0]


@pytest.mark.parametrize("level", [-46.0, -26.0, -12.0])
def test_level_is_the_channels_not_the_recordings(level: float) -> None:
    for gain in (0.01, 1.0):
        for channel in (WIRE, Channel()):
            assert level_db(carried(gain * tone(1000), replace(channel, level_db=level))) == pytest.approx(level, abs=0.5)


@pytest.mark.parametrize("snr_db", [5.0, 20.0])
@pytest.mark.parametrize("name", NOISES)
def test_every_noise_reaches_its_snr(name: str, snr_db: float, speech: FloatArray, voices: list[FloatArray]) -> None:
    found = carried(speech, replace(WIRE, noise=name, snr_db=snr_db), voices=voices)
    assert -residual_db(found, speech) == pytest.approx(snr_db, abs=1.0)


def test_noises_are_what_they_are_called(voices: list[FloatArray]) -> None:
    """Hum lies at the mains' harmonics, street noise falls with frequency and swells, white noise does neither."""
    made = {name: make(8 * SAMPLE_RATE, np.random.default_rng(1), voices).astype(np.float32) for name, make in NOISES.items()}
    below = {name: power(samples, 0, 700) / power(samples, 0, 8000) for name, samples in made.items()}
    assert below["hum"] > 0.9
    assert below["street"] > 0.5
    assert below["white"] == pytest.approx(700 / 8000, abs=0.02)
    swells = {name: np.std([level_db(second) for second in np.split(made[name], 8)]) for name in ("street", "white")}
    assert swells["street"] > 1.0 > 10 * swells["white"]


def test_babble_without_voices_is_refused() -> None:
    with pytest.raises(ValueError, match="babble needs recordings of other voices"):
        carried(tone(500), replace(WIRE, noise="babble"))


def test_babble_is_made_of_the_voices_however_loud_they_were(voices: list[FloatArray]) -> None:
    high, low = (tone(hz, 1.0) for hz in (2000, 300))
    found = NOISES["babble"](2 * SAMPLE_RATE, np.random.default_rng(0), [0.01 * high, low]).astype(np.float32)
    assert power(found, 1900, 2100) == pytest.approx(power(found, 200, 400), rel=0.2)


@pytest.mark.parametrize("share", [0.002, 0.02])
def test_clipping_cuts_the_stated_share_of_samples(share: float, speech: FloatArray) -> None:
    found = np.abs(carried(speech, replace(WIRE, clipped_share=share)))
    assert np.isclose(found, found.max(), rtol=1e-5).mean() == pytest.approx(share, rel=0.1)
    untouched = np.abs(carried(speech, WIRE))
    assert np.isclose(untouched, untouched.max(), rtol=1e-5).mean() < share / 20


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_about_the_stated_share_of_packets_is_lost(share: float) -> None:
    samples = noise(60.0, -20.0)
    found = carried(samples, replace(WIRE, packet_loss=share))
    packets = found.reshape(-1, round(PACKET_S * SAMPLE_RATE))
    lost = (packets == 0).all(axis=1)
    assert lost.mean() == pytest.approx(share, abs=0.015)
    assert (packets[~lost] != 0).mean() > 0.999, "a packet is lost whole"


def test_reverb_adds_a_tail_that_falls_by_60_db_in_its_time() -> None:
    reverb_s, at = 0.4, SAMPLE_RATE // 10
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[at] = 1.0
    dry, wet = (carried(click, replace(WIRE, level_db=-80.0, reverb_s=time)) for time in (0.0, reverb_s))
    assert not dry[at + 1 :].any()

    def energy_db(first: float, last: float) -> float:
        return float(10 * np.log10(np.sum(wet[at + round(first * SAMPLE_RATE) : at + round(last * SAMPLE_RATE)].astype(np.float64) ** 2)))

    fall_db = energy_db(0.01, 0.06) - energy_db(0.01 + reverb_s / 2, 0.06 + reverb_s / 2)
    assert fall_db == pytest.approx(30.0, abs=2.0)
    direct_db = 20 * np.log10(np.abs(wet[at]))
    assert 5.0 < direct_db - energy_db(1 / SAMPLE_RATE, reverb_s) < 16.0
    assert np.abs(wet[at + round(reverb_s * SAMPLE_RATE) + 1 :]).max() < 1e-6


@pytest.mark.parametrize("codec", [*CODECS, None])
@pytest.mark.parametrize("samples", [np.zeros(4800, np.float32), noise(0.3, -20.0), noise(2.00005, -20.0)], ids=["silence", "short", "odd"])
def test_whatever_is_said_stays_finite_and_keeps_its_length(codec: str | None, samples: FloatArray, voices: list[FloatArray]) -> None:
    worst = replace(coded(codec, 0.0), reverb_s=0.5, clipped_share=0.02, packet_loss=0.05, snr_db=0.0)
    for name in (*NOISES, None):
        found = carried(samples, replace(worst, noise=name), voices=voices)
        assert found.shape == samples.shape
        assert found.dtype == np.float32
        assert np.isfinite(found).all()


@pytest.mark.parametrize("draw", DRAWS)
def test_one_seed_draws_one_channel_and_gives_the_same_bytes(
    draw: Callable[[np.random.Generator], Channel], voices: list[FloatArray]
) -> None:
    copy, samples = through(draw), noise(1.0, -20.0)
    for seed in range(5):
        assert draw(np.random.default_rng(seed)) == draw(np.random.default_rng(seed))
        first, again, other = (copy([samples], np.random.default_rng(own), voices)[0] for own in (seed, seed, seed + 1))
        assert first.tobytes() == again.tobytes()
        assert first.tobytes() != other.tobytes()


def test_training_goes_through_every_codec_and_noise_and_further_than_what_is_measured() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_channel(rng) for _ in range(500)]
    assert {channel.codec for channel in drawn} == {*CODECS, None}
    assert {channel.noise for channel in drawn} == {*NOISES, None}
    assert all(channel.narrow for channel in drawn if channel.codec in NARROW_CODECS)
    assert {channel.narrow for channel in drawn if channel.codec not in NARROW_CODECS} == {True, False}
    for part in ("reverb_s", "clipped_share", "packet_loss"):
        assert 0.1 < np.mean([getattr(channel, part) > 0 for channel in drawn]) < 0.4, part
    levels = [channel.level_db for channel in drawn]
    assert (min(levels), max(levels)) == pytest.approx((-46.0, -12.0), abs=1.0)
    for draw in (draw_telephone, draw_noisy):
        measured = [draw(rng) for _ in range(200)]
        assert all(min(levels) < channel.level_db < max(levels) for channel in measured)
        assert {channel.noise for channel in measured} == ({"white"} if draw is draw_telephone else {*NOISES})
        assert {channel.codec for channel in measured} == ({"mu-law"} if draw is draw_telephone else {None})


def test_pieces_of_a_window_go_over_one_line() -> None:
    loud, soft = noise(0.5, -20.0, seed=1), noise(0.7, -40.0, seed=2)
    found = through(draw_telephone)([loud, soft], np.random.default_rng(4), ())
    rng = np.random.default_rng(4)
    whole = heard(np.concatenate([loud, soft]), draw_telephone(rng), rng)
    assert [len(piece) for piece in found] == [len(loud), len(soft)]
    np.testing.assert_array_equal(np.concatenate(found), whole)
    assert level_db(found[0]) > level_db(found[1]) + 8.0


def test_the_clean_copy_is_the_recording() -> None:
    pieces = [noise(0.5, -20.0, seed=1), noise(0.7, -40.0, seed=2)]
    found = as_recorded(pieces, np.random.default_rng(0), ())
    assert [piece.tobytes() for piece in found] == [piece.tobytes() for piece in pieces]
