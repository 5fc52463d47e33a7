"""The whole analysis of a real call against bare faster-whisper, and what four hours take: `python -m bench.pipeline [--hours 4]`.

The baseline has it easy: decoded arrays, warm engines, `BatchedInferencePipeline` on each channel in turn. Ours starts from the file and
runs every step. Both run in one process with the same weights and threads, in turns. Wall time is what a user waits for; on a shared
machine the processor time beside it is the steadier measure.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
from faster_whisper import BatchedInferencePipeline, WhisperModel
from faster_whisper.audio import decode_audio

from analysis import pipeline, registry, resolver
from analysis.config import Config, ToneConfig, TranscribeConfig
from bench.machine import DATA, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from analysis.values import CallAnalysis

SAMPLE = DATA / "calls" / "aws_lca__auto_repairs_40_L-agent_R-customer.flac"
MAX_RATIO = 1.35
MAX_RSS_GB = 1.5
LIMITS = {"beam_size": 1, "temperature": 0, "vad_filter": True, "language": "en", "batch_size": 8}
"""The baseline's options, as the issue words them."""


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of one run."""

    wall: float
    processor: float


def main() -> None:
    given = _parser().parse_args()
    if given.measure:
        print(json.dumps(_measured(given.measure, given)))
        return
    print(describe("faster-whisper", "ctranslate2", "onnxruntime", "torch"))
    print(f"weights {given.asr}, int8, {given.threads} thread(s), batch 8, beam 1\n", flush=True)
    ok = _long(given) if given.hours else _compared(given)
    raise SystemExit(int(not ok))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline", description=__doc__)
    parser.add_argument("--asr", default="base", help="weights of both sides")
    parser.add_argument("--threads", type=int, default=1, help="of Whisper, on both sides; a worker has one")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--hours", type=float, help="instead: the sample repeated for so long, stereo and mono")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    return parser


def _config(given: argparse.Namespace) -> Config:
    return Config(
        transcribe=replace(TranscribeConfig(), weights=given.asr, threads=given.threads, batch=8, beam=1),
        tone=ToneConfig(accept_noncommercial=True),
    )


def _compared(given: argparse.Namespace) -> bool:
    """The table of the alternating runs; true where time and memory keep to their limits."""
    ours, bare = _ours(given), _bare(given)
    ways: dict[str, Callable[[], object]] = {
        "whole analysis": ours,
        "bare, with word times": lambda: bare(word_timestamps=True),
        "bare, without word times": lambda: bare(word_timestamps=False),
    }
    took: dict[str, list[Took]] = {name: [] for name in ways}
    for _ in range(given.runs):
        for name, way in ways.items():
            took[name].append(_timed(way))
    return all([_ratios(took), _shares(ours()), _memory(_measured_apart(SAMPLE, given))])


def _ours(given: argparse.Namespace) -> Callable[[], CallAnalysis]:
    config = _config(given)
    engines = registry.build(config)
    options = pipeline.CallOptions(language="en")
    return lambda: pipeline.analyze(SAMPLE, engines=engines, config=config, options=options)


def _bare(given: argparse.Namespace) -> Callable[..., list[Any]]:
    model = WhisperModel(str(resolver.locate_whisper(given.asr)), device="cpu", compute_type="int8", cpu_threads=given.threads)
    batched = BatchedInferencePipeline(model)
    channels = decode_audio(str(SAMPLE), split_stereo=True)

    def run(*, word_timestamps: bool) -> list[Any]:
        return [list(batched.transcribe(channel, word_timestamps=word_timestamps, **LIMITS)[0]) for channel in channels]

    return run


def _timed(way: Callable[[], object]) -> Took:
    wall, processor = time.perf_counter(), time.process_time()
    way()
    return Took(time.perf_counter() - wall, time.process_time() - processor)


def _ratios(took: dict[str, list[Took]]) -> bool:
    medians = {
        name: Took(statistics.median(run.wall for run in runs), statistics.median(run.processor for run in runs))
        for name, runs in took.items()
    }
    print(f"{'median of ' + str(len(took['whole analysis'])) + ' runs':26} {'wall s':>8} {'cpu s':>8}   each (wall)")
    for name, median in medians.items():
        print(f"{name:26} {median.wall:8.1f} {median.processor:8.1f}   {_listed([run.wall for run in took[name]])}")
    whole = medians["whole analysis"]
    for name in list(medians)[1:]:
        print(f"ratio to {name:26} wall {whole.wall / medians[name].wall:.2f}   cpu {whole.processor / medians[name].processor:.2f}")
    ratio = whole.wall / medians["bare, with word times"].wall
    print(f"limit {MAX_RATIO} with word times: {'ok' if ratio <= MAX_RATIO else 'OVER'}\n", flush=True)
    return ratio <= MAX_RATIO


def _listed(numbers: Sequence[float]) -> str:
    return " ".join(f"{number:.1f}" for number in numbers)


def _shares(analysis: CallAnalysis) -> bool:
    """Print where the time of one run goes, for `pipeline.STEP_SHARES`."""
    total = sum(analysis.timings.values())
    print("share of the steps: " + ", ".join(f"{step} {seconds / total:.0%}" for step, seconds in analysis.timings.items()))
    return True


def _memory(measured: dict[str, Any]) -> bool:
    within = bool(measured["peak_gb"] <= MAX_RSS_GB)
    print(f"peak memory {measured['peak_gb']:.2f} GB   limit {MAX_RSS_GB}: {'ok' if within else 'OVER'}", flush=True)
    return within


def _long(given: argparse.Namespace) -> bool:
    """Analyse the sample repeated for hours, in processes of their own, as a worker would."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, mono in (("stereo", False), ("mono", True)):
            file = _repeated(Path(folder) / f"{kind}.flac", given.hours, mono=mono)
            measured = _measured_apart(file, given)
            print(
                f"{kind:7} {measured['seconds'] / 3600:.2f} h in {measured['wall']:.0f} s "
                f"({measured['wall'] / measured['seconds']:.3f} of real time), {measured['utterances']} utterances"
            )
            results.append(_memory(measured))
            file.unlink()
    return all(results)


def _repeated(file: Path, hours: float, *, mono: bool) -> Path:
    samples, rate = soundfile.read(SAMPLE, dtype="int16", always_2d=True)
    once = samples.astype(np.int32).mean(axis=1, keepdims=True).astype(np.int16) if mono else samples
    with soundfile.SoundFile(file, "w", rate, once.shape[1], "PCM_16", format="FLAC") as written:
        for first in range(0, round(hours * 3600 * rate), len(once)):
            written.write(once[: round(hours * 3600 * rate) - first])
    return file


def _measured_apart(file: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Analyse a file in a process of its own, so that its peak memory is that of a worker."""
    command = [sys.executable, "-m", "bench.pipeline", "--measure", str(file), "--asr", given.asr, "--threads", str(given.threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measured(file: Path, given: argparse.Namespace) -> dict[str, Any]:
    config = _config(given)
    engines = registry.build(config)
    started = time.perf_counter()
    analysis = pipeline.analyze(file, engines=engines, config=config)
    return {
        "wall": time.perf_counter() - started,
        "seconds": analysis.recording.seconds,
        "utterances": len(analysis.moments),
        "peak_gb": _peak_bytes() / 1e9,
        "timings": dict(analysis.timings),
    }


def _peak_bytes() -> int:
    """The process's own peak; `getrusage` would count in what its parent held when it was started."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
