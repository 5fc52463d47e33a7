"""Text as a transcript would hold it."""

from __future__ import annotations

import numpy as np
import pytest

from training.noise import Mishearing, spoken

SENTENCE = "I've told you, the delivery was a week late!"


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("This is RIDICULOUS!!! I've called 4 times...", "this is ridiculous i've called 4 times"),
        ("@united thanks, see https://t.co/abc #fail", "thanks see fail"),
        ("It’s   fine 😀", "it's fine"),
        ("", ""),
    ],
)
def test_spoken_text_has_no_case_punctuation_or_links(written: str, heard: str) -> None:
    assert spoken(written) == heard


@pytest.fixture
def noise() -> Mishearing:
    return Mishearing(["week weak", "late lot", "a rare word"] * 3 + ["lout"])


def test_words_are_misheard_as_words_that_sound_alike(noise: Mishearing) -> None:
    random = np.random.default_rng(0)
    heard = {word for _ in range(300) for word in noise.misheard(SENTENCE, random).split()}
    assert {"weak", "lot"} < heard
    assert "lout" not in heard, "too rare to stand in"
    assert heard <= {*spoken(SENTENCE).split(), "weak", "lot"}


def test_only_short_words_are_swallowed(noise: Mishearing) -> None:
    random = np.random.default_rng(0)
    copies = [noise.misheard("you are totally useless", random).split() for _ in range(200)]
    assert all({"totally", "useless"} <= set(copy) for copy in copies)
    assert any("you" not in copy for copy in copies)


def test_most_of_a_text_survives(noise: Mishearing) -> None:
    random = np.random.default_rng(0)
    words = spoken(SENTENCE).split()
    kept = [len(set(words) & set(noise.misheard(SENTENCE, random).split())) / len(words) for _ in range(200)]
    assert 0.8 < np.mean(kept) < 1.0


def test_copies_are_of_every_kind_and_never_empty(noise: Mishearing) -> None:
    random = np.random.default_rng(0)
    copies = [noise.copy(SENTENCE, random) for _ in range(200)]
    assert 0.3 < np.mean([copy == SENTENCE for copy in copies]) < 0.5
    assert 0.25 < np.mean([copy == spoken(SENTENCE) for copy in copies]) < 0.6
    assert all(noise.copy("late", random) for _ in range(100))


def test_one_seed_gives_one_copy(noise: Mishearing) -> None:
    first, second = ([noise.copy(SENTENCE, random) for _ in range(20)] for random in (np.random.default_rng(3), np.random.default_rng(3)))
    assert first == second
