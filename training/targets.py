"""What is to be reached, as rows of the report's first table: where the number lies, and what it must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CORPORA = ("emodb", "nemo", "ravdess")
TONE, LEFT_OUT, GAP = ("tone base", "speaker_disjoint"), ("tone base", "leave_one_corpus_out"), ("tone base", "sex_gap_uar")
EIGHT = ("ravdess", "eight classes")
COMPOSITE = ("composites", "composite calls (simulation)", "tone alone")
DEV, AIRLINE, MULTIWOZ = "goemotions dev, spoken", "airline tweets, spoken", "multiwoz turns"
TUNED, TFIDF, FROZEN = "fine-tuned MiniLM", "TF-IDF + LR", "frozen MiniLM + LR"


@dataclass(frozen=True, slots=True)
class Target:
    what: str
    number: Callable[[Mapping[str, Any]], float]
    sign: str
    """`≥` or `≤`."""
    wanted: float

    def found(self, sections: Mapping[str, Any]) -> float | None:
        """The number; None where its section was not measured."""
        try:
            return self.number(sections)
        except KeyError:
            return None

    def met(self, found: float) -> bool:
        return found >= self.wanted if self.sign == "≥" else found <= self.wanted


def _at(*path: str) -> Callable[[Mapping[str, Any]], float]:
    def number(sections: Mapping[str, Any]) -> float:
        section, *rest = path
        value: Any = sections[section]["tables"]
        for key in rest:
            value = value[key]
        return float(value)

    return number


def _less(
    first: Callable[[Mapping[str, Any]], float], second: Callable[[Mapping[str, Any]], float]
) -> Callable[[Mapping[str, Any]], float]:
    return lambda sections: first(sections) - second(sections)


def _over(
    first: Callable[[Mapping[str, Any]], float], second: Callable[[Mapping[str, Any]], float]
) -> Callable[[Mapping[str, Any]], float]:
    return lambda sections: first(sections) / second(sections)


def _left_out_mean(sections: Mapping[str, Any]) -> float:
    return sum(_at(*LEFT_OUT, f"{corpus}, telephone", "anger_auc")(sections) for corpus in CORPORA) / len(CORPORA)


def _largest_gap(sections: Mapping[str, Any]) -> float:
    return max(_at(*GAP, f"{corpus}, telephone", "gap")(sections) for corpus in CORPORA)


def _wording(held: str, model: str, metric: str) -> Callable[[Mapping[str, Any]], float]:
    return _at("wording", held, model, metric)


TARGETS = (
    Target("RAVDESS, 8 classes, UAR, against the caller's earlier utterances", _at(*EIGHT, "running, clean", "uar"), "≥", 0.76),
    Target("RAVDESS, 8 classes, UAR, against the whole speaker (no call offers it)", _at(*EIGHT, "whole, clean", "uar"), "≥", 0.80),
    Target("RAVDESS, anger, telephone, AUC", _at(*TONE, "ravdess, telephone", "anger_auc"), "≥", 0.97),
    Target("RAVDESS, anger, telephone, average precision", _at(*TONE, "ravdess, telephone", "anger_ap"), "≥", 0.90),
    Target("Anger AUC on a corpus left out, telephone, mean of three", _left_out_mean, "≥", 0.88),
    Target(
        "RAVDESS, 8 classes, UAR, telephone less clean",
        _less(_at(*EIGHT, "running, telephone", "uar"), _at(*EIGHT, "running, clean", "uar")),
        "≥",
        -0.03,
    ),
    Target("Robustness checks failed", _at("robustness", "all checks", "sum", "failed"), "≤", 2),
    Target("Largest gap between women and men, UAR, telephone", _largest_gap, "≤", 0.05),
    Target("Calibration error (ECE), all corpora, telephone", _at(*TONE, "all, telephone", "ece"), "≤", 0.05),
    Target("GoEmotions dev, average precision", _wording(DEV, TUNED, "ap"), "≥", 0.60),
    Target("... its lead over TF-IDF + LR", _less(_wording(DEV, TUNED, "ap"), _wording(DEV, TFIDF, "ap")), "≥", 0.05),
    Target("... its lead over frozen MiniLM + LR", _less(_wording(DEV, TUNED, "ap"), _wording(DEV, FROZEN, "ap")), "≥", 0.05),
    Target("Airline tweets, negative, AUC, not trained on", _wording(AIRLINE, TUNED, "auc"), "≥", 0.88),
    Target("MultiWOZ turns rated 2.3 or less, AUC, not trained on", _wording(MULTIWOZ, TUNED, "auc"), "≥", 0.88),
    Target("Composite calls (simulation), anger by utterance, average precision", _at(*COMPOSITE, "utterance_ap"), "≥", 0.90),
    Target(
        "... angry stretches flagged, share",
        _over(_at(*COMPOSITE, "flagged_stretches"), _at(*COMPOSITE, "angry_stretches")),
        "≥",
        0.9,
    ),
    Target("... calm calls flagged, share", _over(_at(*COMPOSITE, "calm_calls_flagged"), _at(*COMPOSITE, "calm_calls")), "≤", 0.05),
    Target(
        "Voice and words joined (simulation), lead of the fused score in average precision",
        _at("paired", "voice and words joined (simulation)", "all pairs", "lead"),
        "≥",
        0.03,
    ),
)
