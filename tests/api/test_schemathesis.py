"""Thousands of requests that schemathesis makes from the description, against a real server: no 5xx, nothing undescribed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callanalytics.people.scopes import Scope
from tests.worker.installation import Installation

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED = """
from tests import factories
world = factories.world()
for number in range(3):
    factories.delivered(factories.done_call(world.billing, external_id=str(number)))
factories.queued_call(world.sales)
"""
TOO_STRICT = "positive_data_acceptance,negative_data_rejection"
"""No request is refused by its schema alone (a team must exist), and an empty filter of a form counts as none."""
PROTOCOL = "^/api/v1/uploads/"
"""tus says itself which header a request must have and how one without it is answered; a tus client tests it."""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("home"), {"CALLANALYTICS_API_RATE": "100000/s"}) as made:
        made.manage("shell", "-c", SEED)
        yield made


def test_no_request_brings_the_api_down_or_out_of_its_description(installation: Installation, tmp_path: Path) -> None:
    key = installation.manage("api_key", "schemathesis", "--scopes", *Scope.values).stdout.strip()
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{installation.serve()}/api/v1/openapi.json",
        "--header", f"Authorization: Bearer {key}", "--max-examples", "15", "--checks", "all", "--exclude-checks", TOO_STRICT,
        "--exclude-path-regex", PROTOCOL, "--continue-on-failure", "--seed", "1", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout[-6000:]
    tested = re.search(r"(\d+) generated", done.stdout)
    assert tested is not None
    assert int(tested[1]) > 300
