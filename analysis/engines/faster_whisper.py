"""Whisper on CTranslate2: the encoder runs once per window, and its output feeds the decoder, the word times and the tone model.

Where the tone model listens, the encoder runs in torch, which also gives its middle layers; CTranslate2 decodes what it made.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens, merge_punctuations

from analysis import resolver
from analysis.errors import AnalysisError
from analysis.loops import could_be_said, repeats
from analysis.ports import WindowTranscript
from analysis.values import SAMPLE_RATE, Word
from analysis.whisper_encoder import TorchWhisperEncoder, log_mels, torch_device

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from analysis.config import Config, TranscribeConfig
    from analysis.values import FloatArray

_FRAME = 320
"""Samples of one encoder frame: a hop of 160, then a convolution of stride 2."""
_MEL_HOP = 160
_MAX_TOKENS = 224
"""Longest text of one window, half of the decoder's context (as in OpenAI's decoder). CTranslate2 halves the `max_length` it is given."""
_RETRY_BEAM = 5
_RETRY_NGRAM = 4
"""A window whose text runs in a loop is decoded once more under a ban on repeated 4-grams: deterministic, where sampling is not."""
_MAX_HOLE_S = 2.0
"""Over clean reading the longest word or gap of a window is 1.5 s; where a phrase was left out it is 2.8 s and more (bench/asr.py)."""
_MAX_MEDIAN_S = 0.7
_PREPENDED = "\"'“¿([{-"
_APPENDED = "\"'.。,，!！?？:：”)]}、"
_SENTENCE_ENDS = ".。!！?？"


class FasterWhisperTranscriber:
    """A CTranslate2 Whisper; int8 on a CPU, float16 on CUDA unless the configuration says otherwise."""

    frame_rate = SAMPLE_RATE / _FRAME

    def __init__(self, config: Config) -> None:
        self._config = config.transcribe
        weights = self._config.weights or resolver.default_name()
        folder = resolver.locate_whisper(weights, allow_download=self._config.allow_download)
        digest = resolver.digest(folder / "model.bin")
        label = resolver.whisper_name(weights, digest)
        compute_type = _compute_type(self._config)
        self._model = _load(folder, self._config, compute_type)
        self._on_cpu = self._model.model.device == "cpu"
        self._folder = folder
        self._layered: TorchWhisperEncoder | None = None
        self._heard: dict[int, tuple[FloatArray, _Heard]] = {}
        self.languages = _languages(self._model)
        self.encoder = f"whisper-{label}"
        self.name = f"faster-whisper/{label}/{compute_type}@sha256:{digest}"

    def language(self, windows: Sequence[FloatArray], *, frames: bool) -> tuple[str, float]:
        """The language with the highest mean probability over the windows; English for weights that know nothing else."""
        if not self._model.model.is_multilingual or not windows:
            return "en", 1.0
        encoded = self._encode(windows, [frames] * len(windows))
        self._heard = {id(window): (window, heard) for window, heard in zip(windows, encoded, strict=True)}
        return _likeliest(self._model.model.detect_language(_view([heard.last for heard in encoded])))

    def transcribe(self, windows: Sequence[FloatArray], *, language: str, frames: Sequence[bool]) -> list[WindowTranscript]:
        """Transcribe windows of at most 30 s. Words keep the space before them, so that joining their texts gives the window's text."""
        if not windows:
            return []
        tokenizer = self._tokenizer(language)
        encoded = self._encode(windows, frames)
        generated = self._generate([heard.last for heard in encoded], tokenizer, [len(window) / SAMPLE_RATE for window in windows])
        return [
            self._transcript(tokenizer, heard, found, seconds=len(window) / SAMPLE_RATE)
            for window, heard, found in zip(windows, encoded, generated, strict=True)
        ]

    def _tokenizer(self, language: str) -> Tokenizer:
        return Tokenizer(self._model.hf_tokenizer, self._model.model.is_multilingual, task="transcribe", language=language)

    def _encode(self, windows: Sequence[FloatArray], frames: Sequence[bool]) -> list[_Heard]:
        """Encoder output per window. On a CPU one by one: as fast, less memory, and no window can touch another's bits."""
        heard: dict[int, _Heard] = {}
        for index, (window, keep) in enumerate(zip(windows, frames, strict=True)):
            known = self._heard.pop(id(window), None)
            if known is not None:
                heard[index] = known[1]
            elif keep:
                heard[index] = self._encode_in_layers(window)
        plain = [index for index in range(len(windows)) if index not in heard]
        size = 1 if self._on_cpu else self._config.batch
        for first in range(0, len(plain), size):
            group = plain[first : first + size]
            encoded = self._encode_batch([windows[index] for index in group])
            heard.update({index: _Heard(last, None) for index, last in zip(group, encoded, strict=True)})
        return [heard[index] for index in range(len(windows))]

    def _encode_in_layers(self, window: FloatArray) -> _Heard:
        if self._layered is None:
            self._layered = TorchWhisperEncoder(self._folder, device=torch_device(self._model.model.device))
        encoded = self._layered.encode(self._mels([window]))
        return _Heard(encoded.last[0], encoded.middle[0])

    def _encode_batch(self, windows: Sequence[FloatArray]) -> FloatArray:
        return np.asarray(self._model.model.encode(ctranslate2.StorageView.from_array(self._mels(windows)), to_cpu=True))

    def _mels(self, windows: Sequence[FloatArray]) -> FloatArray:
        return log_mels(self._model.feature_extractor, windows)

    def _generate(self, encoded: Sequence[FloatArray], tokenizer: Tokenizer, seconds: Sequence[float]) -> list[_Generated]:
        """Text tokens and no-speech probability per window; a window that came out as a loop is decoded once more."""
        found = self._decode(encoded, tokenizer, beam_size=self._config.beam)
        for index, (tokens, _) in enumerate(found):
            text = tokenizer.decode(tokens)
            if repeats(text, self._config) and not could_be_said(text, seconds[index], self._config):
                retry = self._decode([encoded[index]], tokenizer, beam_size=_RETRY_BEAM, no_repeat_ngram_size=_RETRY_NGRAM)
                found[index] = retry[0]
        return found

    def _decode(self, encoded: Sequence[FloatArray], tokenizer: Tokenizer, **options: int) -> list[_Generated]:
        prompt = self._model.get_prompt(tokenizer, [], without_timestamps=True)
        results = self._model.model.generate(
            _view(encoded),
            [prompt] * len(encoded),
            max_length=2 * _MAX_TOKENS,
            suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
            return_no_speech_prob=True,
            **options,
        )
        return [([token for token in result.sequences_ids[0] if token < tokenizer.eot], result.no_speech_prob) for result in results]

    def _transcript(self, tokenizer: Tokenizer, heard: _Heard, found: _Generated, *, seconds: float) -> WindowTranscript:
        tokens, no_speech = found
        aligned = self._without_holes(tokenizer, heard.last, tokens, seconds)
        confidence = _confidence(aligned)
        _shorten_at_sentence_ends(aligned)
        merge_punctuations(aligned, _PREPENDED, _APPENDED)
        words = tuple(_word(word, seconds) for word in aligned if word["word"].strip())
        frames = None if heard.middle is None else heard.middle[: int(np.ceil(seconds * self.frame_rate))]
        return WindowTranscript(words=words, confidence=confidence, no_speech=float(no_speech), frames=frames)

    def _without_holes(self, tokenizer: Tokenizer, heard: FloatArray, tokens: list[int], seconds: float) -> list[dict[str, Any]]:
        """The words with their times. A window holds little but speech, so a long hole is a phrase that was run past: search wider."""
        aligned = self._aligned(tokenizer, heard, tokens, seconds)
        if self._config.beam >= _RETRY_BEAM or _longest_hole(aligned, seconds) <= _MAX_HOLE_S:
            return aligned
        again = self._decode([heard], tokenizer, beam_size=_RETRY_BEAM)[0][0]
        return min(aligned, self._aligned(tokenizer, heard, again, seconds), key=lambda words: _longest_hole(words, seconds))

    def _aligned(self, tokenizer: Tokenizer, heard: FloatArray, tokens: list[int], seconds: float) -> list[dict[str, Any]]:
        mel_frames = min(int(np.ceil(seconds * SAMPLE_RATE / _MEL_HOP)), heard.shape[0] * 2)
        found: list[list[dict[str, Any]]] = (
            self._model.find_alignment(tokenizer, [tokens], _view([heard]), [mel_frames]) if tokens else [[]]
        )
        return found[0]


