"""Tone: for the confirmed customer only, with a reason where it abstains; and the head that scores it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pytest

from analysis.config import Config, ToneConfig
from analysis.engines.tone_head import EncoderHeadToneModel
from analysis.errors import AnalysisError
from analysis.heads import load_head, save_head
from analysis.steps import tone
from analysis.values import (
    EMOTIONS,
    SAMPLE_RATE,
    Abstention,
    Cast,
    CustomerVoice,
    PlainMeasures,
    PooledFrames,
    Recording,
    Scoring,
    ScoringMode,
    Span,
    Tone,
    Utterance,
    Voice,
)
from tests.analysis.made import AGENT, CUSTOMER, tone_card, tone_tensors

if TYPE_CHECKING:
    from analysis.values import FloatArray, UtteranceAudio

ENCODER = "whisper-test"
WIDTH = 6
FULL = Scoring(ScoringMode.FULL, None)
CLEAR = PlainMeasures(-25.0, 200.0, 3.0, 0.0, 0.0, 30.0)
CALM = Tone(0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.88, 0.2)
UNHEARD = Recording("call.wav", Path("not-there"), 100.0, 2, SAMPLE_RATE, "pcm", "0" * 64)
VOICES = (Voice(0, 0, (Span(0.0, 5.0),)), Voice(1, 1, (Span(10.0, 100.0),)))


class ScriptedTone:
    """Scores everything calm and remembers what it was given."""

    name, licence, anger_prior = "scripted", "CC0", 0.2

    def __init__(self, *, commercial_use: bool = True, encoder: str | None = ENCODER) -> None:
        self.commercial_use, self.encoder = commercial_use, encoder
        self.given: list[CustomerVoice] = []

    def score(self, voice: CustomerVoice, audio: UtteranceAudio) -> list[Tone]:
        self.given.append(voice)
        return [CALM for _ in voice.utterances]


def pooled(value: float) -> PooledFrames:
    return PooledFrames(np.full(WIDTH // 2, value, np.float32), np.ones(WIDTH // 2, np.float32), 100)


def utterance(number: int, seconds: float = 3.0, *, voice: int = 1, frames: PooledFrames | None = pooled(0.0)) -> Utterance:
    return Utterance(number, voice, number * 10.0, number * 10.0 + seconds, "some words", "en", 0.8, (), frames)


def cast(*said: Utterance) -> Cast:
    return Cast((AGENT, CUSTOMER), CustomerVoice(CUSTOMER, 0.8, said))


def score(
    who: Cast,
    plain: dict[int, PlainMeasures],
    model: ScriptedTone | None,
    *,
    config: ToneConfig = ToneConfig(),
    scoring: Scoring = FULL,
) -> dict[int, Tone | Abstention]:
    return tone.score(who, plain, recording=UNHEARD, voices=VOICES, model=model, encoder=ENCODER, config=config, scoring=scoring)


def unheard(_: Utterance) -> NoReturn:
    raise AssertionError("the audio was read")


def test_a_clear_utterance_of_the_customer_is_scored() -> None:
    model = ScriptedTone()
    assert score(cast(utterance(1)), {1: CLEAR}, model) == {1: CALM}
    assert [each.id for each in model.given[0].utterances] == [1]


@pytest.mark.parametrize(
    ("said", "plain", "reason"),
    [
        (utterance(1, 0.5), CLEAR, Abstention.TOO_SHORT),
        (utterance(1, frames=None), CLEAR, Abstention.TOO_SHORT),
        (utterance(1), replace(CLEAR, loudness_db=-60.0), Abstention.TOO_QUIET),
        (utterance(1), replace(CLEAR, loudness_db=None), Abstention.TOO_QUIET),
        (utterance(1), replace(CLEAR, overlap_s=2.0), Abstention.OVERLAP),
        (utterance(1), replace(CLEAR, snr_db=2.0), Abstention.TOO_NOISY),
    ],
)
def test_unfit_speech_abstains_with_its_reason_and_never_reaches_the_model(
    said: Utterance, plain: PlainMeasures, reason: Abstention
) -> None:
    model = ScriptedTone()
    assert score(cast(said), {1: plain}, model) == {1: reason}
    assert model.given == []


def test_unfit_utterances_leave_the_others_scored() -> None:
    said = [utterance(1), utterance(2, 0.3), utterance(3)]
    assert score(cast(*said), dict.fromkeys((1, 2, 3), CLEAR), ScriptedTone()) == {1: CALM, 2: Abstention.TOO_SHORT, 3: CALM}


def test_unknown_noise_is_no_reason_to_abstain() -> None:
    assert score(cast(utterance(1)), {1: replace(CLEAR, snr_db=None)}, ScriptedTone()) == {1: CALM}


@pytest.mark.parametrize("mode", [ScoringMode.WORDS, ScoringMode.MEASURES, ScoringMode.NONE])
def test_a_call_that_may_not_be_scored_for_tone_is_not(mode: ScoringMode) -> None:
    model = ScriptedTone()
    assert score(cast(utterance(1)), {1: CLEAR}, model, scoring=Scoring(mode, "objected")) == {1: Abstention.SCORING_OFF}
    assert model.given == []


def test_a_noncommercial_head_needs_to_be_accepted() -> None:
    model = ScriptedTone(commercial_use=False)
    assert score(cast(utterance(1)), {1: CLEAR}, model) == {1: Abstention.WEIGHTS_LICENCE}
    assert model.given == []
    assert score(cast(utterance(1)), {1: CLEAR}, model, config=ToneConfig(accept_noncommercial=True)) == {1: CALM}


@pytest.mark.parametrize("model", [None, ScriptedTone(encoder="whisper-other")])
def test_no_head_for_this_encoder_abstains(model: ScriptedTone | None) -> None:
    assert score(cast(utterance(1)), {1: CLEAR}, model) == {1: Abstention.ENCODER_UNSUPPORTED}


def test_a_model_that_hears_the_audio_itself_needs_no_frames_and_fits_every_encoder() -> None:
    assert score(cast(utterance(1, frames=None)), {1: CLEAR}, ScriptedTone(encoder=None)) == {1: CALM}


def test_without_a_confirmed_customer_nothing_is_scored() -> None:
    model = ScriptedTone()
    assert score(Cast((AGENT,), None), {1: CLEAR}, model) == {}
    assert model.given == []


def tensors(rows: int = len(EMOTIONS)) -> dict[str, FloatArray]:
    return tone_tensors(WIDTH, rows=rows)


def description(**changes: object) -> dict[str, object]:
    return tone_card(ENCODER, **changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_head(f"tone-{ENCODER}", tensors(), description(), tmp_path)
    return tmp_path


def test_the_head_does_the_arithmetic_that_its_file_states(folder: Path) -> None:
    model, parts = EncoderHeadToneModel(Config(), ENCODER, folder), tensors()
    said = utterance(1, frames=pooled(1.5))
    scaled = (np.array([1.5] * 3 + [1.0] * 3) - 0.5) / 2.0
    logits = (parts["weight"].astype(float) @ scaled + parts["bias"]) / 2.0
    expected = np.exp(logits) / np.exp(logits).sum()
    (found,) = model.score(CustomerVoice(CUSTOMER, 0.8, (said,)), unheard)
    assert isinstance(found, Tone)
    assert [getattr(found, name) for name in EMOTIONS] == pytest.approx(expected.tolist(), abs=2e-4)
    assert found.arousal == pytest.approx(1 / (1 + np.exp(-parts["arousal_weight"].astype(float) @ scaled)), abs=1e-4)


def test_a_head_that_is_not_sure_enough_does_not_answer_and_still_hears_the_caller(tmp_path: Path, folder: Path) -> None:
    """What is doubted of one utterance leaves the next as it would have been."""
    said = tuple(utterance(number, frames=pooled(level)) for number, level in ((1, 1.5), (2, 0.8), (3, 2.5)))
    voice = CustomerVoice(CUSTOMER, 0.8, said)
    every = EncoderHeadToneModel(Config(), ENCODER, folder).score(voice, unheard)
    sure = [max(getattr(tone, name) for name in EMOTIONS) for tone in every]
    assert len(set(sure)) == 3
    own = tmp_path / "unsure"
    own.mkdir()
    save_head(f"tone-{ENCODER}", tensors(), description(least_confidence=sorted(sure)[1]), own)
    found = EncoderHeadToneModel(Config(), ENCODER, own).score(voice, unheard)
    assert found == [tone if level > min(sure) else Abstention.NO_EVIDENCE for tone, level in zip(every, sure, strict=True)]


def test_classes_sum_to_one_after_rounding_whatever_their_order_in_the_file(tmp_path: Path) -> None:
    shuffled = list(reversed(EMOTIONS))
    save_head(f"tone-{ENCODER}", tensors(), description(classes=shuffled), tmp_path)
    save_head("tone-plain", tensors(), description(), tmp_path)
    voices = [CustomerVoice(CUSTOMER, 0.8, (utterance(each, frames=pooled(each / 7)),)) for each in range(20)]
    models = EncoderHeadToneModel(Config(), ENCODER, tmp_path), EncoderHeadToneModel(Config(), "plain", tmp_path)
    for voice in voices:
        (left,), (right,) = (model.score(voice, unheard) for model in models)
        assert isinstance(left, Tone)
        assert isinstance(right, Tone)
        assert sum(getattr(left, name) for name in EMOTIONS) == pytest.approx(1.0, abs=1e-9)
        assert left.anger == pytest.approx(right.neutral, abs=2e-4)


def test_the_head_hears_each_utterance_against_the_callers_earlier_ones(folder: Path) -> None:
    """What was said alone, what was said first, and what was said after other things."""
    model = EncoderHeadToneModel(Config(), ENCODER, folder)
    said = [utterance(number, seconds, frames=pooled(value)) for number, seconds, value in ((1, 9.0, 3.0), (2, 2.0, 0.5), (3, 6.0, 3.0))]
    alone = [model.score(CustomerVoice(CUSTOMER, 0.8, (each,)), unheard)[0] for each in said]
    followed = model.score(CustomerVoice(CUSTOMER, 0.8, tuple(said)), unheard)
    assert followed[0] == alone[0]
    assert followed[1] != alone[1]
    assert followed[2] != alone[2] == alone[0]
    logits, _ = load_head(f"tone-{ENCODER}", folder).follow(
        np.array([[value] * 3 + [1.0] * 3 for value in (3.0, 0.5, 3.0)], np.float32), np.array([9.0, 2.0, 6.0])
    )
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for tone_of, row in zip(followed, shares.tolist(), strict=True):
        assert [getattr(tone_of, name) for name in EMOTIONS] == pytest.approx(row, abs=2e-4)


def refusing(limit: float = 2.0) -> dict[str, FloatArray]:
    """Music is where the first feature is loud; novel is what is far out along the second and third."""
    return {
        **tensors(),
        "music_weight": np.eye(WIDTH, dtype=np.float32)[0],
        "music_bias": np.full(1, -10.0, np.float32),
        "novelty_axes": np.diag(np.array([0, 1, 0.5, 0, 0, 0], np.float16))[1:3],
        "novelty_limit": np.full(1, limit, np.float32),
    }


def frames_at(*standardised: float) -> PooledFrames:
    """What the made head reads as the given features."""
    features = np.array(standardised, np.float32) * 2.0 + 0.5
    return PooledFrames(features[: WIDTH // 2], features[WIDTH // 2 :], 100)


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        ((10.5, 0, 0, 0, 0, 0), Abstention.MUSIC),
        ((10.5, 9, 0, 0, 0, 0), Abstention.MUSIC),
        ((9.5, 0, 0, 0, 0, 0), None),
        ((0, 2.1, 0, 0, 0, 0), Abstention.OUT_OF_DISTRIBUTION),
        ((0, -1.9, 0, 0, 0, 0), None),
        ((0, 0, 4.1, 0, 0, 0), Abstention.OUT_OF_DISTRIBUTION),
        ((0, 0, -3.9, 0, 0, 0), None),
        ((0, 1.5, 3, 0, 0, 0), Abstention.OUT_OF_DISTRIBUTION),
        ((0, 0, 0, 99, 0, 0), None),
    ],
)
def test_music_and_what_is_unlike_all_training_gets_its_reason(
    tmp_path: Path, features: tuple[float, ...], reason: Abstention | None
) -> None:
    """The mean over the axes of (feature / deviation)²: over 2 it is novel."""
    save_head(f"tone-{ENCODER}", refusing(), description(), tmp_path)
    (found,) = EncoderHeadToneModel(Config(), ENCODER, tmp_path).score(
        CustomerVoice(CUSTOMER, 0.8, (utterance(1, frames=frames_at(*features)),)), unheard
    )
    assert found == reason if reason else isinstance(found, Tone)


def test_what_is_refused_does_not_count_for_the_caller_so_far(tmp_path: Path) -> None:
    save_head(f"tone-{ENCODER}", refusing(), description(), tmp_path)
    model = EncoderHeadToneModel(Config(), ENCODER, tmp_path)
    music, strange, first, second = (
        utterance(number, 9.0, frames=frames_at(*features, 0, 0, 0, 0))
        for number, features in enumerate([(20.0, 0.0), (0.0, 5.0), (1.0, 1.0), (2.0, -1.0)])
    )
    plain = model.score(CustomerVoice(CUSTOMER, 0.8, (first, second)), unheard)
    found = model.score(CustomerVoice(CUSTOMER, 0.8, (music, first, strange, second)), unheard)
    assert found == [Abstention.MUSIC, plain[0], Abstention.OUT_OF_DISTRIBUTION, plain[1]]
    assert model.score(CustomerVoice(CUSTOMER, 0.8, (music,)), unheard) == [Abstention.MUSIC]


@pytest.mark.parametrize("kept", ["music", "novelty", "neither"])
def test_a_head_without_a_reasons_tensors_never_gives_it(tmp_path: Path, kept: str) -> None:
    parts = {key: value for key, value in refusing().items() if key in tensors() or key.startswith(kept)}
    save_head(f"tone-{ENCODER}", parts, description(), tmp_path)
    said = tuple(
        utterance(number, frames=frames) for number, frames in enumerate([frames_at(99, 0, 0, 0, 0, 0), frames_at(0, 99, 0, 0, 0, 0)])
    )
    found = EncoderHeadToneModel(Config(), ENCODER, tmp_path).score(CustomerVoice(CUSTOMER, 0.8, said), unheard)
    reasons = [each if isinstance(each, Abstention) else None for each in found]
    assert (
        reasons
        == {
            "music": [Abstention.MUSIC, None],
            "novelty": [None, Abstention.OUT_OF_DISTRIBUTION],
            "neither": [None, None],
        }[kept]
    )


def test_the_models_own_refusal_reaches_the_outcome(tmp_path: Path) -> None:
    save_head(f"tone-{ENCODER}", {**refusing(), "bias": np.zeros(len(EMOTIONS), np.float32)}, description(commercial_use=True), tmp_path)
    model = EncoderHeadToneModel(Config(), ENCODER, tmp_path)
    who = cast(utterance(1, frames=frames_at(20, 0, 0, 0, 0, 0)), utterance(2), utterance(3, 0.3))
    outcome = tone.score(
        who,
        dict.fromkeys((1, 2, 3), CLEAR),
        recording=UNHEARD,
        voices=VOICES,
        model=model,
        encoder=ENCODER,
        config=ToneConfig(),
        scoring=FULL,
    )
    assert (outcome[1], outcome[3]) == (Abstention.MUSIC, Abstention.TOO_SHORT)
    assert isinstance(outcome[2], Tone)


def test_the_head_tells_its_licence_encoder_and_digest(folder: Path) -> None:
    model = EncoderHeadToneModel(Config(), ENCODER, folder)
    assert (model.encoder, model.licence, model.commercial_use) == (ENCODER, "CC-BY-NC-SA-4.0", False)
    assert model.name == load_head(f"tone-{ENCODER}", folder).provenance


def test_an_utterance_without_frames_is_refused_by_the_head(folder: Path) -> None:
    model = EncoderHeadToneModel(Config(), ENCODER, folder)
    with pytest.raises(ValueError, match="no encoder frames"):
        model.score(CustomerVoice(CUSTOMER, 0.8, (utterance(1, frames=None),)), unheard)
    assert model.score(CustomerVoice(CUSTOMER, 0.8, ()), unheard) == []


def test_tensors_that_are_not_the_cards_are_refused_with_both_digests(folder: Path) -> None:
    stated = json.loads((folder / f"tone-{ENCODER}.json").read_text())["digest"]
    save_head("other", {**tensors(), "bias": np.zeros(len(EMOTIONS), np.float32)}, description(), folder)
    (folder / "other.safetensors").replace(folder / f"tone-{ENCODER}.safetensors")
    found = json.loads((folder / "other.json").read_text())["digest"]
    with pytest.raises(AnalysisError) as refused:
        EncoderHeadToneModel(Config(), ENCODER, folder)
    assert stated in refused.value.message
    assert found in refused.value.message


@pytest.mark.parametrize(
    ("parts", "card", "says"),
    [
        (tensors(rows=3), description(), "do not fit"),
        ({**tensors(), "feature_std": np.ones(WIDTH + 1, np.float32)}, description(), "do not fit"),
        ({key: value for key, value in tensors().items() if key != "bias"}, description(), "do not fit"),
        ({key: value for key, value in tensors().items() if key != "arousal_bias"}, description(), "arousal tensors do not fit"),
        ({**tensors(), "arousal_weight": np.ones(WIDTH + 1, np.float32)}, description(), "arousal tensors do not fit"),
        (
            {key: value for key, value in tensors().items() if "arousal" not in key},
            description(),
            "a tone head has the classes .* and arousal",
        ),
        (tensors(), description(classes=["rage", *EMOTIONS[1:]]), "a tone head has the classes anger, "),
        (tensors(rows=2), description(classes=list(EMOTIONS[:2])), "a tone head has the classes anger, "),
        ({**refusing(), "music_weight": np.ones(WIDTH + 1, np.float32)}, description(), "music tensors do not fit"),
        ({**refusing(), "novelty_axes": np.ones((2, WIDTH + 1), np.float16)}, description(), "novelty tensors do not fit"),
        ({key: value for key, value in refusing().items() if key != "novelty_limit"}, description(), "novelty tensors do not fit"),
        (tensors(), {key: value for key, value in description().items() if key != "license"}, "license"),
    ],
)
def test_a_head_that_does_not_fit_itself_is_refused(
    tmp_path: Path, parts: dict[str, FloatArray], card: dict[str, object], says: str
) -> None:
    save_head(f"tone-{ENCODER}", parts, card, tmp_path)
    with pytest.raises(AnalysisError, match=says):
        EncoderHeadToneModel(Config(), ENCODER, tmp_path)


def test_a_missing_head_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="training/"):
        EncoderHeadToneModel(Config(), "whisper-none", tmp_path)
