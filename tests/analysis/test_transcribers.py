"""What every transcriber in the registry must do, with real weights; OpenAI's on base weights converted from CTranslate2."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from analysis import resolver
from analysis.config import Config, TranscribeConfig
from analysis.errors import AnalysisError
from analysis.registry import ENGINES, engine_class
from analysis.steps import transcribe
from analysis.values import SAMPLE_RATE, FloatArray, Span, Voice
from tests.audio import recording

if TYPE_CHECKING:
    from pathlib import Path

    from analysis.ports import Transcriber, WindowTranscript

SPOKEN = "after early nightfall the yellow lamps would light up here and there the squalid quarter of the brothels"
"""In the fixture `speech`."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whisper base in OpenAI's format."""
    pytest.importorskip("whisper")
    from training.convert_whisper import convert

    file = tmp_path_factory.mktemp("weights") / "base.pt"
    convert(resolver.locate("base"), file)
    return file


@pytest.fixture(scope="module", params=sorted(ENGINES["transcriber"]))
def transcriber(request: pytest.FixtureRequest) -> Transcriber:
    """Each registered transcriber on base weights."""
    weights = str(request.getfixturevalue("checkpoint")) if request.param == "openai-whisper" else "base"
    made: Transcriber = engine_class("transcriber", request.param)(Config(transcribe=TranscribeConfig(weights=weights, threads=1)))
    return made


@pytest.fixture(scope="module")
def heard(transcriber: Transcriber, speech: FloatArray) -> list[WindowTranscript]:
    """The utterance with frames, and its first two seconds without."""
    return transcriber.transcribe([speech, speech[: 2 * SAMPLE_RATE]], language="en", frames=[True, False])


def bare(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalpha() or letter == " ").strip()


def test_what_was_said_is_written(heard: list[WindowTranscript]) -> None:
    assert bare("".join(word.text for word in heard[0].words)) == SPOKEN


def test_words_ascend_and_stay_inside_the_window(heard: list[WindowTranscript], speech: FloatArray) -> None:
    for window, seconds in zip(heard, (len(speech) / SAMPLE_RATE, 2.0), strict=True):
        assert all(0 <= word.start <= word.end <= seconds for word in window.words)
        assert all(word.start <= following.start for word, following in pairwise(window.words))


def test_numbers_are_plain_python_floats(heard: list[WindowTranscript]) -> None:
    window = heard[0]
    assert {type(value) for word in window.words for value in (word.start, word.end, word.probability)} == {float}
    assert type(window.confidence) is type(window.no_speech) is float


def test_clear_speech_is_trusted(heard: list[WindowTranscript]) -> None:
    assert heard[0].confidence > 0.8
    assert heard[0].no_speech < 0.3
    assert all(0 <= word.probability <= 1 for word in heard[0].words)


def test_frames_cover_the_audio_and_not_the_padding(transcriber: Transcriber, heard: list[WindowTranscript], speech: FloatArray) -> None:
    frames = heard[0].frames
    assert frames is not None
    assert frames.dtype == np.float32
    assert frames.shape == (int(np.ceil(len(speech) / SAMPLE_RATE * transcriber.frame_rate)), 2 * 512), "two middle layers side by side"
    assert np.isfinite(frames).all()


def test_frames_come_only_where_they_are_asked_for(heard: list[WindowTranscript]) -> None:
    assert heard[1].frames is None


def test_frames_do_not_depend_on_what_else_is_in_the_batch(
    transcriber: Transcriber, heard: list[WindowTranscript], speech: FloatArray
) -> None:
    alone = transcriber.transcribe([speech], language="en", frames=[True])[0]
    assert alone.frames is not None
    assert heard[0].frames is not None
    assert alone.frames.tobytes() == heard[0].frames.tobytes()
    assert alone.words == heard[0].words


def test_the_language_is_heard(transcriber: Transcriber, speech: FloatArray) -> None:
    language, probability = transcriber.language([speech], frames=False)
    assert language == "en"
    assert 0.5 < probability <= 1.0


def test_no_windows_give_no_transcripts(transcriber: Transcriber) -> None:
    assert transcriber.transcribe([], language="en", frames=[]) == []


