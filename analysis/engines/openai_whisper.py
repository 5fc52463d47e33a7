"""OpenAI's own Whisper on torch, behind the same port: an extra, because its package pulls in a gigabyte."""

from __future__ import annotations

import pickle
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import whisper
from whisper.audio import HOP_LENGTH, N_FRAMES, log_mel_spectrogram, pad_or_trim
from whisper.decoding import DecodingOptions, DecodingResult
from whisper.timing import WordTiming, find_alignment, merge_punctuations
from whisper.tokenizer import LANGUAGES, Tokenizer, get_tokenizer

from analysis import resolver
from analysis.errors import AnalysisError
from analysis.ports import WindowTranscript
from analysis.values import SAMPLE_RATE, Word
from analysis.whisper_encoder import middle_layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.config import Config, TranscribeConfig
    from analysis.values import FloatArray

CHECKPOINTS = Path.home() / ".cache" / "whisper"
"""Where OpenAI's package keeps its downloads."""

_FOREIGN = (RuntimeError, LookupError, TypeError, ValueError, EOFError, struct.error, pickle.UnpicklingError)
"""What loading raises where a file holds something else, be it another model or no model at all."""

_PREPENDED = "\"'“¿([{-"
_APPENDED = "\"'.。,，!！?？:：”)]}、"


class OpenAIWhisperTranscriber:
    """A Whisper checkpoint of OpenAI's: a `.pt` file, or a name that the package has in its cache."""

    frame_rate = SAMPLE_RATE / (2 * HOP_LENGTH)

    def __init__(self, config: Config) -> None:
        self._config = config.transcribe
        checkpoint = _checkpoint(self._config)
        self._model = _load(checkpoint, self._config)
        self._heard: dict[int, tuple[FloatArray, _Heard]] = {}
        self.languages = _languages(self._model)
        self.encoder = f"whisper-{checkpoint.stem}"
        self.name = f"openai-whisper/{checkpoint.stem}/{_precision(self._model)}@sha256:{resolver.digest(checkpoint)}"

    def language(self, windows: Sequence[FloatArray], *, frames: bool) -> tuple[str, float]:
        """The language with the highest mean probability over the windows; English for weights that know nothing else."""
        if not self._model.is_multilingual or not windows:
            return "en", 1.0
        encoded = self._encode(windows, [frames] * len(windows))
        self._heard = {id(window): (window, heard) for window, heard in zip(windows, encoded, strict=True)}
        _, detected = self._model.detect_language(torch.stack([heard.last for heard in encoded]))
        mean = {code: sum(window[code] for window in detected) / len(detected) for code in sorted(detected[0])}
        language = max(mean, key=lambda code: mean[code])
        return language, float(mean[language])

    def transcribe(self, windows: Sequence[FloatArray], *, language: str, frames: Sequence[bool]) -> list[WindowTranscript]:
        """Transcribe windows of at most 30 s. Words keep the space before them, so that joining their texts gives the window's text."""
        if not windows:
            return []
        tokenizer = self._tokenizer(language)
        encoded = self._encode(windows, frames)
        options = DecodingOptions(language=language, beam_size=_beam(self._config), without_timestamps=True, fp16=_is_half(self._model))
        decoded = [whisper.decode(self._model, heard.last, options) for heard in encoded]
        return [
            self._transcript(tokenizer, heard, result, seconds=len(window) / SAMPLE_RATE)
            for window, heard, result in zip(windows, encoded, decoded, strict=True)
        ]

    def _tokenizer(self, language: str) -> Tokenizer:
        return get_tokenizer(self._model.is_multilingual, num_languages=self._model.num_languages, language=language, task="transcribe")

    @torch.inference_mode()
    def _encode(self, windows: Sequence[FloatArray], frames: Sequence[bool]) -> list[_Heard]:
        """Encoder output per window; what `language` encoded is used again."""
        return [
            kept[1] if (kept := self._heard.pop(id(window), None)) else self._encode_one(window, keep=keep)
            for window, keep in zip(windows, frames, strict=True)
        ]

    def _encode_one(self, window: FloatArray, *, keep: bool) -> _Heard:
        mel = log_mel_spectrogram(torch.from_numpy(window), self._model.dims.n_mels, device=self._model.device)
        padded = pad_or_trim(mel, N_FRAMES).to(_dtype(self._model))
        blocks = self._model.encoder.blocks
        passed: list[torch.Tensor] = []
        hooks = [blocks[layer - 1].register_forward_hook(lambda _, __, out: passed.append(out[0])) for layer in middle_layers(len(blocks))]
        try:
            last: torch.Tensor = self._model.embed_audio(padded[None])[0]
        finally:
            for hook in hooks:
                hook.remove()
        return _Heard(last, torch.cat(passed, dim=-1).float().cpu().numpy() if keep else None)

    def _transcript(self, tokenizer: Tokenizer, heard: _Heard, result: DecodingResult, *, seconds: float) -> WindowTranscript:
        mel_frames = min(int(np.ceil(seconds * SAMPLE_RATE / HOP_LENGTH)), N_FRAMES)
        aligned = find_alignment(_Decoder(self._model), tokenizer, result.tokens, heard.last, mel_frames) if result.tokens else []
        confidence = _confidence(aligned)
        merge_punctuations(aligned, _PREPENDED, _APPENDED)
        words = tuple(_word(word, seconds) for word in aligned if word.word.strip())
        frames = None if heard.middle is None else heard.middle[: int(np.ceil(seconds * self.frame_rate))]
        return WindowTranscript(words=words, confidence=confidence, no_speech=float(result.no_speech_prob), frames=frames)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the encoder made of one window."""

    last: torch.Tensor
    """What the decoder reads, shape [1500, d]."""
    middle: FloatArray | None
    """What the tone model hears, shape [1500, 2 d]; None where nobody asked for it."""


class _Decoder:
    """The part of a model that alignment calls, fed with encoder output: handed the model itself, it would encode the window again."""

    def __init__(self, model: whisper.Whisper) -> None:
        self._model = model
        self.dims = model.dims
        self.decoder = model.decoder
        self.device = model.device
        self.alignment_heads = model.alignment_heads

    def __call__(self, encoded: torch.Tensor, tokens: torch.Tensor) -> Any:
        return self._model.decoder(tokens, encoded)


def _checkpoint(config: TranscribeConfig) -> Path:
    weights = config.weights or resolver.WHISPER_DEFAULTS[0]
    given = Path(weights).expanduser()
    if given.suffix == ".pt" and given.is_file():
        return given.resolve()
    cached = CHECKPOINTS / f"{weights}.pt"
    if cached.is_file() or (config.allow_download and weights in whisper.available_models()):
        return cached
    if weights not in whisper.available_models():
        raise resolver.no_whisper(weights, whisper.available_models(), "a .pt file of OpenAI's")
    raise AnalysisError(f"openai-whisper has no checkpoint {weights!r}; give the path of a .pt file or put it at {cached}", permanent=False)


def _load(checkpoint: Path, config: TranscribeConfig) -> whisper.Whisper:
    """The model, with its alignment heads where the checkpoint's name tells which they are (else OpenAI's default, the upper half)."""
    if not checkpoint.is_file():
        _download(checkpoint)
    model = _read(checkpoint)
    heads = whisper._ALIGNMENT_HEADS.get(checkpoint.stem)
    if heads is not None:
        model.set_alignment_heads(heads)
    device = ("cuda" if torch.cuda.is_available() else "cpu") if config.device == "auto" else config.device
    if config.compute_type == "float16" or (config.compute_type == "auto" and device.startswith("cuda")):
        model = model.half()
    return _placed(model, device, checkpoint).eval()


def _download(checkpoint: Path) -> None:
    """Fetched and checked aside, so that what was cut short is never taken for a checkpoint."""
    try:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".downloading-", dir=checkpoint.parent) as aside:
            Path(whisper._download(whisper._MODELS[checkpoint.stem], aside, in_memory=False)).replace(checkpoint)
    except (OSError, RuntimeError) as error:
        message = f"the Whisper checkpoint {checkpoint.stem!r} could not be downloaded ({error}); try again, or put it at {checkpoint}"
        raise AnalysisError(message, permanent=False) from error


def _read(checkpoint: Path) -> whisper.Whisper:
    """In the machine's own memory, where a RuntimeError can only be about what the file holds."""
    try:
        return whisper.load_model(str(checkpoint), device="cpu")
    except _FOREIGN as error:
        raise AnalysisError(
            f"{checkpoint}: cannot be loaded as a Whisper checkpoint of OpenAI's ({error!r:.120})", permanent=False
        ) from error


