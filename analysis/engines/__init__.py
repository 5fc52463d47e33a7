"""The engines behind the ports, and the only files that import a model runtime. They are reached by name through `analysis.registry`."""
