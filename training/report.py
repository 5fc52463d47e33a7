"""Everything that is measured of the heads and of their fusion: `python -m training.report` writes docs/models/report.md with its figures.

It needs the caches of `training.features`; what else it encodes it caches too. `--sections` measures some parts anew and keeps the others.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from analysis import registry
from analysis.config import Config
from analysis.steps.fuse import Priors
from training import baselines, composites, feature_calls, paired, ravdess, robustness, tone, wording_scores
from training.cards import CARDS, table_lines
from training.corpus import ACTED, CACHE, data_folder, require
from training.features import MEASURED, TRAINED, babble_voices, open_sources
from training.figures import draw
from training.metrics import auc, average_precision, ece
from training.reliability import reliability, risk_coverage
from training.sentences import MEASURED_TEXTS, TRAINED_TEXTS
from training.targets import TARGETS
from training.tone_data import ANGER, over_seeds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from analysis.values import FloatArray
    from training.features import Source
    from training.tone import Fold
    from training.tone_data import HeldOut, Table, ToneData

RESULTS = CARDS / "report.json"
ENCODERS = ("base", "tiny.en")
COPIES = tuple(dict.fromkeys([*TRAINED, *MEASURED]))

Tables = dict[str, "Table"]


class Run:
    """What several sections need, made once."""

    def __init__(self, seeds: int) -> None:
        self.seeds = seeds

    @cached_property
    def sources(self) -> list[Source]:
        return open_sources()

    @cached_property
    def voices(self) -> list[FloatArray]:
        return babble_voices(self.sources)

    @cached_property
    def base(self) -> ToneData:
        return tone.load("base", COPIES)

    @cached_property
    def folds(self) -> list[Fold]:
        """Heads of `base` by held-out speakers, first seed."""
        return tone.cross_validated(self.base, 0)

    @cached_property
    def held(self) -> HeldOut:
        return tone.calibrated(self.folds)


def tone_tables(weights: str) -> Callable[[Run], Tables]:
    def measure(run: Run) -> Tables:
        return tone.evaluate(run.base if weights == "base" else tone.load(weights, COPIES), run.seeds).metrics

    return measure


def ravdess_tables(run: Run) -> Tables:
    own = run.base.where(run.base.rows.has(corpus=ravdess.CORPUS))
    source = baselines.source_of(run.sources[0])
    copies = [copy for copy in MEASURED if copy in COPIES]
    heard = list(dict.fromkeys(["clean", "telephone", *copies]))
    last, functional = baselines.last_layer(source, heard, run.voices), baselines.functional_data(source, heard, run.voices)
    seeds = range(run.seeds)
    measured = [{"eight classes": ravdess.tables(own, copies, seed)} for seed in seeds]
    beside = [{"baselines, eight classes": baselines.tables(last, functional, copies, seed)} for seed in seeds]
    return {**over_seeds(measured), **over_seeds(beside)}


def robustness_tables(run: Run) -> Tables:
    source = robustness.source_of(run.sources[0])
    table = robustness.table(source, robustness.fill(source, run.voices), run.folds)
    total = {key: sum(row.get(key, 0.0) for row in table.values()) for key in ("checks", "failed")}
    return {"four classes of RAVDESS": table, "all checks": {"sum": total}}


def composite_tables(run: Run) -> Tables:
    accepting = replace(Config(), tone=replace(Config().tone, accept_noncommercial=True))
    engines = registry.build(accepting)
    outcomes: dict[str, list[composites.Outcome]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for fold, seed in itertools.product(run.folds, range(composites.SEEDS)):
            calls = composites.build(fold, data_folder() / "emotion", Path(folder), seed)
            head = tone.settled(fold, run.folds)
            for name, found in composites.run(head, fold.trained, calls, engines, Path(folder), accepting).items():
                outcomes.setdefault(name, []).extend(found)
    return {"composite calls (simulation)": {name: composites.numbers(found) for name, found in outcomes.items()}}


def fusion_tables(run: Run) -> Tables:
    priors = Priors.of(registry.build(Config()))
    return {
        f"calls of features, {copy} (simulation)": feature_calls.table(list(feature_calls.calls(run.base, run.folds, copy)), priors)
        for copy in ("telephone", "clean")
    }


def wording_tables(_: Run) -> Tables:
    tables: Tables = {}
    for scored in wording_scores.held_out_scores():
        wanted = scored.held.positive
        tables[scored.held.name] = {
            name: {"ap": average_precision(wanted, scores), "auc": auc(wanted, scores), "ece": ece(wanted, scores)}
            for name, scores in scored.scores.items()
        }
    tables["airline tweets, trained on them"] = {"TF-IDF + LR": {"auc": wording_scores.airline_ceiling(data_folder() / "text")}}
    return tables


def paired_tables(run: Run) -> Tables:
    telephone = run.held.where(run.held.rows.has(copy="telephone", corpus=ravdess.CORPUS))
    scored = next(each for each in wording_scores.held_out_scores() if each.held.name == wording_scores.DEV_SPOKEN)
    polarity = scored.held.polarity
    texts = paired.Texts(scored.scores[wording_scores.TUNED], scored.held.positive, polarity == 1, (polarity == 0) & ~scored.held.positive)
    rng = np.random.default_rng(0)
    pairs = paired.join(telephone, texts, rng)
    scores = paired.fused(pairs, Priors.of(registry.build(Config())))
    return {
        "voice and words joined (simulation)": {"all pairs": paired.numbers(pairs, scores, rng)},
        "fused score by pairing": dict(paired.joint_table(pairs, scores)),
    }


def calibration_tables(run: Run) -> Tables:
    acted = run.held.where(run.held.rows.has_anger)
    tables: Tables = {}
    for corpus in sorted(set(acted.rows.corpora)):
        own = acted.where(acted.rows.has(corpus=corpus, copy="telephone"))
        tables[f"reliability of anger, telephone, {corpus}"] = reliability(own.rows.labels == ANGER, own.probabilities[:, ANGER])
    for copy in MEASURED:
        tables[f"risk and coverage, {copy}"] = risk_coverage(acted.where(acted.rows.has(copy=copy)))
    return tables


SECTIONS: Mapping[str, Callable[[Run], Tables]] = {
    **{f"tone {weights}": tone_tables(weights) for weights in ENCODERS},
    "ravdess": ravdess_tables,
    "robustness": robustness_tables,
    "calibration": calibration_tables,
    "fusion": fusion_tables,
    "composites": composite_tables,
    "wording": wording_tables,
    "paired": paired_tables,
}


READ = frozenset({"wording", "paired"})
"""Sections that need labelled text; only the first of them needs no speech."""


def needed(sections: Sequence[str]) -> list[str]:
    """The files of the data folder without which these sections cannot be measured."""
    speech = [ACTED] if set(sections) - {"wording"} else []
    return [*speech, *TRAINED_TEXTS, *MEASURED_TEXTS] if READ & set(sections) else speech


def render(results: Mapping[str, Any]) -> str:
    """The report as Markdown: what was to be reached first, then every table."""
    lines = [
        "# What the heads and their fusion reach",
        "",
        "Written by `python -m training.report`; do not edit. Speakers that are measured are never those that were trained on.",
        f"`±` is the standard deviation over seeds. Machine: {results['machine']}.",
        "What the words mean is in [tone.md](tone.md), [wording.md](wording.md) and [fusion.md](fusion.md).",
        "",
        "| what | reached | to reach | |",
        "|---|---|---|---|",
    ]
    for target in TARGETS:
        found = target.found(results["sections"])
        verdict = "not measured" if found is None else "reached" if target.met(found) else "**missed**"
        lines.append(f"| {target.what} | {'' if found is None else f'{found:.3f}'} | {target.sign} {target.wanted:g} | {verdict} |")
    for section, stored in results["sections"].items():
        lines += ["", f"## {section}", "", f"{stored['seconds']:.0f} s.", ""]
        for title, table in stored["tables"].items():
            lines += table_lines(title, table)
    lines += ["", *(f"![{name}](figures/{name}.svg)" for name in results["figures"]), ""]
    return "\n".join(lines)


def measured(names: Sequence[str], seeds: int) -> dict[str, Any]:
    """The stored results with the named sections measured anew. Read when all is measured: two runs may measure sections side by side."""
    run = Run(seeds)
    found = {}
    for name in names:
        print(f"{name} …", flush=True)
        started = time.perf_counter()
        tables = SECTIONS[name](run)
        found[name] = {"seconds": round(time.perf_counter() - started), "tables": _rounded(tables)}
        print(f"{name}: {found[name]['seconds']} s", flush=True)
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"sections": {}}
    known = results["sections"] | found
    results["sections"] = {name: known[name] for name in SECTIONS if name in known}
    results["machine"] = f"{torch.get_num_threads()} threads, {torch.cpu.get_capabilities()['cpu_name']}, torch {torch.__version__}"
    return results


def _rounded(tables: Tables) -> Tables:
    return {
        title: {row: {name: round(float(value), 4) for name, value in cells.items()} for row, cells in table.items()}
        for title, table in tables.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sections", nargs="+", default=list(SECTIONS), choices=SECTIONS)
    parser.add_argument("--seeds", type=int, default=tone.SEEDS)
    arguments = parser.parse_args()
    started = time.perf_counter()
    require(*needed(arguments.sections))
    CACHE.mkdir(parents=True, exist_ok=True)
    results = measured(arguments.sections, arguments.seeds)
    results["figures"] = draw(results["sections"], CARDS / "figures")
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    (CARDS / "report.md").write_text(render(results))
    print(f"wrote {CARDS / 'report.md'} in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
