"""Judgements by people: verdicts, blind samples and coaching notes."""
