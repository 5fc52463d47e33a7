"""Names of files, as FreePBX and recorders of SIPREC give them: `in-4930123-030555-20240131-140500-1706706300.5.wav`.

A pattern is a regular expression whose named groups are fields of a call, and beside them `kind` (in, out, q …), `to` and `from` (numbers),
`date` and `time` (UTC), `epoch` (seconds since 1970). What else the name holds, as the customer's number, is not kept.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from callanalytics.api.adapters.values import NotTaken, known, text

if TYPE_CHECKING:
    from collections.abc import Mapping

FREEPBX = re.compile(
    r"(?P<kind>[a-z]+)-(?P<to>[^-]+)-(?P<from>[^-]+)-(?P<date>\d{8})-(?P<time>\d{6})-(?P<external_id>(?P<epoch>\d{9,11})\.\d+)(\.\w+)?"
)
"""kind-to-from-date-time-uniqueid; the unique id begins with the time at which the call came in."""
DIRECTIONS = {"in": "inbound", "q": "inbound", "rg": "inbound", "out": "outbound"}
AGENT = {"out": "from", "exten": "to"}
"""Where the name of each kind has the agent's extension."""
TAKEN = ("external_id", "agent", "queue", "direction", "language", "customer_reference", "started_at", "channels", "tags", "team")


def call_fields(payload: Mapping[str, Any]) -> dict[str, Any]:
    """From `{"url": "https://…/in-….wav"}`."""
    url = text(payload, "url")
    if not url:
        raise NotTaken("There is no url of a recording.")
    return {"url": url} | name_fields(PurePosixPath(url.partition("?")[0]).name)


def name_fields(name: str, pattern: re.Pattern[str] = FREEPBX) -> dict[str, Any]:
    """What the name of a file says of its call; nothing where it does not match."""
    match = pattern.fullmatch(name)
    if match is None:
        return {}
    said = {group: value for group, value in match.groupdict().items() if value}
    kind = said.get("kind", "")
    told = known(
        direction=DIRECTIONS.get(kind, ""),
        queue=said.get("to", "") if kind == "q" else "",
        agent=said.get(AGENT.get(kind, ""), ""),
        started_at=_start(said),
    )
    return told | {group: said[group] for group in TAKEN if group in said}


def _start(said: Mapping[str, str]) -> str:
    """By the clock of the unique id where there is one: that is in UTC, and the name's date is in whatever zone the exchange is."""
    try:
        if "epoch" in said:
            return datetime.fromtimestamp(int(said["epoch"]), UTC).isoformat()
        if "date" in said:
            return datetime.strptime(said["date"] + said.get("time", "000000"), "%Y%m%d%H%M%S").replace(tzinfo=UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        pass
    return ""
