"""The command `python -m analysis`: recordings in, one JSON object a line out, and an HTML report where asked for."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from analysis import config as configuration
from analysis import document, pipeline, playback, registry, report
from analysis.errors import AnalysisError
from analysis.steps import decode
from analysis.values import GivenParties, Party, Scoring, ScoringMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.config import Config
    from analysis.document import Document
    from analysis.ports import Engines

SCORING_MODES = [mode.value for mode in ScoringMode]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0, 1 where a file failed, 2 where the command itself is wrong."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if (given.html or given.listen) and len(given.files) > 1:
        parser.error("--html and --listen take one recording at a time")
    try:
        config = _config(given)
        options = _options(given)
        engines = registry.build(config)
    except AnalysisError as error:
        parser.error(error.message)
    failed = [_analyzed(Path(name), given, engines, config, options) for name in given.files]
    return int(any(failed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis", description="Analyse recorded calls and print one JSON object a line.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="a recording in any common format, mono or stereo")
    parser.add_argument("--channels", metavar="PARTIES", help="who is on which channel, as in agent,customer")
    parser.add_argument("--scoring", choices=SCORING_MODES, default=ScoringMode.FULL.value, help="how far the call may be scored")
    parser.add_argument("--language", metavar="CODE", help="the call's language (en, es ...); detected where not given")
    parser.add_argument("--asr", metavar="WEIGHTS", help="Whisper weights by name (base, tiny.en, small ...) or a folder")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file over the default thresholds")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a report that needs nothing else to be read")
    parser.add_argument("--listen", type=Path, metavar="FILE", help="write a copy of the recording to play (.m4a), with its noise removed")
    parser.add_argument(
        "--accept-noncommercial-weights",
        action=argparse.BooleanOptionalAction,
        help="whether tone may be scored with weights that exclude commercial use (docs/models/tone.md); yes without --config",
    )
    return parser


def _config(given: argparse.Namespace) -> Config:
    config = configuration.load(given.config) if given.config else configuration.Config()
    if given.asr:
        config = dataclasses.replace(config, transcribe=dataclasses.replace(config.transcribe, weights=given.asr))
    accepted = given.accept_noncommercial_weights
    if accepted is None:
        accepted = config.tone.accept_noncommercial if given.config else True
    return dataclasses.replace(config, tone=dataclasses.replace(config.tone, accept_noncommercial=accepted))


def _options(given: argparse.Namespace) -> pipeline.CallOptions:
    mode = ScoringMode(given.scoring)
    scoring = Scoring(mode, None if mode is ScoringMode.FULL else "asked for on the command line")
    return pipeline.CallOptions(GivenParties(parse_channels(given.channels)), scoring, given.language)


def parse_channels(text: str | None) -> tuple[Party, ...]:
    """`agent,customer` as parties. Raises AnalysisError on any other word."""
    if not text:
        return ()
    try:
        return tuple(Party(name.strip().lower()) for name in text.split(","))
    except ValueError as error:
        raise AnalysisError(
            f"--channels takes agent, customer or unknown for each channel, as in agent,customer ({error})", permanent=True
        ) from error


def _analyzed(file: Path, given: argparse.Namespace, engines: Engines, config: Config, options: pipeline.CallOptions) -> bool:
    """Analyse one file and print its line; true where it failed."""
    try:
        with _Bar(str(file)) as bar:
            analysis = pipeline.analyze(file, engines=engines, config=config, options=options, progress=bar.advance)
    except AnalysisError as error:
        _print(document.to_error(str(file), error))
        return True
    rendered = document.to_document(analysis)
    if given.listen:
        with decode.open_recording(file, engines.decoders, config.decode) as recording:
            playback.write(recording, given.listen, registry.denoiser(config))
    if given.html:
        given.html.write_text(report.render(rendered), encoding="utf-8")
    _print(rendered)
    return False


def _print(line: Document) -> None:
    sys.stdout.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


class _Bar:
    """One progress bar a call on standard error, labelled with the step that runs."""

    def __init__(self, label: str) -> None:
        self._bar = tqdm(total=100, desc=label, unit="%", bar_format="{desc}: {percentage:3.0f}%|{bar}| {postfix}", disable=None)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def advance(self, step: str, fraction: float) -> None:
        self._bar.n = round(100 * pipeline.share_done(step, fraction))
        self._bar.set_postfix_str(step)
