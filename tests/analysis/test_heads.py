"""How a head follows one caller: each utterance against what was heard of the same caller before, and never against what comes after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import softmax

from analysis.heads import BASELINE_PRIOR_S, HeadCard, LinearHead

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.values import FloatArray

    Doubles = NDArray[np.float64]

CLASSES = ("sadness", "anger", "neutral")
ANGER = CLASSES.index("anger")
SECONDS = 3.0


def linear(weight: Doubles, bias: Doubles, *, arousal: Doubles | None = None, temperature: float = 1.0) -> LinearHead:
    """A head of the three classes over features that are centred and scaled as those of `centre`."""
    width = weight.shape[1]
    tensors = {
        "weight": weight,
        "bias": bias,
        "feature_mean": np.full(width, 2.0),
        "feature_std": np.full(width, 0.5),
        "arousal_weight": np.ones(width) if arousal is None else arousal,
        "arousal_bias": np.array([0.25]),
    }
    card = HeadCard("made", "whisper-made", CLASSES, "sha256:0", "CC0", True, frozenset({"en"}), {}, temperature)
    return LinearHead(card, {name: value.astype(np.float32) for name, value in tensors.items()})


def by_dimension(*, temperature: float = 1.0) -> LinearHead:
    """Each class has a feature of its own; without any of them a voice is neutral."""
    return linear(np.eye(3), np.array([-1.0, -1.0, 1.0]), temperature=temperature)


def drawn(*, deaf_to_anger: bool = False, temperature: float = 1.5, width: int = 8, seed: int = 0) -> LinearHead:
    rng = np.random.default_rng(seed)
    bias = rng.normal(0, 1, 3)
    bias[ANGER] -= 60.0 if deaf_to_anger else 0.0
    return linear(rng.normal(0, 0.5, (3, width)), bias, arousal=rng.normal(0, 1, width), temperature=temperature)


def raw(*standardised: tuple[float, ...]) -> FloatArray:
    """Features that come out as the given ones after the head's standardising, shape [n, d]."""
    return (np.array(standardised) * 0.5 + 2.0).astype(np.float32)


def features(count: int, *, width: int = 8, seed: int = 1) -> FloatArray:
    return np.random.default_rng(seed).normal(2.0, 0.5, (count, width)).astype(np.float32)


def lasting(count: int, seconds: float = SECONDS) -> Doubles:
    return np.full(count, seconds)


def test_the_first_utterance_is_heard_as_it_is() -> None:
    head, said = drawn(), features(4)
    logits, arousal = head.follow(said, lasting(4))
    assert logits[0] == pytest.approx(head.logits(said)[0])
    assert arousal[0] == pytest.approx(float(head.standardised(said)[0] @ head.tensors["arousal_weight"]) + 0.25, abs=1e-5)
    assert (np.abs(logits[1:] - head.logits(said)[1:]).max(axis=1) > 0.01).all()


def test_no_utterances_give_no_logits() -> None:
    logits, arousal = drawn().follow(np.zeros((0, 8), np.float32), np.zeros(0))
    assert (logits.shape, arousal.shape) == ((0, 3), (0,))


def test_the_baseline_is_the_mean_of_the_earlier_ones_by_seconds_shrunk_to_all_speakers() -> None:
    """Worked by hand for a head that never hears anger: rows of (10 s, 5 s) before, 15 s of all speakers beside them."""
    head = drawn(deaf_to_anger=True)
    said = features(3)
    plain = head.standardised(said).astype(np.float64)
    relative = plain[2] - (10.0 * plain[0] + 5.0 * plain[1]) / (10.0 + 5.0 + BASELINE_PRIOR_S)
    logits, arousal = head.follow(said, np.array([10.0, 5.0, 1.0]))
    assert logits[2] == pytest.approx((relative @ head.tensors["weight"].T + head.tensors["bias"]) / 1.5, abs=1e-6)
    assert arousal[2] == pytest.approx(float(relative @ head.tensors["arousal_weight"]) + 0.25, abs=1e-6)


def test_what_is_constant_in_a_callers_voice_is_learnt_away() -> None:
    head, said = drawn(deaf_to_anger=True), features(60)
    offset = np.linspace(-2.0, 2.0, 8, dtype=np.float32)
    plain, shifted = (head.follow(own, lasting(60))[0] for own in (said, said + offset))
    left = np.abs(shifted - plain)[:, [0, 2]].max(axis=1)
    assert (np.diff(left) < 0).all()
    heard_s = np.arange(60) * SECONDS
    np.testing.assert_allclose(left / left[0], BASELINE_PRIOR_S / (BASELINE_PRIOR_S + heard_s), rtol=1e-4)


