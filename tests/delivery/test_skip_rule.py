"""With CI=true a skip outside the committed list fails, so that a missing program or folder cannot hide a test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
SKIPPED = """
import pytest

def test_that_is_skipped():
    pytest.skip("no such program")

def test_that_runs():
    pass

@pytest.mark.xfail(reason="known")
def test_that_is_known_to_fail():
    assert False
"""
SKIPPED_WHOLE = 'import pytest\npytest.skip("no such library", allow_module_level=True)\n'


def run(tmp_path: Path, *, ci: str, allowed: str = "", content: str = SKIPPED) -> subprocess.CompletedProcess[str]:
    """pytest over one file of its own, with this suite's conftest."""
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "conftest.py").symlink_to(TESTS / "conftest.py")
    (folder / "allowed_skips.txt").write_text(allowed)
    (folder / "test_one.py").write_text(content)
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(TESTS.parent), "CALLANALYTICS_HOME": str(tmp_path / "var")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        os.devnull,
        "--rootdir",
        str(tmp_path),
        "-p",
        "no:cacheprovider",
        "-p",
        "no:django",
        "tests",
    ]
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_a_skip_fails_under_ci_and_keeps_its_reason(tmp_path: Path) -> None:
    finished = run(tmp_path, ci="true")
    assert finished.returncode == 1
    assert "1 failed, 1 passed, 1 xfailed" in finished.stdout
    assert "skipped although CI=true, and not in tests/allowed_skips.txt: no such program" in finished.stdout


def test_a_skip_on_the_list_is_a_skip(tmp_path: Path) -> None:
    finished = run(tmp_path, ci="true", allowed="# why\ntests/test_one.py::test_that_is_skipped  # because\n")
    assert finished.returncode == 0, finished.stdout
    assert "1 passed, 1 skipped, 1 xfailed" in finished.stdout


def test_elsewhere_a_skip_is_a_skip(tmp_path: Path) -> None:
    finished = run(tmp_path, ci="")
    assert finished.returncode == 0, finished.stdout
    assert "1 skipped" in finished.stdout


def test_a_whole_file_that_is_skipped_fails_too(tmp_path: Path) -> None:
    finished = run(tmp_path, ci="true", content=SKIPPED_WHOLE)
    assert finished.returncode != 0
    assert "no such library" in finished.stdout


@pytest.mark.parametrize("line", [line for line in (TESTS / "allowed_skips.txt").read_text().splitlines() if not line.startswith("#")])
def test_every_allowed_skip_names_a_test_that_exists_and_says_why(line: str) -> None:
    test, _, why = line.partition("  # ")
    path, _, name = test.partition("::")
    assert why
    assert f"def {name.partition('[')[0]}(" in (TESTS.parent / path).read_text()
