"""What people read instead of codes: plain words for everything that an analysis names, for the report and for the dashboard."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

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

TONE_ABSTAINED = {
    **ABSTAINED,
    "scoring_off": "tone is off for this call",
    "no_evidence": "the tone model was not sure enough",
}
"""Why tone alone gave no answer: frustration may still be scored by the words."""

NOTABLE_DISAGREEMENT = 0.35
"""Voice and words this far apart are worth showing; smaller differences are within the two models' own error."""

NOTABLE_FRUSTRATION = 0.3
"""An estimate below it matters little, whatever voice and words say on their own."""

NOT_KNOWN = "not known"

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
    "told_before": "Says they have said or done this before",
    "hold": "Asked to wait, or on hold",
    "transfer": "Handed on, or about to be",
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
    "tone_abstained": TONE_ABSTAINED,
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


def sentence(text: str) -> str:
    """With a capital at its start and a stop at its end."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def tone_withheld(reasons: Iterable[str | None]) -> str:
    """Why tone gave no answer in a whole call, most frequent reason first; empty where it gave one, or was asked for none.

    `reasons` holds an entry for each of the customer's utterances: a code, or nothing where its tone is scored.
    """
    found = Counter(reasons)
    if not found or None in found or "" in found:
        return ""
    return ", ".join(dict.fromkeys(plain(str(code), "tone_abstained") for code, _ in found.most_common()))


def tone_reason_is_own(tone: str | None, score: str | None) -> bool:
    """Whether why tone gave no answer says something that why the score is withheld does not: `no_evidence` of each is another matter."""
    return bool(tone) and (tone != score or tone == "no_evidence")


def scored_by(mode: str, withheld: str) -> str:
    """What a call was scored by: `Voice and words`, or `Words; tone not scored: …` where tone was to be scored and gave no answer."""
    return f"Words; tone not scored: {withheld}" if mode == "full" and withheld else plain(mode, "scoring")


def by_party(values: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """What each party's number reads as, `known` being the parties of the voices: where one is of nobody known, a party without a voice
    may be that one."""
    return {party: NOT_KNOWN if "unknown" in known and party not in known else value for party, value in values.items()}


def disagreement(value: float | None, probability: float | None) -> str:
    """What a moment's disagreement says where it is notable and frustration is likely enough to matter; else empty."""
    if value is None or abs(value) < NOTABLE_DISAGREEMENT or probability is None or probability < NOTABLE_FRUSTRATION:
        return ""
    return "voice angrier than the words" if value > 0 else "words harder than the voice"


def measured(seconds: float) -> str:
    """A measured time, short ones to a tenth: `none`, `0.7 s`, `12 min 5 s`."""
    if seconds < 0.05:
        return "none"
    minutes, second = divmod(round(seconds), 60)
    return f"{minutes} min {second} s" if minutes else f"{seconds:.1f} s"


def timecode(seconds: float | None) -> str:
    """`1:05`, `1:02:05`; a dash where there is no time."""
    if seconds is None:
        return "–"
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