def test_it_lists_the_languages_that_its_weights_have_a_token_for(transcriber: Transcriber) -> None:
    """Cantonese came with large-v3; both libraries list it for every size."""
    assert {"en", "es", "zh", "su"} <= transcriber.languages
    assert len(transcriber.languages) == 99
    assert "yue" not in transcriber.languages


@pytest.mark.parametrize("given", ["tlh", "yue", "xx-YY", "Spanish"])
def test_a_language_it_does_not_know_is_refused_with_the_file_and_where_those_it_knows_are_listed(
    transcriber: Transcriber, given: str
) -> None:
    with pytest.raises(AnalysisError, match=rf"^call\.wav: whisper-base does not know the language '{given}'; ") as refused:
        transcribe.refuse_language("call.wav", given, transcriber)
    assert refused.value.permanent
    assert refused.value.message.endswith(f"The codes are listed at {transcribe.LANGUAGE_LIST}")
    assert len(refused.value.message) < 250, "a call keeps 500 characters of its reason, and its file's name may take half of them"


def test_languages_written_alike_are_offered(transcriber: Transcriber) -> None:
    with pytest.raises(AnalysisError, match=r"give another \(tl, th\), or take other weights"):
        transcribe.refuse_language("call.wav", "tlh", transcriber)


@pytest.mark.parametrize("given", [None, "", "en", "ES", "pt-BR"])
def test_a_language_it_knows_is_taken_in_any_writing(transcriber: Transcriber, given: str | None) -> None:
    transcribe.refuse_language("call.wav", given, transcriber)


@pytest.mark.parametrize("weights", ["minilm", "ge2e", "nonsense"])
@pytest.mark.parametrize(("engine", "other"), [("faster-whisper", "a folder with a CTranslate2"), ("openai-whisper", r"a \.pt file")])
def test_weights_of_another_model_are_refused_by_name(engine: str, other: str, weights: str) -> None:
    if engine == "openai-whisper":
        pytest.importorskip("whisper")
    with pytest.raises(AnalysisError, match=rf"'{weights}' names no Whisper weights; give one of .*large-v3-turbo.*, or {other}"):
        engine_class("transcriber", engine)(Config(transcribe=TranscribeConfig(weights=weights)))


def test_it_says_who_it_is(transcriber: Transcriber) -> None:
    assert transcriber.encoder == "whisper-base"
    engine, weights, digest = transcriber.name.split("/")
    assert engine in ENGINES["transcriber"]
    assert weights == "base"
    assert len(digest.partition("@sha256:")[2]) == 64


def test_silence_gives_no_words_through_the_step(transcriber: Transcriber, tmp_path: Path) -> None:
    found = transcribe.transcribe(
        recording(tmp_path, np.zeros((1, 5 * SAMPLE_RATE), np.float32)),
        (Voice(0, 0, (Span(0.0, 5.0),)),),
        transcriber,
        TranscribeConfig(),
        language="en",
        pooled=True,
        progress=lambda step, fraction: None,
    )
    assert found.utterances == ()


class TestFasterWhisper:
    def made(self, **changes: object) -> Transcriber:
        transcriber: Transcriber = engine_class("transcriber", "faster-whisper")(
            Config(transcribe=dataclasses.replace(TranscribeConfig(), **changes))  # type: ignore[arg-type]
        )
        return transcriber

    def test_a_folder_of_known_weights_is_known_by_its_digest(self) -> None:
        assert self.made(weights=str(resolver.locate("tiny.en"))).encoder == "whisper-tiny.en"

    def test_english_weights_say_so_when_asked_for_another_language(self, speech: FloatArray) -> None:
        transcriber = self.made(weights="tiny.en")
        assert transcriber.language([speech], frames=False) == ("en", 1.0)
        with pytest.raises(
            AnalysisError, match=r"whisper-tiny\.en does not know the language 'es'; .* heard, give en, or take other weights$"
        ):
            transcribe.refuse_language("call.wav", "es", transcriber)

    def test_a_broken_model_is_an_error_with_its_folder(self, tmp_path: Path) -> None:
        (tmp_path / "model.bin").write_bytes(b"not a model")
        (tmp_path / "tokenizer.json").write_text("{}")
        with pytest.raises(AnalysisError, match=str(tmp_path)):
            self.made(weights=str(tmp_path))

    def test_a_folder_without_a_tokenizer_never_asks_the_hub(self, tmp_path: Path) -> None:
        (tmp_path / "model.bin").write_bytes(b"not a model")
        with pytest.raises(AnalysisError, match=r"tokenizer\.json is missing"):
            self.made(weights=str(tmp_path))

    def test_a_beam_hears_the_same(self, speech: FloatArray) -> None:
        heard = self.made(weights="base", beam=5).transcribe([speech], language="en", frames=[False])[0]
        assert bare("".join(word.text for word in heard.words)) == SPOKEN


