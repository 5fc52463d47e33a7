"""Every threshold and engine choice of a run, with default, unit and reason. Loads TOML; unknown keys are an error."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analysis.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


DAY_S = 86_400.0
BEYOND = 10**300
"""Beyond every limit, and still a float: a file may hold whole numbers that are not."""
SHARE = (0.0, 1.0)
"""Of shares, probabilities, correlations and similarities."""
WEIGHT, LOG_ODDS, COUNT = (0.0, 10.0), (0.0, 20.0), (1, 1_000)

LIMITS: Mapping[str, tuple[float, float]] = {
    "max_s": (1.0, DAY_S),
    "short_s": (0.0, 3600.0),
    "short_share": SHARE,
    "threshold": SHARE,
    "release": SHARE,
    "loud_threshold": SHARE,
    "loud_release": SHARE,
    "loud_db": (-120.0, 120.0),
    "min_speech_s": (0.0, 30.0),
    "min_silence_s": (0.0, 30.0),
    "pad_s": (0.0, 10.0),
    "bleed_db": (0.0, 120.0),
    "bleed_correlation": SHARE,
    "bleed_delay_s": (0.0, 10.0),
    "window_s": (0.4, 30.0),
    "hop_s": (0.05, 30.0),
    "max_windows": (10, 10_000),
    "identical_correlation": SHARE,
    "same_voice_similarity": SHARE,
    "third_voice_similarity": SHARE,
    "third_voice_fit": SHARE,
    "min_windows": (4, 10_000),
    "min_voice_s": (0.0, DAY_S),
    "threads": (0, 1_024),
    "batch": (1, 256),
    "beam": (1, 20),
    "join_gap_s": (0.0, 10.0),
    "utterance_gap_s": (0.0, 30.0),
    "utterance_max_s": (1.0, 30.0),
    "min_word_confidence": SHARE,
    "min_passed_over_s": (0.0, 30.0),
    "max_no_speech": SHARE,
    "min_no_speech_confidence": SHARE,
    "max_compression": (0.0, 1_000.0),
    "min_repeating_wps": (0.0, 100.0),
    "max_repeating_wps": (0.0, 100.0),
    "min_repeating_confidence": SHARE,
    "min_confidence": SHARE,
    "baseline_prior_s": (0.1, DAY_S),
    "baseline_max_frustration": SHARE,
    "long_silence_s": (0.1, DAY_S),
    "min_snr_db": (-120.0, 120.0),
    "max_overlap_share": SHARE,
    "min_loudness_db": (-120.0, 0.0),
    "anger_prior": (0.0, 0.99),
    "lowest": (-100_000.0, 100_000.0),
    "highest": (-100_000.0, 100_000.0),
    "arousal_weight": (-100.0, 100.0),
    "dominance_weight": (-100.0, 100.0),
    "valence_weight": (-100.0, 100.0),
    "arousal_centre": SHARE,
    "dominance_centre": SHARE,
    "valence_centre": SHARE,
    "frustration": (-10.0, 10.0),
    "sentiment": (-10.0, 10.0),
    "frustration_prior": (0.001, 0.999),
    "prior": (-9.0, 9.0),
    "tone_weight": WEIGHT,
    "voice_limit": LOG_ODDS,
    "wording_weight": WEIGHT,
    "effort_weight": WEIGHT,
    "effort_half_life_s": (0.1, DAY_S),
    "measures_weight": WEIGHT,
    "context_weight": WEIGHT,
    "context_half_life_s": (0.1, DAY_S),
    "part_limit": LOG_ODDS,
    "calm_limit": LOG_ODDS,
    "min_asr_confidence": SHARE,
    "min_reliability": SHARE,
    "rise": SHARE,
    "hold": SHARE,
    "max_gap_s": (0.0, DAY_S),
    "min_utterances": COUNT,
    "min_peak": SHARE,
    "high_peak": SHARE,
    "clip_margin_s": (0.0, 600.0),
    "effort_signs": COUNT,
}
"""Least and most of every number, by key, which stands for the same in each section that has it; of a section of numbers, of each in it."""

_IN_WORDS: Mapping[type, str] = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    str: "text",
    tuple: "a list of texts",
    list: "a list",
    dict: "a section of numbers",
}
"""What a value of a type is called in the file, for someone who knows no Python."""


@dataclass(frozen=True, slots=True)
class DecodeConfig:
    max_s: float = 4.25 * 3600
    """Longest call, in seconds: 4 hours and some grace."""
    short_s: float = 1.0
    """A decode shorter than stated by more than max(short_s, short_share * stated) is an error."""
    short_share: float = 0.005


@dataclass(frozen=True, slots=True)
class SpeechConfig:
    threshold: float = 0.5
    """Silero's probability from which a hop is speech."""
    release: float = 0.35
    """Probability under which speech ends (Silero's hysteresis of 0.15)."""
    loud_threshold: float = 0.15
    """`threshold` of a hop that is as loud as the channel's speech so far: Silero doubts shouting (docs/models/speech.md)."""
    loud_release: float = 0.05
    """`release` of such a hop."""
    loud_db: float = -3.0
    """Level from which a hop is that loud, against the mean power of the channel's speech so far."""
    min_speech_s: float = 0.1
    min_silence_s: float = 0.3
    pad_s: float = 0.2
    bleed_db: float = 10.0
    """A span that copies the other channel and is this much weaker is bleed."""
    bleed_correlation: float = 0.6
    """Peak normalised cross-correlation from which a span counts as a copy."""
    bleed_delay_s: float = 0.5
    """Largest delay of a copy."""


