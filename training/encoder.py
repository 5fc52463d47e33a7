"""The run time's own encoder pass, without the decoding that would cost training hours. A test holds both to the same frames."""

from analysis.engines.window_encoder import WhisperWindowEncoder
from analysis.ports import WindowEncoder

__all__ = ["WhisperWindowEncoder", "WindowEncoder"]
