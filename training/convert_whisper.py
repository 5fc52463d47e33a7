"""Whisper weights from CTranslate2 to OpenAI's checkpoint format: `python -m training.convert_whisper base base.pt`.

The layout of `model.bin` is that of CTranslate2's `ModelSpec` (binary version 6): a header, then name, shape, type and bytes of
each tensor.
"""

from __future__ import annotations

import argparse
import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import torch

from analysis import resolver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Tensors = dict[str, "NDArray[np.generic]"]
State = dict[str, torch.Tensor]

BINARY_VERSION = 6
TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def convert(folder: Path, checkpoint: Path) -> None:
    """Write OpenAI's checkpoint of a CTranslate2 folder whose tensors are stored as floats. Raises ValueError on any other file."""
    tensors = read_model(folder / "model.bin")
    state = {
        **_block_free(tensors),
        **{key: value for side in ("encoder", "decoder") for key, value in _blocks(tensors, side)},
    }
    torch.save({"dims": _dims(tensors), "model_state_dict": state}, checkpoint)


def read_model(file: Path) -> Tensors:
    """All tensors of a CTranslate2 `model.bin`."""
    with file.open("rb") as opened:
        (version,) = struct.unpack("<I", opened.read(4))
        specification, _ = _text(opened), opened.read(4)
        if version != BINARY_VERSION or specification != "WhisperSpec":
            raise ValueError(f"{file}: {specification} in binary version {version} is not known here")
        (count,) = struct.unpack("<I", opened.read(4))
        return dict(_tensor(opened) for _ in range(count))


def _text(opened: BinaryIO) -> str:
    (length,) = struct.unpack("<H", opened.read(2))
    return opened.read(length)[:-1].decode()


def _tensor(opened: BinaryIO) -> tuple[str, NDArray[np.generic]]:
    name = _text(opened)
    (rank,) = struct.unpack("<B", opened.read(1))
    shape = struct.unpack(f"<{rank}I", opened.read(4 * rank))
    kind, size = struct.unpack("<BI", opened.read(5))
    return name, np.frombuffer(opened.read(size), TYPES[kind]).reshape(shape)


def _dims(tensors: Tensors) -> dict[str, int]:
    vocabulary, width = tensors["decoder/embeddings/weight"].shape
    return {
        "n_mels": tensors["encoder/conv1/weight"].shape[1],
        "n_audio_ctx": tensors["encoder/position_encodings/encodings"].shape[0],
        "n_audio_state": width,
        "n_audio_head": int(tensors["encoder/num_heads"].item()),
        "n_audio_layer": _layers(tensors, "encoder"),
        "n_vocab": vocabulary,
        "n_text_ctx": tensors["decoder/position_encodings/encodings"].shape[0],
        "n_text_state": width,
        "n_text_head": int(tensors["decoder/num_heads"].item()),
        "n_text_layer": _layers(tensors, "decoder"),
    }


def _layers(tensors: Tensors, side: str) -> int:
    return len({name.split("/")[1] for name in tensors if name.startswith(f"{side}/layer_") and not name.startswith(f"{side}/layer_norm")})


def _float(tensors: Tensors, name: str) -> torch.Tensor:
    return torch.from_numpy(tensors[name].astype(np.float32))


def _block_free(tensors: Tensors) -> State:
    """What lies outside the layers."""
    state = {
        f"encoder.conv{index}.{part}": _float(tensors, f"encoder/conv{index}/{part}") for index in (1, 2) for part in ("weight", "bias")
    }
    for side, norm in (("encoder", "ln_post"), ("decoder", "ln")):
        state[f"{side}.positional_embedding"] = _float(tensors, f"{side}/position_encodings/encodings")
        state.update(_norm(tensors, f"{side}/layer_norm", f"{side}.{norm}"))
    state["decoder.token_embedding.weight"] = _float(tensors, "decoder/embeddings/weight")
    return state


def _blocks(tensors: Tensors, side: str) -> Iterator[tuple[str, torch.Tensor]]:
    for layer in range(_layers(tensors, side)):
        source, target = f"{side}/layer_{layer}", f"{side}.blocks.{layer}"
        yield from _self_attention(tensors, f"{source}/self_attention", f"{target}.attn").items()
        yield from _norm(tensors, f"{source}/self_attention/layer_norm", f"{target}.attn_ln").items()
        if side == "decoder":
            yield from _cross_attention(tensors, f"{source}/attention", f"{target}.cross_attn").items()
            yield from _norm(tensors, f"{source}/attention/layer_norm", f"{target}.cross_attn_ln").items()
        yield from _linear(tensors, f"{source}/ffn/linear_0", f"{target}.mlp.0").items()
        yield from _linear(tensors, f"{source}/ffn/linear_1", f"{target}.mlp.2").items()
        yield from _norm(tensors, f"{source}/ffn/layer_norm", f"{target}.mlp_ln").items()


def _norm(tensors: Tensors, source: str, target: str) -> State:
    return {f"{target}.weight": _float(tensors, f"{source}/gamma"), f"{target}.bias": _float(tensors, f"{source}/beta")}


def _linear(tensors: Tensors, source: str, target: str) -> State:
    return {f"{target}.{part}": _float(tensors, f"{source}/{part}") for part in ("weight", "bias")}


def _self_attention(tensors: Tensors, source: str, target: str) -> State:
    """Query, key and value lie in one matrix; OpenAI's key has no bias."""
    return {
        **_split(tensors, f"{source}/linear_0", target, "query", "key", "value"),
        **_linear(tensors, f"{source}/linear_1", f"{target}.out"),
    }


def _cross_attention(tensors: Tensors, source: str, target: str) -> State:
    return {
        **_linear(tensors, f"{source}/linear_0", f"{target}.query"),
        **_split(tensors, f"{source}/linear_1", target, "key", "value"),
        **_linear(tensors, f"{source}/linear_2", f"{target}.out"),
    }


def _split(tensors: Tensors, source: str, target: str, *names: str) -> State:
    weights = _float(tensors, f"{source}/weight").chunk(len(names))
    biases = _float(tensors, f"{source}/bias").chunk(len(names))
    state = {f"{target}.{name}.weight": weight.clone() for name, weight in zip(names, weights, strict=True)}
    return state | {f"{target}.{name}.bias": bias.clone() for name, bias in zip(names, biases, strict=True) if name != "key"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Convert CTranslate2 Whisper weights to OpenAI's checkpoint format.")
    parser.add_argument("weights", help="a name (base, tiny.en, ...) or a CTranslate2 folder")
    parser.add_argument("checkpoint", type=Path, help="the file to write; named like base.pt, its alignment heads are known")
    arguments = parser.parse_args()
    convert(resolver.locate_whisper(arguments.weights), arguments.checkpoint)


if __name__ == "__main__":
    main()
