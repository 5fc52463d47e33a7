"""Telephone calls put together from acted speech: agent left, customer right, half of them with an angry stretch. A simulation.

Customers are speakers that the head was not trained on. The words say nothing (RAVDESS has two sentences): tone alone is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from analysis.engines.tone_head import EncoderHeadToneModel
from analysis.heads import save_head
from analysis.pipeline import CallOptions, analyze
from analysis.steps.fuse import Priors
from analysis.values import SAMPLE_RATE, GivenParties, Party, Span
from training.channel import LINE_RATE, draw_telephone, heard
from training.corpus import read_clip
from training.metrics import auc, average_precision
from training.simulated import course, flagged, fused, heard_again, mood_of, tone_alone
from training.tone import description, tensors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from analysis.config import Config
    from analysis.ports import Engines
    from analysis.values import CallAnalysis, FloatArray
    from training.corpus import Clip
    from training.tone import Fold, ToneHead
    from training.tone_data import Rows

CORPUS = "ravdess"
SEEDS = 2
"""How often every held-out speaker calls calmly and angrily."""
PAUSE_S = (0.3, 1.2)


@dataclass(frozen=True, slots=True)
class Turn:
    clip: Clip
    party: Party


@dataclass(frozen=True, slots=True)
class Composite:
    """A call as it was put together."""

    file: Path
    speaker: str
    angry: Span | None
    """From the first angry turn's start to the last one's end, in seconds."""
    angry_turns: tuple[Span, ...]


def plan(customer: Sequence[Clip], agent: Sequence[Clip], *, angry: bool, rng: np.random.Generator) -> list[Turn]:
    """The turns of one call in order, agent first."""
    turns: list[Turn] = []
    for mood in course(angry=angry, rng=rng):
        turns.append(Turn(_drawn(agent, rng), Party.AGENT))
        turns.append(Turn(_drawn([clip for clip in customer if mood_of(clip.label) == mood], rng), Party.CUSTOMER))
    return turns


def _drawn(pool: Sequence[Clip], rng: np.random.Generator) -> Clip:
    return pool[int(rng.integers(len(pool)))]


def write_call(turns: Sequence[Turn], clips: Path, file: Path, rng: np.random.Generator) -> tuple[Span, ...]:
    """Write a stereo G.711 recording, each party over a line of its own; gives where the angry turns lie."""
    parts: dict[Party, list[FloatArray]] = {Party.AGENT: [], Party.CUSTOMER: []}
    at = 0
    angry = []
    for turn in turns:
        samples = read_clip(clips / turn.clip.path)
        if turn.clip.label == "angry":
            angry.append(Span(at / SAMPLE_RATE, (at + len(samples)) / SAMPLE_RATE))
        silence = np.zeros(len(samples), np.float32)
        pause = np.zeros(round(rng.uniform(*PAUSE_S) * SAMPLE_RATE), np.float32)
        for party, heard_there in parts.items():
            heard_there += [samples if party is turn.party else silence, pause]
        at += len(samples) + len(pause)
    lines = [heard(np.concatenate(parts[party]), replace(draw_telephone(rng), codec=None), rng) for party in (Party.AGENT, Party.CUSTOMER)]
    stereo = np.stack([soxr.resample(line, SAMPLE_RATE, LINE_RATE) for line in lines], axis=1)
    soundfile.write(file, stereo, LINE_RATE, format="WAV", subtype="ULAW")
    return tuple(angry)


def build(fold: Fold, clips: Path, folder: Path, seed: int) -> list[Composite]:
    """Two calls of every RAVDESS speaker whom the fold's head was not trained on."""
    own: dict[str, list[Clip]] = {}
    for clip in dict.fromkeys(fold.held.rows.clips):
        if clip.corpus == CORPUS:
            own.setdefault(clip.speaker, []).append(clip)
    made = []
    for number, speaker in enumerate(sorted(own)):
        agent = [clip for other, theirs in sorted(own.items()) if other != speaker for clip in theirs if mood_of(clip.label) == "calm"]
        for angry in (False, True):
            rng = np.random.default_rng([seed, number, int(angry)])
            file = folder / f"{speaker.replace(':', '-')}-{'angry' if angry else 'calm'}.wav"
            turns = write_call(plan(own[speaker], agent, angry=angry, rng=rng), clips, file, rng)
            made.append(Composite(file, speaker, Span(turns[0].start, turns[-1].end) if turns else None, turns))
    return made


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the pipeline made of one composite call."""

    call: Composite
    analysis: CallAnalysis

    @property
    def flagged(self) -> bool:
        """Whether the angry stretch is flagged, or in a calm call whether anything is."""
        flags = [flag.span for flag in self.analysis.flags]
        return bool(flags) if self.call.angry is None else any(flag.overlap(self.call.angry) > 0 for flag in flags)

    def moments(self) -> list[tuple[bool, float]]:
        """Whether each scored customer utterance is mostly angry speech, and P(anger) of its tone."""
        found = []
        for moment in self.analysis.moments:
            if moment.tone is not None:
                span = moment.utterance.span
                angry_s = sum(span.overlap(turn) for turn in self.call.angry_turns)
                found.append((angry_s > span.seconds / 2, moment.tone.anger))
        return found


def run(
    head: ToneHead, trained: Rows, calls: Sequence[Composite], engines: Engines, folder: Path, config: Config
) -> dict[str, list[Outcome]]:
    """The whole pipeline over the calls, with this head in place of the shipped one; as configured, and with nothing but tone scored."""
    save_head("tone-whisper-base", tensors(head), description("base", head, trained, metrics={}), folder)
    own = replace(engines, tone=EncoderHeadToneModel(config, "whisper-base", folder))
    options = CallOptions(parties=GivenParties(channels=(Party.AGENT, Party.CUSTOMER)))
    shipped = [Outcome(call, analyze(call.file, engines=own, config=config, options=options)) for call in calls]
    alone, priors = tone_alone(config), Priors.of(own)
    return {"tone alone": [_fused_anew(outcome, alone, priors) for outcome in shipped], "as shipped": shipped}


def _fused_anew(outcome: Outcome, config: Config, priors: Priors) -> Outcome:
    moments = fused(map(heard_again, outcome.analysis.moments), priors, config)
    return Outcome(outcome.call, replace(outcome.analysis, moments=moments, flags=flagged(moments, config)))


def numbers(outcomes: Sequence[Outcome]) -> dict[str, float]:
    scored = [moment for outcome in outcomes for moment in outcome.moments()]
    angry, scores = np.array([each for each, _ in scored]), np.array([score for _, score in scored])
    stretches = [outcome.flagged for outcome in outcomes if outcome.call.angry is not None]
    calm = [outcome.flagged for outcome in outcomes if outcome.call.angry is None]
    return {
        "utterances": float(len(scored)),
        "angry_share": float(angry.mean()),
        "utterance_ap": average_precision(angry, scores),
        "utterance_auc": auc(angry, scores),
        "angry_stretches": float(len(stretches)),
        "flagged_stretches": float(sum(stretches)),
        "calm_calls": float(len(calm)),
        "calm_calls_flagged": float(sum(calm)),
    }
