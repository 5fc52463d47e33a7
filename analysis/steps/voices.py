"""Third step: whose speech is whose. Stereo is split by channel; mono by speaker embeddings, into one voice or two, and more are noted.

A stereo recording whose two parties came to lie on one channel is mono too.
"""

from __future__ import annotations

import warnings
from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from sklearn.cluster import SpectralClustering
from sklearn.metrics import silhouette_score

from analysis.values import SAMPLE_RATE, Note, Span, Voice, VoiceSplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from analysis.config import VoicesConfig
    from analysis.ports import Diarizer
    from analysis.values import FloatArray, Recording, Speech

BLOCK_S = 60.0
"""Seconds compared at once when two channels are checked for being one."""

LONE_SHARE = 0.03
"""What a channel may say while the other is silent, as a share of the other's speech, and still hold nobody (docs/models/voices.md)."""

LONE_S = 2.0
"""And how many seconds of that may be louder than the other channel, which a leak is not and a person who speaks is."""

CELL_S = 0.05
"""Resolution of the border between two voices."""

MIN_TURN_S = 0.5
"""A shorter change of voice and back is the clustering's doubt, not a turn."""

ONE_VOICE = Note("one_voice", "only one voice could be told apart")

BATCH = 256
"""Windows read and embedded at once."""


@dataclass(frozen=True, slots=True)
class _Windows:
    """Speech windows of a mono recording: start times [n], and embeddings [n, d] of unit length."""

    starts: NDArray[np.float64]
    embeddings: FloatArray


@dataclass(frozen=True, slots=True)
class _Clusters:
    """Cluster of each window [n], mean embedding of each cluster [k, d] at unit length, and how well they stand apart (silhouette)."""

    labels: NDArray[np.int64]
    means: FloatArray
    fit: float

    @property
    def similarity(self) -> float:
        """Cosine of the two clusters that are most alike."""
        cosines = self.means @ self.means.T
        return float(cosines[np.triu_indices(len(self.means), 1)].max())


def split(recording: Recording, spoken: Speech, diarizer: Diarizer, config: VoicesConfig) -> VoiceSplit:
    """One voice a channel (its id is the channel), or in mono one a speaker, in order of who speaks first; none is without speech."""
    channel = _mono_channel(recording, config)
    if channel is not None:
        return _split_mono(recording, channel, spoken.channels[channel].spans, diarizer=diarizer, config=config)
    return _split_lone(recording, spoken, diarizer, config) or _split_stereo(spoken)


def _mono_channel(recording: Recording, config: VoicesConfig) -> int | None:
    """The channel to take where there is one, or two that are the same; None where they differ."""
    if recording.channels == 1:
        return 0
    products = _products(recording)
    powers = np.diag(products)
    alike = abs(products[0, 1]) >= config.identical_correlation * np.sqrt(powers.prod())
    return int(powers.argmax()) if alike and powers.all() else None


def _split_stereo(spoken: Speech) -> VoiceSplit:
    voices = tuple(Voice(item.channel, item.channel, item.spans) for item in spoken.channels if item.spans)
    return VoiceSplit(voices, mono=False, channels=2, notes=(ONE_VOICE,) if len(voices) == 1 else ())


def _split_lone(recording: Recording, spoken: Speech, diarizer: Diarizer, config: VoicesConfig) -> VoiceSplit | None:
    """The voices of the one channel that is spoken on, where there are several; None where one party may be silent, or nearly."""
    quiet, lone = sorted(spoken.channels, key=lambda item: _seconds(item.spans))
    alone = tuple(_alone(quiet.spans, lone.spans))
    if _seconds(alone) > LONE_SHARE * _seconds(lone.spans) or _louder_s(recording, alone, quiet.channel) > LONE_S:
        return None
    found = _split_mono(recording, lone.channel, lone.spans, diarizer=diarizer, config=config)
    if len(found.voices) < 2:
        return None
    message = f"several voices share channel {lone.channel}, and channel {quiet.channel} holds next to no speech of its own"
    if (left_out_s := _seconds(alone)) >= 0.1:
        message = f"{message}: {left_out_s:.1f} s of it were left out"
    return replace(found, channels=2, notes=(Note("one_channel", message), *found.notes))


def _seconds(spans: Sequence[Span]) -> float:
    return sum((span.seconds for span in spans), 0.0)


