"""Fixtures shared by all tests: where the measuring data lies and what may be skipped."""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from analysis import registry
from analysis.config import Config
from tests.receiver import receiving

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from pytest_django import Settings

    from analysis.ports import Engines
    from analysis.values import CallAnalysis
    from tests.factories import World
    from tests.receiver import Receiver

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("CALLANALYTICS_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real calls, speech and text; skips where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"measuring data is not at {DATA}; set CALLANALYTICS_DATA")
    return DATA


@pytest.fixture(scope="session")
def config() -> Config:
    """The defaults, with the shipped tone weights accepted, on one thread as in a worker."""
    defaults = Config()
    return dataclasses.replace(
        defaults,
        tone=dataclasses.replace(defaults.tone, accept_noncommercial=True),
        transcribe=dataclasses.replace(defaults.transcribe, threads=1),
    )


@pytest.fixture(scope="session")
def engines(config: Config) -> Engines:
    """The real engines with their real weights, built once for the whole run."""
    return registry.build(config)


@pytest.fixture(scope="session")
def sample(engines: Engines, config: Config) -> Callable[[str], CallAnalysis]:
    """Analyses of the sample calls by name (`calm`, `recovers`, `escalates`), each made once for the whole run."""

    @functools.cache
    def analyzed(name: str) -> CallAnalysis:
        from analysis import pipeline
        from analysis.values import GivenParties, Party

        options = pipeline.CallOptions(GivenParties((Party.AGENT, Party.CUSTOMER)))
        return pipeline.analyze(ROOT / "samples" / f"{name}.flac", engines=engines, config=config, options=options)

    return analyzed


def pytest_configure() -> None:
    """Started in the background or under nohup, a process ignores Ctrl-C or hang-ups, and so would every process of the tests."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def _allowed(test: str) -> bool:
    """Whether a test may be skipped with CI=true: it is on the committed list."""
    lines = (Path(__file__).parent / "allowed_skips.txt").read_text().splitlines()
    return any(fnmatch(test, line.partition("  #")[0].strip()) for line in lines if line and not line.startswith("#"))


def _failed_where_not_allowed(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turns a skip under CI=true into a failure that keeps its reason; an expected failure stays one."""
    if os.environ.get("CI") != "true" or not report.skipped or hasattr(report, "wasxfail") or _allowed(report.nodeid):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"skipped although CI=true, and not in tests/allowed_skips.txt: {str(reason).removeprefix('Skipped: ')}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _failed_where_not_allowed(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _failed_where_not_allowed(report)
    return report


@pytest.fixture
def media(settings: Settings, tmp_path: Path) -> Path:
    """An empty media folder of the test's own."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.FILE_UPLOAD_TEMP_DIR = settings.MEDIA_ROOT / "incoming"
    settings.FILE_UPLOAD_TEMP_DIR.mkdir(parents=True)
    return Path(settings.MEDIA_ROOT)


@pytest.fixture
def nudged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that a worker was told of, instead of telling one."""
    told: list[str] = []
    monkeypatch.setattr("callanalytics.calls.queueing._send", lambda task, *arguments: told.extend(arguments))
    return told


@pytest.fixture
def world(db: None, media: Path, nudged: list[str]) -> World:
    """Teams and someone in every role (tests/factories.py)."""
    from tests import factories

    return factories.world()


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    """A server on loopback that requests may be sent to."""
    with receiving() as server:
        settings.EGRESS_ALLOW = [server.url]
        yield server
