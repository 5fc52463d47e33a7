"""Who speaks: corrections, metadata and dialogue cues, and that doubt stays unknown."""

from __future__ import annotations

import ast
import math
from collections import Counter
from pathlib import Path

import pytest

import analysis
from analysis import cues
from analysis.config import RolesConfig
from analysis.steps import roles
from analysis.values import (
    Cast,
    CustomerVoice,
    GivenParties,
    Party,
    Role,
    RoleSource,
    Transcript,
    Utterance,
    Voice,
    VoiceSplit,
)

AGENT, CUSTOMER, UNKNOWN = Party.AGENT, Party.CUSTOMER, Party.UNKNOWN
CALL = (
    (0, "Thank you for calling Platinum Motors, this is Michelle. How can I help you today?"),
    (1, "Hi, I'm calling about my car. I bought it from your dealership two weeks ago."),
    (0, "I'm sorry for the inconvenience. May I have your last name so I can look you up in our system?"),
    (1, "Sure, my last name is King. You guys handle the repairs, right?"),
    (0, "Yes we do. Is there anything else I can help you with?"),
    (1, "No, that's it, thank you so much."),
)


def transcript(lines: tuple[tuple[int, str], ...], language: str = "en") -> Transcript:
    made = [Utterance(at, voice, at * 5.0, at * 5.0 + 4.0, text, language, 0.8, ()) for at, (voice, text) in enumerate(lines)]
    return Transcript(tuple(made), language)


def stereo(count: int = 2, *, scorable: bool = True) -> VoiceSplit:
    return VoiceSplit(tuple(Voice(each, each, ()) for each in range(count)), mono=False, scorable=scorable, channels=2)


def mono() -> VoiceSplit:
    return VoiceSplit((Voice(0, 0, ()), Voice(1, 0, ())), mono=True)


def assign(split: VoiceSplit, words: Transcript, given: GivenParties = GivenParties(), least: float = 0.8) -> Cast:
    return roles.assign(split, words, given=given, config=RolesConfig(min_confidence=least))


def parties(cast: Cast) -> list[Party]:
    return [role.party for role in cast.roles]


def swapped(lines: tuple[tuple[int, str], ...]) -> tuple[tuple[int, str], ...]:
    return tuple((1 - voice, text) for voice, text in lines)


def test_dialogue_tells_agent_from_customer_whichever_voice_comes_first() -> None:
    assert parties(assign(mono(), transcript(CALL))) == [AGENT, CUSTOMER]
    assert parties(assign(mono(), transcript(swapped(CALL)))) == [CUSTOMER, AGENT]


def test_the_two_voices_share_one_confidence() -> None:
    cast = assign(mono(), transcript(CALL))
    assert cast.roles[0].confidence == cast.roles[1].confidence
    assert 0.9 < cast.roles[0].confidence <= roles.MOST_CONFIDENCE
    assert {role.source for role in cast.roles} == {RoleSource.DIALOGUE}


def test_an_outbound_call_is_not_decided_by_who_speaks_first() -> None:
    lines = (
        (0, "Hello?"),
        (1, "Hello, this is Dave from Auto Assure. I'm here to help, may I verify your date of birth?"),
        (0, "Yes, sure."),
    )
    assert parties(assign(mono(), transcript(lines))) == [CUSTOMER, AGENT]


def test_small_talk_stays_unknown_and_is_scored_for_nobody() -> None:
    cast = assign(mono(), transcript(((0, "Nice weather."), (1, "It is, yes."), (0, "I heard it will rain."))))
    assert parties(cast) == [UNKNOWN, UNKNOWN]
    assert cast.customer is None


def test_a_lower_threshold_lets_a_doubtful_role_stand() -> None:
    lines = transcript(((0, "Absolutely, sir."), (1, "Alright.")))
    assert parties(assign(mono(), lines)) == [UNKNOWN, UNKNOWN]
    assert parties(assign(mono(), lines, least=0.5)) == [AGENT, CUSTOMER]


