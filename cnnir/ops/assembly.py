"""Putting tensors together and taking them apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from cnnir.dims import UNKNOWN, Dim, ceil_div, decide_at_least, is_known
from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, Operand, Role, require_front_axes, require_same_dtype
from cnnir.types import DType, TensorType, Type, UnknownType

PadMode: TypeAlias = Literal["constant", "reflect", "edge", "wrap"]
PAD_MODES: tuple[PadMode, ...] = ("constant", "reflect", "edge", "wrap")


@dataclass(frozen=True)
class Concat(Op):
    """Tensors side by side along one axis. ONNX operator specification: Concat."""

    axis: int
    """Counted from the front."""

    operands: ClassVar[tuple[Operand, ...]] = (Operand("inputs", variadic=True),)

    def check(self, inputs: Inputs) -> None:
        require_same_dtype(inputs, *range(len(inputs)))
        first = inputs.tensor(0)
        require_front_axes((self.axis,), first.rank)
        for index in range(1, len(inputs)):
            inputs.rank(index, first.rank, first.rank)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        first, *others = inputs.tensors()
        total: Dim = first.shape[self.axis]
        shape = list(first.shape)
        for other in others:
            total = total + other.shape[self.axis]
            for axis, dim in enumerate(other.shape):
                if axis != self.axis:
                    facts.require_equal(dim, shape[axis], "concat-shape", f"the tensors differ on axis {axis}")
                    shape[axis] = dim if shape[axis] == UNKNOWN else shape[axis]
        shape[self.axis] = total
        return (first.with_shape(tuple(shape)),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype()),)


@dataclass(frozen=True)
class Split(Op):
    """One tensor cut along one axis. ONNX operator specification: Split."""

    axis: int
    """Counted from the front."""
    sizes: tuple[Dim, ...] = ()
    """Of the parts, along the axis; none when `parts` are given."""
    parts: int = 0
    """How many equal parts, whatever the size of the whole; the last one is smaller where they cannot be equal."""

    operands: ClassVar[tuple[Operand, ...]] = (Operand("input"),)

    @property
    def num_outputs(self) -> int:
        return self.parts or len(self.sizes)

    def check(self, inputs: Inputs) -> None:
        require_front_axes((self.axis,), inputs.rank(0, 1).rank)
        if self.parts < 0 or bool(self.parts) == bool(self.sizes):
            raise CnnirError("split-sizes", "either sizes or a number of parts is needed", got=str(self))
        if any(is_known(size) and size < 0 for size in self.sizes):
            raise CnnirError("split-sizes", "a part cannot have a negative size", got=list(self.sizes))

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        whole, sizes = data.shape[self.axis], self.sizes
        if self.parts:
            size = ceil_div(whole, self.parts)
            rest = whole - size * (self.parts - 1)
            facts.require_at_least(rest, 0, "split-sizes", f"{whole} cannot be cut into {self.parts} parts")
            sizes = (*(size for _ in range(self.parts - 1)), rest)
        else:
            facts.require_equal(whole, _total(sizes), "split-sizes", "the parts do not add up to the whole")
        before, after = data.shape[: self.axis], data.shape[self.axis + 1 :]
        return tuple(data.with_shape((*before, size, *after)) for size in sizes)


def _total(dims: Sequence[Dim]) -> Dim:
    result: Dim = 0
    for dim in dims:
        result = result + dim
    return result


@dataclass(frozen=True)
class Slice(Op):
    """A range with a step along some axes. ONNX operator specification: Slice.

    Starts and ends count from the back when negative and are cut to the tensor's size; with a negative step, a start
    below ``-size`` means the first element and an end below it "to the first element". Very large numbers thus stand
    for "to the end".
    """

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    axes: tuple[int, ...]
    """Counted from the front, each once."""
    steps: tuple[int, ...]

    operands: ClassVar[tuple[Operand, ...]] = (Operand("data"),)

    def check(self, inputs: Inputs) -> None:
        rank = inputs.tensor(0).rank
        lengths = {len(part) for part in (self.starts, self.ends, self.axes, self.steps)}
        if len(lengths) != 1 or len(set(self.axes)) != len(self.axes):
            raise CnnirError("slice", "starts, ends, axes and steps do not belong together", got=str(self))
        require_front_axes(sorted(self.axes), rank)
        if 0 in self.steps:
            raise CnnirError("slice", "a step cannot be 0", got=list(self.steps))

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        shape = list(data.shape)
        for start, end, axis, step in zip(self.starts, self.ends, self.axes, self.steps, strict=True):
            shape[axis] = _range_length(shape[axis], start, end, step, facts)
        return (data.with_shape(tuple(shape)),)

    def ranges(self, sizes: Sequence[int]) -> tuple[slice, ...]:
        """The same as Python slices of a tensor of these sizes, one an axis."""
        result = [slice(None)] * len(sizes)
        for start, end, axis, step in zip(self.starts, self.ends, self.axes, self.steps, strict=True):
            result[axis] = _python_slice(sizes[axis], start, end, step)
        return tuple(result)


def _python_slice(size: int, start: int, end: int, step: int) -> slice:
    """The range with what Python reads otherwise made plain."""
    if step > 0:
        return slice(start, end, step)
    # Python counts down from before the first element where ONNX starts at it; and it reads an end of -1 as "the last".
    return slice(max(start, -size), None if end < -size else end, step)


_FAR = 2**31 - 2
"""Beyond this a bound stands for an open end: exporters write INT32 or INT64 limits."""


def _range_length(size: Dim, start: int, end: int, step: int, facts: Facts) -> Dim:
    """Elements of ``start:end:step`` over `size` elements."""
    if is_known(size):
        return len(range(*_python_slice(size, start, end, step).indices(size)))
    if size == UNKNOWN:
        return UNKNOWN
    if step < 0:
        # Down from `start` to just above `end` are the same elements as up from end + 1 to start + 1.
        begin = _clamped(size, end, facts, shift=1) if end >= -_FAR else 0
        stop = _clamped(size, start, facts, shift=1, least=1)
    else:
        begin, stop = _clamped(size, start, facts), _clamped(size, end, facts)
    if decide_at_least(begin, stop):
        return 0
    facts.require_at_least(stop, begin, "slice-empty", f"the slice {start}:{end}:{step} ends before it starts")
    return ceil_div(stop - begin, abs(step))


def _clamped(size: Dim, position: int, facts: Facts, shift: int = 0, least: int = 0) -> Dim:
    """A position counted from the front and cut to ``least .. size``; what is not decided becomes a constraint.

    The constraint is sufficient, not necessary: it says that nothing is cut. Who knows the sizes infers anew.
    """
    if abs(position) > _FAR:
        return size if position > 0 else least
    counted = (position if position >= 0 else size + position) + shift
    if decide_at_least(least, counted):
        return least
    if decide_at_least(counted, size):
        return size
    open_reason = "where position {} of the slice lies {} the tensor it would be cut, which is not assumed"
    facts.require_at_least(counted, least, "slice-range", open_reason.format(position, "before"))
    facts.require_at_least(size, counted, "slice-range", open_reason.format(position, "behind"))
    return counted


@dataclass(frozen=True)
class Pad(Op):
    """Elements added around a tensor, or cropped where a pad is negative. ONNX operator specification: Pad."""

    pads: tuple[int, ...]
    """All beginnings, then all ends, one an axis."""
    mode: PadMode = "constant"
    value: float | int | bool = 0.0
    """What `constant` fills in."""

    operands: ClassVar[tuple[Operand, ...]] = (Operand("data"),)

    def check(self, inputs: Inputs) -> None:
        rank = inputs.tensor(0).rank
        if len(self.pads) != 2 * rank:
            raise CnnirError("pad", "two pads an axis are needed", expected=2 * rank, got=list(self.pads))
        if self.mode not in PAD_MODES:
            raise CnnirError("pad-mode", "no such mode", expected=" or ".join(PAD_MODES), got=self.mode)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        shape = []
        for axis, dim in enumerate(data.shape):
            begin, end = self.pads[axis], self.pads[axis + data.rank]
            kept = dim + (min(begin, 0) + min(end, 0))
            if self.mode != "constant" and max(begin, end) > 0:
                # What is padded is taken from the elements that cropping leaves.
                least = max(begin, end) + 1 if self.mode == "reflect" else 1
                facts.require_at_least(kept, least, f"pad-{self.mode}", f"axis {axis} is too short for {self.mode}")
            padded = dim + (begin + end)
            facts.require_at_least(padded, 0, "pad-crop", f"more is cropped than axis {axis} has")
            shape.append(padded)
        return (data.with_shape(tuple(shape)),)


@dataclass(frozen=True)
class ConstantOfShape(Op):
    """A tensor of one value, in a shape that is computed. ONNX operator specification: ConstantOfShape."""

    dtype: DType = DType.FLOAT32
    value: float | int | bool = 0.0

    operands: ClassVar[tuple[Operand, ...]] = (Operand("shape", Role.SETTING),)

    def check(self, inputs: Inputs) -> None:
        inputs.rank(0, 1, 1)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        contents = inputs.weight(0)
        if contents is not None:
            shape = tuple(int(dim) for dim in contents.array())
            if any(dim < 0 for dim in shape):
                raise CnnirError("dim-negative", "a dim cannot be negative", got=list(shape))
            return (TensorType(self.dtype, shape),)
        (rank,) = inputs.tensor(0).shape
        if not is_known(rank):
            return self.infer_unknown(inputs)
        return (TensorType(self.dtype, (UNKNOWN,) * rank),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(self.dtype),)
