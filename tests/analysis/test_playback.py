"""Playback: an AAC copy that any browser seeks in, and peaks whose size does not grow with the call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from analysis import playback, registry
from analysis.config import Config
from analysis.steps import decode
from tests import audio

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from analysis.ports import Denoiser
    from analysis.values import FloatArray


@pytest.mark.parametrize("hertz", [[440.0], [440.0, 1100.0]])
def test_the_copy_sounds_like_the_call(tmp_path: Path, hertz: list[float]) -> None:
    original = audio.recording(tmp_path, audio.tones(130.0, 16000, hertz))
    playback.write(original, tmp_path / "copy.m4a")
    decoder = registry.engine_class("decoder", "pyav")(Config())
    with decode.open_recording(tmp_path / "copy.m4a", [decoder], Config().decode) as copy:
        assert (copy.codec, copy.channels) == ("aac", len(hertz))
        assert copy.seconds == pytest.approx(130.0, abs=0.13)
        for channel in range(copy.channels):
            for at in (1.0, 60.0, 125.0):
                ours, theirs = original.audio(channel, at, at + 2), copy.audio(channel, at, at + 2)
                assert np.corrcoef(ours, theirs)[0, 1] > 0.99


def test_the_copy_is_aac_lc_with_its_index_first(tmp_path: Path) -> None:
    playback.write(audio.recording(tmp_path, audio.tones(20.0, 16000, [300.0, 600.0])), tmp_path / "copy.m4a")
    content = (tmp_path / "copy.m4a").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")
    assert len(content) < 20 * 10_000
    with av.open(str(tmp_path / "copy.m4a")) as container:
        assert container.streams.audio[0].profile == "LC"


def test_progress_is_told_block_by_block_and_may_end_the_copy(tmp_path: Path) -> None:
    recording, told = audio.recording(tmp_path, audio.tones(130.0, 16000, [300.0])), list[float]()
    playback.write(recording, tmp_path / "copy.m4a", progress=told.append)
    assert told == pytest.approx([60 / 130, 120 / 130, 1.0])

    def stop(_done: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        playback.write(recording, tmp_path / "copy.m4a", progress=stop)
    assert not (tmp_path / "copy.m4a").exists()


def test_a_copy_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    recording = audio.recording(tmp_path, audio.tones(1.0, 16000, [300.0]))
    with pytest.raises(OSError, match="No such file"):
        playback.write(recording, tmp_path / "missing" / "copy.m4a")
    assert not (tmp_path / "missing").exists()


class Dawdler:
    """Gives its first block back only at the end, as a denoiser that is still filling its filter does."""

    name = "dawdler"

    def denoise(self, blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
        yield np.zeros(0, np.float32)
        yield from blocks


@pytest.mark.parametrize("samples", [1, 100, 16_000])
@pytest.mark.parametrize("denoiser", [None, Dawdler()])
def test_however_short_a_call_has_a_copy(tmp_path: Path, samples: int, denoiser: Denoiser | None) -> None:
    playback.write(audio.recording(tmp_path, np.zeros((2, samples), np.float32)), tmp_path / "copy.m4a", denoiser)
    with av.open(str(tmp_path / "copy.m4a")) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) >= samples


def test_peaks_follow_the_loudness_of_each_channel(tmp_path: Path) -> None:
    left = np.concatenate([np.zeros(16000), np.full(16000, -0.5), np.zeros(16000)])
    right = np.concatenate([np.full(16000, 0.25), np.zeros(32000)])
    found = playback.peaks(audio.recording(tmp_path, np.stack([left, right])), buckets_per_second=2)
    assert found.per_second == 2.0
    assert found.channels == ((0.0, 0.0, 0.5, 0.5, 0.0, 0.0), (0.25, 0.25, 0.0, 0.0, 0.0, 0.0))
    assert json.loads(found.as_json()) == {"per_second": 2.0, "channels": [list(channel) for channel in found.channels]}


def test_peaks_stay_few_however_long_the_call(tmp_path: Path) -> None:
    recording = audio.recording(tmp_path, np.zeros((1, 16000 * 600)))
    found = playback.peaks(recording, buckets_per_second=50)
    assert playback.MAX_BUCKETS - 100 < len(found.channels[0]) <= playback.MAX_BUCKETS
    assert len(found.channels[0]) / found.per_second == pytest.approx(600.0, abs=1.0)


def test_a_click_in_a_long_call_stays_visible(tmp_path: Path) -> None:
    samples = np.zeros((1, 16000 * 400))
    samples[0, 16000 * 333] = 0.9
    found = playback.peaks(audio.recording(tmp_path, samples))
    assert np.argmax(found.channels[0]) / found.per_second == pytest.approx(333.0, abs=0.2)
    assert max(found.channels[0]) == pytest.approx(0.9, abs=0.001)


def test_an_empty_recording_has_no_peaks(tmp_path: Path) -> None:
    (tmp_path / "made.pcm").touch()
    assert playback.peaks(audio.recording(tmp_path, np.zeros((2, 0)))).channels == ((), ())
