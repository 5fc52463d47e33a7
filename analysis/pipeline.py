"""The way of a recording, on one screen: the ordered steps from a file to a CallAnalysis."""

from __future__ import annotations

import dataclasses
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import __version__
from analysis.steps import decode, effort, flags, fuse, measures, roles, segments, speech, tone, transcribe, voices, wording
from analysis.values import CallAnalysis, GivenParties, Provenance, Scoring, ScoringMode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from analysis.config import Config
    from analysis.ports import Engines, Progress
    from analysis.values import Recording

STEP_SHARES: Mapping[str, float] = {
    "decode": 0.03,
    "speech": 0.07,
    "voices": 0.05,
    "transcribe": 0.70,
    "roles": 0.01,
    "measures": 0.10,
    "wording": 0.02,
    "tone": 0.01,
    "flags": 0.01,
}
"""Rough share of the run that each step takes, for the progress bar; measured by bench/pipeline.py."""


def share_done(step: str, fraction: float) -> float:
    """How much of the whole run is done, 0-1, when `fraction` of a step is."""
    names = list(STEP_SHARES)
    before = sum(STEP_SHARES[name] for name in names[: names.index(step)])
    return min(1.0, before + STEP_SHARES[step] * fraction)


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What is known of a call before it is analysed."""

    parties: GivenParties = field(default_factory=GivenParties)
    scoring: Scoring = field(default=Scoring(ScoringMode.FULL, None))
    language: str | None = None


def _ignore(step: str, fraction: float) -> None:
    """The default listener."""


class _Clock:
    """Times the steps and tells the listener where the run is."""

    def __init__(self, progress: Progress) -> None:
        self.timings: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def step(self, name: str) -> Iterator[Progress]:
        started = time.perf_counter()
        self._progress(name, 0.0)
        yield self._progress
        self._progress(name, 1.0)
        self.timings[name] = round(time.perf_counter() - started, 3)


def analyze(
    file: Path, *, engines: Engines, config: Config, options: CallOptions = CallOptions(), progress: Progress = _ignore
) -> CallAnalysis:
    """Analyse one file. Raises AnalysisError where it cannot be read, or its language not be written down."""
    refuse_language(file.name, engines, config, options)
    clock = _Clock(progress)
    with clock.step("decode"):
        opened = decode.open_recording(file, engines.decoders, config.decode)
    with opened as recording:
        return _analyzed(recording, engines=engines, config=config, options=options, clock=clock)


def analyze_recording(
    recording: Recording, *, engines: Engines, config: Config, options: CallOptions = CallOptions(), progress: Progress = _ignore
) -> CallAnalysis:
    """Analyse a recording that is already decoded, for callers that need its samples too."""
    refuse_language(Path(recording.file).name, engines, config, options)
    return _analyzed(recording, engines=engines, config=config, options=options, clock=_Clock(progress))


def refuse_language(file_name: str, engines: Engines, config: Config, options: CallOptions) -> None:
    """Raises a permanent AnalysisError where the transcriber does not know the language that is given.

    Asked before any work is done, also by callers that decode first: an hour takes minutes to decode, find the speech of and tell apart.
    """
    transcribe.refuse_language(file_name, options.language or config.transcribe.language, engines.transcriber)


def _analyzed(recording: Recording, *, engines: Engines, config: Config, options: CallOptions, clock: _Clock) -> CallAnalysis:
    mode = options.scoring.mode
    refused = tone.refusal(engines.tone, engines.transcriber.encoder, config.tone, options.scoring)
    with clock.step("speech") as progress:
        spoken = speech.detect(recording, engines.speech, config.speech, progress)
    with clock.step("voices"):
        split = voices.split(recording, spoken, engines.diarizer, config.voices)
    with clock.step("transcribe") as progress:
        transcript = transcribe.transcribe(
            recording,
            split.voices,
            engines.transcriber,
            config.transcribe,
            language=options.language,
            pooled=refused is None and engines.tone is not None and engines.tone.encoder is not None,
            progress=progress,
        )
    with clock.step("roles"):
        cast = roles.assign(split, transcript, given=options.parties, config=config.roles)
    with clock.step("measures") as progress:
        plain = (
            {}
            if mode is ScoringMode.NONE
            else measures.measure(recording, split.voices, utterances=transcript.utterances, pitch=engines.pitch, progress=progress)
        )
        overall = measures.overall(recording, split.voices, cast=cast)
        signs = () if mode is ScoringMode.NONE else effort.find(transcript, cast, voices=split.voices, config=config.measures)
    with clock.step("wording"):
        worded = wording.score(cast, transcript, model=engines.wording, scoring=options.scoring)
    with clock.step("tone"):
        toned = tone.score(
            cast,
            plain,
            recording=recording,
            voices=split.voices,
            model=engines.tone,
            encoder=engines.transcriber.encoder,
            config=config.tone,
            scoring=options.scoring,
        )
    with clock.step("flags"):
        parts = fuse.Parts(plain, toned, worded, signs, fuse.Priors.of(engines))
        moments = fuse.moments(transcript.utterances, cast, parts=parts, scoring=options.scoring, config=config)
        stretches = segments.find(moments, config.segments)
        raised = flags.find(moments, stretches, signs=signs, begun=flags.start(options.scoring, config, recording.seconds))
    return CallAnalysis(
        recording=recording,
        snr_db=speech.snr_db(spoken),
        language=transcript.language,
        scoring=options.scoring,
        notes=(*recording.notes, *spoken.notes, *split.notes, *transcript.notes, *cast.notes),
        voices=split.voices,
        roles=cast.roles,
        moments=moments,
        measures=overall,
        effort=signs,
        segments=stretches,
        flags=raised,
        provenance=_provenance(engines, config),
        timings=clock.timings,
    )


def _provenance(engines: Engines, config: Config) -> Provenance:
    named = {
        "speech": engines.speech.name,
        "diarizer": engines.diarizer.name,
        "asr": engines.transcriber.name,
        "pitch": engines.pitch.name,
        "wording": engines.wording.name,
    }
    licences = {}
    if engines.tone is not None:
        named["tone"] = engines.tone.name
        licences["tone"] = engines.tone.licence
    return Provenance(code=__version__, engines=named, config=config.digest(), licences=licences, fuse=dataclasses.asdict(config.fuse))
