"""Decode: every format comes out whole and at the right pitch, and bad files say what is wrong and what to do."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from analysis import registry
from analysis.config import Config
from analysis.errors import AnalysisError
from analysis.ports import Decoded
from analysis.steps import decode
from tests import audio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from analysis.ports import Decoder
    from analysis.values import Recording

CONFIG = Config()
DECODERS: tuple[Decoder, ...] = tuple(registry.engine_class("decoder", name)(CONFIG) for name in CONFIG.engines.decoders)
LEFT_HZ, RIGHT_HZ = 440.0, 1100.0


class FakeDecoder:
    """Writes a stretch of silence and states what it is told to."""

    def __init__(
        self, seconds: float, stated_s: float | None, *, skipped: int = 0, tracks: int = 1, error: Exception | None = None
    ) -> None:
        self.name = "fake"
        self.decoded = Decoded(1, 8000, "fake", seconds, stated_s, skipped, tracks)
        self.error = error
        self.calls = 0

    def decode(self, path: Path, spool: Path, *, max_s: float) -> Decoded:
        self.calls += 1
        spool.write_bytes(bytes(2 * round(self.decoded.seconds * 16000)))
        if self.error is not None:
            raise self.error
        return self.decoded


@pytest.fixture
def spooled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """Sizes of the files that this process holds open in a temporary folder of its own; none of them has a name."""
    folder = tmp_path / "spools"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    def sizes() -> list[int]:
        held = [file for file in Path("/proc/self/fd").iterdir() if file.is_symlink() and str(file.readlink()).startswith(str(folder))]
        return [file.stat().st_size for file in held]

    return sizes


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    """Ten seconds of a tone at 8 kHz, 16 bit, mono."""
    return audio.write(tmp_path / "call.wav", audio.tones(10.0, 8000, [LEFT_HZ]), 8000)


def opened(file: Path, decoders: Sequence[Decoder] = DECODERS, config: Config = CONFIG) -> decode.OpenedRecording:
    return decode.open_recording(file, decoders, config.decode)


def refused(file: Path, decoders: Sequence[Decoder] = DECODERS, config: Config = CONFIG) -> AnalysisError:
    with pytest.raises(AnalysisError) as caught:
        opened(file, decoders, config)
    return caught.value


def pitches(recording: Recording) -> list[float]:
    return [audio.pitch_hz(recording.audio(channel, 0.5, 2.5)) for channel in range(recording.channels)]


@pytest.mark.parametrize(("codec", "rate", "channels"), audio.VARIANTS)
def test_every_format_comes_out_whole_at_its_pitch_and_on_its_channel(tmp_path: Path, codec: str, rate: int, channels: int) -> None:
    tones = [LEFT_HZ, RIGHT_HZ][:channels]
    file = audio.write(tmp_path / f"call.{audio.FORMATS[codec].suffix}", audio.tones(3.0, rate, tones), rate, codec=codec)
    with opened(file) as recording:
        assert recording.seconds == pytest.approx(3.0, abs=0.21)
        assert recording.channels == channels
        assert pitches(recording) == pytest.approx(tones, abs=2.0)
        assert recording.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", registry.ENGINES["decoder"])
@pytest.mark.parametrize(("codec", "rate", "channels"), [("pcm16", 8000, 2), ("mulaw", 8000, 2), ("flac", 44100, 1), ("mp3", 16000, 1)])
def test_every_decoder_keeps_length_level_and_channels(tmp_path: Path, name: str, codec: str, rate: int, channels: int) -> None:
    decoder = registry.engine_class("decoder", name)(CONFIG)
    tones = [LEFT_HZ, RIGHT_HZ][:channels]
    file = audio.write(tmp_path / "call", audio.tones(3.0, rate, tones), rate, codec=codec)
    with opened(file, [decoder]) as recording:
        assert recording.seconds == pytest.approx(3.0, abs=0.13)
        assert pitches(recording) == pytest.approx(tones, abs=2.0)
        assert [np.abs(recording.audio(c, 1, 2)).max() for c in range(channels)] == pytest.approx([1 / 3] * channels, rel=0.1)
    assert decoder.name.startswith(name)


@pytest.mark.parametrize("name", registry.ENGINES["decoder"])
def test_every_decoder_refuses_what_is_no_recording(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.wav").write_text("Customer said hello.\n" * 500)
    error = refused(tmp_path / "notes.wav", [registry.engine_class("decoder", name)(CONFIG)])
    assert error.permanent
    assert "notes.wav" in error.message


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("frames", [3, 10, 80])
def test_a_recording_of_less_than_10_ms_holds_what_it_held(tmp_path: Path, rate: int, frames: int) -> None:
    """FFmpeg's conversion gives nothing back for the shortest of them."""
    file = audio.write(tmp_path / "click.wav", np.full((1, frames), 0.5), rate)
    with opened(file) as recording:
        assert recording.audio(0).size == pytest.approx(frames * 16000 / rate, abs=3)
        assert recording.audio(0).size > 0


