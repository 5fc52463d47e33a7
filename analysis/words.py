"""What people read instead of codes: plain words for everything that an analysis names, for the report and for the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ABSTAINED = {
    "too_short": "too little speech",
    "too_quiet": "too quiet",
    "too_noisy": "too noisy",
    "overlap": "both were speaking",
    "music": "music or noise, not speech",
    "out_of_distribution": "unlike any speech the tone model knows",
    "role_unsure": "not sure who is speaking",
    "language_unsupported": "language not supported",
    "low_asr_confidence": "words hard to make out",
    "weights_licence": "tone model switched off (licence)",
    "encoder_unsupported": "no tone model is installed",
    "scoring_off": "scoring is off for this call",
    "no_evidence": "not enough evidence",
}

NOTABLE_DISAGREEMENT = 0.35
"""Voice and words this far apart are worth showing; smaller differences are within the two models' own error."""

RULES = {"high_frustration": "High frustration", "high_effort": "High customer effort"}

THRESHOLDS = {
    "rise": "stretch opens at",
    "hold": "stays open from",
    "min_peak": "least peak",
    "high_peak": "severity high from a peak of",
    "effort_signs": "signs of effort needed",
}

EFFORT = {
    "repeat": "Repeats themselves",
    "told_before": "“I already told you”",
    "hold": "Put on hold",
    "transfer": "Transferred",
    "asks_for_human": "Asks for a human or a manager",
    "long_silence": "Long silence",
}

PARTS = {
    "tone": "Tone of voice",
    "wording": "Wording",
    "effort": "Effort",
    "measures": "Change in loudness, pitch, pace",
    "context": "What came just before",
    "prior": "Starting point",
}

STEPS = {
    "decode": "Reading the recording",
    "speech": "Finding speech",
    "voices": "Telling the voices apart",
    "transcribe": "Writing down what was said",
    "roles": "Working out who is who",
    "measures": "Measuring loudness, pitch and pace",
    "tone": "Scoring the customer’s tone",
    "wording": "Scoring the wording",
    "flags": "Looking for frustration",
}

ENGINES = {
    "speech": "Finds speech",
    "diarizer": "Tells voices apart",
    "asr": "Writes down the words",
    "pitch": "Measures pitch",
    "wording": "Scores the wording",
    "tone": "Scores the tone",
}

SCORING = {"full": "Voice and words", "words": "Words only", "measures": "Measures only", "none": "Transcript only"}

PARTIES = {"agent": "Agent", "customer": "Customer", "unknown": "Not known"}

ROLE_SOURCES = {
    "manual": "set by a person",
    "metadata": "given with the call",
    "dialogue": "worked out from what was said",
    "none": "not known",
}

TABLES: Mapping[str, Mapping[str, str]] = {
    "abstained": ABSTAINED,
    "rule": RULES,
    "threshold": THRESHOLDS,
    "effort": EFFORT,
    "part": PARTS,
    "step": STEPS,
    "engine": ENGINES,
    "scoring": SCORING,
    "party": PARTIES,
    "role_source": ROLE_SOURCES,
}


def plain(code: str, table: str, tables: Mapping[str, Mapping[str, str]] = TABLES) -> str:
    """The words for a code; a code that is not in the table reads as itself, without underscores."""
    return tables[table].get(code) or code.replace("_", " ")


def disagreement(value: float | None) -> str:
    """What a moment's disagreement says where it is notable; empty where voice and words agree, or one of them is not scored."""
    if value is None or abs(value) < NOTABLE_DISAGREEMENT:
        return ""
    return "voice angrier than the words" if value > 0 else "words harder than the voice"


def timecode(seconds: float | None) -> str:
    """`1:05`, `1:02:05`; a dash where there is no time."""
    if seconds is None:
        return "–"
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
