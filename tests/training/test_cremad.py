"""CREMA-D's folder becomes rows of the manifest that training reads."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from training import cremad
from training.corpus import read_clip, read_manifest

if TYPE_CHECKING:
    from pathlib import Path

CLIPS = ("1001_DFA_ANG_XX", "1001_IEO_SAD_HI", "1002_TIE_NEU_XX")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "CREMA-D"
    (folder / "AudioWAV").mkdir(parents=True)
    for name in CLIPS:
        soundfile.write(folder / "AudioWAV" / f"{name}.wav", np.zeros(8000, np.float32), 16_000)
    (folder / "VideoDemographics.csv").write_text(
        "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n1002,21,Female,Asian,\n"
    )
    return folder


def listed(corpus: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["cremad", str(corpus), "--manifest", str(manifest)])
    cremad.main()


def test_training_reads_what_is_listed(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(corpus, tmp_path / "manifest.csv", monkeypatch)
    clips = read_manifest(tmp_path / "manifest.csv")
    assert [(clip.speaker, clip.gender, clip.label, clip.intensity) for clip in clips] == [
        ("cremad:1001", "m", "angry", ""),
        ("cremad:1001", "m", "sad", "strong"),
        ("cremad:1002", "f", "neutral", ""),
    ]
    assert clips[0].text == "Don't forget a jacket"
    assert all(len(read_clip(tmp_path / clip.path)) == 8000 for clip in clips)


def test_other_corpora_stay_and_a_second_time_adds_nothing(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(",".join(cremad.COLUMNS) + "\nravdess,a.opus,ravdess:01,m,en,calm,normal,Kids,3.3\n")
    for _ in range(2):
        listed(corpus, manifest, monkeypatch)
        assert [clip.corpus for clip in read_manifest(manifest)] == ["ravdess", *["cremad"] * len(CLIPS)]


def test_what_cannot_be_used_is_skipped_with_a_count(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (corpus / "AudioWAV" / "1003_DFA_ANG_XX.wav").write_bytes(b"no audio")
    (corpus / "AudioWAV" / "notes.wav").write_bytes(b"")
    listed(corpus, tmp_path / "manifest.csv", monkeypatch)
    assert "3 recordings of 2 speakers; 2 skipped" in capsys.readouterr().out


def test_a_folder_without_recordings_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        listed(tmp_path, tmp_path / "manifest.csv", monkeypatch)
    assert "holds no .wav files" in capsys.readouterr().err


def test_other_demographics_are_refused(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("name,age\nA,3\n")
    with pytest.raises(ValueError, match="expected the columns ActorID and Sex"):
        cremad.read_sexes(tmp_path / "people.csv")
