"""Template tags and filters: icons, times, numbers, plain words, navigation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import template
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html

from callanalytics.people.selectors import access_for
from callanalytics.review.selectors import coaching_unread_count
from dashboard import words

if TYPE_CHECKING:
    from django.template import Context
    from django.utils.safestring import SafeString

register = template.Library()
register.filter("timecode", words.timecode)
register.filter("duration", words.spoken_duration)
register.filter("plain", words.plain)


@dataclass(frozen=True, slots=True)
class Entry:
    label: str
    icon: str
    url: str
    current: bool
    count: int = 0


@register.simple_tag
def icon(name: str) -> SafeString:
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static("dashboard/icons.svg"), name)


@register.filter
def percent(share: float | None, digits: int = 0) -> str:
    """`0.62` as `62 %`; a dash where there is no number."""
    return "–" if share is None else f"{share * 100:.{digits}f} %"


@register.filter
def signed(number: float | None, digits: int = 1) -> str:
    """`+3.1`, `−2.0`; a dash where there is no number."""
    return "–" if number is None else f"{number:+.{digits}f}".replace("-", "−")


@register.filter
def width(share: float | None) -> str:
    """A share as a percentage for an SVG attribute, which knows no locale."""
    return f"{min(max(share or 0.0, 0.0), 1.0) * 100:.1f}"
