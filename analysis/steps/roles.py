"""Voices and words → who speaks: a person's correction, then metadata, then what each voice says. The only maker of `CustomerVoice`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from analysis import cues
from analysis.values import Cast, CustomerVoice, Note, Party, Role, RoleSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analysis.config import RolesConfig
    from analysis.values import GivenParties, Transcript, Utterance, Voice, VoiceSplit

METADATA_CONFIDENCE = 0.99
"""A channel map is right unless the line was wired the other way round, which happens."""
LEAST_DOUBT = 0.8
"""Confidence of the dialogue under which a channel map is believed against it, however little is asked for without a map."""

SURE_CONFIDENCE = 0.95
"""To overrule a channel map where voices share a channel, each voice has to reach it by its own words."""
MOST_CONFIDENCE = 0.98
"""Dialogue cues never claim more than this: people quote, joke and call from their workplace."""
REPEATS = 3
"""How often one cue counts: the fourth `sir` says nothing new."""
FIRST_SPEAKER_LOG_ODDS = 0.5
"""Whoever speaks first is more often the agent, but not on an outbound call, so it may never decide alone."""
TEMPER = 0.6
"""Cues of one voice are not independent of each other; their sum is scaled down by this."""

CONTRADICTED = Note(
    "roles_contradicted",
    "What the voices say contradicts the channel map, so nothing is scored. On the call's page, swap agent and customer, or confirm that "
    "the roles are right.",
)

OPPOSITE = {Party.AGENT: Party.CUSTOMER, Party.CUSTOMER: Party.AGENT}


def assign(split: VoiceSplit, transcript: Transcript, *, given: GivenParties, config: RolesConfig) -> Cast:
    """Give every voice a role. A voice under `config.min_confidence` stays unknown; more than two voices are scored for nobody.

    Where the dialogue is that sure of the opposite of a channel map, the map still names the parties, and confirms no customer.
    """
    announcements = frozenset(utterance.id for utterance in transcript.utterances if is_announcement(utterance.text))
    spoken = tuple(utterance for utterance in transcript.utterances if utterance.id not in announcements)
    evidence = _evidence(split.voices, spoken, transcript.language)
    roles, notes = _roles(split, given, spoken=spoken, language=transcript.language, evidence=evidence)
    roles = tuple(role if role.confidence >= config.min_confidence else _unknown(role.voice) for role in roles)
    customer, doubts = _customer(roles, spoken, config)
    doubted = () if _shares_channel(split) else _doubted(roles, _from_dialogue(evidence, spoken), config)
    if doubted:
        roles, customer, doubts = doubted, None, (CONTRADICTED, *doubts)
    return Cast(roles, customer, announcements, (*notes, *doubts))


def is_announcement(text: str) -> bool:
    """Whether a machine said it: the phrase of an announcement and no first person singular, which a quoting caller would use."""
    return bool(cues.ANNOUNCEMENT.search(text)) and not cues.FIRST_PERSON.search(text)


def agent_log_odds(texts: list[str]) -> float:
    """Natural log-odds that the speaker of these texts is an agent rather than a customer, from the cues alone."""
    text = " \n ".join(texts).replace("’", "'")
    return TEMPER * sum(cue.log_odds * math.sqrt(min(len(cue.pattern.findall(text)), REPEATS)) for cue in cues.ROLE_CUES)


def _roles(
    split: VoiceSplit, given: GivenParties, *, spoken: tuple[Utterance, ...], language: str | None, evidence: Mapping[int, float]
) -> tuple[tuple[Role, ...], tuple[Note, ...]]:
    if not split.scorable:
        return tuple(_unknown(voice.id) for voice in split.voices), ()
    if given.voices:
        return tuple(_given(voice, given.voices, voice.id, RoleSource.MANUAL) for voice in split.voices), ()
    heard = _from_dialogue(evidence, spoken)
    misfit = _misfit(split, given.channels)
    if given.channels and len(given.channels) <= split.channels:
        told = tuple(_given(voice, given.channels, voice.channel, RoleSource.METADATA) for voice in split.voices)
        if _shares_channel(split):
            cast, note = _sharing(told, heard, evidence, channel=split.voices[0].channel)
            return cast, (*misfit, note)
        return told, misfit
    if heard:
        return heard, misfit
    return tuple(_unknown(voice.id) for voice in split.voices), (*misfit, *_unheard(language, spoken, mono=split.channels == 1))


def _shares_channel(split: VoiceSplit) -> bool:
    return split.mono and len(split.voices) > 1


def _given(voice: Voice, parties: tuple[Party, ...], index: int, source: RoleSource) -> Role:
    party = parties[index] if index < len(parties) else Party.UNKNOWN
    if party is Party.UNKNOWN:
        return _unknown(voice.id)
    return Role(voice.id, party, 1.0 if source is RoleSource.MANUAL else METADATA_CONFIDENCE, source)


def _unknown(voice: int) -> Role:
    return Role(voice, Party.UNKNOWN, 0.0, RoleSource.NONE)


def _evidence(voices: tuple[Voice, ...], spoken: tuple[Utterance, ...], language: str | None) -> dict[int, float]:
    """Log-odds that a voice is the agent, by voice, each from its own words; empty where nothing is said or the language has no cues."""
    if not spoken or language not in cues.LANGUAGES:
        return {}
    return {voice.id: agent_log_odds([utterance.text for utterance in spoken if utterance.voice == voice.id]) for voice in voices}


def _from_dialogue(evidence: Mapping[int, float], spoken: tuple[Utterance, ...]) -> tuple[Role, ...]:
    """Both voices at once, taken to be the two parties: what makes the one an agent makes the other a customer."""
    if not evidence:
        return ()
    first = next(iter(evidence))
    towards = sum(log_odds if voice == first else -log_odds for voice, log_odds in evidence.items())
    if len(evidence) > 1:
        towards += FIRST_SPEAKER_LOG_ODDS if spoken[0].voice == first else -FIRST_SPEAKER_LOG_ODDS
    confidence = min(_probability(abs(towards)), MOST_CONFIDENCE)
    party = Party.AGENT if towards > 0 else Party.CUSTOMER
    return tuple(Role(voice, party if voice == first else OPPOSITE[party], confidence, RoleSource.DIALOGUE) for voice in evidence)


def _probability(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-log_odds))


def _misfit(split: VoiceSplit, channels: tuple[Party, ...]) -> tuple[Note, ...]:
    """A note where a channel map names another number of parties than the recording has channels that differ."""
    if not channels or not split.voices or len(channels) == split.channels:
        return ()
    named = len(channels)
    if split.channels == 1:
        return (
            Note("channel_map_misfit", f"The channel map names {named} parties, but the recording has one channel, so it was not used."),
        )
    effect = "the rest stays unknown" if named < split.channels else "it was not used"
    there = f"{split.channels} different channels"
    return (Note("channel_map_misfit", f"The channel map names {named} for a recording of {there}, so {effect}; name one for each."),)


def _sharing(
    told: tuple[Role, ...], heard: tuple[Role, ...], evidence: Mapping[int, float], *, channel: int
) -> tuple[tuple[Role, ...], Note]:
    """Roles of the voices that share a mapped channel: by the dialogue where they are surely both parties, else by the map.

    On the agent's channel the map then holds for the voice that speaks most like an agent. The other may be a colleague, and is unknown.
    """
    if _are_both_parties(evidence):
        return heard, Note("channel_map_shared", f"Several voices are heard on channel {channel}, so the channel map was not used.")
    agent = max(evidence.values(), default=0.0)
    kept = tuple(
        role if role.party is not Party.AGENT or evidence.get(role.voice, 0.0) == agent > 0.0 else _unknown(role.voice) for role in told
    )
    effect = "but what they say is no proof of both parties, so the channel map stands"
    return kept, Note("channel_map_shared", f"Several voices are heard on channel {channel}, {effect}.")


def _are_both_parties(evidence: Mapping[int, float]) -> bool:
    """Whether each voice's own words are sure, one's of an agent and the other's of a customer: nobody is a customer for want of words."""
    own = sorted(evidence.values())
    return len(own) > 1 and _probability(-own[0]) >= SURE_CONFIDENCE and _probability(own[-1]) >= SURE_CONFIDENCE


