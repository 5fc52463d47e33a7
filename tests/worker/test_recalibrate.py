"""`callanalytics recalibrate`: what it says and stores, and that analyses are made with it."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command

from analysis import config as configuration
from analysis.config import Config, FuseConfig, ToneConfig
from callanalytics.calls.models import AnalysisRun
from callanalytics.review import calibration
from callanalytics.review.models import Calibration
from callanalytics.review.selectors import calibration_active, config_calibrated
from tests import factories
from tests.platform.test_calibration import CALM, desk, few_resamples, small, small_desk
from tests.worker.installation import ROOT
from worker import runtime
from worker.analysing import call_attempt

if TYPE_CHECKING:
    from pathlib import Path

    from analysis.ports import Engines
    from callanalytics.calls.models import Call
    from tests.factories import World


__all__ = ["few_resamples", "small"]


@pytest.fixture(autouse=True)
def plain_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "config", Config)


def recalibrate(*arguments: str) -> str:
    out = io.StringIO()
    call_command("recalibrate", *arguments, stdout=out)
    return out.getvalue()


def provenance(call: Call) -> dict[str, Any]:
    made: dict[str, Any] = AnalysisRun.objects.get(call=call, current=True).summary["provenance"]
    return made


def test_it_tells_before_and_after_stores_and_says_what_becomes_of_old_calls(world: World) -> None:
    desk(world)
    said = recalibrate("--by", "owner")
    made = Calibration.objects.get()
    assert (made.active, made.made_by, made.stretches) == (True, world.owner, 60)
    for told in (
        "60 judged stretches of 60 calls",
        "30 flags, 30 random",
        "Reviewers would call about",
        f"prior              -2.20{made.prior:>14.2f}",
        f"tone                1.00{made.tone_weight:>14.2f}",
        "no call on both sides",
        "average precision",
        "Score after:",
        f"Stored as verdicts-{made.id}. New analyses use it from now on. Calls analysed before keep their scores",
    ):
        assert told in said


def test_a_dry_run_tells_the_same_and_changes_nothing(world: World) -> None:
    desk(world)
    told = recalibrate("--dry-run")
    assert "Nothing was changed (--dry-run)." in told
    assert not Calibration.objects.exists()
    assert recalibrate().splitlines()[:8] == told.splitlines()[:8]


def test_what_measures_no_better_is_stored_only_by_force(world: World) -> None:
    desk(world)
    recalibrate()
    said = recalibrate()
    assert f"{calibration_active()} was fitted to some of these stretches itself" in said
    assert "The cross-validated log loss is no better" in said
    assert "Nothing was changed; --force stores it all the same." in said
    assert Calibration.objects.count() == 1
    assert "Stored as" in recalibrate("--force")
    assert Calibration.objects.count() == 2


def test_too_few_verdicts_end_with_an_error_that_counts_them(world: World) -> None:
    factories.judged_call(world, "reject", contributions=CALM)
    with pytest.raises(CommandError, match=r"1 judged stretch can be fitted to \(0 frustrated, 1 not frustrated\), 50 are needed"):
        recalibrate()
    with pytest.raises(CommandError, match="no user 'nobody'"):
        recalibrate("--by", "nobody")


def test_show_tells_the_history_and_undo_goes_back(world: World, small: None) -> None:
    small_desk(world)
    assert "New analyses use the weights as configured." in recalibrate("--show")
    recalibrate("--by", "owner")
    first = calibration_active()
    recalibrate("--force")
    said = recalibrate("--undo")
    assert f"New analyses use {first} again" in said
    shown = recalibrate("--show")
    assert f"New analyses use {first}." in shown
    assert "by owner, after the weights as configured, from 16 stretches" in shown
    assert "by the shell" in shown
    assert "; undone 20" in shown
    assert "New analyses use the weights as configured again" in recalibrate("--undo")
    with pytest.raises(CommandError, match="nothing to undo"):
        recalibrate("--undo")


def test_show_tells_when_the_models_are_others_than_it_was_fitted_to(world: World, small: None) -> None:
    small_desk(world)
    recalibrate()
    told = "fitted to other tone or wording models than the newest call was analysed with"
    assert told not in recalibrate("--show")
    newer = factories.judged_call(world, "confirm", contributions=CALM)
    AnalysisRun.objects.filter(call=newer.call_id).update(engines={"tone": "another@sha256:0", "wording": "same"})
    assert told in recalibrate("--show")


@pytest.mark.parametrize("accepted", [True, False])
def test_an_export_is_the_fusion_in_use_for_the_library_alone(
    world: World, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accepted: bool
) -> None:
    used = Config(tone=ToneConfig(accept_noncommercial=accepted))
    monkeypatch.setattr(runtime, "config", lambda: used)
    small_desk(world)
    recalibrate()
    recalibrate("--export", str(tmp_path / "fuse.toml"))
    loaded = configuration.load(tmp_path / "fuse.toml", over=used)
    assert loaded == config_calibrated(used)
    assert "accept_noncommercial" not in (tmp_path / "fuse.toml").read_text(), "the reader says it, not the shell that exports"
    assert loaded.fuse.calibration == str(calibration_active())
    with pytest.raises(CommandError, match="cannot be written"):
        recalibrate("--export", str(tmp_path / "absent" / "fuse.toml"))


def test_a_running_worker_analyses_the_next_call_with_it_and_names_it(
    world: World, small: None, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "engines", lambda: engines)
    small_desk(world)
    refit = calibration.calibration_fit(FuseConfig())
    before, after, undone = (factories.agents_call(world, external_id=f"C-{number}") for number in range(3))
    call_attempt(before.id)
    made = calibration.calibration_store(refit)
    call_attempt(after.id)
    calibration.calibration_undo()
    call_attempt(undone.id)
    assert provenance(before)["fuse"] == dataclasses.asdict(FuseConfig())
    assert (provenance(after)["fuse"]["calibration"], provenance(after)["fuse"]["prior"]) == (str(made), made.prior)
    assert provenance(before)["config"] != provenance(after)["config"]
    assert provenance(undone)["config"] == provenance(before)["config"]


def test_a_call_keeps_what_it_began_with(world: World, small: None, engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    small_desk(world)
    call = factories.agents_call(world)

    def calibrated_meanwhile() -> Engines:
        calibration.calibration_store(calibration.calibration_fit(FuseConfig()))
        return engines

    monkeypatch.setattr(runtime, "engines", calibrated_meanwhile)
    call_attempt(call.id)
    assert calibration_active() is not None
    assert provenance(call)["fuse"]["calibration"] == "configured"


def test_the_web_never_loads_what_fits() -> None:
    """scikit-learn costs a web process a second and a hundred megabytes."""
    code = "import django, json, sys; django.setup(); import callanalytics.urls; print(json.dumps('sklearn.metrics' in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(found.stdout.splitlines()[-1]) is False
