"""Where results go: standard output, or a file that is there whole or not at all."""

import shutil
import sys
from html import escape
from pathlib import Path

from cnnir.files import write_file
from cnnir.reports.text import WIDE


def emit(text: str, output: str | None) -> None:
    """Write a result to a file, or to standard output when there is none (or it is ``-``).

    Raises:
        CnnirError: ``file-write``.
    """
    if output is None or output == "-":
        sys.stdout.write(text)
    else:
        write_file(Path(output), text)
        say(output)


def say(output: str) -> None:
    """Tell on standard error that a file has been written."""
    sys.stderr.write(f"wrote {output}\n")


def wants(output: str | None, ending: str) -> bool:
    """True when the file's name asks for a format."""
    return output is not None and output.lower().endswith(f".{ending}")


def width(output: str | None) -> int:
    """Columns to lay text out for: the terminal's, or as many as the text takes."""
    if output is None and sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return WIDE


def page(title: str, body: str) -> str:
    """A whole HTML page."""
    style = "body{font-family:sans-serif;margin:2em}td,th{padding:0 .6em}table{border-collapse:collapse}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{style}</style></head>\n<body><h1>{escape(title)}</h1>\n{body}</body></html>\n"
    )