@dataclass(frozen=True, slots=True)
class VoicesConfig:
    window_s: float = 1.2
    hop_s: float = 0.4
    """Seconds from window to window; 0.2 costs twice the time and finds no more (docs/models/voices.md)."""
    max_windows: int = 2000
    """Windows that are clustered; the rest is assigned to the centroids."""
    identical_correlation: float = 0.999
    """Two channels this alike are one mono recording."""
    same_voice_similarity: float = 0.82
    """Cosine between the mean embeddings of two clusters from which they are one speaker (docs/models/voices.md)."""
    third_voice_similarity: float = 0.84
    """Three clusters are three speakers when no two are this similar ..."""
    third_voice_fit: float = 0.94
    """... and their silhouette is at least this share of that of two clusters."""
    min_windows: int = 8
    """Windows of speech under which a mono call is not split (about 3 s)."""
    min_voice_s: float = 3.0
    """Least speech of a third voice; under it, it is an odd sound of one of the two."""


@dataclass(frozen=True, slots=True)
class TranscribeConfig:
    weights: str | None = None
    """A name (`base`, `tiny.en`, `small` ...) or a folder; None takes `base`, or `tiny.en` where only that is installed."""
    allow_download: bool = False
    """Whether weights that are not on this machine may be fetched from the hub."""
    device: str = "auto"
    compute_type: str = "auto"
    """`auto` is int8 on a CPU and float16 on CUDA."""
    threads: int = 0
    """CPU threads of one process; 0 leaves the choice to the runtime."""
    batch: int = 8
    beam: int = 1
    window_s: float = 30.0
    join_gap_s: float = 0.25
    """Silence put between two spans of one window."""
    utterance_gap_s: float = 0.7
    utterance_max_s: float = 15.0
    language: str | None = None
    """None detects it."""
    min_word_confidence: float = 0.25
    """Mean token probability under which a window's words are taken for invention."""
    min_passed_over_s: float = 1.0
    """A stretch of speech this long that got no word, beside others that did, is heard once more without them."""
    max_no_speech: float = 0.6
    """A window over this no-speech probability and under `min_no_speech_confidence` holds no words."""
    min_no_speech_confidence: float = 0.5
    max_compression: float = 2.4
    """zlib ratio of a window's text over which it is a loop (Whisper's own limit) ..."""
    min_repeating_wps: float = 1.5
    max_repeating_wps: float = 4.5
    """... unless it has as many words a second as people who say a sentence again and again (loops run far faster, or crawl) ..."""
    min_repeating_confidence: float = 0.6
    """... and the model is this sure of them."""


@dataclass(frozen=True, slots=True)
class RolesConfig:
    min_confidence: float = 0.8
    """Under this a voice stays unknown and is scored for nobody."""


@dataclass(frozen=True, slots=True)
class MeasuresConfig:
    baseline_prior_s: float = 15.0
    """Seconds of the speaker's own speech until which the baseline is shrunk to the population prior."""
    baseline_max_frustration: float = 0.5
    """Utterances scored over this are left out of the baseline."""
    long_silence_s: float = 8.0
    """Silence of both parties that counts as effort."""


@dataclass(frozen=True, slots=True)
class ToneConfig:
    min_speech_s: float = 0.8
    """A shorter utterance holds too few frames for a steady mean."""
    min_snr_db: float = 5.0
    max_overlap_share: float = 0.5
    min_loudness_db: float = -55.0
    accept_noncommercial: bool = False
    """Whether a head whose licence forbids commercial use may score."""


