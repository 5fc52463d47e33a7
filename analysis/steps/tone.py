"""The confirmed customer's pooled frames and audio → how it was said, or why that is not scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.values import Abstention, PlainMeasures, ScoringMode, Tone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analysis.config import ToneConfig
    from analysis.ports import ToneModel
    from analysis.values import Cast, Recording, Scoring, Utterance, Voice


def score(
    cast: Cast,
    plain: Mapping[int, PlainMeasures],
    *,
    recording: Recording,
    voices: Sequence[Voice],
    model: ToneModel | None,
    encoder: str,
    config: ToneConfig,
    scoring: Scoring,
) -> dict[int, Tone | Abstention]:
    """Tone or an abstention for each utterance of the confirmed customer, by id; empty where no customer is confirmed.

    The model sees a `CustomerVoice` and what reads its audio, and nothing else, so no agent's audio can reach it.
    """
    if cast.customer is None:
        return {}
    refused = refusal(model, encoder, config, scoring)
    outcome: dict[int, Tone | Abstention] = {}
    for utterance in cast.customer.utterances:
        reason = refused or _unfit(utterance, plain.get(utterance.id), model, config)
        if reason is not None:
            outcome[utterance.id] = reason
    fit = cast.customer.narrowed(frozenset(utterance.id for utterance in cast.customer.utterances) - outcome.keys())
    if model is not None and fit.utterances:
        tones = model.score(fit, fit.audio(recording, voices))
        outcome |= {utterance.id: tone for utterance, tone in zip(fit.utterances, tones, strict=True)}
    return outcome


def refusal(model: ToneModel | None, encoder: str, config: ToneConfig, scoring: Scoring) -> Abstention | None:
    """Why no utterance of this call may be scored; None where the model may be asked."""
    if scoring.mode is not ScoringMode.FULL:
        return Abstention.SCORING_OFF
    if model is None or model.encoder not in (None, encoder):
        return Abstention.ENCODER_UNSUPPORTED
    if not model.commercial_use and not config.accept_noncommercial:
        return Abstention.WEIGHTS_LICENCE
    return None


def _unfit(utterance: Utterance, plain: PlainMeasures | None, model: ToneModel | None, config: ToneConfig) -> Abstention | None:
    """Why this utterance cannot be scored."""
    seconds = utterance.end - utterance.start
    has_frames = model is None or model.encoder is None or utterance.pooled is not None
    if not has_frames or seconds < config.min_speech_s:
        return Abstention.TOO_SHORT
    if plain is None or plain.loudness_db is None or plain.loudness_db < config.min_loudness_db:
        return Abstention.TOO_QUIET
    if plain.overlap_s > config.max_overlap_share * seconds:
        return Abstention.OVERLAP
    if plain.snr_db is not None and plain.snr_db < config.min_snr_db:
        return Abstention.TOO_NOISY
    return None
