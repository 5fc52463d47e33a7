"""Template tags and filters: icons, times, numbers, plain words, navigation."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import template
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import mark_safe

from callanalytics.review.selectors import coaching_unread_count
from callanalytics.routing.board import open_count
from callanalytics.routing.selectors import endpoints_given_up
from dashboard import words
from dashboard.doors import rights
from dashboard.presenting import CLIP_MARGIN_S

if TYPE_CHECKING:
    from django.template import Context
    from django.utils.safestring import SafeString

    from callanalytics.routing.models import Endpoint

register = template.Library()
TABS = (("Endpoints", "endpoint-list"), ("API keys", "key-list"), ("What leaves", "egress"))
"""Of the integrations."""
INTEGRATIONS = (
    "egress",
    "endpoint-kinds",
    "endpoint-new",
    "endpoint-detail",
    "endpoint-edit",
    "endpoint-secret",
    "delivery-detail",
    "key-list",
    "key-new",
)
"""Pages below that entry of the navigation."""
register.filter("timecode", words.timecode)
register.filter("duration", words.spoken_duration)
register.filter("plain", words.plain)
register.filter("waited", words.waited)


@dataclass(frozen=True, slots=True)
class Entry:
    label: str
    icon: str
    url: str
    current: bool
    count: int = 0
    name: str = ""


@register.simple_tag
def icon(name: str) -> SafeString:
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static("dashboard/icons.svg"), name)


@register.filter
def percent(share: float | None, digits: int = 0) -> str:
    """`0.62` as `62 %`; a dash where there is no number."""
    return "–" if share is None else f"{share * 100:.{digits}f}\N{NO-BREAK SPACE}%"


@register.filter
def breakable(name: str) -> SafeString:
    """A name that may go to the next line after a `_`, `-` or `.`, rather than within a word."""
    return mark_safe(re.sub(r"(?<=[_.-])(?=\w)", "<wbr>", conditional_escape(name)))


@register.filter
def signed(number: float | None, digits: int = 1) -> str:
    """`+3.1`, `−2.0`; a dash where there is no number."""
    return "–" if number is None else f"{number:+.{digits}f}".replace("-", "−")


@register.filter
def width(share: float | None) -> str:
    """A share as a percentage for an SVG attribute, which knows no locale."""
    return f"{min(max(share or 0.0, 0.0), 1.0) * 100:.1f}"


@register.filter
def unlocalize_s(seconds: float) -> str:
    """Seconds for a data attribute, which knows no locale."""
    return f"{seconds:.2f}"


@register.simple_tag(takes_context=True)
def navigation(context: Context) -> list[Entry]:
    """The pages that the user may open, in order."""
    request = context.get("request")
    if request is None or not request.user.is_authenticated:
        return []
    access = rights(request)
    unread = coaching_unread_count(user=request.user) if access.agent_id else 0
    waiting = open_count(user=request.user) if access.is_reader else 0
    shown: list[tuple[bool, str, str, str, int]] = [
        (not access.is_outsider, "Overview", "home", "overview", 0),
        (not access.is_outsider, "Calls" if access.is_reader else "My calls", "calls", "call-list", 0),
        (access.is_reader, "Board", "board", "board", waiting),
        (access.is_supervisor, "Upload", "upload", "call-upload", 0),
        (access.is_reader, "Random stretch", "dice", "blind-sample", 0),
        (access.is_supervisor or bool(access.agent_id), "Coaching", "note", "coaching-list", unread),
        (access.is_supervisor, "Integrations", "plug", "endpoint-list", 0),
        (not access.is_outsider, "Help", "help", "help", 0),
        (not access.is_outsider, "About", "info", "about", 0),
    ]
    return [_entry(request, label, symbol, name, count) for allowed, label, symbol, name, count in shown if allowed]


@register.simple_tag(takes_context=True)
def integration_tabs(context: Context) -> list[Entry]:
    here = context["request"].resolver_match.url_name
    return [Entry(label, "", reverse(name), current=here == name) for label, name in TABS]


@register.simple_tag(takes_context=True)
def endpoints_off(context: Context) -> list[Endpoint]:
    """The user's endpoints that were switched off because they failed."""
    request = context.get("request")
    if request is None or not request.user.is_authenticated or not rights(request).is_supervisor:
        return []
    return list(endpoints_given_up(user=request.user))


@register.filter
def readable(body: str) -> str:
    """JSON with its lines; anything else as it is."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body


@register.simple_tag(takes_context=True)
def role_name(context: Context) -> str:
    access = rights(context["request"])
    if access.is_owner:
        return "Owner"
    names = (
        (bool(access.supervised_team_ids), "Supervisor"),
        (bool(access.reviewed_team_ids), "Reviewer"),
        (access.agent_id is not None, "Agent"),
    )
    return ", ".join(name for holds, name in names if holds) or "No role yet"


def _entry(request: Any, label: str, symbol: str, name: str, count: int) -> Entry:
    match = request.resolver_match
    pages = {"call-detail": "call-list", "blind-sample-judge": "blind-sample"}
    pages |= dict.fromkeys(("plan-list", "plan-default", "plan-edit"), "board")
    pages |= dict.fromkeys(INTEGRATIONS, "endpoint-list")
    here = match and pages.get(match.url_name, match.url_name)
    return Entry(label, symbol, reverse(name), current=here == name, count=count, name=name)


@register.filter
def clip_start(seconds: float) -> str:
    """Where to begin listening to something, with its lead-in."""
    return unlocalize_s(max(0.0, seconds - CLIP_MARGIN_S))
