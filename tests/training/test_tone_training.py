"""The tone head's training and its measuring: disjoint speakers, honest masks, and an evaluation that can fail."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from analysis.heads import BASELINE_PRIOR_S, load_head, save_head
from tests.training.made import COPIES, CORPORA, SPEAKERS, clean, made_up, said, shuffled, spoken_as, with_clips
from training import tone
from training.corpus import TONE_CLASSES, UNACTED, Clip
from training.features import MEASURED
from training.linear import LABEL_SMOOTHING, ClassTask, LinearRows, fit_classes, fit_graded
from training.metrics import auc, softmax
from training.tone_data import ANGER, HeldOut, Table, ToneData, false_alarms, numbers, over_seeds, relative, report, strong_anger_auc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


@pytest.fixture(autouse=True)
def few_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tone, "OUTER_FOLDS", 3)
    monkeypatch.setattr(tone, "TEST_ORDERS", 2)


def read_aloud(data: ToneData) -> ToneData:
    """The neutral rows of one corpus as unacted speech of other people."""
    read = data.where(data.rows.has(corpus="first") & (data.rows.labels == TONE_CLASSES.index("neutral")))
    return with_clips(read, [replace(clip, corpus=UNACTED, speaker=f"{UNACTED}:{clip.speaker}", gender="") for clip in read.rows.clips])


def measured(data: ToneData) -> HeldOut:
    return tone.calibrated(tone.cross_validated(data, 0))


def test_folds_never_share_a_speaker_and_hold_out_everyone_once() -> None:
    rows = made_up().rows
    seen = np.zeros(len(rows), int)
    for fit, held in tone.speaker_folds(rows, 3):
        assert not set(rows.where(fit).speakers) & set(rows.where(held).speakers)
        assert set(rows.where(held).corpora) == set(CORPORA)
        seen[held] += 1
    assert (seen == 1).all()


def test_other_seeds_give_other_folds() -> None:
    rows = made_up().rows
    first, again, other = ([tuple(held) for _, held in tone.speaker_folds(rows, seed)] for seed in (0, 0, 1))
    assert first == again
    assert set(first) != set(other)


def test_all_copies_of_a_clip_stay_on_one_side() -> None:
    rows = made_up().rows
    for fit, held in tone.speaker_folds(rows, 3):
        assert not {clip.path for clip in rows.where(fit).clips} & {clip.path for clip in rows.where(held).clips}


def test_heads_of_a_fold_are_trained_on_the_trained_copies_alone_and_heard_on_all() -> None:
    folds = tone.cross_validated(made_up(), 0)
    assert len(folds) == 3
    for fold in folds:
        assert set(fold.trained.copies) == {"clean", "telephone"}
        assert set(fold.held.rows.copies) == set(COPIES)
        assert not set(fold.trained.speakers) & set(fold.held.rows.speakers)


def test_a_real_signal_is_found_on_unseen_speakers() -> None:
    found = numbers(measured(made_up()))
    assert found["anger_auc"] > 0.95
    assert found["uar"] > 0.8


def test_shuffled_labels_do_not_beat_chance() -> None:
    found = numbers(measured(shuffled(made_up())))
    assert found["anger_auc"] == pytest.approx(0.5, abs=0.1)
    assert found["uar"] < 0.3


def test_the_callers_own_voice_helps_where_voices_differ_much() -> None:
    """The same head over callers of one utterance each has no earlier ones to hear."""
    data = made_up(voices=3.0, signal=1.0, each=10)
    fit, held = next(tone.speaker_folds(data.rows, 0))
    head = tone.train(data.where(fit), penalty=0.03)
    rest = data.where(held)
    strangers = with_clips(rest, [replace(clip, speaker=clip.path) for clip in rest.rows.clips])
    known, unknown = (numbers(head.hear(own, np.random.default_rng(0), 2))["uar"] for own in (rest, strangers))
    assert known > unknown + 0.05


def test_a_class_that_a_corpus_lacks_is_not_unlearnt_from_it() -> None:
    """`second` holds no fear; a fearful-sounding row of it must still come out as fear."""
    data = made_up()
    head = tone.train(data, penalty=0.01)
    fearful = data.where(data.rows.labels == TONE_CLASSES.index("fear"))
    shift = data.features[data.rows.has(corpus="second")].mean(axis=0) - data.features[data.rows.has(corpus="first")].mean(axis=0)
    moved = replace(fearful, features=fearful.features + shift)
    heard = head.hear(moved, np.random.default_rng(0), 1)
    assert (heard.probabilities.argmax(axis=1) == TONE_CLASSES.index("fear")).mean() > 0.6


def test_classes_are_possible_as_their_corpus_holds_them_and_all_are_in_unacted_speech() -> None:
    data = ToneData.joined([made_up(), read_aloud(made_up())])
    possible = tone.possible_classes(data.rows)
    names = np.array(TONE_CLASSES)
    held = {corpus: set(names[row].tolist()) for corpus, row in zip(data.rows.corpora, possible, strict=True)}
    assert held == {
        "first": {"anger", "sadness", "fear", "happiness", "neutral"},
        "second": {"anger", "sadness", "happiness", "neutral"},
        UNACTED: set(TONE_CLASSES),
    }


def test_an_impossible_class_costs_a_row_nothing() -> None:
    """The third class is likelier than both others in every row of the first corpus, which does not hold it."""
    rng = np.random.default_rng(0)
    labels = np.array([0, 1] * 40 + [2] * 80)
    features = rng.normal(0, 1, (160, 2)).astype(np.float32)
    possible = np.ones((160, 3), bool)
    open_task = ClassTask(features, labels, possible, np.ones(160))
    masked_task = replace(open_task, possible=np.where(np.arange(160)[:, None] < 80, [True, True, False], possible))
    masked, unmasked = (softmax(fit_classes(task, penalty=1e-3).bias[None])[0] for task in (masked_task, open_task))
    assert unmasked[2] == pytest.approx(0.5, abs=0.05)
    assert masked[2] > 0.9


def test_penalty_is_chosen_without_the_held_out_speakers() -> None:
    data = made_up(signal=0.5)
    fit, held = next(tone.speaker_folds(data.rows, 3))
    before = tone.train(data.where(fit))
    garbled = replace(data, features=data.features.copy())
    garbled.features[held] = 1e3
    after = tone.train(garbled.where(fit))
    assert before.penalty == after.penalty
    np.testing.assert_array_equal(before.rows.weight, after.rows.weight)


def test_the_chosen_penalty_is_the_one_of_the_smallest_loss_on_other_speakers() -> None:
    """Features that say nothing want the strongest penalty, features that say all want the weakest."""
    chosen = {}
    for name, data in (("noise", shuffled(made_up())), ("signal", made_up(signal=4.0))):
        own = data.rows.has(copy="clean")
        rows, features = data.rows.where(own), data.features[own]
        task = ClassTask(features, rows.labels, tone.possible_classes(rows), tone.row_weights(rows))
        chosen[name] = tone.best_penalty(task, rows.speakers, 0, (1.0, 0.003))
    assert chosen == {"noise": 1.0, "signal": 0.003}


def test_training_twice_gives_the_same_bytes_and_another_seed_others() -> None:
    data = made_up()
    first, second, other = (tone.tensors(tone.train(data, penalty=0.03, seed=seed)) for seed in (0, 0, 1))
    for key, value in first.items():
        assert value.tobytes() == second[key].tobytes(), key
    assert first["weight"].tobytes() != other["weight"].tobytes(), "callers in other orders"


def test_a_stronger_penalty_gives_smaller_weights() -> None:
    data = made_up()
    small, large = (np.abs(tone.train(data, penalty=penalty).rows.weight).sum() for penalty in (1.0, 0.003))
    assert small < large / 3


def test_a_fit_goes_to_the_minimum_of_the_smoothed_log_loss() -> None:
    """Where features say nothing, the answer is the shares of the classes, moved toward each other by the smoothing."""
    labels = np.array([0] * 30 + [1] * 10)
    task = ClassTask(np.zeros((40, 1), np.float32), labels, np.ones((40, 2), bool), np.ones(40))
    share = (1.0 - LABEL_SMOOTHING) * 0.75 + LABEL_SMOOTHING / 2
    assert softmax(fit_classes(task, penalty=0.01).bias[None])[0] == pytest.approx([share, 1.0 - share], abs=1e-3)


def test_labels_are_smoothed_over_the_classes_of_their_corpus_only() -> None:
    """Five classes of which two are possible: the certain answer keeps all but half of the smoothing, the impossible ones get none."""
    possible = np.tile([True, True, False, False, False], (50, 1))
    features = np.where(np.arange(50) % 2, 1.0, -1.0)[:, None].astype(np.float32)
    task = ClassTask(features, np.arange(50) % 2, possible, np.ones(50))
    rows = fit_classes(task, penalty=1e-6)
    shares = softmax(np.where(possible, rows.logits(features), -np.inf))
    np.testing.assert_allclose(shares[np.arange(50), task.labels], 1.0 - LABEL_SMOOTHING / 2, atol=2e-3)
    np.testing.assert_array_equal(rows.weight[2:], 0.0)


def test_a_fit_that_starts_from_an_answer_stays_there() -> None:
    data = made_up()
    rows = data.rows
    task = ClassTask(data.features, rows.labels, tone.possible_classes(rows), tone.row_weights(rows))
    first = fit_classes(task, penalty=0.03)
    again = fit_classes(task, penalty=0.03, start=first)
    elsewhere = fit_classes(task, penalty=0.03, start=LinearRows(first.weight + 1.0, first.bias - 1.0))
    np.testing.assert_allclose(again.weight, first.weight, atol=0.02)
    np.testing.assert_allclose(elsewhere.weight, first.weight, atol=0.05)


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


def test_callers_are_every_speaker_over_each_copys_line_in_an_order_that_is_drawn() -> None:
    rows = made_up().rows
    callers = rows.callers(np.random.default_rng(0))
    assert len(callers) == 2 * SPEAKERS * len(COPIES)
    assert sorted(np.concatenate(callers)) == list(range(len(rows)))
    for caller in callers:
        own = rows.where(caller)
        assert (len(set(own.speakers)), len(set(own.copies))) == (1, 1)
    other = rows.callers(np.random.default_rng(1))
    assert [set(caller) for caller in other] == [set(caller) for caller in callers]
    assert any((one != another).any() for one, another in zip(callers, other, strict=True))


def test_a_row_is_relative_to_the_earlier_calm_ones_of_its_caller() -> None:
    """Worked by hand: 5 s of calm at 2, 10 s of anger at 8 that do not count, then 4 s at 3."""
    rows = replace(clean(spoken_as(("neutral", "angry", "sad"))), seconds=np.array([5.0, 10.0, 4.0]))
    data = ToneData(rows, np.array([[2.0], [8.0], [3.0]], np.float32))
    found = relative(data, data.features, [np.array([0, 1, 2])], 15.0)
    assert found[:, 0] == pytest.approx([2.0, 8.0 - 10.0 / 20.0, 3.0 - 10.0 / 20.0])
    turned = relative(data, data.features, [np.array([2, 1, 0])], 15.0)
    assert turned[:, 0] == pytest.approx([2.0 - 12.0 / 19.0, 8.0 - 12.0 / 19.0, 3.0])


def test_the_run_time_follows_a_caller_as_the_head_was_trained_where_nobody_is_angry() -> None:
    data = made_up()
    calm = data.where(data.rows.labels != ANGER)
    head = tone.train(data, penalty=0.03)
    deaf = replace(head, rows=LinearRows(head.rows.weight, head.rows.bias - 100.0 * (np.arange(len(TONE_CLASSES)) == ANGER)))
    heard = deaf.hear(calm, np.random.default_rng(7), 1)
    standardised = (calm.features - head.mean) / head.std
    wanted = relative(calm, standardised, calm.rows.callers(np.random.default_rng(7)), BASELINE_PRIOR_S)
    np.testing.assert_allclose(heard.logits, deaf.rows.logits(wanted), atol=1e-3)
    np.testing.assert_allclose(heard.arousal, 1 / (1 + np.exp(-deaf.arousal.logits(wanted)[:, 0])), atol=1e-4)


def test_several_orders_are_heard_one_after_another() -> None:
    data = made_up().where(np.arange(60))
    head = tone.train(made_up(), penalty=0.03)
    held = head.hear(data, np.random.default_rng(0), 3)
    assert len(held.rows) == len(held.logits) == len(held.arousal) == 180
    assert held.rows.clips == data.rows.clips * 3
    orders = held.logits.reshape(3, 60, len(TONE_CLASSES))
    assert np.abs(orders[0] - orders[1]).max() > 1e-3
    assert ((held.arousal > 0) & (held.arousal < 1)).all()


def test_calibration_of_a_fold_uses_the_other_folds_only() -> None:
    folds = tone.cross_validated(made_up(), 0)
    own = len(folds[0].held.rows)
    garbled = replace(folds[0], held=replace(folds[0].held, logits=folds[0].held.logits * 50))
    changed, before = tone.calibrated([garbled, *folds[1:]]), tone.calibrated(folds)
    np.testing.assert_allclose(changed.logits[:own] / 50, before.logits[:own])
    assert np.linalg.norm(changed.logits[own:]) < 0.5 * np.linalg.norm(before.logits[own:]), "the garbled fold counts for the others"


def test_calibration_undoes_a_scale_that_all_folds_share() -> None:
    folds = tone.cross_validated(made_up(signal=0.7), 0)
    sharp = [replace(fold, held=replace(fold.held, logits=fold.held.logits * 6)) for fold in folds]
    calibrated, raw = numbers(tone.calibrated(sharp)), numbers(HeldOut.joined([fold.held for fold in sharp]))
    assert calibrated["ece"] < 0.5 * raw["ece"]
    assert calibrated["ece"] == pytest.approx(numbers(tone.calibrated(folds))["ece"], abs=1e-3)
    assert calibrated["uar"] == raw["uar"]


def test_a_left_out_corpus_is_heard_by_heads_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    trained_on: list[set[tuple[str, str]]] = []
    train = tone.train

    def watched(data: ToneData, *, seed: int = 0, penalty: float | None = None) -> tone.ToneHead:
        trained_on.append(set(zip(data.rows.corpora, data.rows.copies, strict=True)))
        return train(data, seed=seed, penalty=0.03)

    monkeypatch.setattr(tone, "train", watched)
    data = made_up()
    held = tone.left_out_corpora(data, 0)
    assert trained_on == [{(other, copy) for copy in ("clean", "telephone")} for other in ("second", "first")]
    assert len(held.rows) == tone.TEST_ORDERS * len(data)
    assert set(held.rows.corpora) == set(CORPORA)


def test_anger_ranking_of_the_report_is_that_of_its_rows() -> None:
    held = measured(made_up())
    clean = held.where(held.rows.has(copy="clean", corpus="first"))
    anger = np.array([clip.tone == "anger" for clip in clean.rows.clips])
    assert report(held, COPIES)["first, clean"]["anger_auc"] == pytest.approx(auc(anger, clean.probabilities[:, ANGER]))


def test_arousal_is_reported_where_intensities_are_stated() -> None:
    clips = tuple(Clip("own", str(n), "own:1", "f", "en", "angry", strength, "") for n, strength in enumerate(("normal", "strong") * 5))
    arousal = np.array([0.6, 0.9] * 4 + [0.9, 0.6])
    held = HeldOut(clean(clips), np.zeros((10, len(TONE_CLASSES))), arousal)
    strong = np.array([clip.intensity == "strong" for clip in clips])
    assert strong_anger_auc(held, ("clean", "telephone")) == {"clean": {"auc": pytest.approx(auc(strong, arousal))}}
    ungraded = replace(held, rows=clean([replace(clip, intensity="") for clip in clips]))
    assert strong_anger_auc(ungraded, ("clean",)) == {}


def test_unacted_speech_counts_as_neutral_among_all_classes() -> None:
    data = ToneData.joined([made_up(), read_aloud(made_up())])
    weights = tone.row_weights(data.rows)
    share = weights[data.rows.has(corpus=UNACTED)].sum() / weights[data.rows.has(corpus="first")].sum()
    assert share == pytest.approx(tone.UNACTED_WEIGHT)
    assert weights.mean() == pytest.approx(1.0)
    held = measured(data)
    assert {name.partition(",")[0] for name in report(held, COPIES)} == {"first", "second", "all"}
    taken = false_alarms(held, COPIES)[f"{UNACTED}, clean"]
    assert taken["taken_for_neutral"] > 0.8
    assert taken["anger_over_half"] < 0.05
    assert sum(share for name, share in taken.items() if name.startswith("taken_for")) == pytest.approx(1.0)


def test_corpora_and_their_classes_weigh_the_same() -> None:
    rows = made_up().rows
    few = rows.where(~(rows.has(corpus="first") & (rows.labels == ANGER)) | (np.arange(len(rows)) % 5 == 0))
    weights = tone.row_weights(few)
    totals = [weights[few.has(corpus=corpus)].sum() for corpus in CORPORA]
    assert totals[0] == pytest.approx(totals[1])
    angry = few.has(corpus="first") & (few.labels == ANGER)
    assert weights[angry].sum() == pytest.approx(totals[0] / len(CORPORA["first"]))


def test_over_seeds_gives_the_mean_and_the_spread_of_what_moves() -> None:
    runs: list[dict[str, Table]] = [
        {"report": {"all, clean": {"uar": value, "share": 0.2}, "own, clean": {"uar": value}}, "arousal": {"clean": {"auc": 0.9}}}
        for value in (0.7, 0.8, 0.75)
    ]
    found = over_seeds(runs)
    assert found["report"]["all, clean"] == {"uar": 0.75, "uar ±": 0.05, "share": 0.2}
    assert found["arousal"] == {"clean": {"auc": 0.9}}
    assert over_seeds(runs[:1])["report"]["own, clean"] == {"uar": 0.7}


def test_a_group_that_one_seed_lacks_is_left_out_of_the_mean() -> None:
    runs: list[dict[str, Table]] = [{"report": {"a": {"uar": 0.5}, "b": {"uar": 0.5}}}, {"report": {"a": {"uar": 0.7}}}]
    assert over_seeds(runs) == {"report": {"a": {"uar": 0.6, "uar ±": 0.1414}}}


def test_an_evaluation_measures_every_copy_over_every_seed() -> None:
    data = ToneData.joined([made_up(), read_aloud(made_up())])
    found = tone.evaluate(data, seeds=2)
    assert set(found.metrics) == {
        "speaker_disjoint",
        "sex_gap_uar",
        "recalls",
        "unacted_speech",
        "leave_one_corpus_out",
        "unacted_speech_left_out",
    }
    assert {name.rpartition(", ")[2] for name in found.metrics["speaker_disjoint"]} == set(MEASURED)
    whole = found.metrics["speaker_disjoint"]["all, noisy"]
    assert any(spread > 0.0 for name, spread in whole.items() if name.endswith("±"))
    assert whole["uar"] > 0.7
    assert found.temperature > 0
    assert found.penalty in tone.PENALTIES


def test_one_corpus_without_intensities_is_still_measured() -> None:
    """Somebody's own calls: one corpus, women only, no acted intensities, clean."""
    data = made_up(each=6)
    own = data.where(data.rows.has(corpus="first", copy="clean", gender="f"))
    found = tone.evaluate(own, seeds=1)
    assert set(found.metrics) == {"speaker_disjoint", "recalls"}
    assert set(found.metrics["speaker_disjoint"]) == {"first, clean", "all, clean"}
    assert found.temperature > 0