@pytest.mark.parametrize(
    ("lines", "channels"), [(swapped(CALL), (AGENT, CUSTOMER)), (CALL, (CUSTOMER, AGENT))], ids=["left agent", "left customer"]
)
def test_a_channel_map_that_the_dialogue_contradicts_names_the_parties_and_confirms_no_customer(
    lines: tuple[tuple[int, str], ...], channels: tuple[Party, ...]
) -> None:
    cast = assign(stereo(), transcript(lines), GivenParties(channels=channels))
    assert parties(cast) == list(channels)
    assert cast.customer is None
    assert {role.source for role in cast.roles} == {RoleSource.METADATA}
    assert max(role.confidence for role in cast.roles) < 0.2
    assert [note.code for note in cast.notes] == ["roles_contradicted"]
    assert "swap agent and customer, or confirm" in cast.notes[0].message


def test_a_channel_map_that_the_dialogue_agrees_with_stands_without_a_note() -> None:
    agreeing = assign(stereo(), transcript(CALL), GivenParties(channels=(AGENT, CUSTOMER)))
    assert agreeing.notes == ()
    assert agreeing.customer is not None
    assert agreeing.roles[0].source is RoleSource.METADATA


def test_a_persons_correction_stands_above_the_channel_map() -> None:
    cast = assign(stereo(), transcript(CALL), GivenParties(channels=(AGENT, CUSTOMER), voices=(CUSTOMER, AGENT)))
    assert parties(cast) == [CUSTOMER, AGENT]
    assert cast.roles[0] == Role(0, CUSTOMER, 1.0, RoleSource.MANUAL)
    assert cast.customer is not None
    assert {utterance.voice for utterance in cast.customer.utterances} == {0}


@pytest.mark.parametrize("channels", [(AGENT, CUSTOMER), (CUSTOMER, AGENT), ()])
def test_a_persons_correction_is_not_doubted_whatever_is_said(channels: tuple[Party, ...]) -> None:
    cast = assign(stereo(), transcript(swapped(CALL)), GivenParties(channels=channels, voices=(AGENT, CUSTOMER)))
    assert cast.notes == ()
    assert cast.customer is not None
    assert cast.customer.role == Role(1, CUSTOMER, 1.0, RoleSource.MANUAL)


@pytest.mark.parametrize(
    ("said", "doubted"),
    [
        ("How can I help you? Let me check your account.", True),
        ("Absolutely, sir.", False),
        ("Yes, sure.", False),
    ],
)
def test_a_channel_map_is_doubted_from_the_confidence_that_tells_a_role_without_one(said: str, doubted: bool) -> None:
    lines = transcript(((0, said), (1, "Alright.")))
    assert (UNKNOWN not in parties(assign(stereo(), lines))) == doubted
    cast = assign(stereo(), lines, GivenParties(channels=(CUSTOMER, AGENT)))
    assert parties(cast) == [CUSTOMER, AGENT]
    assert (cast.customer is None) == doubted
    assert ("roles_contradicted" in [note.code for note in cast.notes]) == doubted


@pytest.mark.parametrize("least", [0.3, 0.5, 0.8, 0.98])
def test_a_doubted_customer_is_never_confirmed_however_low_the_threshold(least: float) -> None:
    cast = assign(stereo(), transcript(CALL), GivenParties(channels=(CUSTOMER, AGENT)), least=least)
    assert cast.customer is None


def test_a_threshold_above_every_dialogue_leaves_a_channel_map_undoubted() -> None:
    cast = assign(stereo(), transcript(CALL), GivenParties(channels=(CUSTOMER, AGENT)), least=roles.METADATA_CONFIDENCE)
    assert cast.customer is not None
    assert cast.notes == ()


def test_one_voice_that_speaks_like_an_agent_is_no_customer_for_the_channel_map() -> None:
    alone = VoiceSplit((Voice(0, 0, ()),), mono=True)
    words = transcript(tuple((0, text) for voice, text in CALL if voice == 0))
    cast = assign(alone, words, GivenParties(channels=(CUSTOMER,)))
    assert parties(cast) == [CUSTOMER]
    assert cast.customer is None
    assert [note.code for note in cast.notes] == ["roles_contradicted"]


