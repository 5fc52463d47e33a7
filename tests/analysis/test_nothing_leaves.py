"""An analysis reports to nobody and keeps no notes about this machine, and one that is stopped leaves nothing half done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests import audio

ROOT = Path(__file__).resolve().parents[2]
ANALYSED = """
from pathlib import Path
from analysis import pipeline, registry
from analysis.config import Config
pipeline.analyze(Path("samples/calm.flac"), engines=registry.build(Config()), config=Config())
"""
OPTED_OUT_ELSEWHERE = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS")


def test_an_analysis_writes_nothing_but_its_joined_weights(tmp_path: Path) -> None:
    """onnxruntime's reports begin with an identifier of the machine and a queue on disk, network or not."""
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in OPTED_OUT_ELSEWHERE}
    environment |= {"HOME": str(home), "TMPDIR": str(temporary), "XDG_CACHE_HOME": str(home / ".cache"), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", ANALYSED], cwd=ROOT, env=environment, check=True, timeout=300)
    written = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {path for path in written if not path.is_relative_to(home / ".cache" / "callanalytics")} == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_stopped_leaves_no_half_written_copy(tmp_path: Path, number: signal.Signals) -> None:
    copy, noise = tmp_path / "clean.m4a", np.random.default_rng(0).normal(0.0, 0.05, (2, 8000 * 600))
    call = audio.write(tmp_path / "noise.wav", noise, 8000)
    command = [sys.executable, "-m", "analysis", str(call), "--channels", "agent,customer", "--listen", str(copy)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    ) as process:
        deadline = time.monotonic() + 300
        while not copy.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        complained = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number
    assert "Traceback" not in complained
    assert sorted(tmp_path.iterdir()) == [call]
