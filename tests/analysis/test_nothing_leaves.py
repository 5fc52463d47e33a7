"""What the engines are built on reports to nobody, and keeps no notes of its own about this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
