"""Lists CREMA-D's recordings (Cao et al. 2014) in the manifest that training reads, beside what it holds already.

`python -m training.cremad CREMA-D --manifest data/emotion/manifest.csv` reads `AudioWAV/1001_DFA_ANG_XX.wav` (actor, sentence, emotion,
level) and `VideoDemographics.csv`. Your own speech can be laid out the same way.
"""

from __future__ import annotations

import argparse
import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile
from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLUMNS = ("corpus", "path", "speaker", "gender", "language", "emotion", "intensity", "text", "seconds")
CORPUS = "cremad"
EMOTIONS = {"ANG": "angry", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
LEVELS = {"LO": "normal", "MD": "normal", "HI": "strong", "XX": "", "X": ""}
"""The corpus has three levels and clips without one; RAVDESS, whose words these are, has two."""
SENTENCES = {
    "DFA": "Don't forget a jacket",
    "IEO": "It's eleven o'clock",
    "IOM": "I'm on my way to the meeting",
    "ITH": "I think I have a doctor's appointment",
    "ITS": "I think I've seen this before",
    "IWL": "I would like a new alarm clock",
    "IWW": "I wonder what this is about",
    "MTI": "Maybe tomorrow it will be cold",
    "TAI": "The airplane is almost full",
    "TIE": "That is exactly what happened",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}


def read_sexes(demographics: Path) -> dict[str, str]:
    """`f` or `m` by actor number. Raises ValueError where the file has other columns."""
    with demographics.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    if not rows or not {"ActorID", "Sex"} <= rows[0].keys():
        raise ValueError(f"{demographics}: expected the columns ActorID and Sex")
    return {row["ActorID"]: row["Sex"][:1].lower() for row in rows}


def rows_of(recordings: Sequence[Path], sexes: Mapping[str, str], beside: Path) -> tuple[list[dict[str, str]], int]:
    """A manifest row for every recording, paths relative to the manifest's folder `beside`, and how many could not be used."""
    rows, skipped = [], 0
    for recording in tqdm(recordings, unit="clip"):
        row = _row(recording, sexes, beside)
        if row is None:
            skipped += 1
        else:
            rows.append(row)
    return rows, skipped


def _row(recording: Path, sexes: Mapping[str, str], beside: Path) -> dict[str, str] | None:
    parts = recording.stem.split("_")
    if len(parts) != 4 or parts[1] not in SENTENCES or parts[2] not in EMOTIONS or parts[3] not in LEVELS:
        tqdm.write(f"skipped, its name is not <actor>_<sentence>_<emotion>_<level>: {recording.name}")
        return None
    try:
        seconds = soundfile.info(recording).duration
    except soundfile.LibsndfileError as error:
        tqdm.write(f"skipped, cannot be read: {recording.name}: {error}")
        return None
    actor, sentence, emotion, level = parts
    named = (CORPUS, os.path.relpath(recording, beside), f"{CORPUS}:{actor}", sexes.get(actor, ""), "en")
    return dict(zip(COLUMNS, (*named, EMOTIONS[emotion], LEVELS[level], SENTENCES[sentence], f"{seconds:.3f}"), strict=True))


def write_manifest(rows: Sequence[Mapping[str, str]], manifest: Path) -> None:
    """The manifest's rows of other corpora, then these."""
    kept: list[dict[str, str]] = []
    if manifest.exists():
        with manifest.open(newline="") as lines:
            kept = [row for row in csv.DictReader(lines) if row["corpus"] != CORPUS]
    partial = manifest.with_suffix(".part")
    with partial.open("w", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows([*kept, *rows])
    partial.replace(manifest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the corpus, with AudioWAV and VideoDemographics.csv in it")
    parser.add_argument("--manifest", type=Path, required=True)
    arguments = parser.parse_args()
    recordings = sorted((arguments.folder / "AudioWAV").glob("*.wav"))
    if not recordings:
        parser.error(f"{arguments.folder / 'AudioWAV'} holds no .wav files")
    rows, skipped = rows_of(recordings, read_sexes(arguments.folder / "VideoDemographics.csv"), arguments.manifest.parent)
    write_manifest(rows, arguments.manifest)
    print(f"{arguments.manifest}: {len(rows)} recordings of {len({row['speaker'] for row in rows})} speakers; {skipped} skipped")


if __name__ == "__main__":
    main()
