"""What the tone head is measured beside, on RAVDESS: simpler models of the same held-out speakers.

- the encoder's last layer, mean and deviation, with logistic regression, as frozen encoders are usually probed;
- functionals of pitch, loudness and spectrum after eGeMAPS (Eyben et al. 2016), computed here, with a linear support vector machine.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import swift_f0
from faster_whisper.feature_extractor import FeatureExtractor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from tqdm import tqdm

from analysis import resolver
from analysis.values import SAMPLE_RATE
from analysis.whisper_encoder import TorchWhisperEncoder, log_mels
from training.features import TRAINED, WindowAudio, fill_copy, labelled, load_pooled, open_cache
from training.metrics import uar
from training.ravdess import labels_of, speaker_folds
from training.tone_data import ToneData

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from analysis.values import FloatArray
    from training.features import Source
    from training.tone_data import Table

CORPUS = "ravdess"
WINDOW, HOP = 512, 160
"""Samples of a spectrum and from one to the next: 32 ms every 10 ms."""
LOUD_RANGE_DB = 25.0
"""Frames this far under the loudest are pauses."""
VOICED = 0.5
BANDS_HZ = np.geomspace(300.0, 3400.0, 9)
SVM_PENALTY, REGRESSION_PENALTY = 0.01, 0.003
"""Inverse strengths, of the order that inner folds choose for some hundred clips; not tuned further."""


class LastLayer:
    """Whisper's last encoder layer as a window encoder."""

    frame_rate = 50.0

    def __init__(self, weights: str) -> None:
        self.encoder = f"whisper-{weights}-last"
        self.name = self.encoder
        self._model = TorchWhisperEncoder(resolver.locate_whisper(weights))
        self._extractor = FeatureExtractor(feature_size=self._model.mels)

    def encode(self, windows: Sequence[FloatArray]) -> list[FloatArray]:
        """Shape of each [1500, d]."""
        return [self._model.encode(log_mels(self._extractor, [window])).last[0] for window in windows]


def source_of(acted: Source) -> Source:
    return acted.where("baselines", lambda clip: clip.corpus == CORPUS)


def last_layer(source: Source, copies: Sequence[str], voices: Sequence[FloatArray], weights: str = "base") -> ToneData:
    encoder = LastLayer(weights)
    count = len(source.usable.clips)
    return ToneData.joined([labelled(source, copy, load_pooled(fill_copy(source, copy, voices, encoder), count)) for copy in copies])


def functional_data(source: Source, copies: Sequence[str], voices: Sequence[FloatArray]) -> ToneData:
    return ToneData.joined([labelled(source, copy, _functionals_of(source, copy, voices)) for copy in copies])


def _functionals_of(source: Source, copy: str, voices: Sequence[FloatArray]) -> FloatArray:
    """Functionals of every clip as it sounds in the copy; NaN rows for clips that are in no window."""
    cache = open_cache(source.usable, "functionals", copy, source.root)
    file = cache.folder / "functionals.npy"
    if not file.exists():
        tracker = swift_f0.SwiftF0(threads=1, spin=False)
        audio = WindowAudio(source.usable, source.folder, copy, voices)
        found = np.full((len(source.usable.clips), 50), np.nan, np.float32)
        for number, window in enumerate(tqdm(cache.windows, desc=f"functionals, {copy}", unit="window")):
            joined = audio.build(window, number)
            for clip, (first, last) in zip(window.clips, joined.places, strict=True):
                found[clip] = functionals(joined.samples[first:last], tracker)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, found)
    return np.asarray(np.load(file), np.float32)


def functionals(samples: FloatArray, tracker: swift_f0.SwiftF0) -> FloatArray:
    """Fifty numbers of one utterance at 16 kHz: contours of pitch, level, tilt and flux, band levels, rate and length."""
    pitch = tracker.detect(samples, SAMPLE_RATE, fmin=60.0, fmax=500.0)
    voiced = pitch.confidence >= VOICED
    semitones = 12.0 * np.log2(np.maximum(pitch.pitch_hz, 1.0) / 100.0)
    tune = semitones[voiced] if voiced.sum() > 3 else np.zeros(4)
    power = _spectra(samples)
    hertz = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    levels = 10.0 * np.log10(power.sum(axis=1) / WINDOW)
    loud = levels > levels.max() - LOUD_RANGE_DB
    bands = _db(np.stack([power[loud][:, (hertz >= low) & (hertz < high)].sum(axis=1) for low, high in itertools.pairwise(BANDS_HZ)], 1))
    shape = bands - bands.mean(axis=1, keepdims=True)
    tilt = _db(power[loud][:, (hertz >= 1000) & (hertz < 3400)].sum(axis=1)) - _db(
        power[loud][:, (hertz >= 300) & (hertz < 1000)].sum(axis=1)
    )
    flux = np.abs(np.diff(bands, axis=0)).mean(axis=1) if len(bands) > 1 else np.zeros(1)
    smooth = np.convolve(levels, np.hanning(9) / np.hanning(9).sum(), "same")
    peaks = (smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] > smooth[2:]) & (smooth[1:-1] > levels.max() - 20.0)
    seconds = len(samples) / SAMPLE_RATE
    sure = float(pitch.confidence[voiced].mean()) if voiced.any() else 0.0
    return np.array(
        [
            *_contour(tune),
            float(voiced.mean()),
            sure,
            float(np.abs(np.diff(tune)).mean()),
            *_contour(levels[loud]),
            *_contour(tilt),
            *_contour(flux),
            *shape.mean(axis=0),
            *shape.std(axis=0),
            float(peaks.sum()) / seconds,
            float(loud.mean()),
            seconds,
        ],
        np.float32,
    )


def _spectra(samples: FloatArray) -> NDArray[np.float64]:
    padded = np.pad(samples, (0, max(0, WINDOW - len(samples)))).astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    return np.asarray(np.abs(np.fft.rfft(frames * np.hanning(WINDOW))) ** 2 + 1e-10)


def _db(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(10.0 * np.log10(power + 1e-10))


def _contour(values: NDArray[np.float64]) -> list[float]:
    """Mean, deviation, 10th, 50th and 90th percentile, range between them, and slope over the utterance."""
    low, middle, high = np.percentile(values, [10, 50, 90])
    slope = np.polyfit(np.linspace(-0.5, 0.5, len(values)), values, 1)[0] if len(values) > 3 else 0.0
    return [float(each) for each in (values.mean(), values.std(), low, middle, high, high - low, slope)]


def tables(last: ToneData, functional: ToneData, copies: Sequence[str], seed: int) -> Table:
    """One seed's eight-class UAR of both baselines by copy, without any knowledge of the speaker."""
    models = {
        "last layer + LR": (last, LogisticRegression(C=REGRESSION_PENALTY, max_iter=500)),
        "functionals + SVM": (functional, LinearSVC(C=SVM_PENALTY, class_weight="balanced")),
    }
    found = {}
    for name, (data, model) in models.items():
        trained = np.isin(data.rows.copies, TRAINED)
        labels = labels_of(data.rows)
        said = np.full(len(data), -1)
        for fit, held in speaker_folds(data.rows, seed):
            own = fit[trained[fit]]
            pipeline = make_pipeline(StandardScaler(), model).fit(data.features[own], labels[own])
            said[held] = pipeline.predict(data.features[held])
        for copy in copies:
            rows = data.rows.has(copy=copy)
            found[f"{name}, {copy}"] = {"uar": uar(labels[rows], said[rows])}
    return found
