"""The tone head's training and its measuring: disjoint speakers, honest masks, and an evaluation that can fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training import tone
from training.corpus import TONE_CLASSES, UNACTED, Clip
from training.linear import ClassTask, fit_classes, fit_graded
from training.metrics import auc, softmax
from training.tone_data import ANGER, HeldOut, ToneData, false_alarms, numbers, report

CORPORA = {"first": ("angry", "sad", "fear", "happy", "neutral"), "second": ("angry", "sad", "happy", "neutral")}
SPEAKERS = 6
WIDTH = 12


def made_up(seed: int = 0, *, signal: float = 2.0) -> ToneData:
    """Two corpora of six speakers in two copies: each class has a direction, each speaker and corpus an offset."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(0, signal, (len(TONE_CLASSES), WIDTH))
    clips: list[Clip] = []
    rows: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
    for corpus, labels in CORPORA.items():
        offset = rng.normal(0, 1, WIDTH)
        for speaker in range(SPEAKERS):
            voice = offset + rng.normal(0, 0.5, WIDTH)
            for number in range(5 * len(labels)):
                clip = Clip(
                    corpus,
                    f"{corpus}-{speaker}-{number}",
                    f"{corpus}:{speaker}",
                    "fm"[speaker % 2],
                    "en",
                    labels[number % len(labels)],
                    "",
                    "",
                )
                clips.append(clip)
                rows.append(voice + directions[TONE_CLASSES.index(clip.tone)] + rng.normal(0, 1, WIDTH))
    features = np.array(rows, np.float32)
    noisy = features + rng.normal(0, 0.3, features.shape).astype(np.float32)
    copies = ("clean",) * len(clips) + ("telephone",) * len(clips)
    return ToneData((*clips, *clips), copies, np.concatenate([features, noisy]))


def shuffled(data: ToneData) -> ToneData:
    """The same rows with the labels of other clips of their corpus."""
    rng = np.random.default_rng(1)
    half = len(data) // 2
    labels = np.array([clip.label for clip in data.clips[:half]])
    for corpus in CORPORA:
        own = np.flatnonzero(data.has(corpus=corpus)[:half])
        labels[own] = rng.permutation(labels[own])
    renamed = [replace(clip, label=str(label)) for clip, label in zip(data.clips[:half], labels, strict=True)]
    return ToneData((*renamed, *renamed), data.copies, data.features)


def held_out(data: ToneData) -> HeldOut:
    folds = list(tone.speaker_folds(data, 3))
    return tone.calibrated(tone.cross_validated(data, folds)[0], folds)


def test_folds_never_share_a_speaker_and_hold_out_everyone_once() -> None:
    data = made_up()
    seen = np.zeros(len(data), int)
    for fit, held in tone.speaker_folds(data, 3):
        assert not set(data.where(fit).speakers) & set(data.where(held).speakers)
        assert set(data.where(held).corpora) == set(CORPORA)
        seen[held] += 1
    assert (seen == 1).all()


def test_both_copies_of_a_clip_stay_on_one_side() -> None:
    data = made_up()
    for fit, held in tone.speaker_folds(data, 3):
        assert not {clip.path for clip in data.where(fit).clips} & {clip.path for clip in data.where(held).clips}


def test_a_real_signal_is_found_on_unseen_speakers() -> None:
    found = numbers(held_out(made_up()))
    assert found["anger_auc"] > 0.95
    assert found["uar"] > 0.8


def test_shuffled_labels_do_not_beat_chance() -> None:
    found = numbers(held_out(shuffled(made_up())))
    assert found["anger_auc"] == pytest.approx(0.5, abs=0.1)
    assert found["uar"] < 0.3


def test_a_class_that_a_corpus_lacks_is_not_unlearnt_from_it() -> None:
    """`second` holds no fear; a fearful-sounding row of it must still come out as fear."""
    data = made_up()
    head = tone.train(data, penalty=0.01)
    fearful = data.where(np.array([clip.tone == "fear" for clip in data.clips]))
    shift = data.where(data.has(corpus="second")).features.mean(axis=0) - data.where(data.has(corpus="first")).features.mean(axis=0)
    masked = head.logits(fearful.features + shift).argmax(axis=1)
    assert (masked == TONE_CLASSES.index("fear")).mean() > 0.6


def test_penalty_is_chosen_without_the_held_out_speakers() -> None:
    data = made_up(signal=0.5)
    fit, held = next(tone.speaker_folds(data, 3))
    before = tone.train(data.where(fit))
    garbled = replace(data, features=data.features.copy())
    garbled.features[held] = 1e3
    after = tone.train(garbled.where(fit))
    assert before.penalty == after.penalty
    np.testing.assert_array_equal(before.rows.weight, after.rows.weight)


