"""Wording: the customer's words only, in a language the model knows, where words may be scored; with the real MiniLM and head."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from analysis.config import Config
from analysis.engines.minilm import MiniLMEncoder
from analysis.engines.wording_head import MiniLMHeadWordingModel
from analysis.steps import wording
from analysis.values import Cast, CustomerVoice, Party, Role, RoleSource, Scoring, ScoringMode, Transcript, Utterance, Wording

if TYPE_CHECKING:
    from collections.abc import Sequence

AGENT = Role(0, Party.AGENT, 1.0, RoleSource.MANUAL)
CUSTOMER = Role(1, Party.CUSTOMER, 1.0, RoleSource.MANUAL)
ANGRY = "This is ridiculous, I've called four times and nobody helps me."
POLITE = "Hi, I'd like to check the status of my order please."
CALM = (
    POLITE,
    "Thank you so much, you've been very helpful.",
    "My last name is King, K-I-N-G.",
    "It was a 2018 Tesla model.",
    "Yes, that works.",
)
UPSET = (
    ANGRY,
    "This is unacceptable.",
    "You people charged me twice and nobody gives me my money back.",
    "I'm really disappointed with this.",
)


class ScriptedWording:
    name, languages, frustration_prior = "scripted", frozenset({"en"}), 0.2

    def __init__(self) -> None:
        self.given: list[str] = []

    def score(self, texts: Sequence[str]) -> list[Wording]:
        self.given.extend(texts)
        return [Wording(0.0, len(text) / 1000.0) for text in texts]


def utterance(number: int, voice: int, text: str, language: str = "en") -> Utterance:
    return Utterance(number, voice, number * 5.0, number * 5.0 + 3.0, text, language, 0.8, ())


def score(said: tuple[Utterance, ...], mode: ScoringMode, *, confirmed: bool = True) -> tuple[dict[int, Wording], list[str]]:
    customer = CustomerVoice(CUSTOMER, 0.8, tuple(each for each in said if each.voice == 1)) if confirmed else None
    model = ScriptedWording()
    cast = Cast((AGENT, CUSTOMER), customer)
    return wording.score(cast, Transcript(said, "en"), model=model, scoring=Scoring(mode, None)), model.given


CALL = (utterance(0, 0, "How can I help?"), utterance(1, 1, "It broke."), utterance(2, 0, "Sorry."), utterance(3, 1, "Again."))


@pytest.mark.parametrize("mode", [ScoringMode.FULL, ScoringMode.WORDS])
def test_only_the_customers_words_are_scored(mode: ScoringMode) -> None:
    scores, given = score(CALL, mode)
    assert given == ["It broke.", "Again."]
    assert scores == {1: Wording(0.0, 0.009), 3: Wording(0.0, 0.006)}


@pytest.mark.parametrize("mode", [ScoringMode.MEASURES, ScoringMode.NONE])
def test_where_words_may_not_be_scored_the_model_is_not_asked(mode: ScoringMode) -> None:
    assert score(CALL, mode) == ({}, [])


def test_without_a_confirmed_customer_the_model_is_not_asked() -> None:
    assert score(CALL, ScoringMode.FULL, confirmed=False) == ({}, [])


def test_other_languages_and_empty_texts_are_left_out() -> None:
    said = (utterance(0, 1, "No funciona.", "es"), utterance(1, 1, "  "), utterance(2, 1, "It broke."))
    assert score(said, ScoringMode.FULL)[1] == ["It broke."]


@pytest.fixture(scope="module")
def sentences() -> MiniLMEncoder:
    return MiniLMEncoder(Config())


@pytest.fixture(scope="module")
def model(sentences: MiniLMEncoder) -> MiniLMHeadWordingModel:
    return MiniLMHeadWordingModel(Config(), sentences)


def test_embeddings_are_unit_length_and_do_not_depend_on_their_batch(sentences: MiniLMEncoder) -> None:
    together = sentences.encode([*CALM, *UPSET, "word " * 200])
    assert together.shape == (len(CALM) + len(UPSET) + 1, 384)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert np.abs(together[0] - sentences.encode([CALM[0]])[0]).max() < 1e-5
    assert sentences.encode([]).shape == (0, 384)


def test_embeddings_put_like_meanings_together(sentences: MiniLMEncoder) -> None:
    broken, faulty, weather = sentences.encode(["My phone is broken.", "The telephone does not work.", "It will rain tomorrow."])
    assert broken @ faulty > broken @ weather + 0.3


def test_upset_words_score_above_calm_ones(model: MiniLMHeadWordingModel) -> None:
    calm, upset = model.score(CALM), model.score(UPSET)
    assert max(each.frustration for each in calm) < 0.2
    assert min(each.frustration for each in upset) > 0.5
    assert max(each.sentiment for each in upset) < -0.3
    assert model.score(["Thank you so much, that is wonderful!"])[0].sentiment > 0.5


def test_the_same_words_score_the_same_in_any_company(model: MiniLMHeadWordingModel) -> None:
    alone, among = model.score([ANGRY])[0], model.score([*CALM, ANGRY])[-1]
    assert alone.frustration == pytest.approx(among.frustration, abs=2e-4)
    assert model.score([]) == []


def test_the_model_tells_what_it_is_made_of(model: MiniLMHeadWordingModel) -> None:
    assert model.name.count("@sha256:") == 3, "tensors, card, sentences"
    assert "en" in model.languages