def test_a_recording_too_short_for_a_single_sample_at_16_khz_is_refused(tmp_path: Path) -> None:
    error = refused(audio.write(tmp_path / "call.wav", np.full((1, 1), 0.5), 48000))
    assert error.permanent
    assert error.message == "call.wav: the file holds no sound; record or export it again"


@pytest.mark.parametrize(("codec", "ending"), [("mp3", "wav"), ("pcm16", "mp3"), ("wma", "txt"), ("ogg-opus", "flac"), ("3gp", "dat")])
def test_the_content_counts_not_the_ending(tmp_path: Path, codec: str, ending: str) -> None:
    rate = audio.FORMATS[codec].rates[0]
    file = audio.write(tmp_path / f"call.{ending}", audio.tones(3.0, rate, [LEFT_HZ]), rate, codec=codec)
    with opened(file) as recording:
        assert pitches(recording) == pytest.approx([LEFT_HZ], abs=2.0)


@pytest.mark.parametrize(("name", "stated"), [("12-10__audiofile19", 65.3), ("01-25__audiofile13", 152.5), ("01-25__audiofile14", 164.1)])
def test_concatenated_mp3s_come_out_whole(data: Path, name: str, stated: float) -> None:
    file = next((data / "calls").glob(f"snowflake__*{name}.mp3"))
    with opened(file) as recording:
        assert recording.seconds == pytest.approx(stated, abs=1.0)
        assert np.abs(recording.audio(0, recording.seconds - 10)).max() > 0.01
        assert [note.code for note in recording.notes] == ["skipped_packets"]


@pytest.mark.parametrize("name", ["call.raw", "ein Gespräch 電話", os.fsdecode(b"not utf-8 \xff.wav")])
def test_every_decoder_reads_a_wav_under_any_name(tmp_path: Path, wav: Path, name: str) -> None:
    file = wav.rename(tmp_path / name)
    for decoder in DECODERS:
        assert decoder.decode(file, tmp_path / "spool", max_s=60.0).seconds == pytest.approx(10.0, abs=0.01)


def test_damaged_packets_are_skipped_and_counted(tmp_path: Path) -> None:
    file = audio.write(tmp_path / "call.m4a", audio.noise(60.0, -20.0)[None], 16000, codec="aac")
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 600] = np.random.default_rng(0).bytes(600)
    file.write_bytes(content)
    with opened(file) as recording:
        assert recording.seconds == pytest.approx(60.0, abs=1.0)
        assert [note.code for note in recording.notes] == ["skipped_packets"]


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFDB])
def test_a_streamed_header_states_no_length(wav: Path, size: int) -> None:
    for decoders in (DECODERS, DECODERS[::-1]):
        with opened(audio.with_data_size(wav, size), decoders) as recording:
            assert recording.seconds == pytest.approx(10.0)


def test_a_truncated_wav_is_refused_with_both_lengths(wav: Path) -> None:
    wav.write_bytes(wav.read_bytes()[:40_044])
    for decoders in (DECODERS, DECODERS[1:]):
        error = refused(wav, decoders)
        assert error.permanent
        assert "call.wav: only 2.5 s of the 10.0 s" in error.message


@pytest.mark.parametrize(("codec", "rate"), [("mp3", 16000), ("flac", 16000), ("webm", 48000), ("wma", 16000)])
def test_a_truncated_file_is_refused(tmp_path: Path, codec: str, rate: int) -> None:
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, (1, 30 * rate))
    file = audio.write(tmp_path / "call", samples, rate, codec=codec)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert refused(file).permanent


