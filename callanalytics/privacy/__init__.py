"""Erasure and its receipts."""