def test_a_head_that_hears_anger_learns_a_callers_voice_too() -> None:
    head, said = drawn(), features(60)
    offset = np.linspace(-0.5, 0.5, 8, dtype=np.float32)
    plain, shifted = (softmax(head.follow(own, lasting(60))[0], axis=1) for own in (said, said + offset))
    assert np.abs(shifted - plain)[-10:].mean() < 0.25 * np.abs(shifted - plain)[0].mean()


@pytest.mark.parametrize("seconds", [2.0, 12.0])
def test_an_angry_utterance_enters_the_baseline_less_than_a_calm_one(seconds: float) -> None:
    """Both are as sad; what the next utterance loses in sadness is what was taken for the caller's own."""
    head = by_dimension()
    calm, angry = (head.follow(raw((2.0, anger, 0.0), (0.0, 0.0, 0.0)), lasting(2, seconds))[0] for anger in (0.0, 12.0))
    before = float(head.tensors["bias"][0])
    share = seconds / (seconds + BASELINE_PRIOR_S)
    assert 0.5 * 2.0 * share < before - calm[1, 0] <= 2.0 * share
    assert before - angry[1, 0] < 0.01 * (before - calm[1, 0])


def test_sustained_anger_stays_anger() -> None:
    """Against a plain mean of the earlier utterances it would be lost."""
    head = by_dimension()
    heard = softmax(head.follow(raw(*[(0.0, 6.0, 0.0)] * 21), lasting(21))[0], axis=1)[:, ANGER]
    assert heard[0] > 0.95
    assert heard[20] > 0.9
    left = 6.0 * BASELINE_PRIOR_S / (BASELINE_PRIOR_S + 20 * SECONDS)
    assert softmax(head.tensors["bias"] + np.array([0.0, left, 0.0]))[ANGER] < 0.4


def test_a_voice_that_only_sounds_angry_at_first_is_not_taken_for_angry_for_ever() -> None:
    """Where the first impression is doubtful, the caller's own voice is learnt and the doubt is dropped."""
    head = by_dimension()
    heard = softmax(head.follow(raw(*[(0.0, 2.0, 0.0)] * 40), lasting(40))[0], axis=1)[:, ANGER]
    assert 0.4 < heard[0] < 0.6
    assert heard[-1] < 0.2
    assert (np.diff(heard) < 0).all()


def test_anger_after_calm_stands_out_more_than_anger_at_once() -> None:
    head = by_dimension()
    calm_voice = [(0.5, -1.0, 0.5)] * 10
    after = softmax(head.follow(raw(*calm_voice, (0.5, 2.0, 0.5)), lasting(11))[0], axis=1)[-1, ANGER]
    at_once = softmax(head.follow(raw((0.5, 2.0, 0.5)), lasting(1))[0], axis=1)[-1, ANGER]
    assert after > at_once + 0.1


def test_later_utterances_never_change_earlier_ones() -> None:
    head, said = drawn(), features(12)
    whole, arousal = head.follow(said, lasting(12))
    for count in (1, 5, 11):
        logits, own_arousal = head.follow(np.concatenate([said[:count], said[count:][::-1] * 3]), lasting(12))
        np.testing.assert_array_equal(logits[:count], whole[:count])
        np.testing.assert_array_equal(own_arousal[:count], arousal[:count])


def test_of_the_earlier_utterances_the_order_is_forgotten_but_for_the_anger_in_them() -> None:
    said, turned = features(6), features(6)[[3, 1, 4, 0, 2, 5]]
    deaf, hearing = drawn(deaf_to_anger=True), drawn()
    np.testing.assert_allclose(deaf.follow(said, lasting(6))[0][-1], deaf.follow(turned, lasting(6))[0][-1], atol=1e-9)
    assert np.abs(hearing.follow(said, lasting(6))[0][-1] - hearing.follow(turned, lasting(6))[0][-1]).max() > 1e-6


def test_a_temperature_softens_the_classes_and_leaves_arousal_alone() -> None:
    said = features(1, width=3)
    one, four = (by_dimension(temperature=temperature).follow(said, lasting(1)) for temperature in (1.0, 4.0))
    np.testing.assert_allclose(one[0], 4.0 * four[0])
    np.testing.assert_array_equal(one[1], four[1])
