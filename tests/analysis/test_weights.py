"""The shipped heads: whole, honest about their terms, and good enough that a swapped or empty file is noticed."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from analysis.engines.wording_head import ADAPTER
from analysis.errors import AnalysisError
from analysis.heads import WEIGHTS, load_head
from analysis.resolver import SETS
from analysis.values import EMOTIONS
from training.corpus import TONE_CLASSES

TONE_HEADS = {"tone-whisper-base": 1024, "tone-whisper-tiny.en": 768}
HEADS = (*TONE_HEADS, "wording-minilm")
NOVELTY_AXES = 64
ADAPTED = 6 * 6
"""Six linear layers in each of MiniLM's six blocks."""
CARDS = Path(__file__).resolve().parents[2] / "docs" / "models"
MAX_BYTES = {"tone": 500_000, "wording": 3_000_000}


def description(stem: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((WEIGHTS / f"{stem}.json").read_text())
    return found


def test_exactly_the_known_heads_are_shipped() -> None:
    assert sorted(path.stem for path in WEIGHTS.glob("*.safetensors")) == sorted(HEADS)
    assert sorted(path.stem for path in WEIGHTS.glob("*.json")) == sorted(HEADS)


@pytest.mark.parametrize("stem", HEADS)
def test_digest_is_that_of_the_tensor_file(stem: str) -> None:
    content = (WEIGHTS / f"{stem}.safetensors").read_bytes()
    assert description(stem)["digest"] == "sha256:" + hashlib.sha256(content).hexdigest()
    assert len(content) < MAX_BYTES[stem.partition("-")[0]]


@pytest.mark.parametrize("stem", HEADS)
def test_description_is_complete(stem: str) -> None:
    found = description(stem)
    text = {"name", "encoder", "license", "created_by", "digest"}
    lists = {"classes", "data", "languages", "features"}
    assert all(isinstance(found[key], str) and found[key] for key in text)
    assert all(isinstance(found[key], list) and found[key] for key in lists)
    assert found["name"] == stem
    assert found["metrics"]
    assert found["temperature"] > 0
    assert all(0 < share < 1 for share in found["priors"].values())
    assert found["created_by"].startswith("python -m training.")


@pytest.mark.parametrize(("stem", "name"), [*((stem, "anger") for stem in TONE_HEADS), ("wording-minilm", "frustration")])
def test_the_prior_that_the_score_counts_from_is_the_heads_own_and_in_its_card(stem: str, name: str) -> None:
    card = (CARDS / ("wording.md" if stem.startswith("wording") else "tone.md")).read_text()
    assert load_head(stem).card.prior(name) == description(stem)["priors"][name]
    assert f"{name} {description(stem)['priors'][name]:.3f}" in card
    with pytest.raises(AnalysisError, match=f"{stem}: its card states no prior of boredom"):
        load_head(stem).card.prior("boredom")


def changed(folder: Path, changes: dict[str, Any]) -> str:
    """A copy of the wording head whose card says something else; its stem."""
    shutil.copy(WEIGHTS / "wording-minilm.safetensors", folder)
    (folder / "wording-minilm.json").write_text(json.dumps(description("wording-minilm") | changes))
    return "wording-minilm"


@pytest.mark.parametrize(
    "changes",
    [
        {"priors": {"frustration": 0.3}},
        {"temperature": 1.5},
        {"least_confidence": 0.5},
        {"classes": ["sentiment", "frustration"]},
        {"languages": ["en", "de"]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_a_score_rests_on_in_a_card_is_in_provenance(tmp_path: Path, changes: dict[str, Any]) -> None:
    shipped, other = load_head("wording-minilm"), load_head(changed(tmp_path, changes), tmp_path)
    assert other.card.digest == shipped.card.digest
    assert other.provenance != shipped.provenance


def test_a_new_measurement_in_a_card_is_no_other_head(tmp_path: Path) -> None:
    assert load_head(changed(tmp_path, {"metrics": {}}), tmp_path).provenance == load_head("wording-minilm").provenance


@pytest.mark.parametrize("stem", HEADS)
def test_provenance_holds_the_digest_of_the_tensors_and_of_the_card(stem: str) -> None:
    found = load_head(stem).provenance
    assert found.startswith(f"{stem}@{description(stem)['digest']}+card@sha256:")
    assert len(found.rpartition(":")[2]) == 64


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        *(({"priors": {"frustration": share}}, "the prior of frustration is") for share in (0, 1, -0.2, math.nan, None, "0.2", True)),
        ({"priors": None}, "priors is None"),
        ({"temperature": 0}, "the temperature is 0"),
        ({"temperature": math.inf}, "the temperature is inf"),
        ({"least_confidence": 1.0}, "the least confidence is 1.0"),
        ({"classes": "frustration"}, "classes is 'frustration'"),
        ({"commercial_use": "false"}, "commercial_use is 'false'"),
    ],
)
def test_a_card_that_cannot_be_counted_with_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(AnalysisError, match=f"^wording-minilm: the head cannot be read .*{said}.*run its script in training/"):
        load_head(changed(tmp_path, changes), tmp_path)


@pytest.mark.parametrize("stem", TONE_HEADS)
def test_tone_heads_state_their_non_commercial_terms(stem: str) -> None:
    found = description(stem)
    assert found["license"] == "CC-BY-NC-SA-4.0"
    assert found["commercial_use"] is False
    assert {line.split()[0] for line in found["data"]} == {"RAVDESS", "nEMO", "EmoDB", "LibriSpeech"}
    assert sum(found["priors"].values()) == pytest.approx(1.0, abs=1e-3)


def test_wording_head_is_free_for_commercial_use_and_uses_no_restricted_data() -> None:
    found = description("wording-minilm")
    assert found["license"] == "Apache-2.0"
    assert found["commercial_use"] is True
    assert not any(word in line.lower() for line in found["data"] for word in ("airline", "satisfaction", "multiwoz"))


@pytest.mark.parametrize(("stem", "width"), TONE_HEADS.items())
def test_tone_tensors_fit_their_encoder(stem: str, width: int) -> None:
    tensors = load_file(WEIGHTS / f"{stem}.safetensors")
    shapes = {key: value.shape for key, value in tensors.items()}
    assert shapes == {
        "weight": (7, 2 * width),
        "bias": (7,),
        "feature_mean": (2 * width,),
        "feature_std": (2 * width,),
        "arousal_weight": (2 * width,),
        "arousal_bias": (1,),
        "music_weight": (2 * width,),
        "music_bias": (1,),
        "novelty_axes": (NOVELTY_AXES, 2 * width),
        "novelty_limit": (1,),
    }
    assert description(stem)["classes"] == list(TONE_CLASSES) == list(EMOTIONS)


@pytest.mark.parametrize("stem", HEADS)
def test_tensors_are_finite_and_scales_positive(stem: str) -> None:
    tensors = load_file(WEIGHTS / f"{stem}.safetensors")
    assert all(value.dtype == (np.float16 if key.startswith((ADAPTER, "novelty_axes")) else np.float32) for key, value in tensors.items())
    assert all(np.isfinite(value).all() for value in tensors.values())
    assert (tensors["feature_std"] > 0).all()
    assert np.abs(tensors["weight"]).max() > 1e-3


def test_wording_tensors_fit_minilm() -> None:
    tensors = load_file(WEIGHTS / "wording-minilm.safetensors")
    assert tensors["weight"].shape == (2, 384)
    assert sum(key.startswith(ADAPTER) for key in tensors) == 2 * ADAPTED
    assert description("wording-minilm")["classes"] == ["frustration", "sentiment"]
    assert description("wording-minilm")["encoder"] == "all-MiniLM-L6-v2@sha256:" + str(SETS["minilm"].files[0].sha256)


@pytest.mark.parametrize("stem", HEADS)
def test_run_time_reads_what_training_wrote(stem: str) -> None:
    head = load_head(stem)
    features = head.tensors["feature_mean"][None].repeat(2, axis=0)
    assert np.allclose(head.logits(features), head.tensors["bias"] / head.card.temperature, atol=1e-5)


@pytest.mark.parametrize("stem", HEADS)
def test_every_number_of_the_description_is_in_the_card(stem: str) -> None:
    """The card is written from the metrics; a retrained head with an old card is a lie."""
    card = (CARDS / ("wording.md" if stem.startswith("wording") else "tone.md")).read_text()
    missing = [number for number in numbers(description(stem)["metrics"]) if f"{number:.3f}" not in card]
    assert not missing, f"{stem}: run python -m training.cards"
    assert description(stem)["digest"] in card


def numbers(metrics: Any) -> list[float]:
    if isinstance(metrics, dict):
        return [number for value in metrics.values() for number in numbers(value)]
    return [float(metrics)]


@pytest.mark.parametrize(("stem", "auc", "uar"), [("tone-whisper-base", 0.84, 0.47), ("tone-whisper-tiny.en", 0.82, 0.45)])
def test_shipped_tone_heads_were_measured_far_above_chance(stem: str, auc: float, uar: float) -> None:
    """On unseen speakers over the telephone; chance is an AUC of 0.5 and a UAR of 0.14."""
    for corpus in ("ravdess", "emodb", "nemo"):
        measured = description(stem)["metrics"]["speaker_disjoint"][f"{corpus}, telephone"]
        assert measured["anger_auc"] > auc, corpus
        assert measured["uar"] > uar, corpus
