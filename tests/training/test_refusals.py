"""When a tone head does not answer: limits set on held-out speakers, a music row that leaves speech alone, and pieces kept apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import soxr
from faster_whisper.vad import get_speech_timestamps

from analysis.engines.window_encoder import WhisperWindowEncoder
from analysis.heads import HeadCard, LinearHead, novelty
from analysis.values import SAMPLE_RATE, Abstention
from bench.asr import hold_music
from tests.audio import SAMPLES, noise
from tests.training.made import clean, with_clips
from training import music
from training.channel import rms
from training.corpus import TONE_CLASSES, Clip, read_clip
from training.music import BEHIND, LEAST_S, MUSIC, WINDOW_S, mixed, music_in_words, music_source, store_music
from training.refusal_report import left_out_refusals, pooled_pieces, refusing_head, shares, tones
from training.refusals import KNOWN_SHARE, fit_refusals, splits, whitened_axes
from training.tone_data import ToneData

if TYPE_CHECKING:
    from pathlib import Path

    from analysis.values import FloatArray

WIDTH = 8
SPEAKERS, PIECES, EACH = 9, 6, 80


def made_up(*, with_music: bool = True, far: float = 12.0, seed: int = 0) -> ToneData:
    """Speech that varies much along two features; music at one side of a third, speech over music a little towards it."""
    rng = np.random.default_rng(seed)
    spread = np.array([5.0, 3.0, *[1.0] * (WIDTH - 2)])
    rows: list[tuple[str, str, float]] = [("speech", f"s{number}", 0.0) for number in range(SPEAKERS) for _ in range(EACH)]
    if with_music:
        rows += [(MUSIC, f"m{number}.wav", far) for number in range(PIECES) for _ in range(EACH)]
        rows += [(BEHIND, f"s{number}", 2.0) for number in range(SPEAKERS) for _ in range(8)]
    features = rng.normal(0.0, 1.0, (len(rows), WIDTH)) * spread
    features[:, 2] += [shift for _, _, shift in rows]
    clips = [Clip(corpus, f"{speaker}", speaker, "", "en", "neutral", "", "") for corpus, speaker, _ in rows]
    return ToneData(clean(clips, 3.0), features.astype(np.float32))


def head_of(tensors: dict[str, FloatArray]) -> LinearHead:
    card = HeadCard("made", "", TONE_CLASSES, "", "", False, frozenset(), {}, 1.0)
    return LinearHead(card, {"feature_mean": np.zeros(WIDTH, np.float32), "feature_std": np.ones(WIDTH, np.float32)} | tensors)


def fitted(data: ToneData) -> LinearHead:
    return head_of(fit_refusals(data, np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32)))


def at(feature: int, value: float) -> FloatArray:
    return (np.eye(WIDTH)[[feature]] * value).astype(np.float32)


def test_training_speech_lies_one_away_and_distance_counts_in_deviations() -> None:
    speech = np.random.default_rng(1).normal(0.0, [4.0, 0.5, 2.0], (4000, 3)).astype(np.float32)
    axes = whitened_axes(speech, 2)
    assert axes.shape == (2, 3)
    assert novelty(speech, axes).mean() == pytest.approx(1.0, abs=0.01)
    assert novelty(np.array([[12.0, 0, 0], [0, 0, 6.0], [0, 6.0, 0]], np.float32), axes) == pytest.approx([4.5, 4.5, 0.0], abs=0.4)


def test_the_limit_leaves_the_stated_share_of_held_out_speakers_unrefused() -> None:
    """A speaker unlike the others counts: their own speech is not what the limit is set by, so the limit lies far out."""
    data = made_up(with_music=False)
    alike = fit_refusals(data, np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32))
    refused = np.mean(novelty(data.features, alike["novelty_axes"]) > alike["novelty_limit"])
    assert refused == pytest.approx(1 - KNOWN_SHARE, abs=0.005)
    odd = ToneData(data.rows, data.features + 30.0 * at(5, 1.0) * np.array([[s == "s4"] for s in data.rows.speakers], np.float32))
    moved = fit_refusals(odd, np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32))
    assert moved["novelty_limit"][0] > 10 * alike["novelty_limit"][0]


def test_music_is_told_from_speech_and_from_speech_over_music() -> None:
    data = made_up()
    head = fitted(data)
    reasons = np.array([str(reason) for reason in head.refusals(data.features)])
    assert np.mean(reasons[data.rows.has(corpus=MUSIC)] == Abstention.MUSIC) > 0.98
    assert np.mean(reasons[data.rows.has(corpus="speech")] == Abstention.MUSIC) < 0.005
    assert np.mean(reasons[data.rows.has(corpus=BEHIND)] == Abstention.MUSIC) < 0.02
    assert head.refusals(at(0, 99.0)) == [Abstention.OUT_OF_DISTRIBUTION]


def test_where_music_cannot_be_told_surely_speech_has_the_benefit_of_the_doubt() -> None:
    data = made_up(far=3.5)
    found = np.array([reason is Abstention.MUSIC for reason in fitted(data).refusals(data.features)])
    assert np.mean(found[data.rows.has(corpus="speech")]) <= 0.003
    assert np.mean(found[data.rows.has(corpus=BEHIND)]) <= 0.03
    assert 0.05 < np.mean(found[data.rows.has(corpus=MUSIC)]) < 0.7


def test_without_music_there_is_no_music_row() -> None:
    assert set(fit_refusals(made_up(with_music=False), np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32))) == {
        "novelty_axes",
        "novelty_limit",
    }
    assert music_in_words(None).startswith("not trained on music")


def test_no_speaker_and_no_piece_is_on_both_sides_of_a_split() -> None:
    data = made_up()
    held_once = np.zeros(len(data), int)
    for split in splits(data):
        speakers = np.array(data.rows.speakers)
        assert not set(speakers[split.fit]) & set(speakers[split.held])
        assert {clip.corpus for clip in data.where(split.held).rows.clips} == {"speech", MUSIC, BEHIND}
        held_once[split.held] += 1
    assert set(held_once) == {1}


def test_a_corpus_unlike_the_others_is_refused_when_it_is_left_out() -> None:
    data = made_up(with_music=False)
    foreign = np.array([int(speaker[1:]) >= 6 for speaker in data.rows.speakers])
    clips = [replace(clip, corpus="foreign" if far else "speech") for clip, far in zip(data.rows.clips, foreign, strict=True)]
    moved = data.features + 20.0 * at(6, 1.0) * foreign[:, None].astype(np.float32)
    found = left_out_refusals(with_clips(replace(data, features=moved.astype(np.float32)), clips))
    assert found["foreign, clean"]["out_of_distribution"] > 0.95
    assert found["foreign, clean"]["utterances"] == foreign.sum()


def test_shares_are_of_all_utterances() -> None:
    assert shares([None, Abstention.MUSIC, None, Abstention.OUT_OF_DISTRIBUTION, Abstention.MUSIC]) == {
        "utterances": 5.0,
        "music": 0.4,
        "out_of_distribution": 0.2,
    }


def test_the_middle_of_every_long_piece_is_kept_under_its_collection(tmp_path: Path) -> None:
    """Pieces of one name in two folders stay two; jingles and what cannot be read are left out."""
    source, root = tmp_path / "from", tmp_path / "root"
    for path, seconds in (("game/a/song.wav", 40), ("game/b/song.wav", LEAST_S + 1), ("game/ping.wav", LEAST_S - 1)):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        samples = np.zeros((round(seconds * 8000), 2), np.float32)
        samples[len(samples) // 2 :, 1] = 0.2
        soundfile.write(source / path, samples, 8000)
    (source / "game" / "broken.ogg").write_bytes(b"no sound")
    assert store_music(source, root) == 2
    kept = read_clip(root / "pieces" / "game" / "a-song.wav")
    assert len(kept) == pytest.approx(WINDOW_S * SAMPLE_RATE, abs=2)
    quiet, loud = kept[: len(kept) // 2 - 100], kept[len(kept) // 2 + 100 :]
    assert rms(quiet) < 0.01 < 0.3 < rms(loud)
    planned = music_source(root).usable
    assert {clip.path for clip in planned.clips} == {"game/a-song.wav", "game/b-song.wav"}
    assert max(span.end for span in planned.spans) <= WINDOW_S
    with pytest.raises(FileNotFoundError, match="no music"):
        store_music(source / "none", root)


def test_music_behind_speech_is_as_quiet_as_stated() -> None:
    speech, song = noise(2.0, -20.0, seed=1), noise(0.7, -6.0, seed=2)
    behind = mixed(speech, song, 15.0) - speech
    assert 20 * np.log10(rms(speech) / rms(behind)) == pytest.approx(15.0, abs=0.1)


def test_nothing_is_loaded_where_no_music_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(music, "ROOT", tmp_path)
    assert music.load_music("tiny.en") is None


def spoken(path: Path, channel: int, length: int) -> list[FloatArray]:
    """The first `length` samples of speech on a channel, in five pieces."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    own = np.asarray(soxr.resample(samples[:, channel], rate, SAMPLE_RATE), np.float32)
    spans = get_speech_timestamps(own)
    return np.array_split(np.concatenate([own[span["start"] : span["end"]] for span in spans])[:length], 5)


def test_a_real_encoder_hears_hold_music_and_tones_as_no_speech() -> None:
    """Fitted on the voices of five channels of the sample calls and on half of the generated music, heard on the sixth and on the rest."""
    encoder = WhisperWindowEncoder("tiny.en")
    length = 4 * SAMPLE_RATE
    speech = [pooled_pieces(spoken(path, channel, 5 * length), encoder) for path in sorted(SAMPLES.glob("*.flac")) for channel in (0, 1)]
    song = hold_music()[: 12 * length]
    plucked = [pooled_pieces(np.split(half, 6), encoder) for half in np.split(song, 2)]
    parts = [*speech[:5], plucked[0]]
    clips = [
        Clip(MUSIC if number == 5 else "speech", str(number), f"{number}-{piece % 3 if number == 5 else 0}", "", "en", "neutral", "", "")
        for number, part in enumerate(parts)
        for piece in range(len(part))
    ]
    head = refusing_head(ToneData(clean(clips, 4.0), np.concatenate(parts)))
    assert head.refusals(plucked[1]) == [Abstention.MUSIC] * 6
    assert head.refusals(speech[5]).count(Abstention.MUSIC) == 0
    assert None not in head.refusals(pooled_pieces(np.split(tones(), 6), encoder))