def _alone(spans: Sequence[Span], others: Sequence[Span]) -> Iterator[Span]:
    """The pieces of the spans in which none of the others, in order of time, is going on."""
    for span in spans:
        at = span.start
        for other in others[bisect_right(others, at, key=lambda item: item.end) :]:
            if other.start >= span.end:
                break
            if other.start > at:
                yield Span(at, other.start)
            at = other.end
        if at < span.end:
            yield Span(at, span.end)


def _louder_s(recording: Recording, spans: Iterable[Span], channel: int) -> float:
    """Seconds of the spans in which this channel of two is the louder one.

    Shorter ones are the edges of what both carry: a word that one channel says alone lasts `MIN_TURN_S` with its padding.
    """
    words = (span for span in spans if span.seconds >= MIN_TURN_S)
    return _seconds([span for span in words if _power(recording, channel, span) > _power(recording, 1 - channel, span)])


def _power(recording: Recording, channel: int, span: Span) -> float:
    return float(np.square(recording.audio(channel, span.start, span.end), dtype=np.float64).mean())


def _products(recording: Recording) -> NDArray[np.float64]:
    """Inner products of the two channels with themselves and each other, shape [2, 2]."""
    total = np.zeros((2, 2))
    for at in np.arange(0.0, recording.seconds, BLOCK_S):
        block = np.stack([recording.audio(channel, at, at + BLOCK_S) for channel in (0, 1)]).astype(np.float64)
        total += block @ block.T
    return total


def _split_mono(recording: Recording, channel: int, spans: Sequence[Span], *, diarizer: Diarizer, config: VoicesConfig) -> VoiceSplit:
    if not spans:
        return VoiceSplit((), mono=True)
    windows = _embedded(recording, channel, spans, diarizer=diarizer, config=config)
    clusters = _clustered(windows, config)
    if clusters is None:
        return VoiceSplit((Voice(0, channel, tuple(spans)),), mono=True, notes=(ONE_VOICE,))
    voices = _voices(channel, _turns(spans, windows, clusters, config))
    if len(clusters.means) == 2:
        return VoiceSplit(voices, mono=True)
    note = Note(
        "more_than_two_voices", "more than two voices share the recording; nobody is scored, because the parties cannot be told apart"
    )
    return VoiceSplit(voices, mono=True, scorable=False, notes=(note,))


def _window_starts(spans: Sequence[Span], seconds: float, config: VoicesConfig) -> NDArray[np.float64]:
    """Windows spread evenly over each span; a span shorter than a window gets one around its middle."""
    starts: list[float] = []
    for span in spans:
        room = span.seconds - config.window_s
        if room <= 0:
            starts.append((span.start + span.end - config.window_s) / 2)
        else:
            starts.extend(np.linspace(span.start, span.start + room, int(np.ceil(room / config.hop_s)) + 1))
    return np.asarray(np.clip(starts, 0.0, max(seconds - config.window_s, 0.0)), np.float64)


def _embedded(recording: Recording, channel: int, spans: Sequence[Span], *, diarizer: Diarizer, config: VoicesConfig) -> _Windows:
    starts = _window_starts(spans, recording.seconds, config)
    parts = []
    for first in range(0, len(starts), BATCH):
        parts.append(diarizer.embed([_samples(recording, channel, start, config) for start in starts[first : first + BATCH].tolist()]))
    return _Windows(starts, np.concatenate(parts))


def _samples(recording: Recording, channel: int, start: float, config: VoicesConfig) -> FloatArray:
    """One window, zero-padded where the recording is shorter; all have the same count of samples whatever the rounding."""
    count = round(config.window_s * SAMPLE_RATE)
    samples = recording.audio(channel, start, start + config.window_s + 1.0 / SAMPLE_RATE)[:count]
    return np.pad(samples, (0, count - len(samples)))


def _clustered(windows: _Windows, config: VoicesConfig) -> _Clusters | None:
    """Two or three clusters of the windows, or None for one voice.

    Clustering is on embeddings centred on the call, which takes out what line and microphone add to all of them; whether clusters are
    one speaker is judged by their means before centring. At most `max_windows` are clustered, the others go to the nearest mean.
    """
    if len(windows.starts) < config.min_windows:
        return None
    centred = _unit(windows.embeddings - windows.embeddings.mean(axis=0))
    sample = np.unique(np.linspace(0, len(centred) - 1, min(len(centred), config.max_windows)).round().astype(np.int64))
    two, three = (_grouped(windows.embeddings, centred, sample, count) for count in (2, 3))
    if three is not None and two is not None and _are_three(two, three, config):
        return three
    return two if two is not None and two.similarity < config.same_voice_similarity else None


