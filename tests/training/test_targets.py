"""What is to be reached: met, missed or not measured, and never looked for where the report does not write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from training import targets
from training.targets import TARGETS, Target

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture
def sections(results: Mapping[str, Any]) -> Mapping[str, Any]:
    measured: Mapping[str, Any] = results["sections"]
    return measured


def at(sections: Mapping[str, Any]) -> float:
    return float(sections["own"]["tables"]["table"]["row"]["cell"])


def holding(value: float) -> dict[str, Any]:
    return {"own": {"tables": {"table": {"row": {"cell": value}}}}}


@pytest.mark.parametrize(
    ("sign", "value", "met"),
    [("≥", 0.91, True), ("≥", 0.9, True), ("≥", 0.89, False), ("≤", 0.89, True), ("≤", 0.9, True), ("≤", 0.91, False)],
)
def test_a_target_is_met_from_its_number_on(sign: str, value: float, *, met: bool) -> None:
    target = Target("own", at, sign, 0.9)
    assert target.found(holding(value)) == value
    assert target.met(value) is met


@pytest.mark.parametrize("sections", [{}, {"own": {"tables": {}}}, {"own": {"tables": {"table": {"row": {}}}}}])
def test_what_was_not_measured_is_not_found(sections: dict[str, Any]) -> None:
    assert Target("own", at, "≥", 0.9).found(sections) is None
    assert all(target.found(sections) is None for target in TARGETS)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.what)
def test_every_target_looks_where_the_report_writes(target: Target, sections: Mapping[str, Any]) -> None:
    found = target.found(sections)
    assert found is not None
    assert np.isfinite(found)
    assert target.sign in ("≥", "≤")


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.what)
def test_every_target_is_of_one_section_and_lost_without_it(target: Target, sections: Mapping[str, Any]) -> None:
    needed = [name for name in sections if target.found({other: own for other, own in sections.items() if other != name}) is None]
    assert len(needed) == 1


def test_targets_have_names_of_their_own() -> None:
    assert len({target.what for target in TARGETS}) == len(TARGETS)


def found(what: str, sections: Mapping[str, Any]) -> float | None:
    return next(target for target in TARGETS if what in target.what).found(sections)


def with_cells(rows: Mapping[str, Mapping[str, float]], section: str, table: str) -> dict[str, Any]:
    return {section: {"tables": {table: rows}}}


def test_differences_shares_and_means_are_what_they_are_called() -> None:
    eight = with_cells({"running, clean": {"uar": 0.7}, "running, telephone": {"uar": 0.64}}, "ravdess", "eight classes")
    assert found("telephone less clean", eight) == pytest.approx(-0.06)
    left_out = {f"{corpus}, telephone": {"anger_auc": value} for corpus, value in zip(targets.CORPORA, (0.7, 0.8, 0.96), strict=True)}
    assert found("left out", with_cells(left_out, "tone base", "leave_one_corpus_out")) == pytest.approx(0.82)
    gaps = {f"{corpus}, telephone": {"gap": value} for corpus, value in zip(targets.CORPORA, (0.01, 0.09, 0.02), strict=True)}
    assert found("gap", with_cells(gaps, "tone base", "sex_gap_uar")) == pytest.approx(0.09)
    calls = {"flagged_stretches": 3.0, "angry_stretches": 4.0, "calm_calls_flagged": 1.0, "calm_calls": 5.0, "utterance_ap": 0.8}
    composite = with_cells({"tone alone": calls, "as shipped": dict.fromkeys(calls, 9.0)}, "composites", "composite calls (simulation)")
    assert found("stretches flagged", composite) == pytest.approx(0.75)
    assert found("calm calls flagged", composite) == pytest.approx(0.2)
    models = {targets.TUNED: {"ap": 0.6}, targets.TFIDF: {"ap": 0.5}, targets.FROZEN: {"ap": 0.53}}
    wording = with_cells(models, "wording", targets.DEV)
    assert found("lead over TF-IDF", wording) == pytest.approx(0.1)
    assert found("lead over frozen", wording) == pytest.approx(0.07)
