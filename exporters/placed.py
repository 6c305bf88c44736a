"""Where a plan's values lie, as other runtimes ask for it: one array each, with a first byte and strides."""

from dataclasses import dataclass

from cnnir.errors import CnnirError
from cnnir.plan import MemoryPlan, Piece, PlannedValue, row_major_strides
from cnnir.plan.arrays import strided


@dataclass(frozen=True)
class Placed:
    """A stored value as one array.

    Attributes:
        name: Of the value.
        dtype: Element type, by name.
        itemsize: Bytes of an element.
        shape: Of the value.
        strides: Bytes from one element to the next along each axis.
        pool: Where it lies.
        offset: Of its first byte, which is that of its first element.
        bytes: From there to behind its last byte; gaps between its rows, which may be others', are among them.
    """

    name: str
    dtype: str
    itemsize: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    pool: str
    offset: int
    bytes: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.bytes

    @property
    def contiguous(self) -> bool:
        """Whether it lies in row-major order without gaps."""
        natural = row_major_strides(self.shape, self.itemsize)
        axes = zip(self.shape, self.strides, natural, strict=True)
        return 0 in self.shape or all(size == 1 or stride == usual for size, stride, usual in axes)


def placed_values(plan: MemoryPlan) -> list[Placed]:
    """Every value that the plan stores, in the plan's order.

    Raises:
        CnnirError: ``plan-form`` for a value whose pieces are no single array, or one that lies backwards.
    """
    return [_placed(name, value, value.pieces) for name, value in plan.values.items() if value.pieces is not None]


def _placed(name: str, value: PlannedValue, pieces: tuple[Piece, ...]) -> Placed:
    array = strided(value)
    if array is None:
        raise CnnirError(
            "plan-form", "the value lies in pieces that are no single array", node=name, got=f"{len(pieces)} pieces"
        )
    axes = list(zip(array.shape, array.strides, strict=True))
    if any(stride < 0 and size > 1 for size, stride in axes):
        raise CnnirError("plan-form", "the value lies backwards in memory", node=name, got=array.strides)
    last = sum((size - 1) * stride for size, stride in axes)
    size = 0 if 0 in array.shape else last + array.itemsize
    return Placed(name, value.dtype, array.itemsize, array.shape, array.strides, array.pool, array.offset, size)
