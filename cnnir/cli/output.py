"""Where results go: standard output, or a file that is there whole or not at all."""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from cnnir.errors import CnnirError
from cnnir.files import Contents, write_files
from cnnir.reports.text import WIDE

OK, FINDINGS, BAD_INPUT, UNKNOWN = 0, 1, 2, 3
"""Exit codes: all well; findings, or it does not fit; bad input; the answer is not known."""

INTERNAL, INTERRUPTED = 70, 130
"""Exit codes: a fault of cnnir's own (``EX_SOFTWARE`` of sysexits); the user's Ctrl-C."""


def emit(text: str, output: str | None) -> None:
    """Write a result to a file, or to standard output when there is none (or it is ``-``).

    Raises:
        CnnirError: ``file-write``.
    """
    emit_all({output: text})


def emit_all(texts: Mapping[str | None, str], files: Mapping[Path, Contents] | None = None) -> None:
    """The same for several results, and for files that come with them, which are all written or none.

    Raises:
        CnnirError: ``file-write``, or ``usage`` for two results under one name.
    """
    named = {name: text for name, text in texts.items() if name is not None and name != "-"}
    contents: dict[Path, Contents] = dict(files or {})
    for target, text in named.items():
        if Path(target) in contents:
            raise CnnirError("usage", "two results cannot go into one file", got=target)
        contents[Path(target)] = text.encode()
    write_files(contents)
    for written in contents:
        say(str(written))
    for name, text in texts.items():
        if name not in named:
            sys.stdout.write(text)


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


def limit(output: str | None) -> int | None:
    """Columns that a line may take: the terminal's; None where there is none, so that each entry stays one line."""
    return width(output) if output is None and sys.stdout.isatty() else None


def folded(lines: Iterable[str], columns: int | None) -> str:
    """The lines as one text, each broken where the terminal ends and continued further in; as they are for None."""
    return "".join(f"{part}\n" for line in lines for part in _folded(line, columns))


def _folded(line: str, columns: int | None) -> list[str]:
    if columns is None or len(line) <= columns:
        return [line]
    indent = len(line) - len(line.lstrip()) + 2
    return textwrap.wrap(
        line.lstrip(),
        max(columns, 20),
        initial_indent=" " * (indent - 2),
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
    )


def page(title: str, body: str) -> str:
    """A whole HTML page."""
    style = "body{font-family:sans-serif;margin:2em}td,th{padding:0 .6em}table{border-collapse:collapse}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{style}</style></head>\n<body><h1>{escape(title)}</h1>\n{body}</body></html>\n"
    )
