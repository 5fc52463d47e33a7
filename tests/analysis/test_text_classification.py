"""Wording by a text classifier of transformers: tiny random models that the tests save to disk stand in for large ones."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizer

from analysis import config as configuration
from analysis import registry
from analysis.config import Config, TextClassificationConfig
from analysis.engines.text_classification import TextClassificationWordingModel
from analysis.errors import AnalysisError

if TYPE_CHECKING:
    from pathlib import Path

VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "das", "geht", "so", "nicht", "this", "is", "fine", "useless", "my", "phone")
LABELS = {0: "negative", 1: "neutral", 2: "positive"}
SHAPE: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 128,
}
TEXTS = ("this is useless", "my phone is fine", "das geht so nicht", "this " * 300)


def made_tokenizer(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    BertTokenizer(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)


def made_classifier(folder: Path, *, problem: Any = "single_label_classification") -> Path:
    """A tiny BERT with random weights and the labels of a sentiment model."""
    made_tokenizer(folder)
    torch.manual_seed(0)
    made = BertConfig(vocab_size=len(VOCABULARY), initializer_range=1.0, id2label=LABELS, problem_type=problem, **SHAPE)
    BertForSequenceClassification(made).save_pretrained(folder)
    return folder


def given(folder: Path | str, **changes: Any) -> Config:
    section = TextClassificationConfig(
        model=str(folder),
        frustration={"negative": 0.8, "neutral": 0.1},
        sentiment={"positive": 1.0, "negative": -1.0},
        frustration_prior=0.25,
        languages=("en", "de"),
    )
    return replace(Config(), text_classification=replace(section, **changes))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_classifier(tmp_path_factory.mktemp("classifier"))


def shares(folder: Path, text: str) -> dict[str, float]:
    """The label probabilities by the plain forward pass."""
    model = BertForSequenceClassification.from_pretrained(folder)
    tokens = BertTokenizer.from_pretrained(folder)(text, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        found = model(**tokens).logits[0].softmax(0)
    return {LABELS[place]: float(share) for place, share in enumerate(found)}


def test_scores_are_the_weighted_label_probabilities(folder: Path) -> None:
    model = TextClassificationWordingModel(given(folder))
    for text, scored in zip(TEXTS, model.score(TEXTS), strict=True):
        expected = shares(folder, text)
        assert scored.frustration == pytest.approx(0.8 * expected["negative"] + 0.1 * expected["neutral"], abs=2e-4)
        assert scored.sentiment == pytest.approx(expected["positive"] - expected["negative"], abs=2e-4)
    assert len({scored.frustration for scored in model.score(TEXTS)}) > 1
    assert model.score([]) == []


def test_labels_that_do_not_exclude_each_other_are_held_within_the_range(tmp_path: Path) -> None:
    folder = made_classifier(tmp_path, problem="multi_label_classification")
    model = TextClassificationWordingModel(given(folder, frustration={"negative": 2.0, "neutral": 2.0, "positive": 2.0}))
    assert {scored.frustration for scored in model.score(TEXTS)} == {1.0}


def test_it_tells_what_it_is(folder: Path) -> None:
    model = TextClassificationWordingModel(given(folder))
    assert model.languages == {"en", "de"}
    assert model.frustration_prior == 0.25
    assert model.name.startswith(f"text-classification/{folder.name}@sha256:")


def test_it_is_reached_by_name_and_configured_by_file(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        f'[engines]\nwording = "text-classification"\n[text_classification]\nmodel = "{folder}"\nfrustration = {{ negative = 1 }}\n'
        "sentiment = { positive = 1.0, negative = -1.0 }\n"
    )
    config = configuration.load(file)
    model = registry.engine_class("wording", config.engines.wording)(config)
    assert model.score(["this is useless"])[0].frustration == pytest.approx(shares(folder, "this is useless")["negative"], abs=2e-4)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": ""}, "model is empty: give a folder or a name of the hub"),
        ({"model": "nobody/no-such-model"}, "the model 'nobody/no-such-model' is no folder .*; give its folder, or set allow_download"),
        ({"model": "/no/such/folder"}, "the model '/no/such/folder' is no folder"),
        (
            {"frustration": {"angry": 1.0, "negative": 1.0}},
            "frustration names angry, which .*; the labels of .* are negative, neutral, positive",
        ),
        ({"sentiment": {}}, "sentiment maps none of its labels"),
        ({"device": "cuda:99"}, "cannot be put on the device 'cuda:99'"),
    ],
)
def test_what_is_missing_or_unknown_is_said(folder: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(AnalysisError, match=said):
        TextClassificationWordingModel(given(folder, **changes))


def test_a_folder_without_a_classifier_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="holds no weights"):
        TextClassificationWordingModel(given(tmp_path))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(AnalysisError, match="holds no text classifier that transformers can load"):
        TextClassificationWordingModel(given(tmp_path))


def test_a_pickled_file_that_holds_something_else_is_refused(folder: Path, tmp_path: Path) -> None:
    for file in folder.glob("*.json"):
        shutil.copy(file, tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"negative": 1.0}))
    with pytest.raises(AnalysisError, match="holds no text classifier that transformers can load"):
        TextClassificationWordingModel(given(tmp_path))


def test_a_folder_is_named_by_its_own_name_however_it_is_given(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(shutil.copytree(folder, tmp_path / "moods"))
    names = {TextClassificationWordingModel(given(named)).name.partition("@")[0] for named in (tmp_path / "moods", "~/moods", ".")}
    assert names == {"text-classification/moods"}


def test_a_gpu_is_left_alone_where_the_cpu_is_configured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert TextClassificationWordingModel(given(folder, device="cpu"))._classify.device == torch.device("cpu")


def test_how_its_labels_are_read_is_in_its_name(folder: Path) -> None:
    changed: list[dict[str, Any]] = [{}, {"frustration": {"negative": 0.7}}, {"sentiment": {"positive": 0.5}}, {"frustration_prior": 0.1}]
    names = [TextClassificationWordingModel(given(folder, **changes)).name for changes in changed]
    assert len(set(names)) == 4
    assert TextClassificationWordingModel(given(folder, languages=("en",))).name == names[0]


def test_an_encoder_without_a_trained_classifier_is_refused(tmp_path: Path) -> None:
    made_tokenizer(tmp_path)
    BertModel(BertConfig(vocab_size=len(VOCABULARY), **SHAPE)).save_pretrained(tmp_path)
    with pytest.raises(AnalysisError, match=r"no trained text classifier, it lacks classifier\.bias"):
        TextClassificationWordingModel(given(tmp_path))


def test_a_weight_that_is_no_number_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[text_classification]\nfrustration = { negative = "much" }\n')
    with pytest.raises(AnalysisError, match=r"frustration\.negative must be a number, not text"):
        configuration.load(file)
