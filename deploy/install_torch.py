"""Installs the pinned torch into the running Python: a CPU build unless this machine has an NVIDIA device. Standard library only.

`--index` says where torch comes from: `auto` (below), `default` (pip's own index, whatever it gives), or an index address.
`auto` on a Linux machine without an NVIDIA device: a CPU build where pip's own sources offer one, else the CPU index beside them. A CPU
index that cannot be reached costs a warning and some seconds; the install then goes on with what pip's own index gives, which is larger.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
IMPATIENT = ("--retries", "1", "--timeout", "15")
"""An index that does not answer may not hold up the install."""


def pinned(requirements: str) -> str:
    """The `torch==…` line of a requirements file. Raises ValueError where there is none."""
    found = re.search(r"^torch==[\w.+]+", requirements, re.MULTILINE)
    if not found:
        raise ValueError("requirements.txt pins no torch")
    return found.group()


def has_nvidia() -> bool:
    """Whether the driver lists a device."""
    listing = shutil.which("nvidia-smi")
    return bool(listing) and subprocess.run([str(listing), "-L"], capture_output=True, check=False).returncode == 0


def extra_options(*, index: str, nvidia: bool, linux: bool, offered: str) -> list[str]:
    """pip's options for a choice of index. `offered` is the version that pip's own sources give, such as `2.13.0+cpu`."""
    if index not in ("auto", "default"):
        return ["--index-url", index]
    if index == "default" or nvidia or not linux or "+cpu" in offered:
        return []
    return ["--extra-index-url", CPU_INDEX, *IMPATIENT]


def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", *arguments]
    return subprocess.run(command, text=True, check=False, stdout=subprocess.PIPE)


def offered_version(requirement: str) -> str:
    """The version that pip's own sources would give; empty where they give none."""
    answer = pip("--dry-run", "--quiet", "--ignore-installed", "--report", "-", requirement)
    if answer.returncode:
        return ""
    return str(json.loads(answer.stdout)["install"][0]["metadata"]["version"])


def install(requirement: str, index: str) -> int:
    """pip's exit status. A failure with the CPU index is tried once more without it."""
    offered = offered_version(requirement) if index == "auto" else ""
    options = extra_options(index=index, nvidia=has_nvidia(), linux=platform.system() == "Linux", offered=offered)
    status = pip("--quiet", *options, requirement).returncode
    if status and CPU_INDEX in options:
        sys.stderr.write("The CPU index gave no torch; taking it from pip's own index.\n")
        status = pip("--quiet", requirement).returncode
    return status


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", default="auto")
    index = parser.parse_args().index
    return install(pinned((ROOT / "requirements.txt").read_text()), index)


if __name__ == "__main__":
    sys.exit(main())
