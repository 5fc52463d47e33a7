"""Whisper's encoder in torch: the same encoder as CTranslate2 reads from the same file, with its middle layers besides."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, TypeAlias

import ctranslate2
import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from analysis import resolver, whisper_encoder
from analysis.config import Config, TranscribeConfig
from analysis.engines.faster_whisper import FasterWhisperTranscriber
from analysis.engines.window_encoder import WhisperWindowEncoder
from analysis.errors import AnalysisError
from analysis.values import SAMPLE_RATE
from analysis.whisper_encoder import TorchWhisperEncoder, log_mels, middle_layers, read_variables
from tests.audio import noise, tones

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from analysis.values import FloatArray
    from analysis.whisper_encoder import Encoded

Variables: TypeAlias = "Mapping[str, NDArray[Any]]"

WEIGHTS = "tiny.en"
WIDTH, DEPTH = 384, 4
SECONDS = 7.0
NUMBER_OF_DTYPE = {np.dtype(kind): number for number, kind in enumerate(("float32", "int8", "int16", "int32", "float16"))}


@pytest.fixture(scope="module")
def folder() -> Path:
    return resolver.locate_whisper(WEIGHTS)


@pytest.fixture(scope="module")
def window() -> FloatArray:
    """Sound of every frequency, louder and softer."""
    swell = np.abs(tones(SECONDS, SAMPLE_RATE, [0.4])[0])
    return np.asarray(noise(SECONDS, -25.0) * swell + tones(SECONDS, SAMPLE_RATE, [440.0])[0] / 10, np.float32)


@pytest.fixture(scope="module")
def mels(window: FloatArray) -> FloatArray:
    return log_mels(FeatureExtractor(), [window])


@pytest.fixture(scope="module")
def variables(folder: Path) -> Variables:
    """The encoder's part of the file."""
    return {name: value for name, value in read_variables(folder / "model.bin").items() if name.startswith("encoder/")}


@pytest.fixture(scope="module")
def encoder(folder: Path) -> TorchWhisperEncoder:
    return TorchWhisperEncoder(folder)


@pytest.fixture(scope="module")
def encoded(encoder: TorchWhisperEncoder, mels: FloatArray) -> Encoded:
    return encoder.encode(mels)


def by_ctranslate2(folder: Path, mels: FloatArray, compute_type: str) -> FloatArray:
    model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type=compute_type, intra_threads=1)
    return np.asarray(model.encode(ctranslate2.StorageView.from_array(mels), to_cpu=True))


def error(found: FloatArray, wanted: FloatArray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def written(file: Path, variables: Variables) -> Path:
    """A model.bin of CTranslate2's binary version 6; gives its folder."""

    def text(words: str) -> bytes:
        return struct.pack("<H", len(words) + 1) + words.encode() + b"\0"

    parts = [struct.pack("<I", 6), text("WhisperSpec"), struct.pack("<I", 3), struct.pack("<I", len(variables))]
    for name, value in variables.items():
        parts += [text(name), struct.pack("<B", value.ndim), struct.pack(f"<{value.ndim}I", *value.shape)]
        parts += [struct.pack("<BI", NUMBER_OF_DTYPE[value.dtype], value.nbytes), value.tobytes()]
    file.write_bytes(b"".join(parts))
    return file.parent


def test_the_last_layer_is_that_of_ctranslate2(folder: Path, mels: FloatArray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper_encoder, "_half_precision", lambda device: None)
    found = TorchWhisperEncoder(folder).encode(mels)
    assert found.last.shape == (1, 1500, WIDTH)
    assert error(found.last, by_ctranslate2(folder, mels, "float32")) < 1e-3


def test_in_the_precision_of_this_processor_it_is_as_near_as_int8(folder: Path, mels: FloatArray, encoded: Encoded) -> None:
    assert error(encoded.last, by_ctranslate2(folder, mels, "int8")) < 0.1
    assert encoded.last.dtype == encoded.middle.dtype == np.float32


def test_the_middle_frames_are_the_outputs_of_the_two_middle_layers(
    encoder: TorchWhisperEncoder, mels: FloatArray, encoded: Encoded
) -> None:
    assert middle_layers(DEPTH) == (2, 3)
    seen: list[FloatArray] = []

    def keep(_: object, __: object, output: Any) -> None:
        seen.append((output[0] if isinstance(output, tuple) else output).float().numpy())

    hooks = [encoder._encoder.layers[layer - 1].register_forward_hook(keep) for layer in middle_layers(DEPTH)]
    encoder.encode(mels)
    for hook in hooks:
        hook.remove()
    assert encoded.middle.shape == (1, 1500, 2 * WIDTH)
    np.testing.assert_array_equal(encoded.middle, np.concatenate([layer.reshape(1, 1500, WIDTH) for layer in seen], axis=-1))


def test_an_encoder_that_is_cut_gives_the_same_middle_frames_to_the_bit(folder: Path, mels: FloatArray, encoded: Encoded) -> None:
    cut = TorchWhisperEncoder(folder, whole=False).encode(mels)
    assert cut.middle.tobytes() == encoded.middle.tobytes()
    assert cut.last.shape == (1, 0, 2 * WIDTH)


def test_what_is_heard_of_a_window_depends_on_its_sound(encoder: TorchWhisperEncoder, encoded: Encoded) -> None:
    other = encoder.encode(log_mels(FeatureExtractor(), [noise(SECONDS, -25.0, seed=9)]))
    assert error(other.middle, encoded.middle) > 0.1


def test_windows_are_filled_up_to_30_s(window: FloatArray) -> None:
    found, own = log_mels(FeatureExtractor(), [window]), FeatureExtractor()(window)[..., :-1]
    assert found.shape == (1, 80, 3000)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[0, :, : own.shape[1]], own)
    assert not found[..., own.shape[1] :].any()


