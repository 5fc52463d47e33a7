"""The report's results, measured by the report's own sections over made-up features, texts and calls."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from analysis import registry
from analysis.values import Span
from tests.analysis import made as hand_made
from tests.training.made import made_up, source_of
from training import baselines, composites, feature_calls, paired, ravdess, report, robustness, tone, wording_scores
from training.targets import CORPORA
from training.wording_scores import HeldOut, Scored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SETS = (
    wording_scores.DEV_WRITTEN,
    wording_scores.DEV_SPOKEN,
    wording_scores.AIRLINE,
    wording_scores.MULTIWOZ,
    wording_scores.CHALLENGE_LIST,
)
MODELS = (wording_scores.TUNED, wording_scores.TFIDF, wording_scores.FROZEN)


def scored_texts() -> list[Scored]:
    rng = np.random.default_rng(0)
    polarity = np.repeat([1.0, 0.0, -1.0], 20)
    held = [HeldOut(name, ("text",) * 60, polarity == -1, polarity) for name in SETS]
    return [Scored(each, {name: np.clip(0.3 * each.positive + 0.7 * rng.random(60), 0.01, 0.99) for name in MODELS}) for each in held]


def outcomes() -> list[composites.Outcome]:
    """An angry call that is flagged, and a calm one that is not."""
    angry = Span(4.0, 8.0)
    call = composites.Composite(Path("angry.wav"), "ravdess:1", angry, (angry,))
    calm = composites.Composite(Path("calm.wav"), "ravdess:1", None, ())
    made = hand_made.analysis()
    return [composites.Outcome(call, made), composites.Outcome(calm, hand_made.analysis(moments=made.moments[1:2]))]


@contextmanager
def made_up_sources() -> Iterator[None]:
    """Everything that the report reads or encodes is made up; what it measures of that is its own."""
    data = made_up(corpora=dict.fromkeys(CORPORA, ravdess.LABELS))
    clean = data.where(data.rows.has(copy="clean"))
    eight = data.where(data.rows.has(corpus=ravdess.CORPUS))
    four = clean.where(np.array([clip.corpus == robustness.CORPUS and clip.tone in robustness.CLASSES for clip in clean.rows.clips]))
    engines = SimpleNamespace(tone=SimpleNamespace(anger_prior=0.2), wording=SimpleNamespace(frustration_prior=0.2))
    replaced: Mapping[Any, Mapping[str, Any]] = {
        report: {
            "open_sources": lambda: [source_of(clean, Path("unused"))],
            "babble_voices": lambda _: [],
        },
        registry: {"build": lambda _: engines},
        tone: {"load": lambda *_: data, "OUTER_FOLDS": 2, "TEST_ORDERS": 1, "best_penalty": lambda *_: 0.03},
        ravdess: {"OUTER_FOLDS": 2, "TEST_ORDERS": 1, "best_penalty": lambda *_: 0.03},
        baselines: {"last_layer": lambda *_: eight, "functional_data": lambda *_: eight},
        robustness: {"load": lambda *_: four, "fill": lambda *_: "whisper-base"},
        composites: {"build": lambda *_: [], "run": lambda *_: {"tone alone": outcomes(), "as shipped": outcomes()}, "SEEDS": 1},
        feature_calls: {"CALLS_A_SPEAKER": 2},
        wording_scores: {"held_out_scores": scored_texts, "airline_ceiling": lambda _: 0.9},
        paired: {"RESAMPLES": 20, "join": functools.partial(paired.join, count=300)},
    }
    with pytest.MonkeyPatch.context() as patch:
        for module, names in replaced.items():
            for name, value in names.items():
                patch.setattr(module, name, value)
        yield


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Every section, two seeds."""
    with made_up_sources(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "RESULTS", tmp_path_factory.mktemp("report") / "report.json")
        return report.measured(list(report.SECTIONS), 2) | {"figures": ["ravdess-uar"]}
