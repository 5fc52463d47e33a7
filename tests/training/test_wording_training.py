"""The wording head's training on a small share of the real text with the real sentence encoder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from analysis.config import Config
from analysis.engines.minilm import MiniLMEncoder
from training import wording
from training.metrics import auc
from training.sentences import Embedder, Sentence, read_goemotions, read_phrases, spoken

if TYPE_CHECKING:
    from pathlib import Path

FEW = 400
STRENGTHS = (0.003, 0.03)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return Embedder(MiniLMEncoder(Config()), tmp_path_factory.mktemp("embedded"))


@pytest.fixture(scope="module")
def few(data: Path, embedder: Embedder) -> wording.Examples:
    return wording.examples(read_goemotions(data / "text" / "goemotions", "train")[:FEW], [1.0] * FEW, embedder)


@pytest.fixture(scope="module")
def held(data: Path, embedder: Embedder) -> wording.Examples:
    return wording.examples(read_goemotions(data / "text" / "goemotions", "dev")[:300], [1.0] * 300, embedder)


def test_a_small_share_of_the_text_already_teaches(few: wording.Examples, held: wording.Examples) -> None:
    head = wording.train(few, STRENGTHS)
    assert auc(held.frustrated, head.frustrated(held.features)) > 0.7
    polar = np.abs(held.polarity) == 1
    assert auc(held.polarity[polar] == 1, head.polarity(held.features[polar])) > 0.8


def test_shuffled_labels_do_not_beat_chance(few: wording.Examples, held: wording.Examples) -> None:
    order = np.random.default_rng(0).permutation(FEW)
    mixed = replace(few, frustrated=np.tile(few.frustrated[:FEW][order], 2), polarity=np.tile(few.polarity[:FEW][order], 2))
    head = wording.train(mixed, STRENGTHS)
    assert auc(held.frustrated, head.frustrated(held.features)) == pytest.approx(0.5, abs=0.12)


def test_training_twice_gives_the_same_bytes(few: wording.Examples) -> None:
    first, second = (wording.tensors(wording.train(few, (0.003,))) for _ in range(2))
    assert all(value.tobytes() == second[key].tobytes() for key, value in first.items())


def test_a_texts_two_copies_share_a_row_so_that_folds_keep_them_together(few: wording.Examples) -> None:
    assert (few.rows[:FEW] == few.rows[FEW:]).all()
    both = wording.joined(few, few)
    assert len(np.unique(both.rows)) == 2 * FEW


def test_neutral_text_pulls_sentiment_to_the_middle(few: wording.Examples) -> None:
    task = wording.sentiment_task(few)
    neutral = few.polarity == 0
    assert len(task.target) == (np.abs(few.polarity) == 1).sum() + 2 * neutral.sum()
    assert task.weights.sum() == pytest.approx((~np.isnan(few.polarity)).sum())


def test_prior_counts_weights() -> None:
    features = np.random.default_rng(0).normal(0, 1, (8, 3)).astype(np.float32)
    frustrated = np.array([True, False] * 4)
    polarity = np.where(frustrated, -1.0, 1.0)
    weights = np.where(frustrated, 3.0, 1.0)
    head = wording.train(wording.Examples(features, frustrated, polarity, weights, np.arange(8)), (0.01,))
    assert head.prior == pytest.approx(0.75)


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


def test_labels_become_groups(data: Path) -> None:
    sentences = read_goemotions(data / "text" / "goemotions", "dev")
    assert len(sentences) > 5000
    assert 0.15 < np.mean([each.frustrated for each in sentences]) < 0.2
    assert all(each.polarity in (None, -1) for each in sentences if each.frustrated)
    thanks = [each for each in sentences if each.text.lower().startswith("thank")]
    assert np.mean([each.polarity == 1 for each in thanks]) > 0.8


def test_challenge_is_not_trained_on() -> None:
    challenge = {spoken(text) for text, _ in wording.read_challenge(wording.CHALLENGE)}
    trained = {spoken(each.text) for each in read_phrases(wording.PHRASES)}
    assert len(challenge) > 100
    assert not challenge & trained
    assert not {spoken(text) for text in wording.PROBES} & trained


def test_phrases_are_both_ways_and_consistent() -> None:
    phrases: list[Sentence] = read_phrases(wording.PHRASES)
    assert 0.4 < np.mean([each.frustrated for each in phrases]) < 0.6
    assert all(each.polarity == -1 for each in phrases if each.frustrated)


def test_embeddings_are_kept_and_belong_to_their_texts(embedder: Embedder) -> None:
    texts = ["a much longer sentence than the others in this list", "short", "my card number is four four two one"]
    together = embedder.features(texts)
    alone = np.concatenate([embedder.features([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_array_equal(together, embedder.features(texts))