def test_terms_of_own_data_reach_the_description() -> None:
    data = made_up()
    head = tone.train(data, penalty=0.1)
    default = tone.description("base", head, data.rows, metrics={})
    own = tone.description("base", head, data.rows, metrics={}, terms=tone.Terms("Apache-2.0", commercial_use=True))
    assert (default["license"], default["commercial_use"]) == ("CC-BY-NC-SA-4.0", False)
    assert (own["license"], own["commercial_use"]) == ("Apache-2.0", True)
    assert own["data"] == ["first", "second"]
    assert own["penalty"] == 0.1
    assert sum(own["priors"].values()) == pytest.approx(1.0, abs=1e-3)
    assert own["priors"]["fear"] == pytest.approx(0.1, abs=1e-3), "a fifth of one corpus of two"


def test_the_shared_corpora_state_their_own_terms() -> None:
    assert tone.terms_of(tone.CORPUS_TERMS, None, commercial_use=False) == tone.Terms("CC-BY-NC-SA-4.0", commercial_use=False)
    own = tone.terms_of(["emodb", "own"], "CC-BY-4.0", commercial_use=True)
    assert own == tone.Terms("CC-BY-4.0", commercial_use=True), "what is given goes before"


def test_commercial_use_is_not_stated_of_terms_that_forbid_it() -> None:
    with pytest.raises(ValueError, match="--commercial-use needs --license"):
        tone.terms_of(["ravdess"], None, commercial_use=True)
    with pytest.raises(ValueError, match="contradicts the terms of nemo, ravdess: leave their rows out"):
        tone.terms_of(["nemo", "own", "ravdess"], "CC-BY-4.0", commercial_use=True)


