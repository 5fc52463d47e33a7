"""Model cards take their numbers from the heads' own descriptions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from training import cards

if TYPE_CHECKING:
    from pathlib import Path

DESCRIPTION = {
    "name": "wording-minilm",
    "created_by": "python -m training.wording",
    "digest": "sha256:abc",
    "temperature": 1.0,
    "priors": {"frustration": 0.2},
    "metrics": {"shipped": {"dev": {"ap": 0.5, "auc": 0.75}, "tweets": {"auc": 0.875}}, "baseline": {"ap": 0.25}},
}


def test_only_the_part_between_the_marks_changes() -> None:
    card = f"before\n{cards.BEGIN}\nold 0.999\n{cards.END}\nafter\n"
    once = cards.rewritten(card, [DESCRIPTION])
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    assert "0.999" not in once
    for expected in ("| dev | 0.500 | 0.750 |", "| tweets |  | 0.875 |", "|  | 0.250 |", "sha256:abc", "frustration 0.200"):
        assert expected in once
    assert cards.rewritten(once, [DESCRIPTION]) == once


def test_a_card_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="marks"):
        cards.rewritten("no marks here", [DESCRIPTION])


def test_write_reads_the_heads_beside_each_other(tmp_path: Path) -> None:
    (tmp_path / "wording-minilm.json").write_text(json.dumps(DESCRIPTION))
    (tmp_path / "wording.md").write_text(f"{cards.BEGIN}{cards.END}")
    cards.write("wording.md", tmp_path, tmp_path)
    assert "| dev | 0.500 | 0.750 |" in (tmp_path / "wording.md").read_text()
