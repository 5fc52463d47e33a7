"""Pooled encoder frames of the labelled speech, made as at run time: clips of one speaker packed into windows, encoded, kept on disk.

`python -m training.features` fills the cache for both encoders; it can be stopped and goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from analysis.config import TranscribeConfig
from analysis.engines.window_encoder import WhisperWindowEncoder
from analysis.values import SAMPLE_RATE, FloatArray, PooledFrames
from training.channel import Copy, as_recorded, draw_channel, draw_noisy, draw_telephone, through
from training.corpus import (
    ACTED,
    CACHE,
    Clip,
    UsableClips,
    data_folder,
    in_pieces,
    read_clip,
    read_manifest,
    read_unacted,
    require,
    usable_clips,
)
from training.perturbations import PERTURBATIONS
from training.tone_data import Rows, ToneData

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from analysis.ports import WindowEncoder
    from analysis.values import Span

SHARD_WINDOWS = 16
RECIPE = "mean and deviation of two middle layers, one window at a time"
"""How the run time encodes; a cache made otherwise is another cache."""
CLIPS_A_WINDOW = 8
BABBLE_RECORDINGS = 40
MEASURED = ("clean", "telephone", "noisy")
TRAINED = ("clean", "telephone", "mixed-a", "mixed-b")
COPIES: Mapping[str, Copy] = {
    "clean": as_recorded,
    "telephone": through(draw_telephone),
    "noisy": through(draw_noisy),
    **{name: through(draw_channel) for name in TRAINED if name.startswith("mixed")},
    **{f"robust: {name}": copy for name, copy in PERTURBATIONS.items()},
}
"""Each copy is packed anew, so one clip is seen beside different neighbours and, in the mixed ones, over other lines; see PACKED_AS."""
SEEDS = {name: number for number, name in enumerate(COPIES)}
PACKED_AS = {name: "clean" if name.startswith("robust: ") else name for name in COPIES}
"""A changed copy keeps the clean one's neighbours: the encoder attends over its whole window, and nothing but the change may differ."""


@dataclass(frozen=True, slots=True)
class PackedWindow:
    """Clips of one speaker that share an encoder pass, as indices into the usable clips."""

    speaker: str
    clips: tuple[int, ...]


def pack(clips: Sequence[Clip], spans: Sequence[Span], *, seed: int, config: TranscribeConfig = TranscribeConfig()) -> list[PackedWindow]:
    """Shuffle each speaker's clips into windows of at most eight clips and `window_s`; a clip too long for a window is left out."""
    rng = np.random.default_rng(seed)
    windows: list[PackedWindow] = []
    for speaker in sorted({clip.speaker for clip in clips}):
        own = [index for index, clip in enumerate(clips) if clip.speaker == speaker and spans[index].seconds <= config.window_s]
        windows.extend(PackedWindow(speaker, group) for group in _filled(rng.permutation(own).tolist(), spans, config))
    return windows


def _filled(order: Sequence[int], spans: Sequence[Span], config: TranscribeConfig) -> Iterator[tuple[int, ...]]:
    group: list[int] = []
    used_s = 0.0
    for index in order:
        needed_s = spans[index].seconds + (config.join_gap_s if group else 0.0)
        if group and (len(group) == CLIPS_A_WINDOW or used_s + needed_s > config.window_s):
            yield tuple(group)
            group, used_s, needed_s = [], 0.0, spans[index].seconds
        group.append(index)
        used_s += needed_s
    if group:
        yield tuple(group)


@dataclass(frozen=True, slots=True)
class Joined:
    """One window's audio and where in it each clip lies, in samples."""

    samples: FloatArray
    places: tuple[tuple[int, int], ...]


def join(pieces: Sequence[FloatArray], gap_s: float = TranscribeConfig().join_gap_s) -> Joined:
    """Clips one after another with the run time's silence between them."""
    gap = np.zeros(round(gap_s * SAMPLE_RATE), np.float32)
    parts: list[FloatArray] = []
    places: list[tuple[int, int]] = []
    at = 0
    for piece in pieces:
        if parts:
            parts.append(gap)
            at += len(gap)
        parts.append(piece)
        places.append((at, at + len(piece)))
        at += len(piece)
    return Joined(np.concatenate(parts), tuple(places))


