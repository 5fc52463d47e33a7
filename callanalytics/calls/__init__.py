"""Calls, their recordings, their analyses and what was flagged."""
