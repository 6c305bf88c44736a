"""Names and texts as C and C++ take them."""

import re
from collections.abc import Iterable

from cnnir.names import Names


def identifier(name: str, instead: str) -> str:
    """Letters, digits and single underscores of a name: what may stand inside an identifier of either language.

    Two underscores in a row, and one at the beginning, are reserved (C++11 17.6.4.3.2, C99 7.1.3).

    Args:
        name: Any text.
        instead: For a name of which nothing is left.
    """
    return re.sub("[^A-Za-z0-9]+", "_", name).strip("_") or instead


def identifiers(names: Iterable[str], instead: str) -> dict[str, str]:
    """An identifier's part for each name, all different, in the order given."""
    taken = Names()
    return {name: taken.reserve(identifier(name, instead)) for name in names}


def string(text: str) -> str:
    """A string literal, in ASCII, without trigraphs."""
    return '"' + "".join(_character(byte) for byte in text.encode()) + '"'


def _character(byte: int) -> str:
    if byte in b'"\\?':
        return f"\\{chr(byte)}"
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"


def comment(text: str) -> str:
    """Text that may stand in a comment: ASCII, on one line, neither beginning nor ending one."""
    plain = text.encode("ascii", "backslashreplace").decode()
    plain = "".join(letter if letter.isprintable() else " " for letter in plain)
    return plain.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?").replace("\\", "|")
