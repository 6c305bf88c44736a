"""In which order the axes of a value run in memory."""

from typing import Literal, TypeAlias, get_args

from cnnir.errors import CnnirError
from cnnir.graph import Value
from cnnir.ops import Reshape, Transpose
from cnnir.passes.memory.sizes import shape_of

Arrangement: TypeAlias = Literal["rows", "channels-last"]
"""How maps lie: ``rows`` in the order of their axes, N, C, H, W; ``channels-last`` as N, H, W, C.

What is no map lies in the order of its axes.
"""

ARRANGEMENTS: tuple[Arrangement, ...] = get_args(Arrangement)

CHANNELS_LAST = (0, 2, 3, 1)
"""The axes of a map with its channels last, the one that runs slowest first."""

SPLIT = (0, 3, 4, 1, 2)
"""The same of a map whose channels are two axes."""

EXCHANGE = (0, 2, 1, 3, 4)
"""The permutation that exchanges these."""


def check_arrangement(name: str) -> None:
    """Raise ``layout`` unless there is such an arrangement."""
    if name not in ARRANGEMENTS:
        raise CnnirError("layout", "no such layout", expected=" or ".join(ARRANGEMENTS), got=name)


def axes_in_memory(value: Value, arrangement: Arrangement) -> tuple[int, ...]:
    """The axes of a value, the one that runs slowest first."""
    rank = len(shape_of(value))
    if arrangement == "channels-last":
        if rank == len(CHANNELS_LAST):
            return CHANNELS_LAST
        if is_split(value):
            return SPLIT
    return tuple(range(rank))


def is_split(value: Value) -> bool:
    """Whether a value is a map whose channels are spelled as two axes, as networks have it that shuffle channels."""
    shape, node = shape_of(value), value.producer
    if len(shape) != len(SPLIT) or node is None or not node.operands:
        return False
    source = node.operands[0]
    if isinstance(node.op, Reshape):
        given = shape_of(source)
        return len(given) == len(CHANNELS_LAST) and (given[0], *given[2:]) == (shape[0], *shape[3:])
    return isinstance(node.op, Transpose) and node.op.permutation == EXCHANGE and is_split(source)


def lie_alike(value: Value, other: Value, arrangement: Arrangement) -> bool:
    """Whether two values have one type, and their elements the same places in equal bytes."""
    return value.type == other.type and axes_in_memory(value, arrangement) == axes_in_memory(other, arrangement)


def pixels_of(value: Value) -> int:
    """Pixels of a map, of all images; 1 for what is no map."""
    shape = shape_of(value)
    if len(shape) == len(CHANNELS_LAST) or is_split(value):
        return shape[0] * shape[-2] * shape[-1]
    return 1


__all__ = [
    "ARRANGEMENTS",
    "CHANNELS_LAST",
    "Arrangement",
    "axes_in_memory",
    "check_arrangement",
    "is_split",
    "lie_alike",
    "pixels_of",
]