def _doubted(roles: tuple[Role, ...], heard: tuple[Role, ...], config: RolesConfig) -> tuple[Role, ...]:
    """The roles, with the confidence that the dialogue leaves to a channel map it contradicts; empty where it is not sure enough to.

    Sure enough is what tells roles without a map: two channels named the wrong way round would score the agent. A person's correction is
    never doubted.
    """
    if not heard or heard[0].confidence < max(config.min_confidence, LEAST_DOUBT):
        return ()
    doubted = tuple(
        replace(role, confidence=1.0 - cue.confidence) if role.source is RoleSource.METADATA and role.party is not cue.party else role
        for role, cue in zip(roles, heard, strict=True)
    )
    return doubted if doubted != roles else ()


def _unheard(language: str | None, spoken: tuple[Utterance, ...], *, mono: bool) -> tuple[Note, ...]:
    """A note where the language has no cues. On one channel no map can tell two voices apart."""
    if not spoken or language in cues.LANGUAGES:
        return ()
    way_out = "say on the call's page which voice is the customer" if mono else "give the channel map"
    message = f"Who is agent and who is customer cannot be told from the words in {language or 'an unknown language'}; {way_out}."
    return (Note("roles_language_unsupported", message),)


def _customer(roles: tuple[Role, ...], spoken: tuple[Utterance, ...], config: RolesConfig) -> tuple[CustomerVoice | None, tuple[Note, ...]]:
    customers = [role for role in roles if role.party is Party.CUSTOMER]
    if len(customers) > 1:
        return None, (Note("several_customers", "More than one voice is given as the customer, so none is scored."),)
    if not customers:
        return None, ()
    own = tuple(utterance for utterance in spoken if utterance.voice == customers[0].voice)
    return CustomerVoice(customers[0], config.min_confidence, own), ()
