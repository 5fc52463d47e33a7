"""Whisper's encoder in torch, from the weights of a CTranslate2 folder.

CTranslate2 gives the encoder's last layer only; how something is said is clearest in the middle layers (docs/models/tone.md). One pass here
gives both: the last layer for CTranslate2's decoder, the middle ones for the tone model.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from faster_whisper.audio import pad_or_trim
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from analysis.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from analysis.values import FloatArray

_DTYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)
"""By CTranslate2's number of the type."""


def log_mels(extractor: Any, windows: Sequence[FloatArray]) -> FloatArray:
    """What the encoder reads of windows of at most 30 s at 16 kHz, filled up with zeros, shape [windows, mels, 3000]."""
    return np.stack([pad_or_trim(extractor(window)[..., :-1]) for window in windows]).astype(np.float32)


def middle_layers(depth: int) -> tuple[int, int]:
    """The two layers, counted from 1, whose outputs the tone model hears."""
    return depth // 2, depth // 2 + 1


@dataclass(frozen=True, slots=True)
class Encoded:
    """What the encoder made of windows of 30 s, 50 frames a second."""

    last: FloatArray
    """Shape [windows, 1500, d]; what the decoder reads. Empty where the encoder was cut after its middle layers."""
    middle: FloatArray
    """The outputs of both middle layers side by side, shape [windows, 1500, 2 d]."""


class TorchWhisperEncoder:
    """All layers, or with `whole=False` only as many as the tone model needs: four of the six of `base`."""

    def __init__(self, folder: Path, *, device: str = "cpu", whole: bool = True) -> None:
        """Raises AnalysisError where `model.bin` is not a Whisper that can be read."""
        weights = read_variables(folder / "model.bin")
        try:
            self._encoder = _encoder(weights)
        except (KeyError, RuntimeError, ValueError) as error:
            raise AnalysisError(f"{folder}: model.bin holds no Whisper encoder that is known ({error})", permanent=True) from error
        self.mels: int = self._encoder.num_mel_bins
        self._layers = middle_layers(len(self._encoder.layers))
        self._whole = whole
        if not whole:
            self._encoder.layers = self._encoder.layers[: self._layers[-1]]
            self._encoder.layer_norm = torch.nn.Identity()
        self._encoder.to(device).eval()
        self._device = device
        self._half = _half_precision(device)

    @torch.inference_mode()
    def encode(self, mels: FloatArray) -> Encoded:
        """Log-mel windows of shape [windows, mels, 3000] → frames."""
        with torch.autocast(self._device, self._half or torch.bfloat16, enabled=self._half is not None):
            found = self._encoder(torch.from_numpy(mels).to(self._device), output_hidden_states=True)
        middle = torch.cat([found.hidden_states[layer] for layer in self._layers], dim=-1)
        last = found.last_hidden_state if self._whole else middle[:, :0]
        return Encoded(last.float().cpu().numpy(), middle.float().cpu().numpy())


def torch_device(wanted: str) -> str:
    """`cuda` where torch has it, unless the CPU is wanted: CTranslate2 brings a CUDA of its own, so that torch may have none."""
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"


def _half_precision(device: str) -> torch.dtype | None:
    """Half precision where the processor multiplies in it; elsewhere it is slower than float32."""
    if device != "cpu":
        return torch.float16
    able: Mapping[str, Any] = torch.cpu.get_capabilities()
    return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else None


def read_variables(file: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a CTranslate2 `model.bin` (binary version 6), by name. Raises AnalysisError where it is something else."""
    try:
        with file.open("rb") as stream:
            _unpack(stream, "I")
            _text(stream)
            _unpack(stream, "I")
            found = dict(_variable(stream) for _ in range(_unpack(stream, "I")))
    except (OSError, struct.error, ValueError, IndexError, UnicodeDecodeError) as error:
        raise AnalysisError(f"{file}: not a readable CTranslate2 model ({error})", permanent=True) from error
    return found


def _unpack(stream: BinaryIO, kind: str) -> int:
    number: int = struct.unpack(f"<{kind}", stream.read(struct.calcsize(f"<{kind}")))[0]
    return number


def _text(stream: BinaryIO) -> str:
    return stream.read(_unpack(stream, "H"))[:-1].decode()


def _variable(stream: BinaryIO) -> tuple[str, NDArray[Any]]:
    name = _text(stream)
    shape = [_unpack(stream, "I") for _ in range(_unpack(stream, "B"))]
    dtype = _DTYPES[_unpack(stream, "B")]
    return name, np.frombuffer(stream.read(_unpack(stream, "I")), dtype).reshape(shape)


def _encoder(weights: Mapping[str, NDArray[Any]]) -> Any:
    """The module with its weights loaded. Raises KeyError, RuntimeError or ValueError where they are not those of a Whisper."""

    def tensor(name: str) -> torch.Tensor:
        value, scale = weights[name], weights.get(f"{name}_scale")
        if value.dtype == np.int8 and scale is None:
            raise ValueError(f"{name} is quantised and has no scale")
        plain = value.astype(np.float32)
        return torch.from_numpy(plain if scale is None else plain / scale.reshape(-1, *[1] * (plain.ndim - 1)))

    def block(kind: str, source: str) -> dict[str, torch.Tensor]:
        ends = {"norm": {"weight": "gamma", "bias": "beta"}, "linear": {"weight": "weight", "bias": "bias"}}[kind]
        return {own: tensor(f"{source}/{other}") for own, other in ends.items()}

    depth = len({name.split("/")[1] for name in weights if name.startswith("encoder/layer_") and name.split("/")[1] != "layer_norm"})
    width, mels, _ = weights["encoder/conv1/weight"].shape
    state: dict[str, torch.Tensor] = {"embed_positions.weight": tensor("encoder/position_encodings/encodings")}

    def place(target: str, tensors: Mapping[str, torch.Tensor]) -> None:
        state.update({f"{target}.{end}": value for end, value in tensors.items()})

    place("conv1", block("linear", "encoder/conv1"))
    place("conv2", block("linear", "encoder/conv2"))
    place("layer_norm", block("norm", "encoder/layer_norm"))
    for layer in range(depth):
        source, target = f"encoder/layer_{layer}", f"layers.{layer}"
        joined = block("linear", f"{source}/self_attention/linear_0")
        for number, name in enumerate(("q_proj", "k_proj", "v_proj")):
            own = {end: value.chunk(3)[number] for end, value in joined.items() if (name, end) != ("k_proj", "bias")}
            place(f"{target}.self_attn.{name}", own)
        place(f"{target}.self_attn.out_proj", block("linear", f"{source}/self_attention/linear_1"))
        place(f"{target}.self_attn_layer_norm", block("norm", f"{source}/self_attention/layer_norm"))
        place(f"{target}.fc1", block("linear", f"{source}/ffn/linear_0"))
        place(f"{target}.fc2", block("linear", f"{source}/ffn/linear_1"))
        place(f"{target}.final_layer_norm", block("norm", f"{source}/ffn/layer_norm"))
    config = WhisperConfig(
        d_model=width,
        num_mel_bins=mels,
        encoder_layers=depth,
        encoder_attention_heads=int(weights["encoder/num_heads"]),
        encoder_ffn_dim=4 * width,
        max_source_positions=len(state["embed_positions.weight"]),
    )
    encoder = WhisperEncoder(config)
    encoder.load_state_dict(state, strict=True)
    return encoder
