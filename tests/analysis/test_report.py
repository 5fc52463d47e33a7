"""The HTML report shows the call, needs nothing else, and trusts no text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from analysis.document import to_document
from analysis.report import clock, render
from tests.analysis import made


class _Outside(HTMLParser):
    """Collects whatever the page would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag in {"script", "link", "iframe"} or "src" in names or any(name.startswith("on") for name in names):
            self.found.append(tag)


def test_it_shows_flag_transcript_and_provenance() -> None:
    page = render(to_document(made.analysis()))
    assert "I have called four times" in page
    assert "high frustration" in page
    assert "Against this caller's own baseline (18.0 s of earlier speech): loudness +6.1 dB" in page
    assert "tone weights under CC-BY-NC-SA-4.0" in page
    assert "2 broken packets were skipped" in page
    assert "too short" in page


def test_it_needs_nothing_else() -> None:
    parser = _Outside()
    parser.feed(render(to_document(made.analysis())))
    assert parser.found == []


def test_text_of_the_call_is_escaped() -> None:
    moment = made.customer_moment(1, 1.0, 2.0, "<script>alert(1)</script>", 0.7)
    page = render(to_document(made.analysis(file='"><img src=x>.wav', moments=(moment,))))
    assert "<script>" not in page
    assert "<img" not in page


def test_the_curve_has_a_point_for_every_scored_utterance() -> None:
    moments = tuple(made.customer_moment(n, n * 2.0, n * 2.0 + 1, "words", 0.1 * n) for n in range(1, 5))
    page = render(to_document(made.analysis(moments=moments)))
    points = re.search(r'<polyline class="curve" points="([^"]*)"', page)
    assert points is not None
    assert len(points.group(1).split()) == 4


def test_a_call_without_speech_says_so() -> None:
    document = to_document(made.analysis()) | {"utterances": [], "flags": [], "segments": []}
    page = render(document)
    assert "No speech was found" in page
    assert "Nothing in this call crossed" in page


def test_clock_counts_hours() -> None:
    assert [clock(value) for value in (0, 61.9, 3600, 14399)] == ["0:00", "1:01", "1:00:00", "3:59:59"]
