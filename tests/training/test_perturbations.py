"""The changes that must not change a decision: each does what its name says, and no more."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import welch

from analysis.values import SAMPLE_RATE, FloatArray
from tests.audio import level_db, noise, tones
from tests.training.made import VOICES
from training.perturbations import CROPPED_S, PERTURBATIONS, TILT_DB_PER_OCTAVE

CROP = round(CROPPED_S * SAMPLE_RATE)
LONGER = {"start cropped": -CROP, "end cropped": -CROP, "zeros before": CROP, "zeros after": CROP}


def pieces() -> list[FloatArray]:
    """Two stretches of sound of unlike level, and the shortest silence that is spoken around."""
    return [noise(1.5, -20.0, seed=1), np.zeros(round(0.3 * SAMPLE_RATE), np.float32), noise(2.0, -32.0, seed=2)]


def perturbed(name: str, given: list[FloatArray] | None = None, seed: int = 0) -> list[FloatArray]:
    return PERTURBATIONS[name](pieces() if given is None else given, np.random.default_rng(seed), VOICES)


def gains_db(name: str, hertz: list[float]) -> list[float]:
    """How much louder each frequency became in noise that holds all, in dB."""
    given = noise(8.0, -26.0)
    frequencies, before = welch(given, SAMPLE_RATE, nperseg=1024)
    _, after = welch(perturbed(name, [given])[0], SAMPLE_RATE, nperseg=1024)
    return [float(10 * np.log10(after[near] / before[near])) for near in (int(np.abs(frequencies - hz).argmin()) for hz in hertz)]


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_every_piece_comes_back_finite_and_as_long_as_its_name_says(name: str) -> None:
    given, found = pieces(), perturbed(name)
    assert [len(piece) for piece in found] == [len(piece) + LONGER.get(name, 0) for piece in given]
    for piece in found:
        assert piece.dtype == np.float32
        assert np.isfinite(piece).all()


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_something_is_changed_and_the_same_seed_changes_it_alike(name: str) -> None:
    given, found, again = pieces(), perturbed(name), perturbed(name)
    assert [piece.tobytes() for piece in found] == [piece.tobytes() for piece in again]
    assert [piece.tobytes() for piece in found] != [piece.tobytes() for piece in given]


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_pieces_keep_their_levels_against_each_other(name: str) -> None:
    loud, _, soft = perturbed(name)
    apart_db = level_db(loud) - level_db(soft)
    if name == "phone":
        assert 9.0 < apart_db < 11.0, "what is over the threshold is compressed"
    else:
        assert apart_db == pytest.approx(12.0, abs=0.7)


@pytest.mark.parametrize(("name", "gain_db"), [("gain +2 dB", 2.0), ("gain -2 dB", -2.0)])
def test_gain_changes_the_level_by_2_db_and_nothing_else(name: str, gain_db: float) -> None:
    for before, after in zip(pieces(), perturbed(name), strict=True):
        np.testing.assert_allclose(after, before * 10 ** (gain_db / 20), rtol=1e-5)
    assert np.abs(perturbed("gain +2 dB", [np.ones(100, np.float32)])[0]).max() == 1.0


@pytest.mark.parametrize(("name", "slope"), [("tilt up", TILT_DB_PER_OCTAVE), ("tilt down", -TILT_DB_PER_OCTAVE)])
def test_tilt_turns_the_spectrum_by_its_slope_and_keeps_the_level(name: str, slope: float) -> None:
    low, middle, high = gains_db(name, [500, 2000, 4000])
    assert (middle - low, high - middle) == pytest.approx((2 * slope, slope), abs=0.3)
    for before, after in zip(pieces()[::2], perturbed(name)[::2], strict=True):
        assert level_db(after) == pytest.approx(level_db(before), abs=0.1)


@pytest.mark.parametrize(
    ("name", "gone", "at_the_edge", "kept"), [("high-pass 100 Hz", 30, 100, 500), ("low-pass 7 kHz", 7800, 7000, 2000)]
)
def test_filters_halve_the_power_at_their_edge(name: str, gone: float, at_the_edge: float, kept: float) -> None:
    far, edge, inside = gains_db(name, [gone, at_the_edge, kept])
    assert far < -12.0
    assert edge == pytest.approx(-3.0, abs=1.0)
    assert inside == pytest.approx(0.0, abs=0.2)


def test_clipping_cuts_a_thousandth_of_every_piece() -> None:
    for piece in perturbed("clipped 0.1 %")[::2]:
        assert (np.abs(piece) == np.abs(piece).max()).mean() == pytest.approx(0.001, rel=0.1)


@pytest.mark.parametrize("name", [name for name in PERTURBATIONS if name.endswith(("20 dB", "40 dB"))])
def test_noise_lies_as_far_under_the_window_as_its_name_says(name: str) -> None:
    given = tones(4.0, SAMPLE_RATE, [1234.5])[0]
    found = perturbed(name, [given])[0].astype(np.float64)
    scaled = given * (found @ given) / (given @ given)
    snr_db = 10 * np.log10(np.sum(scaled**2) / np.sum((found - scaled) ** 2))
    assert snr_db == pytest.approx(float(name.split()[1]), abs=1.0)


def test_a_room_and_a_noise_are_one_for_all_pieces() -> None:
    """What fills the silence between two pieces comes from them and from around them."""
    for name in ("room", "street 20 dB"):
        assert level_db(perturbed(name)[1]) > -60.0, name


def test_a_phone_carries_the_voice_band_and_hisses_over_it() -> None:
    low, inside, between = gains_db("phone", [60, 1000, 3800])
    assert inside > low + 15.0
    assert inside > between + 20.0
    frequencies, density = welch(perturbed("phone", [noise(8.0, -26.0)])[0], SAMPLE_RATE, nperseg=1024)
    assert 10 * np.log10(density[frequencies > 4300].sum() / density.sum()) == pytest.approx(-26.5, abs=2.0)


def test_crops_and_zeros_leave_the_rest_as_it_was() -> None:
    for name, kept_before, kept_after in (
        ("start cropped", slice(CROP, None), slice(None)),
        ("end cropped", slice(None, -CROP), slice(None)),
        ("zeros before", slice(None), slice(CROP, None)),
        ("zeros after", slice(None), slice(None, -CROP)),
    ):
        for before, after in zip(pieces(), perturbed(name), strict=True):
            np.testing.assert_array_equal(after[kept_after], before[kept_before])
            if name.startswith("zeros"):
                assert not (after[:CROP] if name == "zeros before" else after[-CROP:]).any()