def _are_three(two: _Clusters, three: _Clusters, config: VoicesConfig) -> bool:
    enough = np.bincount(three.labels, minlength=3).min() * config.hop_s >= config.min_voice_s
    return bool(enough and three.similarity < config.third_voice_similarity and three.fit >= config.third_voice_fit * two.fit)


def _grouped(embeddings: FloatArray, centred: FloatArray, sample: NDArray[np.int64], count: int) -> _Clusters | None:
    """Spectral clustering on a nearest-neighbour graph; None where the windows do not fall into that many groups."""
    neighbours = min(len(sample), max(5, len(sample) // 6))
    clustering = SpectralClustering(count, affinity="nearest_neighbors", n_neighbors=neighbours, random_state=0)
    with warnings.catch_warnings():
        # Two very different speakers make a graph of two parts, which is what is looked for.
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        found = np.asarray(clustering.fit_predict(centred[sample]), np.int64)
    if len(np.unique(found)) < count:
        return None
    centres = _means(centred[sample], found, count)
    labels = (centred @ centres.T).argmax(axis=1).astype(np.int64)
    labels[sample] = found
    fit = float(silhouette_score(embeddings[sample], found, metric="cosine"))
    return _Clusters(labels, _means(embeddings, labels, count), fit)


def _means(embeddings: FloatArray, labels: NDArray[np.int64], count: int) -> FloatArray:
    return _unit(np.stack([embeddings[labels == label].mean(axis=0) for label in range(count)]))


def _unit(rows: FloatArray) -> FloatArray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)


def _turns(spans: Sequence[Span], windows: _Windows, clusters: _Clusters, config: VoicesConfig) -> list[tuple[Span, int]]:
    """Each span cut where the voice changes, in order of time, with the cluster of each piece."""
    votes = _votes(windows, clusters, config, end=spans[-1].end)
    return [turn for span in spans for turn in _pieces(span, votes)]


def _votes(windows: _Windows, clusters: _Clusters, config: VoicesConfig, *, end: float) -> NDArray[np.float64]:
    """For each cell of `CELL_S`, the sum of the windows over it, each weighing most in its middle; shape [cells, clusters]."""
    width = round(config.window_s / CELL_S)
    votes = np.zeros((int(np.ceil(end / CELL_S)) + width + 1, len(clusters.means)))
    weights = np.hanning(width + 2)[1:-1]
    for start, label in zip(windows.starts.tolist(), clusters.labels.tolist(), strict=True):
        first = round(start / CELL_S)
        votes[first : first + width, label] += weights[: len(votes) - first]
    return votes


def _pieces(span: Span, votes: NDArray[np.float64]) -> Iterator[tuple[Span, int]]:
    cells = range(int(span.start / CELL_S), max(int(np.ceil(span.end / CELL_S)), int(span.start / CELL_S) + 1))
    labels = _steadied(votes[cells.start : cells.stop])
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    for first, last in pairwise(edges):
        begin = span.start if first == 0 else (cells.start + first) * CELL_S
        end = span.end if last == len(labels) else (cells.start + last) * CELL_S
        yield Span(begin, end), int(labels[first])


def _steadied(votes: NDArray[np.float64]) -> NDArray[np.int64]:
    """The winning cluster of each cell of a span; runs shorter than `MIN_TURN_S` take the label of the longer neighbour, shortest first."""
    labels: NDArray[np.int64] = votes.argmax(axis=1).astype(np.int64)
    while True:
        edges = np.array([0, *(np.flatnonzero(np.diff(labels)) + 1), len(labels)])
        lengths = np.diff(edges)
        shortest = int(lengths.argmin())
        if len(lengths) == 1 or lengths[shortest] * CELL_S >= MIN_TURN_S:
            return labels
        neighbours = [run for run in (shortest - 1, shortest + 1) if 0 <= run < len(lengths)]
        longer = max(neighbours, key=lambda run: int(lengths[run]))
        labels[edges[shortest] : edges[shortest + 1]] = labels[edges[longer]]


def _voices(channel: int, turns: Sequence[tuple[Span, int]]) -> tuple[Voice, ...]:
    """One voice a cluster; ids count up in order of who speaks first."""
    order = list(dict.fromkeys(label for _, label in turns))
    return tuple(Voice(number, channel, tuple(span for span, label in turns if label == wanted)) for number, wanted in enumerate(order))
