"""Where a worker's process decodes to, and the clearing up after one that was killed: a spool holds a whole call's audio."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "callanalytics-spool-"


def claim() -> Path:
    """Give this process a temporary folder of its own, after removing those whose process is gone."""
    root = Path(tempfile.gettempdir())
    for folder in root.glob(f"{PREFIX}*"):
        pid = folder.name.removeprefix(PREFIX)
        # One of our own number is of an earlier process too: a container counts from 1 at every start.
        if pid == str(os.getpid()) or not _alive(pid):
            shutil.rmtree(folder, ignore_errors=True)
    own = root / f"{PREFIX}{os.getpid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    tempfile.tempdir = str(own)
    return own


def release() -> None:
    own = Path(tempfile.gettempdir())
    if own.name == f"{PREFIX}{os.getpid()}":
        tempfile.tempdir = str(own.parent)
        shutil.rmtree(own, ignore_errors=True)


def _alive(pid: str) -> bool:
    """Whether a process of this number runs; one that belongs to somebody else does."""
    if not pid.isdecimal():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
