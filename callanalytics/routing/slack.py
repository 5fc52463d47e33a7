"""What a Slack-compatible incoming webhook is sent: blocks for Slack, and the same as text for what knows no blocks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from callanalytics.routing.telling import told

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from callanalytics.events.models import Event
    from callanalytics.routing.models import Endpoint
    from callanalytics.routing.telling import Told

SHORT, HEADER, FIELD, FIELDS = 3000, 150, 2000, 10
"""Longest text, header and field, and most fields of a section, of Slack's Block Kit."""
MARKS = {"high": ":red_circle: ", "medium": ":large_orange_circle: "}


def slack(endpoint: Endpoint, event: Event, link: str, _now: datetime) -> tuple[str, bytes, dict[str, str]]:
    about = told(event, link)
    return endpoint.address, json.dumps({"text": _text(about)[:SHORT], "blocks": _blocks(about)}, ensure_ascii=False).encode(), {}


def _text(about: Told) -> str:
    lines = [f"{MARKS.get(about.severity, '')}*<{about.link}|{escaped(about.headline)}>*"]
    return "\n".join([*lines, *(f"{escaped(label)}: {escaped(said)}" for label, said in about.facts)])


def _blocks(about: Told) -> Sequence[dict[str, Any]]:
    fields = [{"type": "mrkdwn", "text": f"*{escaped(label)}*\n{escaped(said)}"[:FIELD]} for label, said in about.facts[:FIELDS]]
    headline = {"type": "plain_text", "text": f"{MARKS.get(about.severity, '')}{about.headline}"[:HEADER], "emoji": True}
    found = f"<{about.link}|Open in callanalytics> · {about.at:%-d %b %Y, %H:%M} UTC"
    return [
        {"type": "header", "text": headline},
        *([{"type": "section", "fields": fields}] if fields else []),
        {"type": "context", "elements": [{"type": "mrkdwn", "text": found}]},
    ]


def escaped(text: str) -> str:
    """Slack's three control characters, so that nobody is mentioned and nothing is linked by what an id holds."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
