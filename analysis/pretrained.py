"""What the engines over models of transformers have in common: how one is loaded, placed, named, and refused where it is something else."""

from __future__ import annotations

import pickle
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from analysis import resolver
from analysis.config import digest
from analysis.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FOREIGN = (OSError, LookupError, RuntimeError, TypeError, ValueError, SafetensorError, pickle.UnpicklingError)
"""What loading raises where a folder holds something else, be it another model or no model at all."""


@contextmanager
def loading(folder: Path, what: str) -> Iterator[None]:
    """Load quietly. Raises AnalysisError where the folder does not hold `what`; pickled files are read as plain tensors only."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    except _FOREIGN as error:
        reason = str(error).partition("\n")[0]
        raise AnalysisError(f"{folder}: holds no {what} that transformers can load ({reason:.200})", permanent=False) from error


def placed(model: Any, named: str, device: str) -> Any:
    """The model on its device, `auto` being a GPU where there is one. Torch says AssertionError where it was built without that kind."""
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        return model.to(chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise AnalysisError(f"{named} cannot be put on the device {chosen!r} ({reason:.200})", permanent=False) from error


def provenance(model: str, folder: Path, *, read_by: Mapping[str, Any]) -> str:
    """`<name>@sha256:<its tensors>+config@sha256:<what is configured of how its outputs are read>`, by a folder's own name or the hub's.

    Raises AnalysisError where the folder holds no tensors.
    """
    named = Path(model).expanduser()
    name = named.resolve().name if named.is_dir() else model
    return f"{name}@{resolver.tensors_digest(resolver.tensor_files(folder))}+config@{digest(read_by)}"
