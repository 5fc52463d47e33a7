"""The broker that needs no server: Celery's filesystem transport, with messages that appear and are taken in one step.

Kombu's own writes a message under its final name, so a worker can read it half-written and exits with a JSONDecodeError; see
docs/decisions/0001-embedded-broker.md. Everything else is Kombu's.
"""

from __future__ import annotations

import time
from operator import attrgetter
from pathlib import Path
from queue import Empty
from typing import Any
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps, loads


class Channel(filesystem.Channel):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for folder in (self.data_folder_in, self.data_folder_out, self.control_folder):
            Path(folder).mkdir(parents=True, exist_ok=True)

    def _put(self, queue: str, payload: dict[str, Any], **_: Any) -> None:  # type: ignore[override]  # the stubs disagree on its name
        """Write under a hidden name and rename: a reader sees the whole message or none. Raises ChannelError, as Kombu's does."""
        folder = Path(self.data_folder_out)
        name = f"{time.time_ns():020d}_{uuid4().hex}.{queue}.msg"
        draft = folder / f".{name}"
        try:
            draft.write_text(dumps(payload))
            draft.rename(folder / name)
        except OSError as error:
            raise ChannelError(f"cannot write a message to {folder}: {error}") from error

    def _get(self, queue: str, timeout: float | None = None) -> Any:  # noqa: ARG002  # Kombu's signature
        """Take the oldest message. A rename within one folder succeeds for one reader only."""
        for path in self._waiting(queue):
            taken = path.with_name(f".{path.name}.taken")
            try:
                path.rename(taken)
            except FileNotFoundError:
                continue
            text = taken.read_text()
            taken.unlink()
            return loads(text)
        raise Empty

    def _waiting(self, queue: str) -> list[Path]:
        """Messages of the queue, oldest first; a queue's name may hold dots, the part before it never does."""
        ending = f"{queue}.msg"
        waiting = [path for path in Path(self.data_folder_in).iterdir() if path.name.partition(".")[2] == ending]
        return sorted(waiting, key=attrgetter("name"))


class Transport(filesystem.Transport):
    Channel = Channel


def install() -> None:
    """Let `filesystem://` mean this transport."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
