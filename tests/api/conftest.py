"""The API's tests: a client for each role."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from callanalytics.people.models import Membership

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.factories import World


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    """Requests of another test are not counted as ours: users of rolled back tests share their ids."""
    cache.clear()


@pytest.fixture
def world(world: World) -> World:
    """The supervisor has billing alone, so that there is a team of others, and one that goes without saying."""
    Membership.objects.filter(user=world.supervisor).update(team=world.billing)
    return world


@pytest.fixture
def api(world: World) -> Callable[[str], APIClient]:
    """A client that is signed in as the role."""

    def client(role: str) -> APIClient:
        made = APIClient()
        made.force_authenticate(world.people()[role])
        return made

    return client
