"""Refits the fusion from reviewers' verdicts, and makes a fit the one that new analyses use, or no longer."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import IntegrityError, transaction
from django.utils import timezone

from callanalytics.calls.mapping import PARTS
from callanalytics.errors import ApplicationError
from callanalytics.events.services import event_record
from callanalytics.review import fitting, judged
from callanalytics.review.models import Calibration
from callanalytics.review.selectors import calibration_active, fuse_calibrated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analysis.config import FuseConfig
    from callanalytics.people.models import User
    from callanalytics.review.fitting import Doubles, Rows
    from callanalytics.review.judged import Collected

MIN_STRETCHES, MIN_OF_EACH, MIN_CALLS = 50, 12, 20
"""What leaves each of five folds ten stretches, two of either answer, from four calls. With less even the measuring says nothing."""


LEFT_OUT: Mapping[str, str] = {
    judged.UNCLEAR: "on which reviewers are even or cannot tell",
    judged.NOT_SCORED: "without a score",
    judged.OTHER_MODELS: "of calls that were analysed with other models than the newest (analyse them again to use them)",
}


@dataclass(frozen=True, slots=True)
class Refit:
    """A fit that is not stored yet, and what it was measured to do."""

    before: FuseConfig
    after: FuseConfig
    replaces: Calibration | None
    collected: Collected
    random: int
    rate: float | None
    """Share of the installation's scored moments that reviewers would call frustrated; None with too few random stretches."""
    metrics: Mapping[str, Any]

    @property
    def improves(self) -> bool:
        return bool(self.metrics["after"]["log_loss"] < self.metrics["before"]["log_loss"])


def calibration_fit(configured: FuseConfig) -> Refit:
    """Refit to all verdicts there are, shrunk towards the configured weights, and measure it against those in use; stores nothing.

    Towards the configured and not the last fitted weights, which have seen the same verdicts: fitting twice gives the same twice.
    Raises ApplicationError `conflict` where there are too few verdicts, saying how many of which are missing.
    """
    replaces = calibration_active()
    found = judged.collected(configured)
    rows = found.rows
    _refuse_too_few(found)
    random = int(rows.random.sum())
    share = found.flagged_share if random >= fitting.MIN_RANDOM else None
    before, fit = fuse_calibrated(configured, replaces), fitting.fit(rows, prior=configured.prior, flagged_share=share)
    scores = {
        "before": _as_fit(before, configured).probabilities(rows),
        "after": fitting.cross_validated(rows, prior=configured.prior, flagged_share=share),
    }
    return Refit(
        before=before,
        after=dataclasses.replace(configured, prior=round(fit.prior, 4), **_weights(configured, fit.scales)),
        replaces=replaces,
        collected=found,
        random=random,
        rate=None if share is None else float(fitting.population(rows, share) @ rows.frustrated),
        metrics=_metrics(rows, scores),
    )


def calibration_store(refit: Refit, *, actor: User | None = None) -> Calibration:
    """Make a fit the active one. Raises ApplicationError `conflict` where another became active since it was begun."""
    try:
        with transaction.atomic():
            _refuse_stale(refit.replaces)
            if refit.replaces is not None:
                # That one alone: another that became active meanwhile has to collide with ours.
                Calibration.objects.filter(id=refit.replaces.id).update(active=False)
            calibration = Calibration.objects.create(
                **{name: getattr(refit.after, name) for name in Calibration.FUSE_FIELDS},
                stretches=len(refit.collected.rows),
                metrics=dict(refit.metrics),
                replaced=refit.replaces,
                made_by=actor,
            )
            _recorded("calibration.made", calibration, actor)
    except IntegrityError as error:
        raise _conflict() from error
    return calibration


def calibration_undo(*, actor: User | None = None) -> Calibration | None:
    """Go back to what was used before the active one; the calibration that is used then, None for the configured weights.

    Raises ApplicationError `conflict` where none is active.
    """
    with transaction.atomic():
        undone = Calibration.objects.select_for_update(of=("self",)).select_related("replaced").filter(active=True).first()
        if undone is None:
            raise ApplicationError("There is nothing to undo: the weights are as configured.", code="conflict")
        Calibration.objects.filter(id=undone.id).update(active=False, undone_at=timezone.now())
        if undone.replaced is not None:
            Calibration.objects.filter(id=undone.replaced.id).update(active=True)
        _recorded("calibration.undone", undone, actor)
    return calibration_active()


