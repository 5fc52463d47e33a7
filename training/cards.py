"""Writes the measured numbers of the shipped heads into their model cards, between two marks; the words around them are written by hand.

`python -m training.cards` after a training run.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from analysis.heads import WEIGHTS
from training.corpus import ROOT
from training.metrics import in_digits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CARDS = ROOT / "docs" / "models"
HEADS_OF_CARD = {"tone.md": ("tone-whisper-base", "tone-whisper-tiny.en"), "wording.md": ("wording-minilm",)}
BEGIN, END = "<!-- numbers: begin -->", "<!-- numbers: end -->"


def rewritten(card: str, descriptions: Sequence[Mapping[str, Any]]) -> str:
    """The card with its numbers replaced. Raises ValueError where the marks are missing."""
    before, begin, rest = card.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the card lacks its marks {BEGIN} and {END}")
    sections = "\n".join(_section(each) for each in descriptions)
    return f"{before}{BEGIN}\n\n{sections}\n{END}{after}"


def _section(description: Mapping[str, Any]) -> str:
    lines = [
        f"### {description['name']}",
        "",
        f"`{description['created_by']}`; digest `{description['digest']}`; temperature {description['temperature']}; "
        + (f"least confidence {description['least_confidence']}; " if "least_confidence" in description else "")
        + "priors "
        + ", ".join(f"{name} {share:.3f}" for name, share in description["priors"].items()),
        "",
    ]
    for title, table in description["metrics"].items():
        lines += table_lines(title, table)
    return "\n".join(lines)


def table_lines(title: str, table: Mapping[str, Any]) -> list[str]:
    """One row per group of rows, or one row of all values where the table is flat."""
    rows = table if all(isinstance(value, dict) for value in table.values()) else {"": table}
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [f"**{title}**", "", "| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        lines.append(f"| {name} | " + " | ".join(in_digits(row[column]) if column in row else "" for column in columns) + " |")
    return [*lines, ""]


def write(card: str, cards: Path = CARDS, weights: Path = WEIGHTS) -> None:
    descriptions = [json.loads((weights / f"{stem}.json").read_text()) for stem in HEADS_OF_CARD[card]]
    (cards / card).write_text(rewritten((cards / card).read_text(), descriptions))


def main() -> None:
    for card in HEADS_OF_CARD:
        write(card)
        print(f"wrote {CARDS / card}")


if __name__ == "__main__":
    main()