def test_a_short_tail_is_within_tolerance(wav: Path) -> None:
    wav.write_bytes(wav.read_bytes()[:-14_000])
    with opened(wav) as recording:
        assert recording.seconds == pytest.approx(10.0 - 0.875)


def test_the_second_decoder_is_asked_only_where_the_first_is_short(wav: Path) -> None:
    good, spare = FakeDecoder(10.0, 10.0), FakeDecoder(10.0, 10.0)
    with opened(wav, [good, spare]):
        assert (good.calls, spare.calls) == (1, 0)
    with opened(wav, [FakeDecoder(4.0, 10.0), spare]) as recording:
        assert (recording.seconds, spare.calls) == (10.0, 1)


def test_a_length_that_only_one_decoder_knows_binds_the_other(wav: Path) -> None:
    error = refused(wav, [FakeDecoder(4.0, 10.0), FakeDecoder(5.0, 5.0)])
    assert "only 5.0 s of the 10.0 s" in error.message


def test_without_a_stated_length_the_longest_decode_wins(wav: Path, spooled: Callable[[], list[int]]) -> None:
    with opened(wav, [FakeDecoder(4.0, None), FakeDecoder(9.0, None, skipped=1), FakeDecoder(7.0, None)]) as recording:
        assert recording.seconds == 9.0
        assert recording.notes[0].message == "1 damaged packet was left out of the recording"
        assert spooled() == [9 * 16000 * 2], "the others take no room while it is analysed"


def test_other_audio_tracks_are_noted(wav: Path) -> None:
    with opened(wav, [FakeDecoder(9.0, 9.0, tracks=2)]) as recording:
        assert [note.code for note in recording.notes] == ["other_tracks"]


