"""What the pages call things: the library's plain words for what an analysis names, and our own for every other code of the rows."""

from __future__ import annotations

from analysis import words
from analysis.words import timecode as timecode

STEPS = {"fetch": "Fetching the recording", **words.STEPS, "store": "Storing the result", "playback": "Making the playback copy"}

STATUS = {"queued": "Waiting", "running": "Being analysed", "done": "Done", "failed": "Failed"}

FLAG_STATUS = {"open": "To be judged", "confirmed": "Confirmed", "rejected": "Rejected", "unsure": "Can’t tell", "retracted": "Withdrawn"}

ANSWERS = {"confirm": "Frustrated", "reject": "Not frustrated", "unsure": "Can’t tell"}
EFFORT_ANSWERS = {"confirm": "Too much effort", "reject": "Not too much effort", "unsure": "Can’t tell"}

NOTICE = {"unknown": "not known", "given": "the caller was told", "not_given": "the caller was not told"}

DELIVERY_STATUS = {
    "waiting": "Waiting",
    "sending": "Being sent",
    "delivered": "Delivered",
    "failed": "Given up",
    "dropped": "Not sent",
}

TABLES = {
    **words.TABLES,
    "step": STEPS,
    "status": STATUS,
    "flag_status": FLAG_STATUS,
    "answer": ANSWERS,
    "effort_answer": EFFORT_ANSWERS,
    "notice": NOTICE,
    "delivery_status": DELIVERY_STATUS,
}


def plain(code: str, table: str) -> str:
    """The words for a code; a code that is not in the table reads as itself, without underscores."""
    return words.plain(code, table, TABLES)


def spoken_duration(seconds: float | None) -> str:
    """`45 s`, `12 min 5 s`, `1 h 2 min`."""
    if seconds is None:
        return "–"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minute} min"
    return f"{minute} min {second} s" if minute else f"{second} s"


def rough_duration(seconds: float) -> str:
    """For what one glances at: `under 1 min`, `12 min`, `2 h 5 min`, `3 days`."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return "under 1 min"
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} days"


def waited(seconds: float) -> str:
    """A time that somebody waited: to the second only where seconds matter."""
    return spoken_duration(seconds) if seconds < 600 else rough_duration(seconds)
