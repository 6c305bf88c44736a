"""Patterns over the graph, and rules made of a pattern and what to do where it fits."""