def test_a_language_without_cues_leaves_a_channel_map_undoubted() -> None:
    cast = assign(stereo(), transcript(CALL, "es"), GivenParties(channels=(CUSTOMER, AGENT)))
    assert cast.customer is not None
    assert cast.notes == ()


def test_a_channel_map_says_nothing_about_two_voices_on_one_channel() -> None:
    cast = assign(mono(), transcript(swapped(CALL)), GivenParties(channels=(AGENT,)))
    assert parties(cast) == [CUSTOMER, AGENT]
    assert cast.roles[0].source is RoleSource.DIALOGUE


def test_a_short_map_leaves_the_rest_unknown() -> None:
    cast = assign(stereo(), transcript(CALL), GivenParties(channels=(AGENT,)))
    assert parties(cast) == [AGENT, UNKNOWN]
    assert [note.code for note in cast.notes] == ["channel_map_misfit"]


@pytest.mark.parametrize("split", [stereo(), mono()], ids=["stereo", "mono"])
def test_a_map_of_more_channels_than_there_are_is_not_used_and_noted(split: VoiceSplit) -> None:
    cast = assign(split, transcript(CALL), GivenParties(channels=(CUSTOMER, AGENT, CUSTOMER)))
    assert {role.source for role in cast.roles} == {RoleSource.DIALOGUE}
    assert [note.code for note in cast.notes] == ["channel_map_misfit"]


def test_notes_on_one_channel_give_no_advice_that_only_two_could_follow() -> None:
    alone = VoiceSplit((Voice(0, 0, ()), Voice(1, 0, ())), mono=True)
    misfit = assign(alone, transcript(CALL), GivenParties(channels=(AGENT, CUSTOMER)))
    assert [note.message for note in misfit.notes] == [
        "The channel map names 2 parties, but the recording has one channel, so it was not used."
    ]
    advice = [assign(split, transcript(CALL, "es"), GivenParties()).notes[-1].message for split in (alone, stereo())]
    assert ["channel map" in message for message in advice] == [False, True]
    assert "which voice is the customer" in advice[0]


def test_a_stereo_map_says_nothing_about_the_one_voice_of_a_mono_recording() -> None:
    alone = VoiceSplit((Voice(0, 0, ()),), mono=True)
    small_talk = transcript(((0, "Yes."), (0, "All right.")))
    assert parties(assign(alone, small_talk, GivenParties(channels=(AGENT, CUSTOMER)))) == [UNKNOWN]
    assert parties(assign(alone, small_talk, GivenParties(channels=(CUSTOMER,)))) == [CUSTOMER]


def test_two_voices_on_one_of_two_channels_are_told_by_a_dialogue_that_is_sure_else_by_the_map() -> None:
    shared = VoiceSplit((Voice(0, 1, ()), Voice(1, 1, ())), mono=True, channels=2)
    told = GivenParties(channels=(AGENT, CUSTOMER))
    sure = assign(shared, transcript(CALL), told)
    assert parties(sure) == [AGENT, CUSTOMER]
    assert {role.source for role in sure.roles} == {RoleSource.DIALOGUE}
    assert [note.message for note in sure.notes] == ["Several voices are heard on channel 1, so the channel map was not used."]
    unsure = assign(shared, transcript(((0, "Absolutely, sir."), (1, "Alright."))), told, least=0.5)
    assert parties(unsure) == [CUSTOMER, CUSTOMER]
    assert unsure.customer is None, "one of the two may be the agent"
    assert [note.code for note in unsure.notes] == ["channel_map_shared", "several_customers"]
    assert assign(shared, transcript(CALL)).notes == ()


CONSULTED = (
    (0, "Thank you for calling, this is Anna speaking. How can I help you today? I will put you through to my colleague."),
    (1, "Hold the power key for ten seconds. Now it starts again. The light turns green."),
    (0, "Let me check your account. Is there anything else I can help you with?"),
    (1, "Restart it once more, and wait for the green light."),
)
"""An agent and a technician on the agent's line."""


