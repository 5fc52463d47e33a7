"""Where torch comes from: a CPU build unless there is an NVIDIA device, and an index that is down does not fail the install."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
NOBODY = "http://127.0.0.1:9/whl/cpu"


@pytest.fixture
def torch_installer() -> ModuleType:
    """The script as a module; it is not part of a package."""
    spec = importlib.util.spec_from_file_location("install_torch", ROOT / "deploy" / "install_torch.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wheel(folder: Path, version: str) -> None:
    """An empty wheel named torch of the given version."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"torch-{version}.dist-info"
    with zipfile.ZipFile(folder / f"torch-{version}-py3-none-any.whl", "w") as made:
        made.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
        made.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        made.writestr(f"{info}/RECORD", "")


def index(folder: Path, version: str) -> str:
    """A package index on disk that offers one wheel."""
    wheel(folder / "torch", version)
    name = f"torch-{version}-py3-none-any.whl"
    (folder / "torch" / "index.html").write_text(f'<html><body><a href="{name.replace("+", "%2B")}">{name}</a></body></html>')
    return folder.as_uri()


def isolated(**variables: str) -> dict[str, str]:
    """An environment in which pip knows no index but the given ones."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, **variables}


def test_the_pin_is_the_one_of_the_requirements(torch_installer: ModuleType) -> None:
    requirements = (ROOT / "requirements.txt").read_text()
    assert torch_installer.pinned(requirements) in requirements.splitlines()
    with pytest.raises(ValueError, match="pins no torch"):
        torch_installer.pinned("torchaudio==1.0\n")


@pytest.mark.parametrize(
    ("choice", "beside"),
    [
        ({"index": "auto", "nvidia": False, "linux": True, "offered": "2.13.0"}, True),
        ({"index": "auto", "nvidia": False, "linux": True, "offered": "2.13.0+cpu"}, False),
        ({"index": "auto", "nvidia": True, "linux": True, "offered": "2.13.0"}, False),
        ({"index": "auto", "nvidia": False, "linux": False, "offered": "2.13.0"}, False),
        ({"index": "default", "nvidia": False, "linux": True, "offered": "2.13.0"}, False),
    ],
)
def test_the_cpu_index_is_asked_only_where_it_is_needed(torch_installer: ModuleType, choice: dict[str, object], beside: bool) -> None:
    options = torch_installer.extra_options(**choice)
    assert (torch_installer.CPU_INDEX in options) is beside


def test_an_index_of_ones_own_is_the_only_one_for_torch(torch_installer: ModuleType) -> None:
    chosen = "https://packages.example.org/torch"
    assert torch_installer.extra_options(index=chosen, nvidia=True, linux=True, offered="") == ["--index-url", chosen]


def report(options: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--ignore-installed", *options, "torch==2.13.0"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_pip_prefers_the_cpu_build_of_the_index_beside_its_own(
    torch_installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, cpu = index(tmp_path / "own", "2.13.0"), index(tmp_path / "cpu", "2.13.0+cpu")
    monkeypatch.setattr(torch_installer, "CPU_INDEX", cpu)
    options = torch_installer.extra_options(index="auto", nvidia=False, linux=True, offered="2.13.0")
    finished = report(options, isolated(PIP_INDEX_URL=own))
    assert "Would install torch-2.13.0+cpu" in finished.stdout, finished.stderr


def test_a_cpu_index_that_is_down_leaves_what_pip_has_of_its_own(
    torch_installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_installer, "CPU_INDEX", NOBODY)
    options = torch_installer.extra_options(index="auto", nvidia=False, linux=True, offered="2.13.0")
    finished = report(options, isolated(PIP_INDEX_URL=index(tmp_path / "own", "2.13.0")))
    assert finished.returncode == 0, finished.stderr
    assert "Would install torch-2.13.0" in finished.stdout


def test_a_wheel_in_a_folder_that_pip_knows_is_found_without_any_index(
    torch_installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(tmp_path / "wheels", "2.13.0+cpu")
    for key in [key for key in os.environ if key.startswith("PIP_")]:
        monkeypatch.delenv(key)
    for key, value in {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}.items():
        monkeypatch.setenv(key, value)
    assert torch_installer.offered_version("torch==2.13.0") == "2.13.0+cpu"
    assert torch_installer.offered_version("torch==2.14.0") == ""