def _placed(model: whisper.Whisper, device: str, checkpoint: Path) -> whisper.Whisper:
    """The model on its device. Torch says AssertionError where it was built without that kind of device."""
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        message = f"{checkpoint.name} cannot be put on the device {device!r} ({reason:.200}); take another device, or smaller weights"
        raise AnalysisError(message, permanent=False) from error


def _languages(model: whisper.Whisper) -> frozenset[str]:
    """The package lists languages in the order in which newer weights have added them."""
    return frozenset(list(LANGUAGES)[: model.num_languages] if model.is_multilingual else ["en"])


def _dtype(model: whisper.Whisper) -> torch.dtype:
    weight: torch.Tensor = next(model.encoder.parameters())
    return weight.dtype


def _is_half(model: whisper.Whisper) -> bool:
    return _dtype(model) == torch.float16


def _precision(model: whisper.Whisper) -> str:
    return "float16" if _is_half(model) else "float32"


def _beam(config: TranscribeConfig) -> int | None:
    """OpenAI's decoder is greedy without a beam."""
    return config.beam if config.beam > 1 else None


def _confidence(aligned: Sequence[WordTiming]) -> float:
    """Mean probability over the text tokens; 0 where there are none."""
    tokens = sum(len(word.tokens) for word in aligned)
    return float(sum(word.probability * len(word.tokens) for word in aligned) / tokens) if tokens else 0.0


def _word(aligned: WordTiming, seconds: float) -> Word:
    start = min(float(aligned.start), seconds)
    end = min(max(float(aligned.end), start), seconds)
    return Word(start=start, end=end, text=aligned.word, probability=float(aligned.probability))