class WindowAudio:
    """Reads a window's clips and passes them through the copy's channel."""

    def __init__(self, usable: UsableClips, folder: Path, copy: str, voices: Sequence[FloatArray]) -> None:
        self._usable = usable
        self._folder = folder
        self._copy = copy
        self._voices = voices

    def build(self, window: PackedWindow, number: int) -> Joined:
        rng = np.random.default_rng([SEEDS[self._copy], number])
        return join(COPIES[self._copy]([self.piece(index) for index in window.clips], rng, self._voices))

    def piece(self, index: int) -> FloatArray:
        """The speech of one clip as recorded, shape [n]."""
        span = self._usable.spans[index]
        samples = read_clip(self._folder / self._usable.clips[index].path)
        return samples[round(span.start * SAMPLE_RATE) : round(span.end * SAMPLE_RATE)]


@dataclass(frozen=True, slots=True)
class FeatureCache:
    """Pooled frames on disk, one file per `SHARD_WINDOWS` windows, in a folder named by everything that they depend on."""

    folder: Path
    windows: tuple[PackedWindow, ...]

    @property
    def shards(self) -> int:
        return -(-len(self.windows) // SHARD_WINDOWS)

    def path(self, shard: int) -> Path:
        return self.folder / f"{shard:04d}.npz"

    def missing(self) -> list[int]:
        return [shard for shard in range(self.shards) if not self.path(shard).exists()]


def open_cache(usable: UsableClips, encoder: str, copy: str, root: Path = CACHE) -> FeatureCache:
    """The cache of one encoder and copy; another set of clips or another packing gets another folder."""
    windows = pack(usable.clips, usable.spans, seed=SEEDS[PACKED_AS[copy]])
    plan = repr([RECIPE, *((window, [(usable.clips[i].path, usable.spans[i]) for i in window.clips]) for window in windows)])
    digest = hashlib.sha256(plan.encode()).hexdigest()[:12]
    return FeatureCache(root / encoder / f"{copy.replace(': ', '-').replace(' ', '-')}-{digest}", tuple(windows))


def fill(cache: FeatureCache, audio: WindowAudio, encoder: WindowEncoder) -> None:
    """Encode every window that is not on disk yet."""
    missing = cache.missing()
    started = time.perf_counter()
    cache.folder.mkdir(parents=True, exist_ok=True)
    for shard in tqdm(missing, desc=str(cache.folder.name), unit="shard"):
        _save(cache.path(shard), *_encoded(cache, shard, audio, encoder))
    print(f"{cache.folder}: {len(missing)} of {cache.shards} shards made in {time.perf_counter() - started:.0f} s", flush=True)


def _encoded(cache: FeatureCache, shard: int, audio: WindowAudio, encoder: WindowEncoder) -> tuple[list[int], list[FloatArray]]:
    first = shard * SHARD_WINDOWS
    clips: list[int] = []
    rows: list[FloatArray] = []
    for number, window in list(enumerate(cache.windows))[first : first + SHARD_WINDOWS]:
        clips.extend(window.clips)
        rows.extend(pooled(audio.build(window, number), encoder))
    return clips, rows


def pooled(joined: Joined, encoder: WindowEncoder) -> list[FloatArray]:
    """Mean and deviation of each clip's frames side by side, as the head takes them, each of shape [2 d]."""
    frames = encoder.encode([joined.samples])[0]
    parts = [
        PooledFrames.over(frames, first / SAMPLE_RATE, last / SAMPLE_RATE, frame_rate=encoder.frame_rate) for first, last in joined.places
    ]
    return [np.concatenate([part.mean, part.std]) for part in parts]


def _save(path: Path, clips: list[int], rows: list[FloatArray]) -> None:
    partial = path.with_suffix(".part")
    with partial.open("wb") as out:
        np.savez(out, clips=np.array(clips), pooled=np.stack(rows))
    partial.replace(path)


def load_pooled(cache: FeatureCache, count: int) -> FloatArray:
    """Mean and standard deviation of every clip's frames, shape [count, 2 d]; NaN rows for clips that are in no window."""
    found: FloatArray | None = None
    for shard in range(cache.shards):
        with np.load(cache.path(shard)) as stored:
            clips, own = stored["clips"], stored["pooled"]
        if found is None:
            found = np.full((count, own.shape[1]), np.nan, np.float32)
        found[clips] = own
    if found is None:
        raise ValueError(f"{cache.folder}: the cache is empty")
    return found


@dataclass(frozen=True, slots=True)
class Source:
    """A set of clips with the folder that their paths start from and a cache of its own."""

    name: str
    usable: UsableClips
    folder: Path
    root: Path

    def where(self, name: str, wanted: Callable[[Clip], bool]) -> Source:
        """The clips that are wanted, with a cache of their own."""
        kept = [(clip, span) for clip, span in zip(self.usable.clips, self.usable.spans, strict=True) if wanted(clip)]
        return Source(name, UsableClips.of(kept), self.folder, self.root / name)


def open_sources() -> list[Source]:
    """The acted corpora and the unacted speech; says how many clips were skipped and why."""
    acted, unacted = data_folder() / "emotion", data_folder() / "asr"
    found = usable_clips(read_manifest(acted / "manifest.csv"), acted, CACHE / "spans.csv")
    sources = [Source("acted", found, acted, CACHE)]
    if (unacted / "manifest.csv").exists():
        read = usable_clips(read_unacted(unacted / "manifest.csv"), unacted, CACHE / "unacted" / "spans.csv")
        sources.append(Source("unacted", in_pieces(read), unacted, CACHE / "unacted"))
    for source in sources:
        skipped = f"{source.usable.unreadable} unreadable, {source.usable.silent} without speech"
        print(f"{source.name}: {len(source.usable.clips)} clips; skipped: {skipped}", flush=True)
    return sources


def babble_voices(sources: Sequence[Source]) -> list[FloatArray]:
    """Speech that makes babble when several talk at once: unacted, or acted where there is no other. Shape of each [n]."""
    source = sources[-1]
    paths = list(dict.fromkeys(clip.path for clip in source.usable.clips))[:BABBLE_RECORDINGS]
    return [read_clip(source.folder / path) for path in paths]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", nargs="+", default=["base", "tiny.en"])
    parser.add_argument("--copies", nargs="+", default=sorted({*MEASURED, *TRAINED}, key=SEEDS.__getitem__), choices=COPIES)
    arguments = parser.parse_args()
    require(ACTED)
    fill_copies(arguments.weights, arguments.copies)


def fill_copies(weights: Sequence[str], copies: Sequence[str]) -> None:
    """Encode what is missing of these copies of all speech, for every encoder named."""
    sources = open_sources()
    voices = babble_voices(sources)
    for name in weights:
        encoder = WhisperWindowEncoder(name)
        for source, copy in itertools.product(sources, copies):
            fill_copy(source, copy, voices, encoder)


def fill_copy(source: Source, copy: str, voices: Sequence[FloatArray], encoder: WindowEncoder) -> FeatureCache:
    """Encode what is missing of one copy of a source."""
    cache = open_cache(source.usable, encoder.encoder, copy, source.root)
    fill(cache, WindowAudio(source.usable, source.folder, copy, voices), encoder)
    return cache


def load_copy(source: Source, encoder: str, copy: str, *, filled_by: str) -> ToneData:
    """What is cached of one copy of a source. Raises FileNotFoundError with the command that fills the cache where it is not complete."""
    cache = open_cache(source.usable, encoder, copy, source.root)
    if cache.missing():
        raise FileNotFoundError(f"{cache.folder} is not complete: run python -m {filled_by}")
    return labelled(source, copy, load_pooled(cache, len(source.usable.clips)))


def labelled(source: Source, copy: str, features: FloatArray) -> ToneData:
    """One row per clip of a source; clips without features (NaN) are left out."""
    clips = source.usable.clips
    rows = Rows(clips, (copy,) * len(clips), np.array([span.seconds for span in source.usable.spans]))
    return ToneData(rows, features).where(~np.isnan(features[:, 0]))


if __name__ == "__main__":
    main()