@pytest.mark.parametrize("lines", [CONSULTED, swapped(CONSULTED)], ids=["agent is voice 0", "agent is voice 1"])
@pytest.mark.parametrize(
    ("split", "channels"),
    [(VoiceSplit((Voice(0, 0, ()), Voice(1, 0, ())), mono=True, channels=2), (AGENT, CUSTOMER)), (mono(), (AGENT,))],
    ids=["one of two channels", "the agent's own recording"],
)
def test_a_colleague_on_the_agents_channel_is_never_the_customer(
    lines: tuple[tuple[int, str], ...], split: VoiceSplit, channels: tuple[Party, ...]
) -> None:
    """All the evidence is the agent's; the neutral voice has none of its own."""
    agent = lines[0][0]
    cast = assign(split, transcript(lines), GivenParties(channels=channels))
    assert parties(cast)[agent] is AGENT
    assert parties(cast)[1 - agent] is UNKNOWN
    assert cast.customer is None
    assert [note.code for note in cast.notes] == ["channel_map_shared"]
    assert "the channel map stands" in cast.notes[0].message


def test_one_customers_phrase_of_a_colleague_overrules_no_channel_map() -> None:
    split = VoiceSplit((Voice(0, 0, ()), Voice(1, 0, ())), mono=True, channels=2)
    lines = (*CONSULTED, (1, "I'm calling about the router."))
    cast = assign(split, transcript(lines), GivenParties(channels=(AGENT, CUSTOMER)))
    assert parties(cast) == [AGENT, UNKNOWN]


def test_without_cues_nobody_on_the_agents_shared_channel_is_anyone() -> None:
    split = VoiceSplit((Voice(0, 0, ()), Voice(1, 0, ())), mono=True, channels=2)
    for words in (transcript(CALL, "es"), transcript(((0, "Yes."), (1, "All right.")))):
        assert parties(assign(split, words, GivenParties(channels=(AGENT, CUSTOMER)))) == [UNKNOWN, UNKNOWN]


def test_more_than_two_voices_are_scored_for_nobody() -> None:
    cast = assign(stereo(3, scorable=False), transcript(CALL), GivenParties(channels=(AGENT, CUSTOMER, CUSTOMER)))
    assert parties(cast) == [UNKNOWN] * 3
    assert cast.customer is None


def test_two_given_customers_are_scored_for_nobody() -> None:
    cast = assign(stereo(), transcript(CALL), GivenParties(channels=(CUSTOMER, CUSTOMER)))
    assert cast.customer is None
    assert "several_customers" in [note.code for note in cast.notes]


@pytest.mark.parametrize("language", ["es", "pl"])
def test_another_language_without_metadata_stays_unknown_with_a_note(language: str) -> None:
    cast = assign(mono(), transcript(CALL, language))
    assert parties(cast) == [UNKNOWN, UNKNOWN]
    assert [note.code for note in cast.notes] == ["roles_language_unsupported"]
    assert parties(assign(stereo(), transcript(CALL, language), GivenParties(channels=(AGENT, CUSTOMER)))) == [AGENT, CUSTOMER]


def test_a_call_without_words_has_unknown_roles_and_no_note() -> None:
    cast = assign(stereo(), Transcript((), None))
    assert parties(cast) == [UNKNOWN, UNKNOWN]
    assert cast.notes == ()


@pytest.mark.parametrize(
    ("text", "machine"),
    [
        ("Your call is important to us. Please stay on the line.", True),
        ("All of our agents are busy at the moment.", True),
        ("For billing, press 2.", True),
        ("I keep hearing that my call is important to us, your call is important to us, and nobody comes.", False),
        ("Thank you for calling, my name is Ann, this call may be recorded.", False),
        ("Please hold for a second while I check.", False),
    ],
)
def test_only_machines_make_announcements(text: str, machine: bool) -> None:
    assert roles.is_announcement(text) is machine


def test_an_announcement_is_nobodys_and_no_evidence_for_the_role_of_its_voice() -> None:
    lines = ((0, "Thank you for calling. All of our agents are busy. Please stay on the line."), *CALL[1:])
    cast = assign(mono(), transcript(lines))
    first = transcript(lines).utterances[0]
    assert cast.announcements == {0}
    assert cast.party(first) is UNKNOWN
    assert parties(cast) == [AGENT, CUSTOMER]


