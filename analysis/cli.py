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
from analysis import document, pipeline, playback, registry, report, words
from analysis.errors import AnalysisError
from analysis.steps import decode
from analysis.values import GivenParties, Party, Scoring, ScoringMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.config import Config
    from analysis.document import Document
    from analysis.ports import Engines

SCORING_MODES = [mode.value for mode in ScoringMode]
ACCEPTING = configuration.Config(tone=configuration.ToneConfig(accept_noncommercial=True))
"""Who runs the command on a recording of theirs is told of the terms, and may refuse them; a server has to accept them first."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0, 1 where a file failed, 2 where the command itself is wrong."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        _refuse_outputs(given)
        config = _config(given)
        options = _options(given)
        run = _Run(registry.build(config), config, options)
    except AnalysisError as error:
        parser.exit(2, f"{parser.prog}: error: {error.message}\n")
    _tell_licence(run)
    failed = [name for name in given.files if not _done(name, given, run)]
    return int(bool(failed))


@dataclasses.dataclass(frozen=True, slots=True)
class _Run:
    """What every file of one command shares."""

    engines: Engines
    config: Config
    options: pipeline.CallOptions


def _tell_licence(run: _Run) -> None:
    """Say whether tone is scored, where its weights exclude commercial use and it would be otherwise."""
    tone = run.engines.tone
    if tone is None or tone.commercial_use or run.options.scoring.mode is not ScoringMode.FULL:
        return
    if run.config.tone.accept_noncommercial:
        sys.stderr.write(
            f"Tone is scored with weights under {tone.licence}, which exclude commercial use; "
            "--no-accept-noncommercial-weights leaves tone out.\n"
        )
    else:
        sys.stderr.write(f"Tone is left out: its weights are under {tone.licence}; --accept-noncommercial-weights scores it.\n")


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
        help="whether tone may be scored with weights that exclude commercial use (docs/models/tone.md); yes unless --config says no",
    )
    return parser


def _refuse_outputs(given: argparse.Namespace) -> None:
    """Raises AnalysisError, before any work is done, for an output that has no place or would replace the recording."""
    for option, target in (("--html", given.html), ("--listen", given.listen)):
        if target is None:
            continue
        if len(given.files) > 1:
            raise AnalysisError(f"{option} takes one recording at a time", permanent=True)
        if target.resolve() == Path(given.files[0]).resolve():
            raise AnalysisError(f"{option} {target}: that is the recording itself; name another file", permanent=True)
        if target.is_dir() or not target.absolute().parent.is_dir():
            raise AnalysisError(f"{option} {target}: name a file in a folder that exists", permanent=True)


def _config(given: argparse.Namespace) -> Config:
    config = configuration.load(given.config, over=ACCEPTING) if given.config else ACCEPTING
    if given.asr:
        config = dataclasses.replace(config, transcribe=dataclasses.replace(config.transcribe, weights=given.asr))
    accepted = given.accept_noncommercial_weights
    if accepted is None:
        return config
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


def _done(name: str, given: argparse.Namespace, run: _Run) -> bool:
    """One file from its name to its line and what else was asked for; false where any of it failed."""
    rendered = _analyzed(name, run)
    return rendered is not None and _written(rendered, given, run)


def _analyzed(name: str, run: _Run) -> Document | None:
    """Analyse one file and print its line; None where it failed."""
    try:
        with _Bar(name) as bar:
            analysis = pipeline.analyze(Path(name), engines=run.engines, config=run.config, options=run.options, progress=bar.advance)
    except AnalysisError as error:
        _print(document.to_error(name, error))
        if not sys.stdout.isatty():
            sys.stderr.write(f"{name}: {_unnamed(error.message, name)}\n")
        return None
    rendered = document.to_document(analysis) | {"file": name}
    _print(rendered)
    return rendered


def _unnamed(message: str, name: str) -> str:
    """The message without the file's name, by which most begin."""
    return message.removeprefix(f"{name}: ").removeprefix(f"{Path(name).name}: ")


def _written(rendered: Document, given: argparse.Namespace, run: _Run) -> bool:
    """Write the files that were asked for beside the line; false, with a sentence on standard error, where one could not be."""
    try:
        if given.html:
            given.html.write_text(report.render(rendered), encoding="utf-8", errors="replace")
            sys.stderr.write(f"The report is in {given.html}\n")
        if given.listen:
            with decode.open_recording(Path(rendered["file"]), run.engines.decoders, run.config.decode) as recording:
                playback.write(recording, given.listen, registry.denoiser(run.config))
            sys.stderr.write(f"The copy to listen to is in {given.listen}\n")
    except AnalysisError as error:
        sys.stderr.write(f"{error.message}\n")
        return False
    except OSError as error:
        target = error.filename or given.listen or given.html
        sys.stderr.write(f"{target}: cannot be written ({error.strerror}); name another file and run it again\n")
        return False
    return True


def _print(line: Document) -> None:
    """One line of UTF-8; what a file name holds besides is escaped as JSON does (`\\udcff`)."""
    text = json.dumps(line, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
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
        self._bar.set_postfix_str(words.plain(step, "step"))
