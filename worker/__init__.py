"""Celery: thin tasks around the library."""