_Generated = tuple[list[int], float]


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the encoder made of one window."""

    last: FloatArray
    """What the decoder reads, shape [1500, d]."""
    middle: FloatArray | None
    """What the tone model hears, shape [1500, 2 d]; None where nobody asked for it."""


def _compute_type(config: TranscribeConfig) -> str:
    if config.compute_type != "auto":
        return config.compute_type
    return "float16" if _device(config) == "cuda" else "int8"


def _device(config: TranscribeConfig) -> str:
    if config.device != "auto":
        return config.device
    return "cuda" if ctranslate2.get_cuda_device_count() > 0 else "cpu"


def _load(folder: Path, config: TranscribeConfig, compute_type: str) -> WhisperModel:
    if not (folder / "tokenizer.json").is_file():
        raise AnalysisError(f"{folder}: tokenizer.json is missing; copy it from the model's repository", permanent=False)
    device = _device(config)
    try:
        model = WhisperModel(str(folder), device=device, compute_type=compute_type, cpu_threads=config.threads, local_files_only=True)
    except (RuntimeError, ValueError) as error:
        raise AnalysisError(f"{folder}: cannot be loaded as Whisper weights on {device} ({error})", permanent=False) from error
    if model.feature_extractor.mel_filters.shape[0] != model.model.n_mels:
        model.feature_extractor = FeatureExtractor(feature_size=model.model.n_mels)
    return model


def _languages(model: WhisperModel) -> frozenset[str]:
    """Those that these weights have a token for: the library's list is that of the newest Whisper, which knows more than older ones."""
    return frozenset(code for code in model.supported_languages if model.hf_tokenizer.token_to_id(f"<|{code}|>") is not None)


