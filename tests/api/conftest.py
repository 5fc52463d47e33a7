"""The API's tests: a contact center, and files below a folder that goes away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rest_framework.test import APIClient

from tests import contact_center

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_django.fixtures import Settings

    from tests.contact_center import Center


@pytest.fixture
def center(db: None, settings: Settings, tmp_path: Path) -> Center:
    settings.MEDIA_ROOT = tmp_path / "media"
    (settings.MEDIA_ROOT / "incoming").mkdir(parents=True)
    settings.FILE_UPLOAD_TEMP_DIR = settings.MEDIA_ROOT / "incoming"
    return contact_center.people()


@pytest.fixture
def api(center: Center) -> Callable[[str], APIClient]:
    """A client that is signed in as the role."""

    def client(role: str) -> APIClient:
        made = APIClient()
        made.force_authenticate(center.users[role])
        return made

    return client
