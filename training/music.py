"""Music as the tone model would hear it, so that it can learn not to answer: pieces cut into windows, and speech with music behind it.

`python -m training.music --folder <music>` reads freely licensed music (one folder per collection below the given one) and encodes it like
the speech of training.features; `training.tone` takes the features where they are. What a head then refuses is measured by
`python -m training.refusal_report`.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from analysis.engines.window_encoder import WhisperWindowEncoder
from analysis.values import SAMPLE_RATE, FloatArray, Span
from training.channel import noise_gain
from training.corpus import CACHE, Clip, UsableClips, read_clip
from training.features import PackedWindow, Source, WindowAudio, babble_voices, fill_copy, load_copy, open_sources, pack
from training.tone_data import ToneData

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MUSIC, BEHIND = "music", "music behind"
"""Stand where speech has its corpus."""
ROOT = CACHE / "music"
COPIES = ("clean", "telephone", "mixed-a")
BEHIND_COPIES = ("clean", "telephone")
SUFFIXES = frozenset({".flac", ".mp3", ".ogg", ".opus", ".wav"})
LEAST_S = 30.0
"""Shorter files are jingles and sound effects."""
WINDOW_S = 29.0
PIECE_S = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
"""What a window of music is cut into: lengths of utterances on a call; with the silences between them just under a window."""
BEHIND_SNR_DB = 15.0
FOLDS = 3
PIECE_STRIDE = 5
"""Neighbouring speakers get music of other collections."""


def store_music(folder: Path, root: Path = ROOT) -> int:
    """Keep the middle of every piece of music under `folder` as 16 kHz mono; the count of pieces. Raises FileNotFoundError without any."""
    pieces = [path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES and path.is_file() and _is_long(path)]
    if not pieces:
        raise FileNotFoundError(f"{folder}: holds no music of {LEAST_S:.0f} s or more ({', '.join(sorted(SUFFIXES))})")
    for path in pieces:
        collection, *below = path.relative_to(folder).with_suffix(".wav").parts
        kept = root / "pieces" / collection / "-".join(below)
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(kept, _middle(path), SAMPLE_RATE)
    return len(pieces)


def _is_long(path: Path) -> bool:
    try:
        return bool(soundfile.info(path).duration >= LEAST_S)
    except soundfile.LibsndfileError:
        print(f"skipped, cannot be read: {path}", flush=True)
        return False


def _middle(path: Path) -> FloatArray:
    info = soundfile.info(path)
    first = int((info.duration - WINDOW_S) / 2 * info.samplerate)
    samples, rate = soundfile.read(path, frames=round(WINDOW_S * info.samplerate), start=first, dtype="float32", always_2d=True)
    mono = soxr.resample(samples.mean(axis=1), rate, SAMPLE_RATE)
    return np.asarray(0.5 * mono / max(float(np.abs(mono).max()), 1e-6), np.float32)


def music_source(root: Path = ROOT) -> Source:
    """Every stored piece as one window of excerpts."""
    folder = root / "pieces"
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.wav"))
    edges = list(itertools.accumulate(PIECE_S, initial=0.0))
    placed = [(_clip(MUSIC, path, path), Span(first, last)) for path in paths for first, last in itertools.pairwise(edges)]
    return Source(MUSIC, UsableClips.of(placed), folder, root / "music")


def _clip(corpus: str, path: str, speaker: str) -> Clip:
    return Clip(corpus=corpus, path=path, speaker=speaker, gender="", language="", label="neutral", intensity="", text="")


def behind_source(speech: Sequence[Source], root: Path = ROOT) -> Source:
    """Up to a window of every speaker's clips with music of the speaker's fold quietly behind them."""
    folder = root / "behind"
    placed = [
        (_clip(BEHIND, f"{number:03d}-{part}.wav", speaker), Span(0.0, len(samples) / SAMPLE_RATE))
        for number, (speaker, mixed) in enumerate(_with_music(speech, folder, root))
        for part, samples in enumerate(mixed)
    ]
    return Source(BEHIND, UsableClips.of(placed), folder, root / "music-behind")


def _with_music(speech: Sequence[Source], folder: Path, root: Path) -> Iterator[tuple[str, list[FloatArray]]]:
    pieces = sorted((root / "pieces").rglob("*.wav"))
    for number, (source, window) in enumerate(first_windows(speech)):
        files = [folder / f"{number:03d}-{part}.wav" for part in range(len(window.clips))]
        if not all(file.exists() for file in files):
            folder.mkdir(parents=True, exist_ok=True)
            own = pieces[number % FOLDS :: FOLDS]
            music = read_clip(own[number // FOLDS * PIECE_STRIDE % len(own)])
            clean = WindowAudio(source.usable, source.folder, "clean", ())
            for file, index in zip(files, window.clips, strict=True):
                soundfile.write(file, mixed(clean.piece(index), music), SAMPLE_RATE)
        yield window.speaker, [read_clip(file) for file in files]


def mixed(speech: FloatArray, music: FloatArray, snr_db: float = BEHIND_SNR_DB) -> FloatArray:
    """Speech over the beginning of the music, `snr_db` over it, shape [n]."""
    behind = np.resize(music, len(speech))
    return np.asarray(np.clip(speech + behind * noise_gain(behind, speech, snr_db), -1.0, 1.0), np.float32)


def first_windows(speech: Sequence[Source]) -> list[tuple[Source, PackedWindow]]:
    """One packed window of every speaker, in the order of their names: which fold a speaker falls in is their number in it."""
    found: dict[str, tuple[Source, PackedWindow]] = {}
    for source in speech:
        for window in pack(source.usable.clips, source.usable.spans, seed=0):
            found.setdefault(window.speaker, (source, window))
    return [found[speaker] for speaker in sorted(found)]


def fill_features(weights: Sequence[str]) -> None:
    """Encode the stored music, and speech over it, for every encoder named."""
    speech = open_sources()
    voices = babble_voices(speech)
    for name in weights:
        encoder = WhisperWindowEncoder(name)
        for source, copies in ((music_source(), COPIES), (behind_source(speech), BEHIND_COPIES)):
            for copy in copies:
                fill_copy(source, copy, voices, encoder)


def load_music(weights: str) -> ToneData | None:
    """Features of the stored music and of speech over it; None where no music was read.

    Raises FileNotFoundError where it was read and not encoded for these weights.
    """
    if not (ROOT / "pieces").exists():
        return None
    planned = ((music_source(), COPIES), (behind_source(open_sources()), BEHIND_COPIES))
    command = f"training.music --weights {weights}"
    return ToneData.joined(
        [load_copy(source, f"whisper-{weights}", copy, filled_by=command) for source, copies in planned for copy in copies]
    )


def music_in_words(data: ToneData | None) -> str:
    """For the card of a head."""
    if data is None:
        return "not trained on music: music is never a reason"
    pieces = {clip.path for clip in data.rows.clips if clip.corpus == MUSIC}
    return f"{len(pieces)} pieces of {', '.join(sorted({path.partition('/')[0] for path in pieces}))}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.music", description=__doc__)
    parser.add_argument("--folder", type=Path, help="music to read; without it, what was read before is encoded")
    parser.add_argument("--weights", nargs="+", default=["base", "tiny.en"])
    given = parser.parse_args()
    if given.folder is not None:
        print(f"{store_music(given.folder)} pieces of music", flush=True)
    fill_features(given.weights)


if __name__ == "__main__":
    main()
