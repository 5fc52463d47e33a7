"""A real process, killed or stopped in the middle of a call: the call comes back by its row and is done once."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.receiver import receiving
from tests.worker.installation import ROOT, Installation

if TYPE_CHECKING:
    from pathlib import Path

STATE = "SELECT status, step, attempts, reason, lease_token FROM calls_call"
SAMPLE = ROOT / "samples" / "recovers.flac"


def test_a_call_whose_worker_is_killed_is_analysed_once_by_the_next(tmp_path: Path) -> None:
    with Installation(tmp_path) as site:
        site.manage("analyze", SAMPLE, "--enqueue", "--channels", "agent,customer")
        killed = site.worker()
        site.until(STATE, lambda row: row[1] == "transcribe")
        site.kill(killed)
        assert site.left() == []

        site.worker()
        status, step, attempts, _, token = site.sql(STATE)[0]
        assert (status, attempts) == ("running", 1)
        assert token is not None

        site.sql("UPDATE calls_call SET lease_until = '2020-01-01 00:00:00'")
        # Swept once the next worker has built its engines, which takes as long as the machine is busy.
        reason = site.until(STATE, lambda row: row[0] == "queued")[3]
        assert reason == f"The worker stopped without a word at the step {step}, attempt 1."
        site.sql("UPDATE calls_call SET next_attempt_at = NULL")

        done = site.until(STATE, lambda row: row[0] in ("done", "failed"))
        assert (done[0], done[2], done[4]) == ("done", 2, None)
        assert site.sql("SELECT count(*), sum(current) FROM calls_analysisrun") == [(1, 1)]
        assert site.sql("SELECT type FROM events_event WHERE type LIKE 'call.%' ORDER BY created_at") == [
            ("call.received",),
            ("call.delayed",),
            ("call.analyzed",),
        ]
        assert len(list((tmp_path / "media" / "documents").rglob("*.json.gz"))) == 1


def test_a_call_whose_worker_is_stopped_goes_back_at_once_and_is_analysed_by_the_next(tmp_path: Path) -> None:
    with Installation(tmp_path) as site:
        site.manage("analyze", SAMPLE, "--enqueue", "--channels", "agent,customer")
        stopped = site.worker()
        site.until(STATE, lambda row: row[1] == "transcribe")
        stopped.terminate()
        # A worker that did not give it back would finish it first: a busy machine is no reason to fail.
        status, _, attempts, reason, token = site.until(STATE, lambda row: row[0] != "running", timeout_s=60)
        assert (status, attempts, token) == ("queued", 0, None)
        assert reason.startswith("The worker was stopped")
        site.stop(stopped)
        assert site.left() == []

        site.worker()
        done = site.until(STATE, lambda row: row[0] in ("done", "failed"))
        assert (done[0], done[2]) == ("done", 1)
        assert site.sql("SELECT count(*), sum(current) FROM calls_analysisrun") == [(1, 1)]


def test_a_call_whose_command_is_stopped_goes_back_and_is_analysed_by_the_same_command(tmp_path: Path) -> None:
    with Installation(tmp_path) as site:
        stopped = site.command("analyze", SAMPLE, "--channels", "agent,customer")
        site.until(STATE, lambda row: row[1] == "transcribe")
        site.stop(stopped)
        assert stopped.returncode == 128 + signal.SIGTERM
        assert "Traceback" not in site.log()
        assert site.left() == []
        status, _, attempts, _, token = site.sql(STATE)[0]
        assert (status, attempts, token) == ("queued", 0, None)
        assert "done" in site.manage("analyze", SAMPLE, "--channels", "agent,customer").stdout


def test_a_call_whose_worker_is_killed_while_it_fetches_is_fetched_and_analysed_by_the_next(tmp_path: Path) -> None:
    with receiving() as receiver, Installation(tmp_path, {"CALLANALYTICS_EGRESS_ALLOW": receiver.url}) as site:
        (tmp_path / "calls.csv").write_text(f"url,external_id\n{receiver.url}/held?sig=s3cret,c-1\n")
        site.manage("import", tmp_path / "calls.csv")
        killed = site.worker()
        site.until(STATE, lambda row: row[1] == "fetch" and bool(receiver.asked))
        site.kill(killed)
        assert site.left() == []
        assert site.sql("SELECT count(*) FROM calls_recording") == [(0,)]

        receiver.files["/held"] = SAMPLE.read_bytes()
        site.sql("UPDATE calls_call SET lease_until = '2020-01-01 00:00:00'")
        site.manage("sweep")
        assert site.sql(STATE)[0][3] == "The worker stopped without a word at the step fetch, attempt 1."
        site.sql("UPDATE calls_call SET next_attempt_at = NULL")
        site.worker()
        done = site.until(STATE, lambda row: row[0] in ("done", "failed"))
        assert (done[0], done[2]) == ("done", 2)
        assert site.sql("SELECT source_url, source FROM calls_call") == [("", f"{receiver.url}/held")]
        assert "s3cret" not in site.log()