def test_openai_without_a_checkpoint_says_where_it_goes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("whisper")
    from analysis.engines import openai_whisper

    monkeypatch.setattr(openai_whisper, "CHECKPOINTS", tmp_path)
    with pytest.raises(AnalysisError, match=str(tmp_path)):
        openai_whisper.OpenAIWhisperTranscriber(Config(transcribe=replace(TranscribeConfig(), weights="base")))


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_openai_says_of_a_file_that_it_holds_no_checkpoint(tmp_path: Path, content: bytes | None) -> None:
    """None stands for the weights of another model in the same kind of file."""
    pytest.importorskip("whisper")
    file = tmp_path / "small.pt"
    file.write_bytes((resolver.locate("ge2e") / "pretrained.pt").read_bytes() if content is None else content)
    with pytest.raises(AnalysisError, match=r"small\.pt: cannot be loaded as a Whisper checkpoint"):
        engine_class("transcriber", "openai-whisper")(Config(transcribe=TranscribeConfig(weights=str(file))))


@pytest.mark.parametrize(
    ("kind", "said"),
    [("AssertionError", "Torch not compiled with CUDA enabled"), ("OutOfMemoryError", "CUDA out of memory. Tried to allocate 2 GiB.")],
)
def test_openai_says_of_a_device_that_it_cannot_take_the_model_and_not_that_the_checkpoint_is_none(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, kind: str, said: str
) -> None:
    import torch
    import whisper

    really = whisper.Whisper.to

    def placed(model: Any, device: Any) -> Any:
        if str(device) == "cpu":
            return really(model, device)
        raise getattr(torch, kind, AssertionError)(f"{said}\nSee the manual")

    monkeypatch.setattr(whisper.Whisper, "to", placed)
    with pytest.raises(AnalysisError) as refused:
        engine_class("transcriber", "openai-whisper")(Config(transcribe=TranscribeConfig(weights=str(checkpoint), device="cuda")))
    assert refused.value.message == f"base.pt cannot be put on the device 'cuda' ({said}); take another device, or smaller weights"
    assert not refused.value.permanent


@pytest.mark.parametrize("content", [None, b"cut short"], ids=["unreachable", "cut short"])
def test_openai_says_that_a_download_failed_and_leaves_none_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    """From an address on this machine, at which there is nothing, or something else than the digest in it says."""
    whisper = pytest.importorskip("whisper")
    from analysis.engines import openai_whisper

    served = tmp_path / ("0" * 64) / "base.pt"
    if content is not None:
        served.parent.mkdir()
        served.write_bytes(content)
    monkeypatch.setitem(whisper._MODELS, "base", served.as_uri())
    monkeypatch.setattr(openai_whisper, "CHECKPOINTS", tmp_path / "cache")
    with pytest.raises(AnalysisError, match=r"^the Whisper checkpoint 'base' could not be downloaded .*try again, or put it at") as failed:
        openai_whisper.OpenAIWhisperTranscriber(Config(transcribe=TranscribeConfig(weights="base", allow_download=True)))
    assert not failed.value.permanent
    assert list((tmp_path / "cache").iterdir()) == []


def test_openai_takes_a_checkpoint_that_it_downloads(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import whisper

    from analysis.engines import openai_whisper

    served = tmp_path / resolver.digest(checkpoint) / "base.pt"
    served.parent.mkdir()
    served.symlink_to(checkpoint)
    monkeypatch.setitem(whisper._MODELS, "base", served.as_uri())
    monkeypatch.setattr(openai_whisper, "CHECKPOINTS", tmp_path / "cache")
    made = openai_whisper.OpenAIWhisperTranscriber(Config(transcribe=TranscribeConfig(weights="base", allow_download=True)))
    assert made.name.endswith(f"@sha256:{resolver.digest(checkpoint)}")
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["base.pt"]
