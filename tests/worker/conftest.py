"""The worker's tests: a world whose rows are committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from tests.factories import World


@pytest.fixture
def world(transactional_db: None, media: Path, nudged: list[str]) -> World:
    """Committed, because the lease is renewed by a thread with a connection of its own."""
    return factories.world()