@dataclass(frozen=True, slots=True)
class LabelsConfig:
    """Which labels of a model stand for each of our classes, as in `neutral = ["neu", "calm"]`. Labels left out stand for none."""

    anger: tuple[str, ...] = ()
    sadness: tuple[str, ...] = ()
    fear: tuple[str, ...] = ()
    disgust: tuple[str, ...] = ()
    happiness: tuple[str, ...] = ()
    surprise: tuple[str, ...] = ()
    neutral: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AudioClassificationConfig:
    """For the tone engine `audio-classification` alone; what it says of the model is taken from the model's own card."""

    model: str = ""
    """A folder, or a name of the hub."""
    labels: LabelsConfig = field(default_factory=LabelsConfig)
    anger_prior: float = 0.0
    """Share of anger in what the model was trained on: what its probabilities are measured against."""
    licence: str = ""
    commercial_use: bool = False
    """Whether the licence allows it; see `tone.accept_noncommercial`."""
    allow_download: bool = False
    """Whether a model that is not on this machine may be fetched from the hub."""
    device: str = "auto"
    batch: int = 8
    """Utterances at once, where the model is told which of their samples are padding."""


@dataclass(frozen=True, slots=True)
class DimensionalConfig:
    """For the tone engine `dimensional` alone. Weights and centres make the declared proxy of anger; none of them is fitted to calls.

    The weights point to where Russell and Mehrabian (1977) found *angry* among pleasure, arousal and dominance; their size puts that point
    near 0.85 from a prior of 0.1.
    """

    model: str = ""
    """A folder, or a name of the hub."""
    outputs: tuple[str, ...] = ("arousal", "dominance", "valence")
    """What the outputs of the regression head are, in order."""
    lowest: float = 0.0
    """Ends of the scale that the head was trained on (MSP-Podcast's raw scale is 1 to 7)."""
    highest: float = 1.0
    arousal_weight: float = 7.0
    """Log-odds of anger from one end of the scale to the other."""
    dominance_weight: float = 3.0
    valence_weight: float = -6.0
    arousal_centre: float = 0.5
    """Where on the scale, brought to 0-1, a voice says nothing of anger."""
    dominance_centre: float = 0.5
    valence_centre: float = 0.5
    anger_prior: float = 0.1
    """P(anger) at the centre."""
    licence: str = ""
    commercial_use: bool = False
    allow_download: bool = False
    device: str = "auto"
    batch: int = 8


@dataclass(frozen=True, slots=True)
class WordingConfig:
    head: str = ""
    """Path of a head's files without their ending, trained by training/wording.py; empty takes the shipped one."""
    encoder: str = ""
    """Folder of the sentence encoder that `head` was trained on; empty takes all-MiniLM-L6-v2."""


@dataclass(frozen=True, slots=True)
class TextClassificationConfig:
    """For the wording engine `text-classification` alone; what it says of the model is taken from the model's own card."""

    model: str = ""
    """A folder, or a name of the hub."""
    frustration: Mapping[str, float] = field(default_factory=dict)
    """What each label's probability adds to P(frustrated), as in `{ negative = 0.8 }`."""
    sentiment: Mapping[str, float] = field(default_factory=dict)
    """What each label's probability adds to sentiment, as in `{ positive = 1.0, negative = -1.0 }`."""
    frustration_prior: float = 0.2
    """Mean P(frustrated) of the model on everyday calls: what its probabilities are measured against."""
    languages: tuple[str, ...] = ("en",)
    """Codes of the languages that the model knows; an utterance in another is not scored."""
    allow_download: bool = False
    """Whether a model that is not on this machine may be fetched from the hub."""
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class FuseConfig:
    """Weights of the log-odds parts; see docs/models/fusion.md for where each comes from."""

    calibration: str = "configured"
    """What prior and weights come from, for provenance; a refit to reviewers' verdicts gives its name."""
    prior: float = -2.2
    """Log-odds that a reviewer would call any customer utterance frustrated: one in ten."""
    tone_weight: float = 1.0
    voice_limit: float = 2.5
    """Most that tone and measures of one utterance may add together: both are the same voice, and from `prior` on no single raised voice
    reaches `segments.rise` without another reason."""
    wording_weight: float = 1.0
    effort_weight: float = 0.6
    effort_half_life_s: float = 90.0
    measures_weight: float = 0.5
    context_weight: float = 1.0
    context_half_life_s: float = 20.0
    part_limit: float = 3.0
    """No part may add more than this much log-odds."""
    calm_limit: float = 1.0
    """No part may take away more: a calm voice does not unsay an angry sentence."""
    min_asr_confidence: float = 0.35
    """Without a tone, words under this are too doubtful to score."""
    min_reliability: float = 0.35
    """Of the more reliable of tone and wording, 0-1; under it the utterance is not scored."""


@dataclass(frozen=True, slots=True)
class SegmentsConfig:
    rise: float = 0.6
    """Probability that opens a segment."""
    hold: float = 0.45
    """Probability that keeps it open."""
    release: float = 0.25
    """Probability under which it closes at once; two moments in a row under `hold` close it too."""
    max_gap_s: float = 20.0
    """Longest time between two customer moments of one segment."""
    min_utterances: int = 1


