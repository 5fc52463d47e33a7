"""Signs of effort: each kind with its quote, and what only sounds like one."""

from __future__ import annotations

import pytest

from analysis import cues
from analysis.config import MeasuresConfig
from analysis.steps import effort
from analysis.values import Cast, CustomerVoice, EffortSign, Span, Transcript, Utterance, Voice
from tests.analysis import made

AGENT, CUSTOMER = 0, 1


def find(*lines: tuple[int, str], every_s: float = 10.0, announced: frozenset[int] = frozenset(), language: str = "en") -> list[EffortSign]:
    said = tuple(Utterance(at, voice, at * every_s, at * every_s + 4.0, text, language, 0.8, ()) for at, (voice, text) in enumerate(lines))
    own = tuple(utterance for utterance in said if utterance.voice == CUSTOMER and utterance.id not in announced)
    cast = Cast((made.AGENT, made.CUSTOMER), CustomerVoice(made.CUSTOMER, 0.8, own), announced)
    return list(effort.find(Transcript(said, language), cast, voices=(), config=MeasuresConfig()))


def kinds(*lines: tuple[int, str]) -> list[str]:
    return [sign.kind for sign in find(*lines)]


@pytest.mark.parametrize(
    "text",
    [
        "I already told you my number.",
        "I just told him that.",
        "Like I said, it does not work.",
        "As I've already mentioned, it broke.",
        "I've called four times now.",
        "I called you guys three times about it.",
        "This is the third time I'm calling.",
        "How many times do I have to explain this?",
        "I keep repeating myself.",
        "No, I already told you that.",
        "I'm not sure about that, but I already sent the form.",
        "I’ve told you this before.",
    ],
)
def test_the_customer_says_it_was_told_before(text: str) -> None:
    assert kinds((CUSTOMER, text)) == ["told_before"]


@pytest.mark.parametrize(
    "text",
    [
        "I don't think I already told you my number.",
        "I haven't called before.",
        "I have not told anyone.",
        "Did you already tell him?",
        "It was the first time I saw it.",
        "I said yes.",
    ],
)
def test_what_was_not_told_before_is_no_sign(text: str) -> None:
    assert kinds((CUSTOMER, text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "I want to speak to a manager.",
        "Can I talk to a real person please?",
        "Let me speak with your supervisor.",
        "Get me a human.",
        "Is there a supervisor I can talk to?",
        "I'd like to talk to someone else.",
    ],
)
def test_the_customer_asks_for_a_human(text: str) -> None:
    assert kinds((CUSTOMER, text)) == ["asks_for_human"]


@pytest.mark.parametrize(
    "text",
    [
        "I don't want to talk to a manager.",
        "I do not need a supervisor.",
        "I'm a manager at the bank.",
        "I spoke to my husband about it.",
    ],
)
def test_not_asking_for_a_human_is_no_sign(text: str) -> None:
    assert kinds((CUSTOMER, text)) == []


def test_holds_and_transfers_are_told_by_who_does_them_and_who_bears_them() -> None:
    assert kinds((AGENT, "Let me put you on a brief hold.")) == ["hold"]
    assert kinds((AGENT, "Thank you for holding.")) == ["hold"]
    assert kinds((CUSTOMER, "I was on hold for forty minutes.")) == ["hold"]
    assert kinds((AGENT, "I'm going to transfer you to billing.")) == ["transfer"]
    assert kinds((CUSTOMER, "I've been transferred three times.")) == ["transfer"]


def test_a_denied_hold_or_transfer_is_no_sign() -> None:
    assert kinds((AGENT, "I won't put you on hold.")) == []
    assert kinds((AGENT, "I can't transfer you from here.")) == []
    assert kinds((AGENT, "I already told you, the manager is out.")) == []


def test_the_agent_does_not_ask_for_a_human_on_the_customers_behalf() -> None:
    assert kinds((AGENT, "Do you want to speak to a manager?")) == []


