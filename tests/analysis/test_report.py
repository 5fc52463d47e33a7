"""The HTML report shows the call in plain words, needs nothing else, and trusts no text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from analysis import words
from analysis.document import to_document
from analysis.report import render
from analysis.values import Abstention, EffortSign, Frustration, Party
from tests.analysis import made

if TYPE_CHECKING:
    from collections.abc import Callable

    from analysis.values import CallAnalysis


class _Outside(HTMLParser):
    """Collects whatever the page would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag in {"script", "link", "iframe"} or "src" in names or any(name.startswith("on") for name in names):
            self.found.append(tag)


def shown(page: str) -> str:
    """The text of a page, on one line."""
    without_style = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", without_style))


def test_it_shows_flag_transcript_and_provenance() -> None:
    text = shown(render(to_document(made.analysis())))
    assert "I have called four times" in text
    assert "High frustration" in text
    assert "Loudness +6.1 dB · pitch +3.4 semitones · pace +0.4 words/s" in text
    assert "Measured against 18.0 s of this caller’s speech before it" in text
    assert "Licence of the tone weights CC-BY-NC-SA-4.0" in text
    assert "2 broken packets were skipped." in text
    assert "Frustration 83 % words 66 %, angry voice 71 %" in text
    assert "Not scored: not enough evidence words 10 %, voice not scored: too little speech" in text


def test_it_says_where_voice_and_words_disagree() -> None:
    moment = replace(made.customer_moment(1, 4.2, 7.9, "Fine.", 0.83), disagreement=0.6)
    apart = replace(made.analysis(moments=(moment,)), flags=(made.flag(disagreement=0.6),))
    assert shown(render(to_document(apart))).count("voice angrier than the words") == 2
    assert "angrier than" not in shown(render(to_document(made.analysis())))


def test_voice_and_words_are_held_against_each_other_with_both_numbers_and_only_where_it_matters() -> None:
    moment = replace(made.customer_moment(1, 4.2, 7.9, "Fine.", 0.83), disagreement=0.6)
    flagged = replace(made.analysis(moments=(moment,)), flags=(made.flag(disagreement=0.6),))
    assert "voice angrier than the words (words 66 %, angry voice 71 %)" in shown(render(to_document(flagged)))
    calm = replace(made.customer_moment(1, 4.2, 7.9, "Fine.", 0.11), disagreement=0.6)
    assert "angrier than" not in shown(render(to_document(replace(made.analysis(moments=(calm,)), flags=(), segments=()))))


def test_a_tone_that_gave_no_answer_is_no_number_and_no_voice() -> None:
    """Neither in what the score is made of nor in what the call was scored by."""
    moments = tuple(
        replace(moment, tone=None, tone_abstained=Abstention.WEIGHTS_LICENCE) if moment.party is Party.CUSTOMER else moment
        for moment in made.analysis().moments
    )
    quote = made.flag().evidence.quotes[0]
    assert quote.contributions is not None
    evidence = replace(made.flag().evidence, quotes=(replace(quote, contributions=replace(quote.contributions, tone=0.0)),))
    text = shown(render(to_document(replace(made.analysis(moments=moments), flags=(replace(made.flag(), evidence=evidence),)))))
    assert "Tone of voice not scored: tone model switched off (licence) Wording +" in text
    assert "scored: words; tone not scored: tone model switched off (licence)" in text
    assert "scored: voice and words" in shown(render(to_document(made.analysis())))


def test_shares_of_parties_that_are_not_known_are_not_zero() -> None:
    analysis = made.analysis()
    nobody = replace(analysis, roles=tuple(replace(role, party=Party.UNKNOWN, confidence=0.0) for role in analysis.roles))
    assert "Talk share, agent not known Talk share, customer not known" in shown(render(to_document(nobody)))
    assert "Talk share, agent 22 % Talk share, customer 33 %" in shown(render(to_document(analysis)))


def test_its_title_is_the_files_name_and_not_where_it_lies() -> None:
    page = render(to_document(made.analysis(file="/home/anna/calls of May/call 7.wav")))
    assert "<title>call 7.wav – call analysis</title>" in page
    assert "<h1>call 7.wav</h1>" in page
    assert page.count("/home/anna") == 1, "once, under what made this"


def test_no_code_is_left_for_people_to_read(sample: Callable[[str], CallAnalysis]) -> None:
    """Neither as it is nor with its underscores taken out: neither `low_asr_confidence` nor `low asr confidence`."""
    calls = [made.analysis(), sample("escalates"), _withheld_for_every_reason()]
    text = " ".join(shown(render(to_document(call))) for call in calls)
    read_as = {code: said for table in words.TABLES.values() for code, said in table.items() if "_" in code}
    assert len(read_as) > 15
    assert [code for code in read_as if code in text] == []
    assert [code for code, said in read_as.items() if code.replace("_", " ") in text.replace(said, "")] == []
    for said in (*words.ABSTAINED.values(), *words.EFFORT.values(), *words.RULES.values()):
        assert said in text


def _withheld_for_every_reason() -> CallAnalysis:
    """A call with a customer's utterance for every reason to withhold a score, and a flag for every sign of effort."""
    scored = [made.customer_moment(number, number * 2.0, number * 2.0 + 1, "Words", 0.1) for number, _ in enumerate(Abstention)]
    moments = [
        replace(moment, tone=None, tone_abstained=reason, frustration=Frustration(None, reason, None))
        for moment, reason in zip(scored, Abstention, strict=True)
    ]
    flag = made.flag()
    signs = tuple(EffortSign(kind, 1.0, "quoted", None) for kind in words.EFFORT)
    raised = replace(flag, rule="high_effort", severity="medium", evidence=replace(flag.evidence, quotes=(), change=None, effort=signs))
    return replace(made.analysis(moments=tuple(moments)), flags=(raised,))


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


def test_only_parties_that_are_heard_have_a_lane() -> None:
    page = render(to_document(made.analysis()))
    assert re.findall(r'class="lane who (\w+)"', page) == ["agent", "customer"]
    alone = render(to_document(made.analysis(moments=(made.customer_moment(1, 1.0, 2.0, "words", 0.7),))))
    assert re.findall(r'class="lane who (\w+)"', alone) == ["customer"]


def test_what_is_said_in_a_flagged_stretch_stands_out() -> None:
    page = render(to_document(made.analysis()))
    assert re.findall(r'<li class="flagged">.*?<p class="said">(.*?)</p>', page, re.DOTALL) == ["I have called four times"]


def test_a_call_without_speech_says_so() -> None:
    document = to_document(made.analysis()) | {"utterances": [], "flags": [], "segments": []}
    text = shown(render(document))
    assert "No speech was found" in text
    assert "Nothing in this call crossed" in text
    assert "No flags" in text