@dataclass(frozen=True, slots=True)
class FlagsConfig:
    min_peak: float = 0.6
    high_peak: float = 0.8
    """Peak from which severity is high."""
    clip_margin_s: float = 5.0
    effort_signs: int = 3
    """Signs of effort in one call that make a flag of their own."""


@dataclass(frozen=True, slots=True)
class EnginesConfig:
    decoders: tuple[str, ...] = ("pyav", "libsndfile")
    speech: str = "silero"
    diarizer: str = "ge2e"
    transcriber: str = "faster-whisper"
    pitch: str = "swift-f0"
    tone: str = "encoder-head"
    wording: str = "encoder-head"
    denoiser: str = "deepfilternet"
    """For listening copies only."""


@dataclass(frozen=True, slots=True)
class Config:
    engines: EnginesConfig = field(default_factory=EnginesConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)
    speech: SpeechConfig = field(default_factory=SpeechConfig)
    voices: VoicesConfig = field(default_factory=VoicesConfig)
    transcribe: TranscribeConfig = field(default_factory=TranscribeConfig)
    roles: RolesConfig = field(default_factory=RolesConfig)
    measures: MeasuresConfig = field(default_factory=MeasuresConfig)
    tone: ToneConfig = field(default_factory=ToneConfig)
    audio_classification: AudioClassificationConfig = field(default_factory=AudioClassificationConfig)
    dimensional: DimensionalConfig = field(default_factory=DimensionalConfig)
    wording: WordingConfig = field(default_factory=WordingConfig)
    text_classification: TextClassificationConfig = field(default_factory=TextClassificationConfig)
    fuse: FuseConfig = field(default_factory=FuseConfig)
    segments: SegmentsConfig = field(default_factory=SegmentsConfig)
    flags: FlagsConfig = field(default_factory=FlagsConfig)

    def digest(self) -> str:
        """`sha256:` of the configuration's canonical JSON."""
        return digest(dataclasses.asdict(self))


def digest(content: Any) -> str:
    """`sha256:` of the canonical JSON of what is configured or stated."""
    return "sha256:" + hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def load(path: Path, over: Config = Config()) -> Config:
    """Read a TOML file over the defaults, or over what else stands where the file is silent.

    Raises AnalysisError on a broken file, an unknown section or key, a wrong type, and a number out of `LIMITS`.
    """
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AnalysisError(f"{path}: not a readable TOML configuration ({error})", permanent=True) from error
    config: Config = _replaced(over, sections, str(path))
    return config


def _replaced(base: Any, values: dict[str, Any], where: str) -> Any:
    known = {item.name: getattr(base, item.name) for item in dataclasses.fields(base)}
    for key, value in values.items():
        if key not in known:
            raise AnalysisError(f"{where}: unknown key {key!r}; {_meant(key, list(known))}", permanent=True)
        if dataclasses.is_dataclass(known[key]):
            if not isinstance(value, dict):
                raise AnalysisError(f"{where}: {key} must be a section", permanent=True)
            known[key] = _replaced(known[key], value, f"{where} [{key}]")
        else:
            known[key] = _limited(key, _typed(known[key], value, f"{where}: {key}"), f"{where}: {key}")
    return type(base)(**known)


def _meant(key: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {nearest[0]!r}?" if nearest else f"known are {', '.join(known)}"


def _limited(key: str, value: Any, where: str) -> Any:
    if isinstance(value, dict):
        return {label: _limited(key, weight, f"{where}.{label}") for label, weight in value.items()}
    if type(value) in (int, float):
        least, most = LIMITS[key]
        if not least <= value <= most:
            raise AnalysisError(f"{where} must be a number from {least:g} to {most:g}, not {_shown(value)}", permanent=True)
    return value


def _shown(value: float) -> str:
    """With all its digits: rounded, it might read as the limit that it is beyond."""
    return str(value).removesuffix(".0")


def _typed(default: Any, value: Any, where: str) -> Any:
    """The value in the default's type; a default of None takes a string."""
    expected = str if default is None else type(default)
    if expected is tuple and isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    if expected is float and type(value) is int:
        return float(min(max(value, -BEYOND), BEYOND))
    if expected is dict and type(value) is dict:
        return {key: _typed(1.0, weight, f"{where}.{key}") for key, weight in value.items()}
    if type(value) is not expected:
        raise AnalysisError(f"{where} must be {_IN_WORDS[expected]}, not {_given(value, expected)}", permanent=True)
    return value


def _given(value: Any, expected: type) -> str:
    if type(value) is list and expected is tuple:
        return "a list of other things"
    if type(value) is float and expected is int:
        return str(value)
    return {int: "a number", dict: "a section"}.get(type(value), _IN_WORDS.get(type(value), "a date or time"))