def test_a_repeat_is_nearly_the_same_said_again_after_an_answer() -> None:
    found = find(
        (CUSTOMER, "My internet connection drops every evening at eight."),
        (AGENT, "Did you restart the router?"),
        (CUSTOMER, "Yes. The internet connection drops every evening at eight!"),
    )
    assert [(sign.kind, sign.at, sign.utterance) for sign in found] == [("repeat", 20.0, 2)]
    assert found[0].quote == "Yes. The internet connection drops every evening at eight!"


def test_going_on_without_an_answer_is_no_repeat() -> None:
    line = (CUSTOMER, "My internet connection drops every evening at eight.")
    assert kinds(line, line) == []


def test_short_answers_and_other_matters_are_no_repeat() -> None:
    assert kinds((CUSTOMER, "Yes, that is right."), (AGENT, "Is it?"), (CUSTOMER, "Yes, that is right.")) == []
    assert (
        kinds(
            (CUSTOMER, "My internet connection drops every evening at eight."),
            (AGENT, "And your bill?"),
            (CUSTOMER, "My bill was twice what we agreed on last month."),
        )
        == []
    )


def test_an_answer_that_the_agent_repeats_is_not_the_customers_effort() -> None:
    line = "My internet connection drops every evening at eight."
    assert kinds((CUSTOMER, line), (AGENT, line)) == []


def test_one_wait_with_many_announcements_is_one_sign() -> None:
    text = "Your call is important to us. Please stay on the line."
    found = find((CUSTOMER, text), (CUSTOMER, text), (CUSTOMER, text), announced=frozenset({0, 1, 2}))
    assert [(sign.kind, sign.at) for sign in found] == [("hold", 0.0)]
    apart = find((CUSTOMER, text), (CUSTOMER, text), announced=frozenset({0, 1}), every_s=200.0)
    assert len(apart) == 2


def test_a_long_silence_of_both_parties_is_a_sign_and_the_edges_of_the_call_are_not() -> None:
    spans = (Voice(0, 0, (Span(30.0, 40.0), Span(60.0, 62.0))), Voice(1, 1, (Span(41.0, 45.0),)))
    found = effort.find(Transcript((), None), Cast((), None), voices=spans, config=MeasuresConfig())
    assert [(sign.kind, sign.at, sign.quote) for sign in found] == [("long_silence", 45.0, "15 s in which nobody speaks")]


def test_speech_over_a_pause_of_the_other_is_no_silence() -> None:
    spans = (Voice(0, 0, (Span(0.0, 40.0),)), Voice(1, 1, (Span(1.0, 5.0), Span(35.0, 50.0))))
    assert effort.find(Transcript((), None), Cast((), None), voices=spans, config=MeasuresConfig()) == ()


def test_words_of_another_language_are_not_read() -> None:
    assert find((CUSTOMER, "I already told you."), language="es") == []


def test_one_utterance_can_carry_several_signs_each_once() -> None:
    text = "I already told you, I already told him, and I want to speak to a manager."
    assert sorted(kinds((CUSTOMER, text))) == ["asks_for_human", "told_before"]


def test_signs_come_in_the_order_of_their_time_and_quote_their_utterance() -> None:
    found = find((AGENT, "Please hold."), (CUSTOMER, "I've told you twice."), (AGENT, "I'll transfer you to sales."))
    assert [sign.at for sign in found] == [0.0, 10.0, 20.0]
    assert [sign.quote for sign in found] == ["Please hold.", "I've told you twice.", "I'll transfer you to sales."]


def test_a_denial_reaches_three_words_within_its_clause() -> None:
    assert not cues.said(cues.ASKS_FOR_HUMAN, "I do not really want to speak to a manager")
    assert cues.said(cues.ASKS_FOR_HUMAN, "That is not good enough, I want to speak to a manager")
    assert cues.said(cues.ASKS_FOR_HUMAN, "You did not help me and I want to speak to a manager")
