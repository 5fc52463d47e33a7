"""The customer's words → sentiment and P(frustrated) of each utterance."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.ports import WordingModel
    from analysis.values import Cast, Scoring, Transcript, Wording


def score(cast: Cast, transcript: Transcript, *, model: WordingModel, scoring: Scoring) -> dict[int, Wording]:
    """Wording by utterance id, of the confirmed customer in a language the model knows; empty where words may not be scored."""
    if not scoring.mode.scores_words or cast.customer is None:
        return {}
    known = [
        utterance
        for utterance in cast.customer.utterances
        if utterance.text.strip() and (utterance.language or transcript.language) in model.languages
    ]
    if not known:
        return {}
    scores = model.score([utterance.text for utterance in known])
    return {utterance.id: wording for utterance, wording in zip(known, scores, strict=True)}
