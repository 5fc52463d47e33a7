"""`python -m analysis`: one JSON object a line, in order, and failures that say why."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from analysis import cli, registry
from analysis.errors import AnalysisError
from analysis.values import Party
from tests import audio

if TYPE_CHECKING:
    from analysis.config import Config
    from analysis.ports import Engines

CALM = audio.SAMPLES / "calm.flac"


@pytest.fixture(autouse=True)
def _one_set_of_engines(engines: Engines, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the whole run, unless other weights are asked for."""
    build = registry.build
    monkeypatch.setattr(registry, "build", lambda given: engines if given.transcribe.weights == config.transcribe.weights else build(given))


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """Five seconds in which nobody speaks."""
    return audio.write(tmp_path / "noise.wav", np.random.default_rng(0).normal(0.0, 0.05, (1, 40_000)), 8000)


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_several_files_print_a_line_each_in_the_order_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_text("this is not audio")
    status = cli.main([str(broken), str(CALM), "--channels", "agent,customer", "--scoring", "words"])
    printed, told = capsys.readouterr()
    first, second = map(json.loads, printed.splitlines())
    assert status == 1
    assert f"{broken}: not a recording that can be read; give a WAV" in told
    assert told.count("broken.wav") == 1
    assert first["file"] == str(broken)
    assert first["error"]["permanent"] is True
    assert "broken.wav" in first["error"]["message"]
    assert second["file"] == str(CALM)
    assert second["scoring"] == {"mode": "words", "reason": "asked for on the command line"}
    assert [party["party"] for party in second["parties"]] == ["agent", "customer"]
    assert second["utterances"]


def test_html_writes_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    assert cli.main([str(CALM), "--channels", "agent,customer", "--html", str(page)]) == 0
    printed, told = capsys.readouterr()
    assert json.loads(printed)["utterances"][0]["text"].split()[0] in page.read_text()
    assert f"The report is in {page}" in told


