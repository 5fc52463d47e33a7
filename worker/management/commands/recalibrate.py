"""`callanalytics recalibrate`: refits prior and weights of the fusion to reviewers' verdicts, says what that does, and can be undone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from callanalytics.calls.mapping import PARTS
from callanalytics.errors import ApplicationError
from callanalytics.people.models import User
from callanalytics.review import calibration, judged
from callanalytics.review.fitting import METRICS, MIN_RANDOM
from callanalytics.review.models import Calibration
from callanalytics.review.selectors import calibration_active, config_calibrated, fuse_calibrated
from worker import runtime

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable, Mapping

    from analysis.config import Config, FuseConfig
    from callanalytics.review.calibration import Refit

NAMES = {"log_loss": "log loss", "ece": "ECE", "auc": "AUC", "average_precision": "average precision"}
OLD_CALLS = "New analyses use it from now on. Calls analysed before keep their scores until they are analysed again, from their page."


class Command(BaseCommand):
    help = "Refit the score's starting point and weights to the verdicts of this site's reviewers. The emotion models stay as they are."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_mutually_exclusive_group()
        acts.add_argument("--dry-run", action="store_true", help="measure and tell, and change nothing")
        acts.add_argument("--force", action="store_true", help="store the fit although it measures no better")
        acts.add_argument("--undo", action="store_true", help="go back to what was used before")
        acts.add_argument("--show", action="store_true", help="tell what is used now, and what was before")
        acts.add_argument("--export", type=Path, metavar="FILE", help="write what is used now as TOML for python -m analysis --config")
        parser.add_argument("--by", default="", metavar="NAME", help="the user who does this, for the record")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            self._act(options, _actor(options["by"]))
        except ApplicationError as error:
            raise CommandError(error.message) from error

    def _act(self, options: dict[str, Any], actor: User | None) -> None:
        configured = runtime.config().fuse
        if options["show"]:
            self._lines(_history(configured))
        elif options["export"]:
            self._export(options["export"], config_calibrated(runtime.config()))
        elif options["undo"]:
            used = calibration.calibration_undo(actor=actor)
            self.stdout.write(f"Undone. New analyses use {_called(used)} again; calls analysed before keep their scores.")
        else:
            self._refit(calibration.calibration_fit(configured), options, actor)

    def _refit(self, refit: Refit, options: dict[str, Any], actor: User | None) -> None:
        self._lines(_told(refit))
        if not refit.improves:
            self.stdout.write("\nThe cross-validated log loss is no better after than before.")
        if options["dry_run"]:
            self.stdout.write("Nothing was changed (--dry-run).")
        elif refit.improves or options["force"]:
            self.stdout.write(f"\nStored as {calibration.calibration_store(refit, actor=actor)}. {OLD_CALLS} --undo takes it back.")
        else:
            self.stdout.write("Nothing was changed; --force stores it all the same.")

    def _export(self, file: Path, config: Config) -> None:
        """The fusion alone. Whether tone may be scored is the reader's to say: this shell knows only its own environment."""
        lines = ["[fuse]", *(f"{name} = {_toml(value)}" for name, value in dataclasses.asdict(config.fuse).items())]
        try:
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}") from error
        self.stdout.write(f"{file}: the weights {config.fuse.calibration}, for python -m analysis --config {file}")

    def _lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.stdout.write(line)


def _actor(name: str) -> User | None:
    if not name:
        return None
    found = User.objects.filter(username=name).first()
    if found is None:
        raise CommandError(f"There is no user {name!r}.")
    return found


def _toml(value: float | str) -> str:
    """A float or a plain name, which JSON and TOML write alike."""
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _called(used: Calibration | None) -> str:
    return "the weights as configured" if used is None else str(used)


