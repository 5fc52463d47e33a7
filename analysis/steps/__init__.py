"""The steps of a run: pure functions, one file each, that meet only in `analysis.pipeline`."""
