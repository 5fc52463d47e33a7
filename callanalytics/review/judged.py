"""Verdicts and stored analyses → the rows that the fusion is refitted to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from django.db.models import F, Sum

from analysis.values import Span
from callanalytics.calls.mapping import PARTS
from callanalytics.calls.models import AnalysisRun, Call, CallStatus, Flag, FlagStatus, Utterance
from callanalytics.people.models import ScoringChoice
from callanalytics.review.fitting import Rows
from callanalytics.review.models import Answer, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from analysis.config import FuseConfig
    from callanalytics.review.fitting import Doubles, Mask, Numbers

MANY_AGENTS = 10
"""Agents from which folds keep agents apart, and not only calls."""
SHORTEST_S = 0.1
"""An utterance counts for so much at least, as in analysis.steps.segments."""
ROUNDING = 0.0006
"""Contributions are stored to three digits."""
VOICE = (PARTS.index("tone"), PARTS.index("measures"))
"""Where the parts stand that are limited together."""

UNCLEAR, NOT_SCORED, OTHER_MODELS = "unclear", "not_scored", "other_models"
"""Why a judged stretch is no row: reviewers are even or cannot tell; no score in it; analysed with other models than the newest call."""


@dataclass(slots=True)
class Stretch:
    """A stretch of a call that somebody judged, with what each reviewer said of it last."""

    call_id: UUID
    span: Span
    answers: dict[object, str] = field(default_factory=dict)
    inverse: float = 0.0
    """The sum over its draws of 1 / their chance; 0 of a flag."""

    @property
    def frustrated(self) -> bool | None:
        """What most reviewers say; None where they are even, or none can tell."""
        said = Counter(self.answers.values())
        lead = said[Answer.CONFIRM] - said[Answer.REJECT]
        return lead > 0 if lead else None


@dataclass(slots=True)
class Scored:
    """A call's current run: its models, its fusion's configuration, and its scored moments with what each part added."""

    models: tuple[str | None, ...]
    fuse: Mapping[str, float]
    moments: list[tuple[Span, Mapping[str, float]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Heard:
    """A judged stretch as the models hear it; see callanalytics.review.fitting.Rows."""

    stretch: Stretch
    parts: Doubles
    limited: float
    moments: int


@dataclass(frozen=True, slots=True)
class Collected:
    """What can be fitted to, and why the rest cannot."""

    rows: Rows
    calls: int
    by_agent: bool
    """Whether the groups are agents rather than calls."""
    left_out: Mapping[str, int]
    """Judged stretches by the reason why they are no row."""
    flagged_share: float
    """Of the scored moments of the installation, those in flags."""


def collected(configured: FuseConfig) -> Collected:
    """One row for each judged stretch of a call that is scored now, its parts measured by the configured weights.

    A verdict is given on a stretch, so the stretch is the row, and its parts are the means of its moments' parts by seconds. Not those
    of its peak: the peak is picked by the weights that are refitted, the highest of several scores is rather too high than too low, and
    the prior would come out too low for the single moments it is used on. The parts are those of the call's current analysis: the
    verdict is on the sound, and it is the present models that are weighed.
    """
    stretches = _stretches()
    known = _scored()
    models = newest_models()
    left_out: Counter[str] = Counter()
    found: list[Heard] = []
    for stretch in stretches:
        run = known.get(stretch.call_id)
        if stretch.frustrated is None:
            left_out[UNCLEAR] += 1
        elif run is not None and run.models != models:
            left_out[OTHER_MODELS] += 1
        elif run is None or (heard := _heard(stretch, run, configured)) is None:
            left_out[NOT_SCORED] += 1
        else:
            found.append(heard)
    groups, by_agent = _groups([heard.stretch.call_id for heard in found])
    return Collected(_rows(found, groups), len({heard.stretch.call_id for heard in found}), by_agent, left_out, _flagged_share())


def _stretches() -> list[Stretch]:
    """Judged flags for frustration that stand or were rejected, and random stretches. A withdrawn flag is neither of the two samples."""
    verdicts = Verdict.objects.filter(call__status=CallStatus.DONE, call__objected=False)
    verdicts = verdicts.exclude(flag__rule=Flag.EFFORT).exclude(flag__status=FlagStatus.RETRACTED)
    found: dict[object, Stretch] = {}
    for verdict in verdicts.order_by("created_at", "id"):
        key = verdict.flag_id or (verdict.call_id, verdict.start, verdict.end)
        stretch = found.setdefault(key, Stretch(verdict.call_id, Span(verdict.start, verdict.end)))
        stretch.answers[verdict.reviewer_id or f"verdict {verdict.id}"] = verdict.answer
        stretch.inverse += 1.0 / verdict.sampling_probability if verdict.sampling_probability else 0.0
    return list(found.values())


def _scored() -> dict[UUID, Scored]:
    """Judged calls whose run tells what its fusion was configured to."""
    calls = Verdict.objects.order_by().values("call_id")
    runs = AnalysisRun.objects.filter(call_id__in=calls, current=True).values_list("call_id", "engines", "summary__provenance__fuse")
    found = {call_id: Scored(_models(engines), fuse) for call_id, engines, fuse in runs if fuse}
    spoken = Utterance.objects.filter(call_id__in=calls, frustration__isnull=False).order_by()
    for call_id, start, end, contributions in spoken.values_list("call_id", "start", "end", "contributions"):
        if call_id in found and contributions:
            found[call_id].moments.append((Span(start, end), contributions))
    return found


def _models(engines: Mapping[str, str]) -> tuple[str | None, ...]:
    """Those whose probabilities the parts are made of: another head's log-odds are not on the same scale."""
    return engines.get("tone"), engines.get("wording")


