"""What arguments say, from their texts: refused in argparse's own way, so that the option is named."""

from argparse import ArgumentTypeError
from collections.abc import Callable


def whole(what: str) -> Callable[[str], int]:
    """Reads whole numbers.

    Args:
        what: They are, for who gives something else.
    """

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit():
            raise ArgumentTypeError(f"expected {what}, a whole number, got {text!r}")
        return int(text)

    return parse


def pair(text: str) -> tuple[str, str]:
    """``NAME=FILE``; where there are several equality signs, the last one parts them."""
    name, equals, value = text.rpartition("=") if text.count("=") > 1 else text.partition("=")
    if not equals or not name or not value:
        raise ArgumentTypeError(f"expected NAME=FILE, got {text!r}")
    return name, value


__all__ = ["pair", "whole"]
