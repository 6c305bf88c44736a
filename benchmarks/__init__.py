"""Measurements: each module is a command that prints its figures and exits non-zero when a stated target is missed."""