def test_a_full_disk_may_be_tried_again_and_leaves_nothing(wav: Path, spooled: Callable[[], list[int]]) -> None:
    error = refused(wav, [FakeDecoder(1.0, 1.0, error=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))])
    assert not error.permanent
    assert "call.wav" in error.message
    assert "No space left" in error.message
    assert spooled() == []


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ESTALE])
def test_a_temporary_folder_that_lets_go_of_nameless_files_is_named_with_what_to_do(
    wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spooled: Callable[[], list[int]], number: int
) -> None:
    """As some network file systems do; the next attempt would meet the same folder."""
    really = Path.open

    def lets_go(path: Path, *arguments: Any, **more: Any) -> Any:
        if path.parent == Path("/dev/fd"):
            raise OSError(number, os.strerror(number))
        return really(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", lets_go)
    decoder = FakeDecoder(9.0, 9.0)
    error = refused(wav, [decoder])
    assert error.permanent
    assert error.message.startswith(f"{tmp_path / 'spools'} does not hold temporary files")
    assert error.message.endswith("set TMPDIR to a folder on a local disk")
    assert (decoder.calls, spooled()) == (0, [])


def test_the_spool_lies_nameless_in_the_temporary_folder_until_the_recording_is_left(
    wav: Path, tmp_path: Path, spooled: Callable[[], list[int]]
) -> None:
    with opened(wav) as recording:
        assert spooled() == [10 * 16000 * 2]
        assert list((tmp_path / "spools").iterdir()) == []
        assert np.abs(recording.audio(0)).max() > 0.1
    assert spooled() == []


def test_the_same_file_decodes_to_the_same_samples(wav: Path) -> None:
    with opened(wav) as first, opened(wav) as second:
        assert first.spool.read_bytes() == second.spool.read_bytes()


def broken_files(folder: Path) -> dict[str, bytes]:
    """Content of bad uploads by name."""
    whole = audio.write(folder / "whole", audio.tones(2.0, 8000, [LEFT_HZ]), 8000).read_bytes()
    with zipfile.ZipFile(folder / "zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("zeros", bytes(10_000_000))
    return {
        "empty.wav": b"",
        "text.mp3": b"this is not audio\n" * 400,
        "random.wav": np.random.default_rng(0).bytes(300_000),
        "header_only.wav": whole[:44],
        "no_channels.wav": whole[:22] + b"\0\0" + whole[24:],
        "no_rate.wav": whole[:24] + bytes(4) + whole[28:],
        "wild_rate.wav": whole[:24] + b"\xff\xff\xff\x7f" + whole[28:],
        "endless_chunks.wav": whole[:12] + bytes(400_000),
        "corrupt_header.wav": whole[:12] + b"\x93\x10\xff\xfe" * 6 + whole[36:],
        "raw.wav": whole[44:],
        "bomb.wav": (folder / "zip").read_bytes(),
        "playlist.wav": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n" + str(folder / "whole").encode() + b"\n#EXT-X-ENDLIST\n",
        "concat.wav": b"ffconcat version 1.0\nfile whole\n",
    }


BROKEN = "empty text random header_only no_channels no_rate wild_rate endless_chunks corrupt_header raw bomb playlist concat"


@pytest.mark.parametrize("stem", BROKEN.split())
def test_a_bad_file_is_refused_by_name(tmp_path: Path, stem: str) -> None:
    name, content = next((name, content) for name, content in broken_files(tmp_path).items() if name.startswith(stem + "."))
    (tmp_path / name).write_bytes(content)
    error = refused(tmp_path / name)
    assert error.permanent
    assert name in error.message


@pytest.mark.parametrize("decoders", [DECODERS, DECODERS[1:]])
def test_what_is_no_recording_is_told_with_what_to_give_and_without_jargon(tmp_path: Path, decoders: list[Any]) -> None:
    file = tmp_path / "notes.wav"
    file.write_text("this is not audio")
    assert refused(file, decoders).message == (
        "notes.wav: not a recording that can be read; give a WAV, MP3, M4A, Ogg, FLAC, WebM, AMR, 3GP or WMA file. "
        "Bare samples need a WAV header first"
    )


def test_a_missing_file_a_folder_and_a_device_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "gone.wav").message
    assert "a folder" in refused(tmp_path).message
    assert "not a regular file" in refused(Path("/dev/zero")).message
    assert "cannot be opened" in refused(tmp_path / ("x" * 300 + ".wav")).message


def test_three_channels_are_refused_with_what_to_give(tmp_path: Path) -> None:
    for codec in ("pcm16", "flac"):
        file = audio.write(tmp_path / f"{codec}.wav", audio.tones(2.0, 8000, [300, 400, 500]), 8000, codec=codec)
        for decoders in (DECODERS, DECODERS[1:]):
            assert "3 channels; give one" in refused(file, decoders).message


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "screen.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    assert "no audio track" in refused(file).message


def sparse_wav(path: Path, seconds: float) -> Path:
    """A WAV of digital silence that takes no room on the disk: 8 kHz, 16 bit, stereo."""
    size = round(seconds * 32_000)
    head = audio.write(path, np.zeros((2, 8)), 8000).read_bytes()[:44]
    path.write_bytes(head)
    os.truncate(path, 44 + size)
    return audio.with_data_size(path, size)


def test_ten_hours_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    file = sparse_wav(tmp_path / "ten_hours.wav", 36_000)
    for decoders in (DECODERS, DECODERS[1:]):
        error = refused(file, decoders)
        assert error.permanent
        assert "ten_hours.wav: longer than the 4.25 hours" in error.message


def test_a_stream_that_never_ends_is_stopped_at_the_limit(tmp_path: Path) -> None:
    file = audio.write(tmp_path / "long.webm", audio.tones(30.0, 48000, [LEFT_HZ]), 48000, codec="live-webm")
    short = dataclasses.replace(CONFIG, decode=dataclasses.replace(CONFIG.decode, max_s=5.0))
    assert "longer than" in refused(file, DECODERS, short).message


PEAK_RSS = """
import resource, sys
from pathlib import Path
from analysis.config import Config
from analysis import registry
from analysis.steps import decode
config = Config()
decoders = [registry.engine_class("decoder", name)(config) for name in config.engines.decoders]
with decode.open_recording(Path(sys.argv[1]), decoders, config.decode) as recording:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_length_costs_no_memory(tmp_path: Path) -> None:
    def peak_mb(seconds: float) -> int:
        file = sparse_wav(tmp_path / "call.wav", seconds)
        done = subprocess.run([sys.executable, "-c", PEAK_RSS, str(file)], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert peak_mb(900) - peak_mb(10) < 25