def test_the_customers_utterances_leave_out_announcements_and_the_agent() -> None:
    lines = (*CALL, (1, "Your call is important to us."))
    cast = assign(mono(), transcript(lines))
    assert cast.customer is not None
    assert [utterance.id for utterance in cast.customer.utterances] == [1, 3, 5]


def test_saying_the_same_cue_over_and_over_adds_little() -> None:
    once, ten = roles.agent_log_odds(["How can I help you?"]), roles.agent_log_odds(["How can I help you?"] * 10)
    assert once < ten <= once * math.sqrt(roles.REPEATS) + 1e-9


def test_cues_are_few_enough_to_read_and_point_both_ways() -> None:
    ways = Counter(cue.log_odds > 0 for cue in cues.ROLE_CUES)
    assert ways[True] >= 8
    assert ways[False] >= 8


def test_on_typed_dialogues_of_another_field_a_confident_role_is_right(data: Path) -> None:
    """MultiWOZ, never used to make the cues: of the dialogues where the cues are sure, at least 95 in 100 are right."""
    sure = [(right, role) for right, role in (_cast_of(lines) for lines in _dialogues(data)) if role.party is not UNKNOWN]
    assert len(sure) >= 200
    assert sum(role.party is right for right, role in sure) / len(sure) >= 0.95


def test_on_typed_dialogues_of_another_field_a_right_channel_map_is_hardly_ever_doubted(data: Path) -> None:
    """At most 1 in 100 of them all is sure of the opposite."""
    casts = [_cast(lines, GivenParties(channels=(CUSTOMER, AGENT))) for lines in _dialogues(data)]
    assert len(casts) >= 1000
    assert sum(cast.customer is None for cast in casts) <= len(casts) / 100


def _dialogues(data: Path) -> list[list[tuple[str, str]]]:
    blocks = (data / "text" / "satisfaction" / "MWOZ.txt").read_text().strip().split("\n\n")
    split = [[line.split("\t")[:2] for line in block.splitlines()] for block in blocks]
    return [[(line[0], line[1]) for line in lines if line[1] != "OVERALL"] for lines in split]


def _cast_of(lines: list[tuple[str, str]]) -> tuple[Party, Role]:
    return CUSTOMER, _cast(lines).roles[0]


def _cast(lines: list[tuple[str, str]], given: GivenParties = GivenParties()) -> Cast:
    words = transcript(tuple((0 if speaker == "USER" else 1, text) for speaker, text in lines))
    return assign(stereo() if given.channels else mono(), words, given)


def test_a_customer_voice_is_made_in_one_place_only() -> None:
    """Every other constructor, and every copy with changes, would be a way from an agent's audio to a tone model."""
    package = Path(analysis.__file__).parents[1]
    makers = {
        file.relative_to(package).as_posix()
        for folder in ("analysis", "callanalytics", "dashboard", "worker")
        for file in (package / folder).rglob("*.py")
        if _makes_customer(ast.parse(file.read_text()))
    }
    assert makers == {"analysis/steps/roles.py", "analysis/values.py"}


def _makes_customer(tree: ast.AST) -> bool:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "") for node in calls]
    copied = any(
        name in {"replace", "__new__", "__class__"} and any("customer" in ast.unparse(part) for part in node.args)
        for name, node in zip(named, calls, strict=True)
    )
    aliased = any(isinstance(node, ast.alias) and node.name == "CustomerVoice" and node.asname for node in ast.walk(tree))
    return "CustomerVoice" in named or copied or aliased


def test_a_customer_voice_refuses_an_agent_a_doubtful_customer_and_anothers_words() -> None:
    words = transcript(CALL).utterances
    with pytest.raises(ValueError, match="confirmed customer"):
        CustomerVoice(Role(0, AGENT, 1.0, RoleSource.MANUAL), 0.8, ())
    with pytest.raises(ValueError, match="confirmed customer"):
        CustomerVoice(Role(0, CUSTOMER, 0.7, RoleSource.DIALOGUE), 0.8, ())
    with pytest.raises(ValueError, match="another voice"):
        CustomerVoice(Role(0, CUSTOMER, 1.0, RoleSource.MANUAL), 0.8, words)
