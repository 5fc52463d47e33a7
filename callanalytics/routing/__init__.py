"""Delivers events to other systems, and flags to people."""