def left_out(found: Collected) -> str:
    """`Left out: 7 on which reviewers are even or cannot tell.`, or nothing."""
    counts = [f"{count} {LEFT_OUT[reason]}" for reason, count in found.left_out.items()]
    return f"Left out: {'; '.join(counts)}." if counts else ""


def _refuse_too_few(found: Collected) -> None:
    rows, calls = found.rows, found.calls
    counts = {"frustrated": int(rows.frustrated.sum()), "not frustrated": int((~rows.frustrated).sum())}
    short = {name: MIN_OF_EACH - count for name, count in counts.items() if count < MIN_OF_EACH}
    missing = max(MIN_STRETCHES - len(rows), sum(short.values()))
    sentences = []
    if missing > 0:
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        of_them = " and ".join(f"at least {count} {name}" for name, count in short.items())
        sentences.append(
            f"{_stretches(len(rows))} can be fitted to ({told}), {MIN_STRETCHES} are needed, with {MIN_OF_EACH} of each: "
            f"{missing} more{', of them ' + of_them if of_them else ''}."
        )
    if calls < MIN_CALLS:
        sentences.append(
            f"{'They' if missing > 0 else f'The {_stretches(len(rows))}'} come from {_calls(calls)}, {MIN_CALLS} are needed: "
            f"{MIN_CALLS - calls} more, because what is learnt from a few callers says little of the others."
        )
    if sentences:
        raise ApplicationError(" ".join(filter(None, (*sentences, left_out(found)))), code="conflict")


def _calls(count: int) -> str:
    return f"{count or 'no'} call{'s' if count > 1 else ''}"


def _stretches(count: int) -> str:
    return f"{count} judged stretch{'' if count == 1 else 'es'}"


def _as_fit(fuse: FuseConfig, configured: FuseConfig) -> fitting.Fit:
    """A fusion in the terms of fitting, where weights are shares of the configured ones."""
    used, base = (np.array([getattr(config, f"{part}_weight") for part in PARTS]) for config in (fuse, configured))
    return fitting.Fit(fuse.prior, np.divide(used, base, out=np.ones(len(PARTS)), where=base > 0))


def _weights(configured: FuseConfig, scales: Doubles) -> dict[str, Any]:
    names = [f"{part}_weight" for part in PARTS]
    return {name: round(getattr(configured, name) * float(scale), 4) for name, scale in zip(names, scales, strict=True)}


def _metrics(rows: Rows, scores: Mapping[str, Doubles]) -> dict[str, Any]:
    """Over all judged stretches, and the log loss of flags and of random stretches apart."""
    weights = fitting.judged(rows)
    found: dict[str, Any] = {name: fitting.measured(rows.frustrated, values, weights) for name, values in scores.items()}
    found["intervals"] = fitting.intervals(rows, scores, weights)
    found["reliability"] = {name: fitting.reliability(rows.frustrated, values, weights) for name, values in scores.items()}
    for kind, own in (("flags", ~rows.random), ("random", rows.random)):
        if own.any():
            found[kind] = {name: fitting.loss(rows.frustrated[own], values[own], weights[own]) for name, values in scores.items()}
    return found


def _refuse_stale(replaces: Calibration | None) -> None:
    active = Calibration.objects.select_for_update().filter(active=True).first()
    if active != replaces:
        raise _conflict()


def _conflict() -> ApplicationError:
    return ApplicationError("Another calibration was made or undone meanwhile, so nothing was changed. Run it again.", code="conflict")


def _recorded(kind: str, calibration: Calibration, actor: User | None) -> None:
    fitted = {name: getattr(calibration, name) for name in Calibration.FUSE_FIELDS}
    payload = {"calibration": str(calibration), "stretches": calibration.stretches, **fitted}
    event_record(type=kind, subject=str(calibration), team=None, payload=payload, actor=actor)
