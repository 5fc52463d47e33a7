"""Fixtures shared by all tests: where the measuring data lies and what may be skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("CALLANALYTICS_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real calls, speech and text; skips where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"measuring data is not at {DATA}; set CALLANALYTICS_DATA")
    return DATA
