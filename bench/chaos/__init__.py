"""Breaks a whole installation on purpose, and counts what was lost, done twice or stuck. See `python -m bench.chaos --help`."""