def _view(encoded: Sequence[FloatArray]) -> Any:
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(np.stack(encoded)))


def _likeliest(detected: Sequence[Sequence[tuple[str, float]]]) -> tuple[str, float]:
    """The language of the highest mean probability; tokens look like `<|en|>`."""
    total: dict[str, float] = {}
    for window in detected:
        for token, probability in window:
            total[token[2:-2]] = total.get(token[2:-2], 0.0) + probability / len(detected)
    language = max(sorted(total), key=lambda code: total[code])
    return language, float(total[language])


def _longest_hole(aligned: Sequence[dict[str, Any]], seconds: float) -> float:
    """The longest time that one word takes, or that lies before, between or after words."""
    borders = [0.0, *(float(time) for word in aligned for time in (word["start"], word["end"])), seconds]
    return max(after - before for before, after in itertools.pairwise(borders))


def _confidence(aligned: Sequence[dict[str, Any]]) -> float:
    """Mean probability over the text tokens; 0 where there are none."""
    tokens = sum(len(word["tokens"]) for word in aligned)
    return float(sum(word["probability"] * len(word["tokens"]) for word in aligned) / tokens) if tokens else 0.0


def _shorten_at_sentence_ends(aligned: list[dict[str, Any]]) -> None:
    """Alignment lets the word at a sentence's border swallow the pause: hold it to twice the median word, as OpenAI's Whisper does."""
    lengths = [word["end"] - word["start"] for word in aligned if word["end"] > word["start"]]
    longest = 2 * min(_MAX_MEDIAN_S, float(np.median(lengths))) if lengths else 0.0
    for previous, word in itertools.pairwise(aligned):
        if word["end"] - word["start"] <= longest:
            continue
        if word["word"] in _SENTENCE_ENDS:
            word["end"] = word["start"] + longest
        elif previous["word"] in _SENTENCE_ENDS:
            word["start"] = word["end"] - longest


def _word(aligned: dict[str, Any], seconds: float) -> Word:
    start = min(float(aligned["start"]), seconds)
    end = min(max(float(aligned["end"]), start), seconds)
    return Word(start=start, end=end, text=str(aligned["word"]), probability=float(aligned["probability"]))
