"""A recording in, a CallAnalysis out: a pure library without Django, settings, database or network."""

__version__ = "0.1.0"