def _history(configured: FuseConfig) -> Iterable[str]:
    active = calibration_active()
    yield f"New analyses use {_called(active)}."
    if active and judged.newest_models(at=active.created_at) != judged.newest_models():
        yield "It was fitted to other tone or wording models than the newest call was analysed with: analyse judged calls again, and refit."
    yield from _weights({"configured": configured} | ({str(active): fuse_calibrated(configured, active)} if active else {}))
    for made in Calibration.objects.select_related("made_by", "replaced"):
        state = "active" if made.active else f"undone {made.undone_at:%Y-%m-%d %H:%M}" if made.undone_at else "replaced"
        losses = [made.metrics[name]["log_loss"] for name in ("before", "after")]
        yield (
            f"{made}: {made.created_at:%Y-%m-%d %H:%M} UTC, by {made.made_by or 'the shell'}, after {_called(made.replaced)}, from "
            f"{made.stretches} stretches, log loss {losses[0]:.3f} → {losses[1]:.3f}; {state}"
        )


def _told(refit: Refit) -> Iterable[str]:
    rows, found = refit.collected.rows, refit.collected
    frustrated = int(rows.frustrated.sum())
    yield (
        f"{len(rows)} judged stretches of {found.calls} calls: {frustrated} frustrated, {len(rows) - frustrated} not; "
        f"{len(rows) - refit.random} flags, {refit.random} random."
    )
    if found.left_out:
        yield calibration.left_out(found)
    if refit.rate is None:
        yield (
            f"Random stretches say how common frustration is here; {refit.random} are judged and {MIN_RANDOM} are needed, so "
            "the starting point (prior) stays as configured."
        )
    else:
        yield f"Reviewers would call about {refit.rate:.1%} of all scored customer speech frustrated."
    yield ""
    if refit.replaces is not None:
        yield f"{refit.replaces} was fitted to some of these stretches itself, so that what is measured before is too good."
    yield from _weights({"before": refit.before, "after": refit.after})
    yield ""
    yield from _measures(refit)
    yield ""
    yield from _reliability(refit.metrics["reliability"])


def _weights(columns: Mapping[str, FuseConfig]) -> Iterable[str]:
    yield f"{'':<10}" + "".join(f"{name:>14}" for name in columns)
    for field in ("prior", *(f"{part}_weight" for part in PARTS)):
        yield f"{field.removesuffix('_weight'):<10}" + "".join(f"{getattr(fuse, field):>14.2f}" for fuse in columns.values())


def _measures(refit: Refit) -> Iterable[str]:
    metrics, apart = refit.metrics, "agent" if refit.collected.by_agent else "call"
    yield f"Cross-validated, no {apart} on both sides, with 95 % bootstrap intervals:"
    yield f"{'':<18}{'before':>22}{'after':>22}{'difference':>28}"
    for name in METRICS:
        values = {key: metrics[key][name] for key in ("before", "after")}
        values["difference"] = values["after"] - values["before"]
        cells = [_cell(value, metrics["intervals"][key][name], signed=key == "difference") for key, value in values.items()]
        yield f"{NAMES[name]:<18}{cells[0]:>22}{cells[1]:>22}{cells[2]:>28}"
    for kind, name in (("flags", "log loss, flags"), ("random", "log loss, random")):
        if kind in metrics:
            yield f"{name:<18}{metrics[kind]['before']:>22.3f}{metrics[kind]['after']:>22.3f}"


def _cell(value: float, interval: tuple[float, float], *, signed: bool) -> str:
    form, to = ("+.3f", " … ") if signed else (".3f", "–")
    return f"{value:{form}} ({interval[0]:{form}}{to}{interval[1]:{form}})"


def _reliability(bins: Mapping[str, list[dict[str, float]]]) -> Iterable[str]:
    for name, rows in bins.items():
        yield f"Score {name}:  stretches   mean score   frustrated"
        for row in rows:
            yield f"  {row['from']:.0%}–{row['to']:.0%}".ljust(14) + f"{row['stretches']:>9}{row['score']:>13.0%}{row['frustrated']:>13.0%}"
