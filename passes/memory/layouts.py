"""In which order the axes of a value run in memory."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from cnnir.errors import CnnirError
from cnnir.plan import row_major_strides

Arrangement: TypeAlias = Literal["rows", "channels-last"]
"""How maps lie: ``rows`` in the order of their axes, N, C, H, W; ``channels-last`` as N, H, W, C.

Values of any rank but 4 lie in the order of their axes.
"""

ARRANGEMENTS: tuple[Arrangement, ...] = get_args(Arrangement)

CHANNELS_LAST = (0, 2, 3, 1)
"""The axes of a map with its channels last, the one that runs slowest first."""


def check_arrangement(name: str) -> None:
    """Raise ``layout`` unless there is such an arrangement."""
    if name not in ARRANGEMENTS:
        raise CnnirError("layout", "no such layout", expected=" or ".join(ARRANGEMENTS), got=name)


def axes_in_memory(rank: int, arrangement: Arrangement) -> tuple[int, ...]:
    """The axes of a value, the one that runs slowest first."""
    return CHANNELS_LAST if arrangement == "channels-last" and rank == len(CHANNELS_LAST) else tuple(range(rank))


def strides_in_memory(shape: Sequence[int], itemsize: int, arrangement: Arrangement) -> tuple[int, ...]:
    """Bytes from one element to the next along each axis of a value that lies without gaps."""
    axes = axes_in_memory(len(shape), arrangement)
    dense = row_major_strides([shape[axis] for axis in axes], itemsize)
    return tuple(dense[axes.index(axis)] for axis in range(len(shape)))


def pixels_of(shape: Sequence[int]) -> int:
    """Pixels of a map, of all images; 1 for what is no map."""
    return shape[0] * shape[2] * shape[3] if len(shape) == len(CHANNELS_LAST) else 1


__all__ = [
    "ARRANGEMENTS",
    "CHANNELS_LAST",
    "Arrangement",
    "axes_in_memory",
    "check_arrangement",
    "pixels_of",
    "strides_in_memory",
]
