"""The Django project: it owns the data. The analysis itself is the library `analysis`."""
