"""The wording head's training on a small share of the real text with the real encoder, and what it is measured with."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from analysis import resolver
from analysis.engines.wording_head import HEAD, PooledEncoder
from analysis.heads import load_head, save_head
from training import wording, wording_scores
from training.metrics import auc
from training.noise import spoken
from training.sentences import (
    Embedder,
    Sentence,
    goemotions_labels,
    read_challenge,
    read_goemotions,
    read_multiwoz,
    read_phrases,
)
from training.wording_tuning import ROWS, Recipe, TunedEncoder, targets, tune

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from analysis.values import FloatArray

FEW = 96
RECIPE = Recipe(rank=4, epochs=2, batch=16, rate=1e-3, phrase_copies=1)


@pytest.fixture(scope="module")
def comments(data: Path) -> list[Sentence]:
    return read_goemotions(data / "text" / "goemotions", "train")[:FEW]


@pytest.fixture(scope="module")
def labels(data: Path) -> list[str]:
    return goemotions_labels(data / "text" / "goemotions")


def tuned(comments: Sequence[Sentence], phrases: Sequence[Sentence], labels: Sequence[str]) -> TunedEncoder:
    torch.manual_seed(0)
    model = TunedEncoder(resolver.locate("minilm"), len(ROWS) + len(labels), RECIPE)
    tune(model, comments, phrases, labels, RECIPE)
    return model


@pytest.fixture(scope="module")
def model(comments: list[Sentence], labels: list[str]) -> TunedEncoder:
    return tuned(comments, [each for place, each in enumerate(read_phrases(wording.PHRASES)) if place % 4], labels)


def test_some_phrases_teach_what_others_mean(model: TunedEncoder) -> None:
    held = read_phrases(wording.PHRASES)[::4]
    logits = model.logits([each.text for each in held])
    polar = np.array([each.polarity in (1, -1) for each in held])
    assert auc(wording.frustrated(held), logits[:, 0].astype(np.float64)) > 0.8
    assert auc(np.array([each.polarity == 1 for each in held])[polar], logits[polar, 1].astype(np.float64)) > 0.8


def test_what_ships_scores_as_what_was_trained(model: TunedEncoder, tmp_path: Path) -> None:
    card = wording.description(RECIPE, 0.2, 1.5, {})
    save_head(HEAD, wording.tensors(model), card, tmp_path)
    head = wording_scores.TunedHead.load(tmp_path)
    expected = model.logits(wording.PROBES)[:, 0] / 1.5
    found = np.log(1 / (1 / head.frustrated(wording.PROBES) - 1))
    np.testing.assert_allclose(found, expected, atol=0.1)
    assert load_head(HEAD, tmp_path).card.prior("frustration") == 0.2


def test_only_the_adapters_and_rows_learn(model: TunedEncoder) -> None:
    published = PooledEncoder()
    untouched = TunedEncoder(resolver.locate("minilm"), 2, RECIPE)
    before, after = untouched.encoder.state_dict(), model.encoder.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before if not key.endswith((".a", ".b")))
    assert any(np.abs(value).max() > 0 for key, value in model.adapters().items() if key.endswith(".b"))
    assert not any(np.abs(value).max() > 0 for key, value in untouched.adapters().items() if key.endswith(".b"))
    published.adapt({f"adapter.{key}": value for key, value in untouched.adapters().items()})
    np.testing.assert_array_equal(published.pooled(["a word"]), PooledEncoder().pooled(["a word"]))


def test_training_twice_gives_the_same_bytes(comments: list[Sentence], labels: list[str]) -> None:
    first, second = (wording.tensors(tuned(comments[:48], (), labels)) for _ in range(2))
    assert all(value.tobytes() == second[key].tobytes() for key, value in first.items())


def test_a_text_teaches_only_what_it_is_labelled_with() -> None:
    said = targets(
        [Sentence("a", True, -1, frozenset({"anger"})), Sentence("b", False, None, frozenset({"joy"})), Sentence("c", True, 0)],
        ["anger", "joy"],
        0.25,
    )
    assert said.wanted.tolist() == [[1, 0, 1, 0], [0, 0.5, 0, 1], [1, 0.5, 0, 0]]
    assert said.known.tolist() == [[1, 1, 0.25, 0.25], [1, 0, 0.25, 0.25], [1, 1, 0, 0]]


def test_the_prior_counts_a_phrase_as_often_as_it_is_seen() -> None:
    comments, phrases = [Sentence("a", False, 0)] * 6, [Sentence("b", True, -1)]
    assert wording.prior(comments, phrases, replace(RECIPE, phrase_copies=3)) == pytest.approx(3 / 9)


def test_the_inner_split_is_apart_and_always_the_same(comments: list[Sentence]) -> None:
    rest, inner = wording_scores.inner_split(comments, 32)
    assert (len(rest), len(inner)) == (FEW - 32, 32)
    assert wording_scores.inner_split(comments, 32)[1] == inner
    assert Counter(each.text for each in [*rest, *inner]) == Counter(each.text for each in comments)


def test_labels_become_groups(data: Path) -> None:
    sentences = read_goemotions(data / "text" / "goemotions", "dev")
    assert len(sentences) > 5000
    assert 0.15 < np.mean([each.frustrated for each in sentences]) < 0.2
    assert all(each.polarity in (None, -1) for each in sentences if each.frustrated)
    thanks = [each for each in sentences if each.text.lower().startswith("thank")]
    assert np.mean([each.polarity == 1 for each in thanks]) > 0.8


def test_rated_turns_carry_what_was_said_before_in_their_dialogue(tmp_path: Path) -> None:
    file = tmp_path / "rated.txt"
    file.write_text(
        "USER\tA table for two.\tInform\t3,4\nSYSTEM\tFor when?\tRequest\t\nUSER\tI said Friday.\t\t2,2,3\nUSER\tOVERALL\t\t3\n\n"
        "USER\tHello.\t\t3,3\n"
    )
    first, second, third = read_multiwoz(file)
    assert (first.text, first.before, first.satisfaction) == ("A table for two.", (), 3.5)
    assert second.before == ("A table for two.", "For when?")
    assert second.satisfaction == pytest.approx(7 / 3)
    assert third.before == ()


def words(text: str) -> frozenset[str]:
    return frozenset(spoken(text).split())


def test_challenge_and_probes_are_not_trained_on_nor_anything_close_to_them() -> None:
    trained = [each.text for each in read_phrases(wording.PHRASES)]
    bags = [(text, words(text)) for text in trained]
    for line in [*(each.text for each in read_challenge(wording_scores.CHALLENGE)), *wording.PROBES]:
        bag = words(line)
        shared = [text for text, other in bags if len(bag & other) >= 0.7 * len(bag | other)]
        assert not shared, f"{line!r} is close to {shared}"
        alike = [text for text, other in bags if bag & other and SequenceMatcher(None, spoken(line), spoken(text)).ratio() > 0.85]
        assert not alike, f"{line!r} is close to {alike}"


def test_the_challenge_covers_what_is_hard() -> None:
    lines = read_challenge(wording_scores.CHALLENGE)
    kinds = Counter((line.kind, line.frustrated) for line in lines)
    assert len({spoken(line.text) for line in lines}) == len(lines) >= 150
    assert min(kinds.values()) >= 10
    assert set(kinds) == {
        ("plain", True),
        ("polite", True),
        ("sarcasm", True),
        ("misheard", True),
        ("misheard", False),
        ("calm", False),
        ("denial", False),
        ("quote", False),
    }


def test_phrases_are_both_ways_and_consistent() -> None:
    phrases = read_phrases(wording.PHRASES)
    assert 0.4 < np.mean([each.frustrated for each in phrases]) < 0.6
    assert all(each.polarity == -1 for each in phrases if each.frustrated)
    assert len({each.text for each in phrases}) == len(phrases)


def test_what_was_encoded_is_kept_and_belongs_to_its_texts(tmp_path: Path) -> None:
    asked: list[str] = []

    def encode(texts: Sequence[str]) -> FloatArray:
        asked.extend(texts)
        return np.array([[len(text)] for text in texts], np.float32)

    embedder = Embedder("lengths", encode, tmp_path)
    assert embedder.features(["abc", "d"]).tolist() == [[3.0], [1.0]]
    assert embedder.features(["abc", "d"]).tolist() == [[3.0], [1.0]]
    assert embedder.features(["d"]).tolist() == [[1.0]]
    assert asked == ["abc", "d", "d"]


def test_baselines_learn_from_the_words(monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path) -> None:
    monkeypatch.setattr(wording_scores, "Embedder", lambda name, encode: Embedder(name, encode, tmp_path))
    train = read_goemotions(data / "text" / "goemotions", "train")[:600]
    held = read_goemotions(data / "text" / "goemotions", "dev")[:400]
    for baseline in (wording_scores.tfidf_model, wording_scores.frozen_model):
        assert auc(wording.frustrated(held), baseline(train)([each.text for each in held])) > 0.55
