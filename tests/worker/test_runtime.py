"""Settings to engines, and how a worker takes its tasks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from celery.concurrency import solo

from analysis.errors import AnalysisError
from callanalytics import celery, checks
from worker import runtime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(runtime, "worker", runtime.Worker())
    runtime.config.cache_clear()
    yield
    runtime.config.cache_clear()


def note(**options: Any) -> runtime.Worker:
    runtime._note_worker(conf=SimpleNamespace(worker_concurrency=None), options=options)
    return runtime.worker


@pytest.mark.parametrize("accepted", [True, False])
def test_only_the_environment_accepts_noncommercial_weights(
    settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, accepted: bool
) -> None:
    settings.ANALYSIS_CONFIG = tmp_path / "site.toml"
    settings.ANALYSIS_CONFIG.write_text("[tone]\naccept_noncommercial = true\n[flags]\nmin_peak = 0.7\n")
    settings.ACCEPT_NONCOMMERCIAL_WEIGHTS = accepted
    assert runtime.config().tone.accept_noncommercial is accepted
    assert runtime.config().flags.min_peak == 0.7
    assert ("site.toml accepts non-commercial weights" in caplog.text) is not accepted


def test_a_broken_configuration_says_which_file(settings: Any, tmp_path: Path) -> None:
    settings.ANALYSIS_CONFIG = tmp_path / "site.toml"
    settings.ANALYSIS_CONFIG.write_text("[tone]\nacept = true\n")
    with pytest.raises(AnalysisError, match=r"site\.toml.*acept"):
        runtime.config()


@pytest.mark.parametrize(
    ("options", "threads"), [({"concurrency": 2}, 1), ({"concurrency": 1}, 0), ({"concurrency": 8, "pool_cls": solo.TaskPool}, 0)]
)
def test_several_processes_get_one_thread_each(options: dict[str, Any], threads: int) -> None:
    note(**options)
    assert runtime.config().transcribe.threads == threads


@pytest.mark.parametrize(
    ("queues", "analyses"),
    [(None, True), (["delivery", "maintenance"], False), (["maintenance", "analysis"], True), (["analysis.gpu"], True)],
)
def test_a_worker_that_takes_no_calls_loads_no_models(queues: Any, analyses: bool) -> None:
    assert note(queues=queues).analyses is analyses


@pytest.mark.parametrize(("queues", "lines"), [(None, 1), (["delivery", "maintenance"], 0)])
def test_a_worker_that_scores_says_once_what_the_licence_of_its_weights_does(
    queues: Any, lines: int, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    settings.ACCEPT_NONCOMMERCIAL_WEIGHTS = True
    monkeypatch.setattr(checks.log, "info", said.append)
    note(queues=queues)
    assert len(said) == lines
    assert all("exclude commercial use score calls: tone-" in line and "\n" not in line for line in said)


def test_tasks_are_kept_until_done_and_taken_one_by_one() -> None:
    conf = celery.app.conf
    assert (conf.task_acks_late, conf.task_reject_on_worker_lost, conf.worker_prefetch_multiplier, conf.task_ignore_result) == (
        True,
        True,
        1,
        True,
    )
    assert [queue.name for queue in conf.task_queues] == ["analysis", "analysis.gpu", "delivery", "maintenance"]


def test_redis_hands_nothing_out_twice_while_the_longest_call_runs() -> None:
    options = celery._transport_options("redis://localhost/0", "unused")
    assert options["visibility_timeout"] >= 4.25 * 3600
    assert "visibility_timeout" not in celery._transport_options("filesystem://", "/tmp/x")


def test_every_scheduled_task_exists() -> None:
    celery.app.loader.import_default_modules()
    assert {entry["task"] for entry in celery.app.conf.beat_schedule.values()} <= set(celery.app.tasks)
    assert {"worker.call_analyze", "worker.calls_sweep"} <= set(celery.app.tasks)
