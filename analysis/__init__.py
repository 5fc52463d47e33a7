"""A recording in, a CallAnalysis out: a pure library without Django, settings, database or network."""

import os

__version__ = "0.1.0"

# onnxruntime reports its use to its maker unless told otherwise before it is first imported, and every engine is imported after this.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
