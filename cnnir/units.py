"""Numbers for people."""

import math

_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def format_size(count: int) -> str:
    """Bytes in the largest binary unit that fits, two digits behind the point: ``24.50 MiB``; plain below 1 KiB."""
    for size, unit in _UNITS:
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} B"


def format_bytes(count: int) -> str:
    """The rounded size beside the exact one: ``24.50 MiB (25,690,112 B)``."""
    return f"{format_size(count)} ({count:,} B)" if count >= 1 << 10 else f"{count} B"


def parse_size(text: str) -> int:
    """Bytes from text such as ``4096``, ``512KiB``, ``1.5 MiB``; k, m and g stand for the binary units.

    Raises:
        ValueError: for anything else.
    """
    scales = {"": 1, "b": 1}
    for size, name in _UNITS:
        scales |= {name[0].lower(): size, name.lower(): size}
    number = text.rstrip("BbKkMmGgIi ")
    count = float(number) * scales.get(text[len(number) :].strip().lower(), math.nan)
    if not 0 <= count < math.inf:
        raise ValueError(text)
    return int(count)
