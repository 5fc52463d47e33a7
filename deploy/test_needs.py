"""Says plainly which programs the tests need and this machine lacks; `make test` runs it before pytest."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Need:
    programs: tuple[str, ...]
    """Any one of them will do."""
    package: str
    """Debian's name."""
    purpose: str


NEEDS = (
    Need(("chromium", "chromium-browser", "google-chrome"), "chromium", "the tests in a browser"),
    Need(("git",), "git", "the test of a fresh clone"),
    Need(("redis-server",), "redis-server", "the tests with a real Redis"),
    Need(("postgres",), "postgresql", "the tests with a real PostgreSQL"),
)


def found(program: str) -> bool:
    """On the path, or where Debian keeps PostgreSQL's own programs."""
    return bool(shutil.which(program)) or any(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))


def missing() -> list[Need]:
    return [need for need in NEEDS if not any(found(program) for program in need.programs)]


def main() -> int:
    """Missing programs are skipped tests; with CI=true they are failures, and so they are here."""
    for need in missing():
        sys.stderr.write(f"Not installed: {need.package}, for {need.purpose}. On Debian or Ubuntu: apt-get install {need.package}\n")
    return 1 if missing() and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
