"""docker-compose.yml, the Dockerfile and .env.example name only what exists."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"] == "callanalytics"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
STOCK_PROGRAMS = {"postgres": {"pg_isready"}, "redis": {"redis-server", "redis-cli"}}
"""What the stock images bring."""


def words_of(command: list[str]) -> list[str]:
    """A health check's words without its kind; a shell line is split as the shell would."""
    if command[0] == "CMD-SHELL":
        return shlex.split(command[1])
    return command[1:] if command[0] == "CMD" else command


def commands() -> list[tuple[str, list[str]]]:
    found = []
    for name, service in SERVICES.items():
        if "command" in service:
            found.append((name, service["command"]))
        if "healthcheck" in service:
            found.append((name, words_of(service["healthcheck"]["test"])))
    return found


def interpolations(text: str) -> set[str]:
    return set(re.findall(r"\$\{(\w+)", text))


def test_every_part_of_the_platform_is_there() -> None:
    assert set(SERVICES) == {"migrate", "web", "worker", "beat", "relay", "postgres", "redis"}
    assert set(OURS) == {"migrate", "web", "worker", "beat", "relay"}


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_what_keeps_running_is_watched_and_restarted(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert {"test", "interval", "timeout", "retries"} <= set(SERVICES[name]["healthcheck"])


@pytest.mark.parametrize(("service", "command"), commands())
def test_a_command_starts_a_program_that_exists(service: str, command: list[str]) -> None:
    program = command[0]
    image = SERVICES[service]["image"].partition(":")[0]
    if image != "callanalytics":
        assert program in STOCK_PROGRAMS[image]
    else:
        assert program == "python" or program in {"find", "gunicorn", "celery"}
        assert shutil.which(program, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("service", OURS)
def test_python_is_asked_to_run_what_is_in_the_image(service: str) -> None:
    command = SERVICES[service]["command"]
    if command[0] == "python":
        assert (ROOT / command[1]).is_file()
        listing = subprocess.run([sys.executable, "manage.py", "help", "--commands"], cwd=ROOT, capture_output=True, text=True, check=True)
        assert command[2] in listing.stdout.split()


def test_gunicorn_serves_the_projects_application() -> None:
    module = importlib.import_module(SERVICES["web"]["command"][1])
    assert callable(module.application)


def test_gunicorn_accepts_its_options() -> None:
    config = importlib.import_module("gunicorn.config")
    parsed = config.Config().parser().parse_args(SERVICES["web"]["command"][1:])
    assert (parsed.workers, parsed.threads) == (3, 4)


@pytest.mark.parametrize("service", ["worker", "beat"])
def test_celery_knows_the_command_and_its_options(service: str) -> None:
    program, _, application, command, *options = SERVICES[service]["command"]
    assert (program, application) == ("celery", "callanalytics")
    asked = [sys.executable, "-m", "celery", "-A", application, command, "--help"]
    shown = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [option for option in options if option.startswith("--") and option not in shown] == []


def test_the_relay_knows_its_options_and_is_watched_by_the_file_it_touches() -> None:
    _, program, command, *options = SERVICES["relay"]["command"]
    shown = subprocess.run([sys.executable, program, command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [option for option in options if option.startswith("--") and option not in shown] == []
    assert Path(options[-1]).name in SERVICES["relay"]["healthcheck"]["test"][1]


def test_services_wait_for_what_they_need() -> None:
    for name in ("web", "worker", "beat", "relay"):
        assert SERVICES[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"},
            "redis": {"condition": "service_healthy"},
        }
    assert SERVICES["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_every_volume_is_declared_and_used() -> None:
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert used == set(COMPOSE["volumes"])
    assert all("data:/data" in SERVICES[name]["volumes"] for name in OURS)


def test_every_variable_is_in_the_example_or_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    example = {line.partition("=")[0] for line in (ROOT / ".env.example").read_text().splitlines() if line and not line.startswith("#")}
    with_default = set(re.findall(r"\$\{(\w+):-", text))
    assert interpolations(text) - with_default <= example


def test_the_example_holds_no_secret_and_only_what_is_read() -> None:
    lines = [line for line in (ROOT / ".env.example").read_text().splitlines() if line and not line.startswith("#")]
    example = dict(line.split("=", 1) for line in lines)
    assert example["CALLANALYTICS_SECRET_KEY"] == ""
    assert example["POSTGRES_PASSWORD"] == ""
    read = (ROOT / "callanalytics" / "env.py").read_text() + (ROOT / "docker-compose.yml").read_text()
    assert [name for name in example if name not in read] == []


def test_what_the_image_copies_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    for line in re.findall(r"^COPY (?:--\S+ )?(.+)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert source not in ignored
    assert {".env", "var", ".git"} <= set(ignored)


def test_the_image_runs_programs_that_exist_and_not_as_root() -> None:
    runs = re.sub(r"\\\n\s*", " ", DOCKERFILE)
    steps = [step.split()[0] for line in re.findall(r"^RUN (.+)$", runs, re.MULTILINE) for step in line.split("&&")]
    assert set(steps) <= {"useradd", "mkdir", "chown", "python", "pip", "set", "."}
    assert runs.index("USER callanalytics") < runs.index("CMD")
    assert (ROOT / "deploy" / "check.env").is_file()


def test_the_image_and_compose_serve_alike() -> None:
    served = re.search(r"^CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    assert served
    assert yaml.safe_load(served.group(1)) == SERVICES["web"]["command"]


def production_environment(tmp_path: Path) -> dict[str, str]:
    lines = (ROOT / "deploy" / "check.env").read_text().splitlines()
    named = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {**os.environ, **named, "CALLANALYTICS_HOME": str(tmp_path), "CALLANALYTICS_STATIC_ROOT": str(tmp_path / "static")}


def test_the_images_static_files_are_hashed_and_every_one_they_name_is_there(tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    finished = subprocess.run(command, cwd=ROOT, env=production_environment(tmp_path), capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    manifest = json.loads((tmp_path / "static" / "staticfiles.json").read_text())["paths"]
    assert any(name.startswith("dashboard/") and name.endswith(".css") for name in manifest)
    assert [hashed for hashed in manifest.values() if not (tmp_path / "static" / hashed).is_file()] == []


def test_production_settings_are_clean(tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    finished = subprocess.run(command, cwd=ROOT, env=production_environment(tmp_path), capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
