"""Takes emotion values out: for readers who may not see them, and for good where the caller objected or roles were swapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from callanalytics.calls import files
from callanalytics.calls.models import AnalysisRun, Flag, FrustrationSegment, Utterance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callanalytics.calls.models import Call

NO_EMOTION: Mapping[str, None] = dict.fromkeys(Utterance.EMOTION_FIELDS)
NO_TOTALS: Mapping[str, Any] = {"frustrated_s": 0, "peak_frustration": None}
DOCUMENT_KEYS = ("tone", "tone_abstained", "wording", "frustration", "disagreement")


def document_without_emotion(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the same keys, and nobody's emotion values, segments, effort or flags in it."""
    utterances = [{**entry, **dict.fromkeys(DOCUMENT_KEYS)} for entry in document["utterances"]]
    return {**document, "utterances": utterances, "effort": [], "segments": [], "flags": []}


def evidence_without_emotion(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Words, plain measures and effort stay; probabilities and contributions go."""
    quotes = [{**quote, "probability": None, "contributions": None, "disagreement": None} for quote in evidence.get("quotes", [])]
    return {**evidence, "quotes": quotes}


def emotion_withdraw(call: Call) -> None:
    """Remove every emotion value of a call, in all its runs: rows and summaries at once, documents when the transaction commits.

    Flags stay with their words and verdicts, without scores; the next analysis takes them over or retracts them.
    """
    Utterance.objects.filter(call=call).update(**NO_EMOTION, tone_abstained="", abstained="")
    FrustrationSegment.objects.filter(call=call).delete()
    for flag in Flag.objects.filter(call=call):
        Flag.objects.filter(id=flag.id).update(evidence=evidence_without_emotion(flag.evidence), peak=None, main_part="")
    type(call).objects.filter(id=call.id).update(**NO_TOTALS)
    _documents_withdraw(call)


def _documents_withdraw(call: Call) -> None:
    runs = AnalysisRun.objects.filter(call=call).exclude(document="")
    names = list(runs.values_list("document", flat=True))
    runs.update(document="", summary={})

    def remove() -> None:
        for name in names:
            files.remove(name)

    transaction.on_commit(remove)
