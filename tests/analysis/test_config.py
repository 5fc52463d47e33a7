"""Configuration: TOML over defaults, nothing unknown, and a digest that changes with the content."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from analysis.config import LIMITS, Config, load
from analysis.errors import AnalysisError

if TYPE_CHECKING:
    from pathlib import Path


def _load(folder: Path, text: str) -> Config:
    file = folder / "callanalytics.toml"
    file.write_text(text)
    return load(file)


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert _load(tmp_path, "") == Config()


def test_a_value_replaces_its_default_alone(tmp_path: Path) -> None:
    loaded = _load(tmp_path, "[segments]\nrise = 0.7\n[engines]\ndecoders = ['pyav']\n")
    assert (loaded.segments.rise, loaded.segments.hold) == (0.7, Config().segments.hold)
    assert loaded.engines.decoders == ("pyav",)


def test_a_whole_number_passes_for_a_float(tmp_path: Path) -> None:
    assert _load(tmp_path, "[flags]\nclip_margin_s = 3\n").flags.clip_margin_s == 3.0


def test_names_that_default_to_none_take_a_string(tmp_path: Path) -> None:
    assert _load(tmp_path, "[transcribe]\nweights = 'tiny.en'\n").transcribe.weights == "tiny.en"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[segments]\nraise = 0.7\n", "unknown key 'raise'"),
        ("[nothing]\n", "unknown key 'nothing'"),
        ("segments = 3\n", "must be a section"),
        ("[segments]\nrise = 'high'\n", "rise must be float, not str"),
        ("[tone]\naccept_noncommercial = 1\n", "must be bool, not int"),
        ("[engines]\ndecoders = 'pyav'\n", "decoders must be a list of strings, not str"),
        ("[dimensional]\noutputs = [1, 2]\n", "outputs must be a list of strings, not other items"),
        ("[text_classification]\nfrustration = 0.8\n", "frustration must be a section of numbers, not float"),
        ("[text_classification]\nfrustration = { angry = 'yes' }\n", "frustration.angry must be float, not str"),
        ("[transcribe]\nbatch = true\n", "must be int, not bool"),
        ("[transcribe]\nbatch = 0\n", "batch must be a number from 1 to 256, not 0"),
        ("[transcribe]\nwindow_s = 45\n", "window_s must be a number from 0.4 to 30, not 45"),
        ("[voices]\nhop_s = 0\n", "hop_s must be a number from 0.05 to 30"),
        ("[segments]\nrise = nan\n", "rise must be a finite number, not nan"),
        ("[transcribe\n", "not a readable TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_reason(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(AnalysisError, match=said) as caught:
        _load(tmp_path, text)
    assert caught.value.permanent


def test_limits_are_of_keys_that_exist_and_hold_the_defaults() -> None:
    defaults = [(key, value) for section in asdict(Config()).values() for key, value in section.items() if key in LIMITS]
    assert {key for key, _ in defaults} == set(LIMITS)
    assert all(LIMITS[key][0] <= value <= LIMITS[key][1] for key, value in defaults)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"absent\.toml"):
        load(tmp_path / "absent.toml")


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    assert _load(tmp_path, "").digest() == Config().digest()
    assert _load(tmp_path, "[segments]\nrise = 0.7\n").digest() != Config().digest()