def test_training_twice_gives_the_same_bytes() -> None:
    data = made_up()
    first, second = (tone.tensors(tone.train(data, penalty=0.03)) for _ in range(2))
    for key, value in first.items():
        assert value.tobytes() == second[key].tobytes(), key


def test_a_stronger_penalty_gives_smaller_weights() -> None:
    data = made_up()
    small, large = (np.abs(tone.train(data, penalty=penalty).rows.weight).sum() for penalty in (1.0, 0.003))
    assert small < large / 3


def test_gradient_of_the_class_loss_leads_to_its_minimum() -> None:
    """Without penalty and masks a one-feature task has the log-odds of its counts as its answer."""
    labels = np.array([0] * 30 + [1] * 10)
    task = ClassTask(np.zeros((40, 1), np.float32), labels, np.ones((40, 2), bool), np.ones(40))
    rows = fit_classes(task, penalty=0.01)
    assert softmax(rows.bias[None])[0] == pytest.approx([0.75, 0.25], abs=1e-3)


def test_graded_targets_are_matched() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (500, 3)).astype(np.float32)
    target = 1 / (1 + np.exp(-features[:, 0].astype(np.float64)))
    rows = fit_graded(features, target, np.ones(500), penalty=1e-4)
    assert rows.weight[0] == pytest.approx([1.0, 0.0, 0.0], abs=0.02)


def test_strong_intensity_raises_the_arousal_target() -> None:
    normal, strong = (Clip("ravdess", "", "1", "f", "en", "angry", intensity, "") for intensity in ("normal", "strong"))
    low, high = tone.arousal_targets([normal, strong])
    assert 0.0 <= low < high <= 1.0


def test_calibration_of_a_fold_uses_the_other_folds_only() -> None:
    data = made_up()
    folds = list(tone.speaker_folds(data, 3))
    raw, _ = tone.cross_validated(data, folds)
    garbled = raw.logits.copy()
    garbled[folds[0][1]] *= 50
    changed = tone.calibrated(replace(raw, logits=garbled), folds).logits[folds[0][1]] / 50
    np.testing.assert_allclose(changed, tone.calibrated(raw, folds).logits[folds[0][1]])


def test_anger_ranking_of_the_report_is_that_of_its_rows() -> None:
    data = made_up()
    held = held_out(data)
    clean = held.where(data.has(copy="clean", corpus="first"))
    anger = np.array([clip.tone == "anger" for clip in clean.data.clips])
    expected = auc(anger, clean.probabilities[:, ANGER])
    assert report(held)["first, clean"]["anger_auc"] == pytest.approx(expected, abs=1e-4)


def test_one_corpus_without_intensities_is_still_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's own calls: one corpus, women only, no acted intensities."""
    monkeypatch.setattr(tone, "OUTER_FOLDS", 3)
    data = made_up()
    own = data.where(data.has(corpus="first", gender="f"))
    found = tone.evaluate(own)
    assert set(found.metrics) == {"speaker_disjoint", "recall_telephone"}
    assert found.temperature > 0
    assert found.penalty in tone.PENALTIES


def test_terms_of_own_data_reach_the_description() -> None:
    data = made_up()
    head = tone.train(data, penalty=0.1)
    default = tone.description("base", head, data, metrics={})
    own = tone.description("base", head, data, metrics={}, terms=tone.Terms("Apache-2.0", commercial_use=True))
    assert (default["license"], default["commercial_use"]) == ("CC-BY-NC-SA-4.0", False)
    assert (own["license"], own["commercial_use"]) == ("Apache-2.0", True)
    assert own["data"] == ["first", "second"]


def test_unacted_speech_counts_as_neutral_among_all_classes() -> None:
    data = made_up()
    read = data.where(data.has(corpus="first") & np.array([clip.tone == "neutral" for clip in data.clips]))
    unacted = replace(read, clips=tuple(replace(clip, corpus=UNACTED, speaker=f"{UNACTED}:{clip.speaker}") for clip in read.clips))
    assert tone.possible_classes(unacted).all()
    both = ToneData((*data.clips, *unacted.clips), (*data.copies, *unacted.copies), np.concatenate([data.features, unacted.features]))
    weights = tone.row_weights(both)
    share = weights[both.has(corpus=UNACTED)].sum() / weights[both.has(corpus="first")].sum()
    assert share == pytest.approx(tone.UNACTED_WEIGHT)
    held = held_out(both)
    assert {name.partition(",")[0] for name in report(held)} == {"first", "second", "all"}
    taken = false_alarms(held)[f"{UNACTED}, clean"]
    assert taken["taken_for_neutral"] > 0.8
    assert taken["anger_over_half"] == 0.0
    assert sum(share for name, share in taken.items() if name.startswith("taken_for")) == pytest.approx(1.0, abs=1e-3)
