"""What the pages call things: plain words for every code that the analysis and the rows use."""

from __future__ import annotations

ABSTAINED = {
    "too_short": "too little speech",
    "too_quiet": "too quiet",
    "too_noisy": "too noisy",
    "overlap": "both were speaking",
    "role_unsure": "not sure who is speaking",
    "language_unsupported": "language not supported",
    "low_asr_confidence": "words hard to make out",
    "weights_licence": "tone model switched off (licence)",
    "encoder_unsupported": "tone model does not fit this Whisper size",
    "scoring_off": "scoring is off for this call",
    "no_evidence": "not enough evidence",
}

RULES = {
    "high_frustration": "High frustration",
    "high_effort": "High customer effort",
    "effort": "High customer effort",
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
    "store": "Storing the result",
    "playback": "Making the playback copy",
}

STATUS = {"queued": "Waiting", "running": "Being analysed", "done": "Done", "failed": "Failed"}

FLAG_STATUS = {"open": "To be judged", "confirmed": "Confirmed", "rejected": "Rejected", "unsure": "Can’t tell", "retracted": "Withdrawn"}

ANSWERS = {"confirm": "Frustrated", "reject": "Not frustrated", "unsure": "Can’t tell"}

SCORING = {"full": "Voice and words", "words": "Words only", "measures": "Measures only", "none": "Transcript only"}

PARTIES = {"agent": "Agent", "customer": "Customer", "unknown": "Not known"}

ROLE_SOURCES = {
    "manual": "set by a person",
    "metadata": "given with the call",
    "dialogue": "worked out from what was said",
    "none": "not known",
}

NOTICE = {"unknown": "not known", "given": "the caller was told", "not_given": "the caller was not told"}

TABLES = {
    "abstained": ABSTAINED,
    "rule": RULES,
    "effort": EFFORT,
    "part": PARTS,
    "step": STEPS,
    "status": STATUS,
    "flag_status": FLAG_STATUS,
    "answer": ANSWERS,
    "scoring": SCORING,
    "party": PARTIES,
    "role_source": ROLE_SOURCES,
    "notice": NOTICE,
}


def plain(code: str, table: str) -> str:
    """The words for a code; a code that is not in the table reads as itself, without underscores."""
    return TABLES[table].get(code) or code.replace("_", " ")


def timecode(seconds: float | None) -> str:
    """`1:05`, `1:02:05`; a dash where there is no time."""
    if seconds is None:
        return "–"
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def spoken_duration(seconds: float | None) -> str:
    """`45 s`, `12 min 5 s`, `1 h 2 min`."""
    if seconds is None:
        return "–"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minute} min"
    return f"{minute} min {second} s" if minute else f"{second} s"
