"""The memory that a planned run happens in: one buffer a pool, and each stored value's array in it."""

from collections.abc import Iterator

import numpy as np

from cnnir.errors import CnnirError, within_memory
from cnnir.plan import MemoryPlan, PlannedValue, Step, strided
from cnnir.types import DType
from cnnir.weights import AnyArray

_POISON = 0xFF
"""All bits set: NaN in every format of floats that has one, -1 in every signed integer."""


class Arena:
    """The pools of one run.

    Attributes:
        arrays: Every stored value's array, by name, at its planned place with its planned strides.
    """

    def __init__(self, plan: MemoryPlan) -> None:
        self._plan = plan
        self._buffers = {pool.name: _aligned(pool.bytes, pool.alignment) for pool in plan.pools}
        self.arrays: dict[str, AnyArray] = {}
        for name, value in plan.values.items():
            if value.pieces is not None:
                self.arrays[name] = _array(name, value, self._buffers)

    def scratch(self, step: Step) -> AnyArray:
        """The bytes of a step's workspace; none where the plan gives it none."""
        if step.scratch is None:
            return np.empty(0, np.uint8)
        return self._buffers[step.scratch.pool][step.scratch.offset : step.scratch.end]

    def poisoned(self) -> Iterator[int]:
        """The numbers of the steps; before each is given out, every byte that holds nothing needed is spoilt.

        What is needed is what has been written and will be read by this step or a later one, inputs and outputs
        among it: where a step leans on anything else, NaN and nonsense come of it.
        """
        last = self._last_uses()
        live = {name for name in self._plan.inputs if name in last}
        for number, step in enumerate(self._plan.steps):
            self._spoil_all_but(live)
            yield number
            live.update(step.writes)
            live = {name for name in live if last.get(name, -1) > number}
        self._spoil_all_but(live)

    def _last_uses(self) -> dict[str, int]:
        """The number of the last step that reads each value; one behind the last step for outputs."""
        last = {name: number for number, step in enumerate(self._plan.steps) for name in step.reads}
        return last | dict.fromkeys(self._plan.outputs, len(self._plan.steps))

    def _spoil_all_but(self, live: set[str]) -> None:
        free = {name: np.ones(buffer.size, np.bool_) for name, buffer in self._buffers.items()}
        for name in live:
            # One more axis: the bytes of an element.
            mark = _array(name, self._plan.values[name], free, as_bytes=True)
            mark[...] = False
        for name, buffer in self._buffers.items():
            buffer[free[name]] = _POISON


def _aligned(size: int, alignment: int) -> AnyArray:
    """Zeroed bytes whose address is a multiple of the alignment, as a plan assumes of its pool."""
    with within_memory(f"an arena of {size} bytes", size + alignment):
        raw = np.zeros(size + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + size]


def _array(name: str, value: PlannedValue, buffers: dict[str, AnyArray], *, as_bytes: bool = False) -> AnyArray:
    """A value's place as an array of its elements, or as one of bytes with an axis more.

    Raises:
        CnnirError: ``plan-unsupported``.
    """
    place = strided(value)
    if place is None:
        raise CnnirError("plan-unsupported", "only values that lie as one strided array are executed", node=name)
    dtype = DType(value.dtype)
    if dtype.bits is None or dtype.bits < 8:
        raise CnnirError("plan-unsupported", "strings and packed elements are not executed in an arena", node=name)
    buffer = buffers[place.pool]
    if as_bytes:
        shape, strides = (*place.shape, place.itemsize), (*place.strides, 1)
        return np.ndarray(shape, buffer.dtype, buffer.data, place.offset, strides)
    return np.ndarray(place.shape, dtype.numpy, buffer.data, place.offset, place.strides)


__all__ = ["Arena"]
