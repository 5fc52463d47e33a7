"""Wording: the customer's words only, in a language the model knows, where words may be scored; with the real MiniLM and head."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from transformers import BertConfig, BertModel

from analysis.config import Config, WordingConfig
from analysis.engines.wording_head import ADAPTER, HEAD, EncoderHeadWordingModel, PooledEncoder
from analysis.errors import AnalysisError
from analysis.heads import WEIGHTS, save_head
from analysis.steps import fuse, wording
from analysis.values import (
    Abstention,
    Cast,
    CustomerVoice,
    Frustration,
    Scoring,
    ScoringMode,
    Transcript,
    Utterance,
    Wording,
)
from tests.analysis.made import AGENT, CUSTOMER
from tests.analysis.test_text_classification import SHAPE, VOCABULARY, made_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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


def test_a_customer_in_an_unknown_language_is_not_scored_and_the_reason_is_given() -> None:
    said = (utterance(0, 1, "Esto no funciona y nadie me ayuda.", "es"), utterance(1, 1, "Then in English, it broke again.", "en"))
    customer = CustomerVoice(CUSTOMER, 0.8, said)
    scoring = Scoring(ScoringMode.FULL, None)
    scores = wording.score(Cast((CUSTOMER,), customer), Transcript(said, "es"), model=ScriptedWording(), scoring=scoring)
    parts = fuse.Parts(plain={}, tone={}, wording=scores, signs=(), priors=fuse.Priors(None, 0.2))
    spanish, english = fuse.moments(said, Cast((CUSTOMER,), customer), parts=parts, scoring=scoring, config=Config())
    assert spanish.wording is None
    assert spanish.frustration == Frustration(None, Abstention.LANGUAGE_UNSUPPORTED, None)
    assert english.frustration is not None
    assert english.frustration.probability is not None


@pytest.fixture(scope="module")
def model() -> EncoderHeadWordingModel:
    return EncoderHeadWordingModel(Config())


def test_upset_words_score_above_calm_ones(model: EncoderHeadWordingModel) -> None:
    calm, upset = model.score(CALM), model.score(UPSET)
    assert max(each.frustration for each in calm) < model.frustration_prior
    assert min(each.frustration for each in upset) > 0.5
    assert max(each.sentiment for each in upset) < -0.3
    assert model.score(["Thank you so much, that is wonderful!"])[0].sentiment > 0.5


def test_the_same_words_score_the_same_in_any_company(model: EncoderHeadWordingModel) -> None:
    alone, among = model.score([ANGRY])[0], model.score([*CALM, ANGRY, "word " * 200])[len(CALM)]
    assert alone.frustration == pytest.approx(among.frustration, abs=2e-4)
    assert model.score([]) == []


def test_the_model_tells_what_it_is_made_of(model: EncoderHeadWordingModel) -> None:
    assert model.name.count("@sha256:") == 3, "tensors, card, encoder"
    assert "en" in model.languages


def test_the_adapters_are_put_to_use(model: EncoderHeadWordingModel, tmp_path: Path) -> None:
    without = {key: value for key, value in load_file(WEIGHTS / f"{HEAD}.safetensors").items() if not key.startswith(ADAPTER)}
    save_head(HEAD, without, json.loads((WEIGHTS / f"{HEAD}.json").read_text()), tmp_path)
    plain = EncoderHeadWordingModel(Config(), tmp_path)
    assert max(abs(a.frustration - b.frustration) for a, b in zip(plain.score(UPSET), model.score(UPSET), strict=True)) > 0.1


def test_a_head_and_an_encoder_of_ones_own_must_fit_each_other(tmp_path: Path) -> None:
    encoder = made_encoder(tmp_path / "encoder")
    stem = made_head(tmp_path / "wording-own", PooledEncoder(encoder))
    own = WordingConfig(head=str(stem), encoder=str(encoder))
    model = EncoderHeadWordingModel(replace(Config(), wording=own))
    assert model.languages == {"de", "en"}
    assert model.frustration_prior == 0.3
    assert 0.0 < model.score(["das geht so nicht"])[0].frustration < 1.0
    for given in (replace(own, encoder=""), replace(own, head="")):
        with pytest.raises(AnalysisError, match=r"trained on an encoder with the digest sha256:.* the one given has sha256:"):
            EncoderHeadWordingModel(replace(Config(), wording=given))


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="holds no sentence encoder"):
        PooledEncoder(tmp_path)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_damaged_encoder_is_refused(tmp_path: Path, file: str) -> None:
    (made_encoder(tmp_path) / file).write_text("{}" * 500)
    with pytest.raises(AnalysisError, match="holds no sentence encoder that transformers can load"):
        PooledEncoder(tmp_path)


def made_encoder(folder: Path) -> Path:
    """A tiny BERT with random weights."""
    made_tokenizer(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(VOCABULARY), **SHAPE)).save_pretrained(folder)
    return folder


def made_head(stem: Path, encoder: PooledEncoder) -> Path:
    width, random = encoder.width, np.random.default_rng(0)
    tensors = {
        "weight": random.normal(size=(2, width)),
        "bias": np.zeros(2),
        "feature_mean": np.zeros(width),
        "feature_std": np.ones(width),
        f"{ADAPTER}encoder.layer.0.attention.self.query.a": random.normal(size=(2, width)),
        f"{ADAPTER}encoder.layer.0.attention.self.query.b": random.normal(size=(width, 2)),
    }
    changes = {"name": stem.name, "encoder": f"own@{encoder.digest}", "languages": ["de", "en"], "priors": {"frustration": 0.3}}
    card = json.loads((WEIGHTS / f"{HEAD}.json").read_text()) | changes
    save_head(stem.name, {key: value.astype(np.float32) for key, value in tensors.items()}, card, stem.parent)
    return stem