def labelled_speech(folder: Path, corpora: Sequence[str]) -> None:
    """A data folder whose manifest names these corpora and whose clips cannot be read."""
    rows = [f"{corpus},{corpus}.wav,{corpus}:1,f,en,angry,,," for corpus in corpora]
    (folder / "emotion").mkdir()
    (folder / "emotion" / "manifest.csv").write_text(
        "\n".join(["corpus,path,speaker,gender,language,emotion,intensity,text,seconds", *rows])
    )


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The command over made-up features of the corpora that the manifest names; its head goes to `tmp_path`."""

    def run(data: ToneData, *options: str) -> None:
        labelled_speech(tmp_path, sorted(set(data.rows.corpora)))
        monkeypatch.setenv("CALLANALYTICS_DATA", str(tmp_path))
        monkeypatch.setattr(tone, "fill_copies", lambda *_: None)
        monkeypatch.setattr(tone, "load", lambda *_: data)
        monkeypatch.setattr(tone, "load_music", lambda _: None)
        monkeypatch.setattr(tone, "save_head", functools.partial(save_head, folder=tmp_path))
        monkeypatch.setattr("sys.argv", ["tone", "--seeds", "1", *options])
        tone.main()

    return run


def test_own_corpora_need_terms_before_anything_is_encoded(command: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command(made_up())
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert "--license is needed: the terms of first, second are known to you alone" in shown.err
    assert not shown.out


def test_the_command_writes_a_head_under_the_terms_given_and_keeps_the_one_before(
    command: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = made_up()
    before = tone.train(data, penalty=0.1)
    save_head("tone-whisper-base", tone.tensors(before), tone.description("base", before, data.rows, metrics={}), tmp_path)
    shipped = {file.name: file.read_bytes() for file in tmp_path.glob("tone-*")}
    command(data, "--license", "LicenseRef-own", "--commercial-use")
    card = load_head("tone-whisper-base", tmp_path).card
    assert (card.license, card.commercial_use) == ("LicenseRef-own", True)
    assert {file.name.removesuffix(".previous"): file.read_bytes() for file in tmp_path.glob("*.previous")} == shipped
    shown = capsys.readouterr().out
    assert f"what was there is kept as {tmp_path / 'tone-whisper-base.json.previous'}" in shown
    assert "this head never refuses music" in shown


def test_a_first_head_replaces_nothing(command: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(made_up(), "--license", "LicenseRef-own")
    assert "kept as" not in capsys.readouterr().out
    assert not list(tmp_path.glob("*.previous"))


def test_what_cannot_be_measured_is_shown_as_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    strong = replace(said(["angry"], [0.9]), rows=clean([replace(spoken_as(["angry"])[0], intensity="strong")]))
    tone.show({"arousal_strong_anger": strong_anger_auc(strong, ["clean"])})
    shown = capsys.readouterr().out
    assert "auc –" in shown
    assert "nan" not in shown


def test_a_head_of_speech_that_lacks_a_class_can_be_read_and_never_says_it(tmp_path: Path) -> None:
    """Somebody's own recordings hold no disgust."""
    data = made_up()
    head = tone.train(data, penalty=0.1)
    save_head("own", tone.tensors(head), tone.description("base", head, data.rows, metrics={}), tmp_path)
    read = load_head("own", tmp_path)
    assert "disgust" not in read.card.priors
    shares = softmax(read.follow(data.features[:50], data.rows.seconds[:50])[0])
    assert shares[:, TONE_CLASSES.index("disgust")].max() < 1e-3
