"""Calls put together from acted speech: where the anger lies, what the file holds, and how a pipeline's answers are counted."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import soundfile

from analysis.config import Config
from analysis.values import SAMPLE_RATE, Party, Span
from tests.analysis import made as hand_made
from tests.audio import noise
from tests.training.made import made_up
from training import composites, ravdess, tone
from training.channel import LINE_RATE
from training.composites import Composite, Outcome, Turn
from training.corpus import Clip
from training.simulated import ANGRY_TURNS, CALM_LABELS, TURNS, mood_of

if TYPE_CHECKING:
    from pathlib import Path

    from analysis.ports import Engines
    from analysis.values import CallAnalysis, Flag, FloatArray, Moment

LABELS = ("neutral", "calm", "happy", "sad", "angry", "fear")


def clips_of(speaker: int, labels: tuple[str, ...] = LABELS) -> list[Clip]:
    return [Clip("ravdess", f"{speaker}-{label}.flac", f"ravdess:{speaker}", "f", "en", label, "", "") for label in labels]


def recorded(folder: Path, clips: list[Clip]) -> Path:
    """Every clip half a second of noise."""
    for number, clip in enumerate(clips):
        soundfile.write(folder / clip.path, noise(0.5, -20.0, seed=number), SAMPLE_RATE)
    return folder


@pytest.mark.parametrize("angry", [True, False])
def test_the_customers_clips_sound_as_the_course_says_and_the_agents_are_calm(angry: bool) -> None:
    turns = composites.plan(clips_of(1), clips_of(2), angry=angry, rng=np.random.default_rng(3))
    assert [turn.party for turn in turns] == [Party.AGENT, Party.CUSTOMER] * TURNS
    said = [mood_of(turn.clip.label) for turn in turns if turn.party is Party.CUSTOMER]
    assert said.count("angry") == (ANGRY_TURNS if angry else 0)
    assert {"calm", "mixed"} < set(said) | {"angry"}
    assert {turn.clip.speaker for turn in turns if turn.party is Party.CUSTOMER} == {"ravdess:1"}
    assert {turn.clip.speaker for turn in turns if turn.party is Party.AGENT} == {"ravdess:2"}


def written(folder: Path, turns: list[Turn]) -> tuple[tuple[Span, ...], FloatArray]:
    """Where the angry turns lie, and the samples, shape [n, 2]."""
    recorded(folder, [turn.clip for turn in turns])
    spans = composites.write_call(turns, folder, folder / "call.wav", np.random.default_rng(0))
    samples, rate = soundfile.read(folder / "call.wav", dtype="float32")
    assert rate == LINE_RATE == 8000
    return spans, samples


def level_db(samples: FloatArray, span: Span) -> FloatArray:
    """RMS of both channels, in dB."""
    inside = samples[round((span.start + 0.05) * LINE_RATE) : round((span.end - 0.05) * LINE_RATE)]
    return np.asarray(20 * np.log10(np.sqrt(np.square(inside).mean(axis=0)) + 1e-9), np.float32)


def test_angry_speech_lies_where_the_spans_say_on_the_customers_channel(tmp_path: Path) -> None:
    agent, customer = clips_of(2)[0], {clip.label: clip for clip in clips_of(1)}
    order = ["calm", "angry", "angry", "sad"]
    turns = [turn for label in order for turn in (Turn(agent, Party.AGENT), Turn(customer[label], Party.CUSTOMER))]
    spans, samples = written(tmp_path, turns)
    assert len(spans) == 2
    for span in spans:
        assert span.seconds == pytest.approx(0.5)
        before = Span(span.start - 0.25, span.start)
        left, right = level_db(samples, span) - level_db(samples, Span(0.0, 0.5))
        assert left < -10.0, "the agent spoke first and is silent now"
        assert right > 10.0, "the customer was silent first and speaks now"
        assert level_db(samples, before)[1] - level_db(samples, Span(0.0, 0.5))[1] < 5.0, "silence before the turn"
    least, most = composites.PAUSE_S
    assert 0.5 + 2 * least < spans[1].start - spans[0].end < 0.5 + 2 * most


def test_the_file_is_a_telephone_recording_with_a_line_for_each_party(tmp_path: Path) -> None:
    turns = [Turn(clips_of(2)[0], Party.AGENT), Turn(clips_of(1)[4], Party.CUSTOMER)]
    _, samples = written(tmp_path, turns)
    info = soundfile.info(tmp_path / "call.wav")
    assert (info.format, info.subtype, info.samplerate, info.channels) == ("WAV", "ULAW", 8000, 2)
    assert np.sqrt(np.square(samples).mean(axis=0)).max() < 10 ** (-15 / 20)
    left, right = samples.T
    assert abs(np.mean(left * right)) < 0.1 * left.std() * right.std()


def test_every_speaker_calls_once_calmly_and_once_angrily(tmp_path: Path) -> None:
    fold = SimpleNamespace(held=SimpleNamespace(rows=SimpleNamespace(clips=(*clips_of(1), *clips_of(2), *clips_of(1)))))
    recorded(tmp_path, [*clips_of(1), *clips_of(2)])
    calls = composites.build(cast(Any, fold), tmp_path, tmp_path, 0)
    assert [call.file.name for call in calls] == [f"ravdess-{speaker}-{kind}.wav" for speaker in (1, 2) for kind in ("calm", "angry")]
    for calm, angry in zip(calls[::2], calls[1::2], strict=True):
        assert calm.speaker == angry.speaker
        assert (calm.angry, calm.angry_turns) == (None, ())
        assert len(angry.angry_turns) == ANGRY_TURNS
        assert angry.angry == Span(angry.angry_turns[0].start, angry.angry_turns[-1].end)
        assert soundfile.info(angry.file).duration > angry.angry.end


def test_calls_are_made_of_the_held_out_speakers_of_the_corpus_and_agents_never_call_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[tuple[set[str], set[str], set[str]]] = []
    plan = composites.plan

    def watched(customer: list[Clip], agent: list[Clip], *, angry: bool, rng: np.random.Generator) -> list[Turn]:
        planned.append(({clip.speaker for clip in customer}, {clip.speaker for clip in agent}, {clip.label for clip in agent}))
        return plan(customer, agent, angry=angry, rng=rng)

    monkeypatch.setattr(composites, "plan", watched)
    others = [replace(clip, corpus="nemo", speaker="nemo:1") for clip in clips_of(9)]
    held = [*clips_of(1), *clips_of(2), *clips_of(3)]
    recorded(tmp_path, held)
    fold = SimpleNamespace(held=SimpleNamespace(rows=SimpleNamespace(clips=(*held, *others))))
    assert len(composites.build(cast(Any, fold), tmp_path, tmp_path, 0)) == 6
    everyone = {clip.speaker for clip in held}
    for customer, agents, labels in planned:
        assert len(customer) == 1
        assert agents == everyone - customer
        assert labels == {"neutral", "calm"} <= set(CALM_LABELS)


def angered(anger: float, start: float, end: float) -> Moment:
    moment = hand_made.customer_moment(1, start, end, "I have called four times", 0.5)
    assert moment.tone is not None
    return replace(moment, tone=replace(moment.tone, anger=anger))


def outcome(tmp_path: Path, angry: tuple[Span, ...], moments: tuple[Moment, ...] = (), flags: tuple[Flag, ...] = ()) -> Outcome:
    whole = Span(angry[0].start, angry[-1].end) if angry else None
    call = Composite(tmp_path / "call.wav", "ravdess:1", whole, angry)
    return Outcome(call, replace(hand_made.analysis(moments=moments or None), flags=flags))


def test_a_stretch_is_flagged_where_a_flag_touches_it_and_a_calm_call_by_any_flag(tmp_path: Path) -> None:
    stretch = (Span(10.0, 12.0), Span(14.0, 16.0))
    early, within, between, touching = (hand_made.flag(*at) for at in ((2.0, 9.0), (11.0, 11.5), (12.5, 13.5), (8.0, 10.0)))
    assert not outcome(tmp_path, stretch).flagged
    assert not outcome(tmp_path, stretch, flags=(early,)).flagged
    assert not outcome(tmp_path, stretch, flags=(touching,)).flagged
    assert outcome(tmp_path, stretch, flags=(early, within)).flagged
    assert outcome(tmp_path, stretch, flags=(between,)).flagged
    assert not outcome(tmp_path, ()).flagged
    assert outcome(tmp_path, (), flags=(early,)).flagged


def test_an_utterance_is_angry_where_most_of_it_is_angry_speech(tmp_path: Path) -> None:
    stretch = (Span(10.0, 11.0), Span(13.0, 14.0))
    moments = (angered(0.1, 5.0, 8.0), angered(0.7, 9.9, 11.1), angered(0.6, 10.0, 14.0), angered(0.5, 9.5, 13.9), angered(0.3, 8.5, 10.5))
    agent_and_short = (hand_made.analysis().moments[0], hand_made.analysis().moments[2])
    found = outcome(tmp_path, stretch, (*agent_and_short, *moments)).moments()
    assert found == [(False, 0.1), (True, 0.7), (False, 0.6), (False, 0.5), (False, 0.3)]


def test_numbers_count_calls_and_rank_utterances(tmp_path: Path) -> None:
    stretch = (Span(10.0, 14.0),)
    hit = outcome(tmp_path, stretch, (angered(0.9, 10.0, 12.0), angered(0.4, 1.0, 3.0)), (hand_made.flag(10.5, 12.0),))
    missed = outcome(tmp_path, stretch, (angered(0.3, 11.0, 13.0),))
    calm, alarmed = outcome(tmp_path, (), (angered(0.2, 1.0, 3.0),)), outcome(tmp_path, (), (angered(0.1, 1.0, 3.0),), (hand_made.flag(),))
    assert composites.numbers([hit, missed, calm, alarmed, calm]) == {
        "utterances": 6.0,
        "angry_share": pytest.approx(2 / 6),
        "utterance_ap": pytest.approx((1 + 2 / 3) / 2),
        "utterance_auc": pytest.approx(7 / 8),
        "angry_stretches": 2.0,
        "flagged_stretches": 1.0,
        "calm_calls": 3.0,
        "calm_calls_flagged": 1.0,
    }


def test_the_pipeline_runs_with_the_folds_own_calibrated_head(engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but the pass over the recordings, which other tests make."""
    asked: list[Any] = []

    def analyze(file: Path, **given: Any) -> CallAnalysis:
        asked.append(given)
        return hand_made.analysis(str(file))

    monkeypatch.setattr(composites, "analyze", analyze)
    data = made_up(corpora={"ravdess": ravdess.LABELS})
    head = replace(tone.train(data, penalty=0.03), temperature=1.7, least_confidence=0.3)
    call = Composite(tmp_path / "call.wav", "ravdess:1", None, ())
    found = composites.run(head, data.rows, [call], engines, tmp_path, Config())
    ((alone,), (shipped,)) = found["tone alone"], found["as shipped"]
    assert shipped == Outcome(call, hand_made.analysis(str(call.file)))
    assert alone.call is call
    assert len(asked) == 1, "heard once, fused twice"
    for moment, before in zip(alone.analysis.moments, shipped.analysis.moments, strict=True):
        assert (moment.utterance, moment.tone) == (before.utterance, before.tone)
        parts = None if moment.frustration is None else moment.frustration.contributions
        assert parts is None or (parts.wording, parts.effort, parts.measures) == (0.0, 0.0, 0.0)
    own = asked[0]["engines"]
    assert own.transcriber is engines.transcriber
    assert own.tone is not engines.tone
    assert own.tone.encoder == "whisper-base"
    assert (own.tone._head.card.temperature, own.tone._head.card.least_confidence) == (1.7, 0.3)
    np.testing.assert_allclose(own.tone._head.tensors["weight"], head.rows.weight, rtol=1e-5)
    assert asked[0]["options"].parties.channels == (Party.AGENT, Party.CUSTOMER)