def test_every_variable_that_is_written_is_read(variables: Variables, tmp_path: Path) -> None:
    depth = len(
        {name.split("/")[1] for name in variables if name.startswith("encoder/layer_") and not name.startswith("encoder/layer_norm")}
    )
    assert depth == DEPTH
    assert all(np.isfinite(value).all() for value in variables.values())
    again = read_variables(written(tmp_path / "model.bin", variables) / "model.bin")
    assert again.keys() == variables.keys()
    for name, value in variables.items():
        np.testing.assert_array_equal(again[name], value)


@pytest.mark.parametrize("kept", [0.0, 0.00001, 0.3, 0.9, 0.9999])
def test_a_file_that_is_cut_short_is_refused(folder: Path, tmp_path: Path, kept: float) -> None:
    content = (folder / "model.bin").read_bytes()
    (tmp_path / "model.bin").write_bytes(content[: round(kept * len(content))])
    with pytest.raises(AnalysisError, match=r"model\.bin: not a readable CTranslate2 model") as refused:
        TorchWhisperEncoder(tmp_path)
    assert refused.value.permanent


@pytest.mark.parametrize("content", [b"not a model", bytes(200), bytes(range(256)) * 8, b"\xff" * 500])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(AnalysisError, match=r"model\.bin"):
        TorchWhisperEncoder(tmp_path)


def test_a_folder_without_a_model_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=rf"{tmp_path}.*model\.bin: not a readable CTranslate2 model"):
        TorchWhisperEncoder(tmp_path)


@pytest.mark.parametrize("missing", ["encoder/conv1/weight", "encoder/layer_1/ffn/linear_0/bias", "encoder/num_heads"])
def test_a_model_that_lacks_a_part_of_the_encoder_is_refused_by_its_name(variables: Variables, tmp_path: Path, missing: str) -> None:
    parts = {name: value for name, value in variables.items() if name != missing}
    with pytest.raises(AnalysisError, match=f"model.bin holds no Whisper encoder that is known .*{missing}"):
        TorchWhisperEncoder(written(tmp_path / "model.bin", parts))


@pytest.mark.parametrize("name", ["encoder/layer_2/ffn/layer_norm/gamma", "encoder/layer_3/self_attention/linear_1/weight"])
def test_a_layer_of_another_shape_is_refused(variables: Variables, tmp_path: Path, name: str) -> None:
    with pytest.raises(AnalysisError, match=r"model\.bin holds no Whisper encoder that is known"):
        TorchWhisperEncoder(written(tmp_path / "model.bin", {**variables, name: variables[name][:-1]}))


def test_quantised_weights_are_scaled_back_and_refused_without_their_scales(
    variables: Variables, mels: FloatArray, encoded: Encoded, tmp_path: Path
) -> None:
    """As CTranslate2 stores int8: rounded after each row was scaled to 127."""
    parts = dict(variables)
    for name in [name for name in variables if "linear" in name and name.endswith("/weight")]:
        scale = 127.0 / np.abs(variables[name].astype(np.float32)).max(axis=1)
        parts[name] = np.round(variables[name] * scale[:, None]).astype(np.int8)
        parts[f"{name}_scale"] = scale.astype(np.float32)
    found = TorchWhisperEncoder(written(tmp_path / "model.bin", parts)).encode(mels)
    assert 0.0 < error(found.last, encoded.last) < 0.1
    del parts["encoder/layer_0/ffn/linear_0/weight_scale"]
    with pytest.raises(AnalysisError, match="encoder/layer_0/ffn/linear_0/weight is quantised and has no scale"):
        TorchWhisperEncoder(written(tmp_path / "model.bin", parts))


@pytest.fixture(scope="module")
def transcriber() -> FasterWhisperTranscriber:
    return FasterWhisperTranscriber(Config(transcribe=TranscribeConfig(weights=WEIGHTS, threads=1)))


def test_training_sees_the_frames_that_the_run_time_gives(transcriber: FasterWhisperTranscriber, speech: FloatArray) -> None:
    at_run_time = transcriber.transcribe([speech], language="en", frames=[True])[0].frames
    alone = WhisperWindowEncoder(WEIGHTS)
    assert at_run_time is not None
    assert alone.encoder == transcriber.encoder
    assert alone.frame_rate == transcriber.frame_rate
    (frames,) = alone.encode([speech])
    assert frames.shape == (1500, 2 * WIDTH)
    np.testing.assert_array_equal(frames[: len(at_run_time)], at_run_time)


def test_words_are_the_same_whether_or_not_the_tone_model_listens(transcriber: FasterWhisperTranscriber, speech: FloatArray) -> None:
    with_frames, without = (transcriber.transcribe([speech], language="en", frames=[wanted])[0] for wanted in (True, False))
    assert without.frames is None
    assert len(without.words) > 10
    assert [word.text for word in with_frames.words] == [word.text for word in without.words]
    assert [word.start for word in with_frames.words] == pytest.approx([word.start for word in without.words], abs=0.1)
    assert with_frames.confidence == pytest.approx(without.confidence, abs=0.05)
