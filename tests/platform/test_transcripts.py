"""Downloads of a transcript."""

from __future__ import annotations

from callanalytics.calls import transcripts
from callanalytics.calls.models import Utterance


def utterance(number: int, start: float, end: float, text: str, party: str = "customer") -> Utterance:
    return Utterance(number=number, voice=0, party=party, start=start, end=end, text=text, asr_confidence=0.9)


def test_text_has_one_line_an_utterance() -> None:
    rows = [utterance(0, 0.4, 2.0, "Hello.", "agent"), utterance(1, 65.2, 67.0, "Not\nagain!")]
    assert transcripts.as_text(rows) == "[0:00] Agent: Hello.\n[1:05] Customer: Not again!\n"


def test_vtt_has_cues_with_voices() -> None:
    assert transcripts.as_vtt([utterance(0, 3661.5, 3663.25, "Hello.", "agent")]) == (
        "WEBVTT\n\n1\n01:01:01.500 --> 01:01:03.250\n<v Agent>Hello.\n"
    )


def test_vtt_cues_are_parted_by_an_empty_line() -> None:
    blocks = transcripts.as_vtt([utterance(0, 0, 1, "a"), utterance(1, 1, 2, "b")]).strip().split("\n\n")
    assert len(blocks) == 3


def test_vtt_escapes_markup_and_cannot_forge_a_cue() -> None:
    text = transcripts.as_vtt([utterance(0, 0, 1, "a <b> & c\n\n00:00:05.000 --> 00:00:06.000\nforged")])
    assert "&lt;b&gt; &amp; c" in text
    assert text.count("-->") == 1


def test_vtt_cue_ends_after_it_starts() -> None:
    assert "00:00:02.000 --> 00:00:02.001" in transcripts.as_vtt([utterance(0, 2.0, 2.0, "Oh")])


def test_srt_has_commas_and_the_party_before_the_text() -> None:
    rows = [utterance(0, 3661.5, 3663.25, "Hello. Who\nis there?", "agent"), utterance(1, 3664, 3665, "Me.")]
    assert transcripts.as_srt(rows) == (
        "1\n01:01:01,500 --> 01:01:03,250\nAgent: Hello. Who is there?\n\n2\n01:01:04,000 --> 01:01:05,000\nCustomer: Me.\n"
    )


def test_no_utterances_give_an_empty_file() -> None:
    assert transcripts.as_text([]) == ""
    assert transcripts.as_vtt([]).strip() == "WEBVTT"
