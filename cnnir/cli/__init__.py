"""The command line: a thin shell over the Python API."""

from cnnir.cli.main import main

__all__ = ["main"]
