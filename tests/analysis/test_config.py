"""Configuration: TOML over defaults, nothing unknown, and a digest that changes with the content."""

from __future__ import annotations

import re
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
        ("[segments]\nraise = 0.7\n", "[segments]: unknown key 'raise'; did you mean 'rise'?"),
        ("[fuse]\ntone_wieght = 1\n", "[fuse]: unknown key 'tone_wieght'; did you mean 'tone_weight'?"),
        ("[segment]\nrise = 0.7\n", ": unknown key 'segment'; did you mean 'segments'?"),
        ("[nothing]\n", ": unknown key 'nothing'; known are engines, decode, speech"),
        ("segments = 3\n", ": segments must be a section"),
        ("[segments]\nrise = 'high'\n", "[segments]: rise must be a number, not text"),
        ("[segments]\nrise = [0.7]\n", "[segments]: rise must be a number, not a list"),
        ("[segments]\nrise = 1979-05-27\n", "[segments]: rise must be a number, not a date or time"),
        ("[segments.rise]\nmost = 0.7\n", "[segments]: rise must be a number, not a section"),
        ("[tone]\naccept_noncommercial = 1\n", "must be true or false, not a number"),
        ("[transcribe]\nlanguage = 3\n", "language must be text, not a number"),
        ("[engines]\ndecoders = 'pyav'\n", "decoders must be a list of texts, not text"),
        ("[dimensional]\noutputs = [1, 2]\n", "outputs must be a list of texts, not a list of other things"),
        ("[text_classification]\nfrustration = 0.8\n", "frustration must be a section of numbers, not a number"),
        ("[text_classification]\nfrustration = { angry = 'yes' }\n", "frustration.angry must be a number, not text"),
        ("[text_classification]\nsentiment = { prior = -11 }\n", "sentiment.prior must be a number from -10 to 10, not -11"),
        ("[transcribe]\nbatch = true\n", "must be a whole number, not true or false"),
        ("[transcribe]\nbatch = 1.5\n", "must be a whole number, not 1.5"),
        ("[transcribe]\nbatch = 0\n", "batch must be a number from 1 to 256, not 0"),
        ("[transcribe]\nwindow_s = 45\n", "window_s must be a number from 0.4 to 30, not 45"),
        ("[voices]\nhop_s = 0\n", "hop_s must be a number from 0.05 to 30"),
        ("[voices]\nmax_windows = 100_000\n", "max_windows must be a number from 10 to 10000, not 100000"),
        ("[measures]\nbaseline_prior_s = inf\n", "baseline_prior_s must be a number from 0.1 to 86400, not inf"),
        ("[segments]\nrise = nan\n", "rise must be a number from 0 to 1, not nan"),
        ("[fuse]\npart_limit = -3\n", "[fuse]: part_limit must be a number from 0 to 20, not -3"),
        ("[fuse]\ntone_weight = -5\n", "[fuse]: tone_weight must be a number from 0 to 10, not -5"),
        ("[segments]\nrise = 1.00000001\n", "rise must be a number from 0 to 1, not 1.00000001"),
        (f"[segments]\nrise = 1{'0' * 400}\n", "rise must be a number from 0 to 1, not 1e+300"),
        (f"[transcribe]\nbatch = -1{'0' * 400}\n", "batch must be a number from 1 to 256, not -1000"),
        (f"[transcribe]\nbatch = {'9' * 5000}\n", ": not a readable TOML"),
        ("[transcribe\n", ": not a readable TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_reason(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(AnalysisError, match=re.escape(said)) as caught:
        _load(tmp_path, text)
    assert caught.value.permanent
    assert caught.value.message.startswith(str(tmp_path / "callanalytics.toml"))


NUMBERS = [
    (section, key, value) for section, keys in asdict(Config()).items() for key, value in keys.items() if type(value) in (int, float, dict)
]
NUMBERS = [(section, key, value) for section, key, value in NUMBERS if key != "labels"]


@pytest.mark.parametrize(("section", "key", "default"), NUMBERS)
def test_every_number_is_refused_beyond_its_limits_and_taken_at_them(tmp_path: Path, section: str, key: str, default: float) -> None:
    whole = type(default) is int

    def written(value: float) -> str:
        number = int(value) if whole else value
        return f"[{section}]\n{key} = " + (f"{{ some = {number} }}" if isinstance(default, dict) else f"{number}")

    least, most = LIMITS[key]
    for taken in (least, most):
        _load(tmp_path, written(taken))
    for beyond in (least - 1, most + 1):
        with pytest.raises(AnalysisError, match=rf"\[{section}\]: {key}(\.some)? must be a number from"):
            _load(tmp_path, written(beyond))


def test_limits_are_of_keys_that_exist_and_hold_the_defaults() -> None:
    assert {key for _, key, _ in NUMBERS} == set(LIMITS)
    assert all(LIMITS[key][0] <= value <= LIMITS[key][1] for _, key, value in NUMBERS if not isinstance(value, dict))


def test_no_weight_limit_or_half_life_of_the_score_may_be_negative() -> None:
    signed = {key for section, key, _ in NUMBERS if section == "fuse" and LIMITS[key][0] < 0}
    assert signed == {"prior"}


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"absent\.toml"):
        load(tmp_path / "absent.toml")


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    assert _load(tmp_path, "").digest() == Config().digest()
    assert _load(tmp_path, "[segments]\nrise = 0.7\n").digest() != Config().digest()
