"""Tone by models of transformers: tiny ones with drawn weights that the tests save to disk, and what is said of those that do not fit."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
)

from analysis import pipeline, registry
from analysis.config import AudioClassificationConfig, Config, DimensionalConfig, EnginesConfig, LabelsConfig, ToneConfig, load
from analysis.document import to_document
from analysis.engines.transformers_tone import AudioClassificationToneModel, DimensionalToneModel
from analysis.errors import AnalysisError
from analysis.values import (
    EMOTIONS,
    SAMPLE_RATE,
    CustomerVoice,
    Recording,
    Span,
    Voice,
)
from tests.analysis.made import CHANNELS, audio_of, customer
from tests.audio import SAMPLES, noise, recording

if TYPE_CHECKING:
    from pathlib import Path

    from analysis.ports import Engines, ToneModel
    from analysis.values import FloatArray, UtteranceAudio

LABELS = ("ang", "hap", "sad", "neu", "calm", "other")
MAP = LabelsConfig(anger=("ang",), happiness=("hap",), sadness=("sad",), neutral=("neu", "calm"))
SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 8,
    "vocab_size": 10,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
}
KINDS: dict[str, tuple[Any, Any]] = {
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model),
    "hubert": (HubertConfig, HubertModel),
    "wavlm": (WavLMConfig, WavLMModel),
}
ENDS = (0.9, 3.0, 3.5, 11.0, 12.3)
"""Utterances of 0.9, 2.1, 0.5, 7.5 and 1.3 s."""


def extractor(folder: Path, **options: Any) -> None:
    made: Any = Wav2Vec2FeatureExtractor
    made(**options).save_pretrained(folder)


def classifier(folder: Path, *, masks: bool = True, **changes: Any) -> Path:
    torch.manual_seed(3)
    names = dict(enumerate(LABELS))
    made = Wav2Vec2Config(**{**SMALL, "id2label": names, "label2id": {name: row for row, name in names.items()}, **changes})
    model = Wav2Vec2ForSequenceClassification(made)
    torch.nn.init.normal_(model.classifier.weight, std=2.0)
    model.save_pretrained(folder)
    extractor(folder, return_attention_mask=masks)
    return folder


def regressor(folder: Path, kind: str = "wav2vec2", *, outputs: int = 3, pickled: bool = False) -> Path:
    """An encoder under its own prefix, as a model for a task stores it, with audeering's head beside it."""
    torch.manual_seed(4)
    config, model = KINDS[kind]
    made = model(config(**SMALL))
    made.save_pretrained(folder)
    extractor(folder, return_attention_mask=True)
    head = torch.nn.ModuleDict({"dense": torch.nn.Linear(16, 16), "out_proj": torch.nn.Linear(16, outputs)})
    tensors = {f"{kind}.{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    tensors |= {f"classifier.{name}": tensor.detach().contiguous() for name, tensor in head.state_dict().items()}
    if pickled:
        (folder / "model.safetensors").unlink()
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def classifying(folder: Path | str, **changes: Any) -> Config:
    terms = AudioClassificationConfig(str(folder), MAP, anger_prior=0.25, licence="Apache-2.0", commercial_use=True, device="cpu")
    return Config(audio_classification=replace(terms, **changes))


def regressing(folder: Path | str, **changes: Any) -> Config:
    return Config(dimensional=replace(DimensionalConfig(str(folder), licence="CC-BY-NC-SA-4.0", device="cpu"), **changes))


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classifier(tmp_path_factory.mktemp("classifier"))


@pytest.fixture(scope="module")
def dimensions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return regressor(tmp_path_factory.mktemp("regressor"))


@pytest.fixture(scope="module")
def voice() -> CustomerVoice:
    return customer(*itertools.pairwise((0.0, *ENDS)))


@pytest.fixture(scope="module")
def audio(voice: CustomerVoice, tmp_path_factory: pytest.TempPathFactory) -> UtteranceAudio:
    growing = noise(13.0, 0.0, seed=6) * np.geomspace(0.006, 0.28, 13 * SAMPLE_RATE, dtype=np.float32)
    return audio_of(voice, growing, tmp_path_factory.mktemp("call"))


def inputs_of(folder: Path, samples: FloatArray) -> Any:
    made: Any = Wav2Vec2FeatureExtractor
    return made.from_pretrained(folder)(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")


def test_classes_are_the_sums_of_the_labels_that_stand_for_them(classes: Path, voice: CustomerVoice, audio: UtteranceAudio) -> None:
    reference: Any = Wav2Vec2ForSequenceClassification.from_pretrained(classes)
    reference.eval()
    tones = AudioClassificationToneModel(classifying(classes)).score(voice, audio)
    assert len(tones) == 5
    for utterance, tone in zip(voice.utterances, tones, strict=True):
        with torch.inference_mode():
            shares = dict(zip(LABELS, reference(**inputs_of(classes, audio(utterance))).logits.softmax(-1)[0].tolist(), strict=True))
        assert tone.anger == pytest.approx(shares["ang"], abs=1e-3)
        assert tone.neutral == pytest.approx(shares["neu"] + shares["calm"], abs=1e-3)
        assert (tone.fear, tone.disgust, tone.surprise, tone.arousal) == (None, None, None, None)
        assert sum(getattr(tone, name) or 0.0 for name in EMOTIONS) == pytest.approx(1.0 - shares["other"], abs=1e-3)
    assert np.ptp([tone.anger for tone in tones]) > 0.01


@pytest.mark.parametrize("masks", [True, False])
def test_a_batch_scores_each_utterance_as_if_it_were_alone(
    tmp_path: Path, voice: CustomerVoice, audio: UtteranceAudio, masks: bool
) -> None:
    """Without a mask a group norm runs over the padding too: then each goes alone."""
    norm = {"feat_extract_norm": "layer"} if masks else {"feat_extract_norm": "group", "do_stable_layer_norm": False}
    folder = classifier(tmp_path / "model", masks=masks, **norm)
    together, alone = (AudioClassificationToneModel(classifying(folder, batch=size)).score(voice, audio) for size in (5, 1))
    assert [tone.anger for tone in together] == pytest.approx([tone.anger for tone in alone], abs=2e-4)
    assert masks or together == alone


def test_a_model_of_another_rate_hears_resampled_audio(classes: Path, tmp_path: Path, voice: CustomerVoice, audio: UtteranceAudio) -> None:
    folder = classifier(tmp_path / "model")
    extractor(folder, sampling_rate=8000, return_attention_mask=True)
    halved, whole = (AudioClassificationToneModel(classifying(each)).score(voice, audio) for each in (folder, classes))
    assert len(halved) == len(whole)
    assert halved != whole


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("pickled", [False, True])
def test_dimensions_are_the_heads_and_anger_is_their_declared_proxy(
    tmp_path: Path, voice: CustomerVoice, audio: UtteranceAudio, kind: str, pickled: bool
) -> None:
    folder = regressor(tmp_path / "model", kind, pickled=pickled)
    reference = KINDS[kind][1].from_pretrained(folder).eval()
    stored = torch.load(folder / "pytorch_model.bin", weights_only=True) if pickled else load_file(folder / "model.safetensors")
    config = regressing(folder, lowest=-1.0, highest=1.0)
    for utterance, tone in zip(voice.utterances, DimensionalToneModel(config).score(voice, audio), strict=True):
        with torch.inference_mode():
            pooled = reference(**inputs_of(folder, audio(utterance))).last_hidden_state.mean(1)[0]
        dense = torch.tanh(stored["classifier.dense.weight"] @ pooled + stored["classifier.dense.bias"])
        raw = (stored["classifier.out_proj.weight"] @ dense + stored["classifier.out_proj.bias"]).tolist()
        arousal, dominance, valence = (min(max((value + 1.0) / 2.0, 0.0), 1.0) for value in raw)
        assert (tone.arousal, tone.dominance, tone.valence) == pytest.approx((arousal, dominance, valence), abs=1e-3)
        evidence = 7.0 * (arousal - 0.5) + 3.0 * (dominance - 0.5) - 6.0 * (valence - 0.5)
        assert tone.anger == pytest.approx(1.0 / (1.0 + 9.0 * np.exp(-evidence)), abs=5e-3)
        assert {getattr(tone, name) for name in EMOTIONS if name != "anger"} == {None}


def test_the_proxy_is_the_prior_at_the_centre_and_near_one_where_a_voice_is_unpleasant_aroused_and_dominant(dimensions: Path) -> None:
    model = DimensionalToneModel(regressing(dimensions))
    assert model._anger({"arousal": 0.5, "dominance": 0.5, "valence": 0.5}) == pytest.approx(0.1)
    assert model._anger({"arousal": 1.0, "dominance": 1.0, "valence": 0.0}) > 0.95
    assert model._anger({"arousal": 1.0, "dominance": 1.0, "valence": 1.0}) < 0.6
    assert model._anger({"arousal": 0.0, "dominance": 0.0, "valence": 0.0}) < 0.1


def test_the_order_of_the_outputs_is_configuration(dimensions: Path, tmp_path: Path, voice: CustomerVoice, audio: UtteranceAudio) -> None:
    wide = {"lowest": -2.0, "highest": 2.0}
    plain = DimensionalToneModel(regressing(dimensions, **wide)).score(voice, audio)
    turned = DimensionalToneModel(regressing(dimensions, **wide, outputs=("valence", "dominance", "arousal"))).score(voice, audio)
    assert [(tone.arousal, tone.valence) for tone in turned] == [(tone.valence, tone.arousal) for tone in plain]
    two = regressor(tmp_path / "model", outputs=2)
    tones = DimensionalToneModel(regressing(two, **wide, outputs=("arousal", "valence"))).score(voice, audio)
    assert {tone.dominance for tone in tones} == {None}


@pytest.mark.parametrize("made", [(AudioClassificationToneModel, classifying, classifier), (DimensionalToneModel, regressing, regressor)])
def test_what_the_agent_says_between_the_customers_words_changes_nothing(tmp_path: Path, voice: CustomerVoice, made: Any) -> None:
    """EU AI Act Art. 5(1)(f): on one channel, the agent speaks within the customer's utterance and around it."""
    engine, config, write = made
    model: ToneModel = engine(config(write(tmp_path / "model")))
    voices = (Voice(0, 0, (Span(1.5, 2.0), Span(6.0, 8.0))), Voice(1, 0, (Span(0.0, 1.5), Span(2.0, 6.0), Span(8.0, 12.3))))
    tones = [model.score(voice, voice.audio(shared_channel(tmp_path, voices, level), voices)) for level in (0.0, 0.1)]
    assert tones[0] == tones[1]


def shared_channel(folder: Path, voices: tuple[Voice, Voice], agent_level: float) -> Recording:
    samples = noise(13.0, -24.0, seed=8)
    for span in voices[0].spans:
        own = slice(round(span.start * SAMPLE_RATE), round(span.end * SAMPLE_RATE))
        samples[own] = noise(span.seconds, 0.0, seed=9) * agent_level
    return recording(folder, samples[None], f"{agent_level}")


@pytest.mark.parametrize("made", [(AudioClassificationToneModel, classifying, classifier), (DimensionalToneModel, regressing, regressor)])
def test_a_model_tells_its_terms_and_the_digest_of_its_weights(tmp_path: Path, made: Any) -> None:
    engine, config, write = made
    model: ToneModel = engine(config(write(tmp_path / "own-model"), anger_prior=0.3, licence="MIT", commercial_use=True))
    assert (model.encoder, model.licence, model.commercial_use, model.anger_prior) == (None, "MIT", True, 0.3)
    assert re.fullmatch(r"(audio-classification|dimensional)/own-model@sha256:[0-9a-f]{64}\+config@sha256:[0-9a-f]{64}", model.name)
    assert model.score(customer(), lambda _: np.zeros(0, np.float32)) == []


def test_how_its_outputs_are_read_is_in_its_name(classes: Path, dimensions: Path) -> None:
    """A refit to verdicts goes by the name: log-odds that are read in another way are on another scale."""
    configs = [
        classifying(classes),
        classifying(classes, anger_prior=0.1),
        classifying(classes, labels=replace(MAP, anger=("ang", "other"))),
    ]
    names = [AudioClassificationToneModel(config).name for config in configs]
    regressors = [regressing(dimensions), regressing(dimensions, arousal_weight=5.0), regressing(dimensions, lowest=-1.0)]
    names += [DimensionalToneModel(config).name for config in regressors]
    assert len(set(names)) == len(names)
    assert AudioClassificationToneModel(classifying(classes, batch=2, allow_download=True)).name == names[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": replace(MAP, fear=("angry",))}, r"names 'angry', which .* the labels of .* are ang, hap, sad, neu, calm, other"),
        ({"labels": replace(MAP, fear=("sad",))}, r"gives 'sad' to more than one class; the labels of .* are ang, "),
        ({"labels": LabelsConfig(sadness=("sad",))}, r"names no label for anger; the labels of .* are ang, "),
        ({"labels": LabelsConfig()}, r"names no label for anger"),
        ({"licence": "", "anger_prior": 0.0}, r"does not state licence, anger_prior; it needs"),
        ({"model": ""}, r"does not state model"),
        ({"device": "cuda:99"}, r"cannot be put on the device 'cuda:99'"),
    ],
)
def test_a_configuration_that_does_not_fit_the_classifier_is_refused(classes: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(AnalysisError, match=said):
        AudioClassificationToneModel(classifying(classes, **changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"outputs": ("arousal", "valence")}, "its head has 3 outputs, .* names 2"),
        ({"outputs": ("arousal", "arousal", "valence")}, "each once, not arousal, arousal, valence"),
        ({"outputs": ("arousal", "dominance", "anger")}, "must name arousal, valence"),
        ({"lowest": 1.0, "highest": 1.0}, r"lowest \(1\) must be under highest \(1\)"),
        ({"licence": ""}, "does not state licence"),
    ],
)
def test_a_configuration_that_does_not_fit_the_regressor_is_refused(dimensions: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(AnalysisError, match=said):
        DimensionalToneModel(regressing(dimensions, **changes))


@pytest.mark.parametrize("engine", ["audio-classification", "dimensional"])
@pytest.mark.parametrize("name", ["./no/such/folder", "nobody/has-this-model"])
def test_a_model_that_is_not_there_says_what_to_do(monkeypatch: pytest.MonkeyPatch, engine: str, name: str) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    made = registry.engine_class("tone", engine)
    config = replace(classifying(name), dimensional=regressing(name).dimensional)
    with pytest.raises(AnalysisError, match=rf"'{name}' is no folder and not in the hub's cache; .* allow_download") as refused:
        made(config)
    assert not refused.value.permanent


def test_folders_that_hold_something_else_are_refused(tmp_path: Path, classes: Path, dimensions: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(AnalysisError, match="holds no weights"):
        AudioClassificationToneModel(classifying(empty))
    (empty / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(AnalysisError, match="holds no audio model that transformers can load"):
        AudioClassificationToneModel(classifying(empty))
    with pytest.raises(AnalysisError, match=r"is no trained audio classifier, it lacks .*projector"):
        AudioClassificationToneModel(classifying(bare_encoder(tmp_path / "bare")))
    with pytest.raises(AnalysisError, match=r"holds no regression head \('classifier\.dense\.weight' is missing\)"):
        DimensionalToneModel(regressing(classes))
    with pytest.raises(AnalysisError, match="do not exclude each other"):
        AudioClassificationToneModel(classifying(classifier(tmp_path / "multi", problem_type="multi_label_classification")))


def bare_encoder(folder: Path) -> Path:
    Wav2Vec2Model(Wav2Vec2Config(**SMALL)).save_pretrained(folder)
    extractor(folder)
    return folder


def test_damaged_tensors_are_refused(tmp_path: Path) -> None:
    folder = regressor(tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    dropped = next(name for name in tensors if name.endswith("feature_projection.projection.weight"))
    save_file({name: tensor for name, tensor in tensors.items() if name != dropped}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(AnalysisError, match=r"its encoder lacks feature_projection\.projection\.weight"):
        DimensionalToneModel(regressing(folder))


def test_checkpoints_with_the_older_names_of_weight_norm_are_read(tmp_path: Path, voice: CustomerVoice, audio: UtteranceAudio) -> None:
    """As most published wav2vec2 weights are stored."""
    folder = regressor(tmp_path / "model")
    before = DimensionalToneModel(regressing(folder)).score(voice, audio)
    older = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    tensors = load_file(folder / "model.safetensors")
    for new, old in older.items():
        (name,) = [name for name in tensors if name.endswith(new)]
        tensors[name.removesuffix(new) + old] = tensors.pop(name)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    assert DimensionalToneModel(regressing(folder)).score(voice, audio) == before


def test_configured_in_toml_it_scores_the_customer_of_a_call_and_the_document_says_what_it_does_not_know(
    engines: Engines, classes: Path, tmp_path: Path
) -> None:
    file = tmp_path / "site.toml"
    file.write_text(
        f'[engines]\ntone = "audio-classification"\n[audio_classification]\nmodel = "{classes}"\nanger_prior = 0.2\nlicence = "MIT"\n'
        'commercial_use = true\ndevice = "cpu"\n[audio_classification.labels]\nanger = ["ang"]\nneutral = ["neu"]\n'
    )
    config = load(file)
    model = registry._tone_model(config, "whisper-of-another-size")
    options = pipeline.CallOptions(CHANNELS)
    analysis = pipeline.analyze(SAMPLES / "calm.flac", engines=replace(engines, tone=model), config=config, options=options)
    document = to_document(analysis)
    scored = [item for item in document["utterances"] if item["tone"]]
    assert {item["party"] for item in scored} == {"customer"}
    assert len(scored) >= 3
    for item in scored:
        assert set(item["tone"]) == {*EMOTIONS, "arousal", "dominance", "valence"}
        assert item["tone"]["sadness"] is item["tone"]["arousal"] is None
        assert 0.0 < item["tone"]["anger"] < 1.0
        assert item["frustration"]["contributions"]["tone"] != 0.0
    assert document["provenance"]["licences"] == {"tone": "MIT"}


def test_a_licence_that_is_not_said_to_allow_commercial_use_must_be_accepted(classes: Path) -> None:
    config = replace(classifying(classes, commercial_use=False), engines=EnginesConfig(tone="audio-classification"), tone=ToneConfig())
    model = registry._tone_model(config, "whisper-base")
    assert model is not None
    assert not model.commercial_use


def test_the_configurations_in_the_documentation_name_models_that_are_only_not_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    shown = re.findall(r"```toml\n(.*?)```", (SAMPLES.parent / "docs" / "models" / "other-tone-models.md").read_text(), re.DOTALL)
    assert len(shown) == 2
    for number, text in enumerate(shown):
        file = tmp_path / f"{number}.toml"
        file.write_text(text)
        with pytest.raises(AnalysisError, match="is no folder and not in the hub's cache"):
            registry._tone_model(load(file), "whisper-base")
