"""The API's tests: a client for each role."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rest_framework.test import APIClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contact_center import Center


@pytest.fixture
def api(center: Center) -> Callable[[str], APIClient]:
    """A client that is signed in as the role."""

    def client(role: str) -> APIClient:
        made = APIClient()
        made.force_authenticate(center.users[role])
        return made

    return client
