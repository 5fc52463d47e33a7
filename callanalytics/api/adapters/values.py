"""What adapters share: how they read a payload, and how they decline one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class NotTaken(Exception):  # noqa: N818 - nothing went wrong
    """There is no recording of a call in this, and that is as it should be; the message says why."""


def text(payload: Mapping[str, Any], *path: str) -> str:
    """The text at a path of names; empty where it is not there, or is none."""
    found: Any = payload
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else ""


def known(**fields: Any) -> dict[str, Any]:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value}
