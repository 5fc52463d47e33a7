"""Signed-in browsers for each person of the small world, and calls to look at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from django.test import Client

from callanalytics.calls.services import peaks_path, playback_path
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Callable

    from callanalytics.calls.models import Call
    from tests.factories import World

PEAKS = {"per_second": 50, "channels": [[0.5], [0.1]]}
AUDIO = bytes(range(256)) * 8
"""Stands for a playback copy: what is tested here is who gets which bytes."""


@pytest.fixture
def browser(world: World) -> Callable[[str], Client]:
    """A client signed in as somebody, by role; "" for nobody."""

    def signed_in(role: str) -> Client:
        client = Client()
        if role:
            client.force_login(world.people()[role])
        return client

    return signed_in


@pytest.fixture
def call(world: World) -> Call:
    """A flagged call of the agent in billing, with its playback files."""
    found = factories.done_call(world.billing, agent=world.agent, queue=world.queue, external_id="C-1", customer_reference="K 77")
    for path, content in (
        (playback_path(found), AUDIO),
        (peaks_path(found), json.dumps(PEAKS).encode()),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return found
