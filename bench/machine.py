"""What a benchmark ran on, for the head of its table."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

DATA = Path(os.environ.get("CALLANALYTICS_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
"""Where the measuring data lies."""


def describe(*packages: str) -> str:
    """Processor, cores, memory, Python and the versions of the packages that matter, on one line each."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, load {os.getloadavg()[0]:.1f}"
    return "\n".join((machine, ", ".join((f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)))))


def _processor() -> str:
    """The processor's name: `platform` knows none on Linux."""
    listed = Path("/proc/cpuinfo")
    names = (
        [line.partition(":")[2].strip() for line in listed.read_text().splitlines() if line.startswith("model name")]
        if listed.exists()
        else []
    )
    return names[0] if names else platform.processor() or platform.machine()