def newest_models(*, at: datetime | None = None) -> tuple[str | None, ...] | None:
    """Tone and wording model of the newest analysis that was scored, now or at a time before; None where there is none."""
    scored = AnalysisRun.objects.filter(scoring__in=(ScoringChoice.FULL, ScoringChoice.WORDS))
    scored = scored.filter(current=True) if at is None else scored.filter(created_at__lte=at)
    newest = scored.order_by("-created_at", "-id").values_list("engines", flat=True).first()
    return None if newest is None else _models(newest)


def _heard(stretch: Stretch, run: Scored, configured: FuseConfig) -> Heard | None:
    """None where no moment in the stretch is scored."""
    within = [(span, added) for span, added in run.moments if span.overlap(stretch.span) or span.start == stretch.span.start]
    if not within:
        return None
    seconds = np.array([max(span.overlap(stretch.span), SHORTEST_S) for span, _ in within])
    added = np.array([[added[part] for part in PARTS] for _, added in within])
    limited = _limited(added, run.fuse)
    now = np.array([run.fuse[f"{part}_weight"] for part in PARTS])
    ratio = np.divide([getattr(configured, f"{part}_weight") for part in PARTS], now, out=np.zeros(len(PARTS)), where=now > 0)
    share = seconds / seconds.sum()
    return Heard(stretch, share @ np.where(limited, 0.0, added * ratio), float(share @ np.where(limited, added, 0.0).sum(1)), len(within))


def _limited(added: Doubles, fuse: Mapping[str, float]) -> Mask:
    """Which parts stand at a limit, of shape [moments, parts]; tone and measures both do where their sum is at the voice's."""
    limited = (added >= _limits(fuse) - ROUNDING) | (added <= ROUNDING - fuse["calm_limit"])
    if "voice_limit" in fuse:
        together = added[:, VOICE].sum(1) >= fuse["voice_limit"] - len(VOICE) * ROUNDING
        limited[:, VOICE] |= together[:, None]
    return np.asarray(limited)


def _limits(fuse: Mapping[str, float]) -> Doubles:
    """The most that each part may add. Older analyses limited tone by itself (`tone_limit`), or by nothing of its own."""
    most = fuse["part_limit"]
    own = {"tone": fuse.get("tone_limit", most)} | {PARTS[place]: fuse["voice_limit"] for place in VOICE if "voice_limit" in fuse}
    return np.array([min(own.get(part, most), most) for part in PARTS])


def _groups(call_ids: Sequence[UUID]) -> tuple[Numbers, bool]:
    """A number for each row: its agent's where there are many, else its call's. A call of nobody's is a group of its own."""
    agents = dict(Call.objects.filter(id__in=Verdict.objects.order_by().values("call_id")).values_list("id", "agent_id"))
    by_agent = len({agents[call_id] for call_id in call_ids} - {None}) >= MANY_AGENTS
    names = [str((by_agent and agents[call_id]) or call_id) for call_id in call_ids]
    return np.unique(names, return_inverse=True)[1].astype(np.int64), by_agent


def _rows(found: Sequence[Heard], groups: Numbers) -> Rows:
    return Rows(
        parts=np.array([heard.parts for heard in found]).reshape(-1, len(PARTS)),
        limited=np.array([heard.limited for heard in found]),
        frustrated=np.array([heard.stretch.frustrated is True for heard in found], dtype=bool),
        inverse=np.array([heard.stretch.inverse for heard in found]),
        moments=np.array([float(heard.moments) for heard in found]),
        groups=groups,
    )


def _flagged_share() -> float:
    calls = Call.objects.filter(status=CallStatus.DONE, objected=False)
    scored = calls.aggregate(moments=Sum(F("moment_count") - F("abstained_count")))["moments"] or 0
    raised = Flag.objects.filter(call__in=calls).exclude(rule=Flag.EFFORT).exclude(status=FlagStatus.RETRACTED).order_by()
    flagged = sum(len(numbers or ()) for numbers in raised.values_list("segment__utterances", flat=True))
    return float(np.clip(flagged / max(scored, 1), 0.001, 0.999))
