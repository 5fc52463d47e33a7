"""The worker's tests: a contact center whose files lie below a folder that goes away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import contact_center

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings

    from tests.contact_center import Center


@pytest.fixture
def media(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """MEDIA_ROOT of the test; no message leaves for a broker."""
    monkeypatch.setattr("callanalytics.calls.queueing._send", lambda *_: None)
    settings.MEDIA_ROOT = tmp_path / "media"
    (tmp_path / "media" / "incoming").mkdir(parents=True)
    return tmp_path / "media"


@pytest.fixture
def center(transactional_db: None, media: Path) -> Center:
    """Committed, because the lease is renewed by a thread with a connection of its own."""
    return contact_center.people()