@pytest.mark.parametrize("arguments", [[], ["a.wav", "--scoring", "most"]])
def test_a_command_that_cannot_be_read_is_told_its_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage:")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.wav", "b.wav", "--html", "report.html"], "--html takes one recording at a time"),
        (["a.wav", "--html", "a.wav"], "--html a.wav: that is the recording itself"),
        (["a.wav", "--listen", "./a.wav"], "--listen a.wav: that is the recording itself"),
        (["a.wav", "--html", "/no/such/folder/report.html"], "--html /no/such/folder/report.html: name a file in a folder that exists"),
        (["a.wav", "--listen", "/"], "--listen /: name a file in a folder that exists"),
        (["a.wav", "--channels", "agent,boss"], "--channels takes agent, customer or unknown"),
        (["a.wav", "--config", "absent.toml"], "absent.toml: not a readable TOML configuration"),
        (["a.wav", "--asr", "minilm"], "minilm"),
        (["a.wav", "--asr", "ge2e"], "ge2e"),
    ],
)
def test_a_wrong_command_is_refused_in_one_line_before_any_work(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m analysis: error: ")
    assert said in line


def test_a_wrong_configuration_is_told_by_file_key_and_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "site.toml"
    file.write_text("[fuse]\npart_limit = -3\n")
    with pytest.raises(SystemExit):
        cli.main([str(CALM), "--config", str(file)])
    assert capsys.readouterr().err == f"python -m analysis: error: {file} [fuse]: part_limit must be a number from 0 to 20, not -3\n"


@pytest.mark.parametrize("option", ["--html", "--listen"])
def test_an_output_that_cannot_be_written_is_said_after_the_line(option: str, noise: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full = Path("/dev/full")
    assert cli.main([str(noise), option, str(full)]) == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out)["file"] == str(noise)
    assert "/dev/full: cannot be written (No space left on device)" in shown.err
    assert full.exists()


@pytest.mark.parametrize("frames", [1, 16, 79])
def test_however_short_a_recording_gets_its_copy(frames: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    click, copy = audio.write(tmp_path / "click.wav", np.full((2, frames), 0.5), 8000), tmp_path / "copy.m4a"
    assert cli.main([str(click), "--listen", str(copy)]) == 0
    with av.open(str(copy)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) >= frames
    assert _lines(capsys)[0]["recording"]["channels"] == 2


def test_the_file_is_named_as_it_was_given(noise: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(noise.parent)
    odd = os.fsdecode(b"caf\xe9 \xff.wav")
    noise.rename(odd)
    assert cli.main([f".//{odd}", "./gone.wav"]) == 1
    line, error = _lines(capsys)
    assert line["file"] == f".//{odd}"
    assert [note["code"] for note in line["notes"]] == ["no_speech"]
    assert line["utterances"] == []
    assert error["file"] == "./gone.wav"


def test_channels_are_parties() -> None:
    assert cli.parse_channels("Agent, customer") == (Party.AGENT, Party.CUSTOMER)
    assert cli.parse_channels(None) == ()
    with pytest.raises(AnalysisError, match="agent, customer or unknown"):
        cli.parse_channels("left,right")


def test_an_unknown_language_is_refused_before_the_recording_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is no recording, yet what is said is of the language."""
    broken = tmp_path / "call.wav"
    broken.write_text("this is not audio")
    assert cli.main([str(broken), "--language", "xx"]) == 1
    error = _lines(capsys)[0]["error"]
    assert error["permanent"] is True
    assert error["message"].startswith("call.wav: whisper-base does not know the language 'xx'")
    assert "The codes are listed at" in error["message"]


@pytest.mark.parametrize(
    ("arguments", "told"), [([], True), (["--no-accept-noncommercial-weights"], False), (["--scoring", "words"], False)]
)
def test_terms_of_the_tone_weights_are_told_where_they_score(arguments: list[str], told: bool, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["absent.wav", *arguments])
    assert ("which exclude commercial use" in capsys.readouterr().err) == told


@pytest.mark.parametrize("name", ["notaudio.wav", "./notaudio.wav"])
@pytest.mark.parametrize(("content", "reason"), [(b"this is not audio", "not a recording"), (b"", "the file is empty")])
def test_standard_error_names_a_file_once_as_it_was_given(
    name: str, content: bytes, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    assert cli.main([name, "--scoring", "words"]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"{name}: {reason}")
    assert told.count("notaudio.wav") == 1


LEFT_OUT = "Tone is left out: its weights are under"


@pytest.mark.parametrize(
    ("content", "arguments", "scored"),
    [
        ("[fuse]\ntone_weight = 0.5\n", [], True),
        ("[tone]\nmin_snr_db = 6.0\n", [], True),
        ("[tone]\naccept_noncommercial = true\n", [], True),
        ("[tone]\naccept_noncommercial = false\n", [], False),
        ("[tone]\naccept_noncommercial = false\n", ["--accept-noncommercial-weights"], True),
        ("[fuse]\ntone_weight = 0.5\n", ["--no-accept-noncommercial-weights"], False),
    ],
)
def test_a_configuration_switches_tone_off_only_where_it_says_so_and_either_is_told(
    content: str, arguments: list[str], scored: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, used = tmp_path / "site.toml", []
    file.write_text(content)
    build = registry.build

    def watched(given: Config) -> Engines:
        used.append(given)
        return build(given)

    monkeypatch.setattr(registry, "build", watched)
    cli.main(["absent.wav", "--config", str(file), *arguments])
    told = capsys.readouterr().err
    assert [config.tone.accept_noncommercial for config in used] == [scored]
    assert ("which exclude commercial use" in told) == scored
    assert (LEFT_OUT in told) == (not scored)


def test_without_a_licence_to_refuse_nothing_is_said_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["absent.wav", "--scoring", "words", "--no-accept-noncommercial-weights"])
    assert LEFT_OUT not in capsys.readouterr().err
