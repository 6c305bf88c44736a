"""One call of an op, as far as its workspace and its time depend on it: shapes, element types, layouts."""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from cnnir.errors import CnnirError
from cnnir.graph import Node, Value
from cnnir.ops.base import Op
from cnnir.ops.rules import RuleTable
from cnnir.types import DType, TensorType, known_shape
from cnnir.weights import Array, FileRange, Fill, Seeded, Weight

UFUNC_BUFFER = 8192
"""Elements of an operand that NumPy buffers at a time when it casts or broadcasts (``np.getbufsize()``)."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An operand or a result in memory.

    Attributes:
        shape: All dims known.
        dtype: Element type; elements of less than a byte are held one a byte.
        repeated: One element stands for all (stride 0), as in a weight that is a fill.
        strided: The elements may not lie in row-major order.
    """

    shape: tuple[int, ...]
    dtype: DType
    repeated: bool = False
    strided: bool = False

    @property
    def elements(self) -> int:
        """How many."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.numpy.itemsize

    @property
    def bytes(self) -> int:
        """Bytes of all elements, one beside the other."""
        return self.elements * self.itemsize

    @property
    def narrow(self) -> bool:
        """A float of fewer than 32 bits."""
        return self.dtype.is_float and self.itemsize < 4


@dataclass(frozen=True, slots=True)
class Call:
    """The operands and the results of one node.

    Attributes:
        inputs: In the op's order, None where an optional one is absent.
        outputs: In the op's order.
    """

    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]

    @classmethod
    def of(cls, node: Node) -> "Call":
        """The call that a node makes, with all values in row-major order.

        Raises:
            CnnirError: ``dims-unbound`` or ``size-unknown`` for a type whose size is not known.
        """
        return cls(
            tuple(None if value is None else _tensor(value, node) for value in node.inputs),
            tuple(_tensor(value, node) for value in node.outputs),
        )

    def has(self, index: int) -> bool:
        """True when the operand is present."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def input(self, index: int) -> Tensor:
        """A present operand.

        Raises:
            CnnirError: ``operand-missing``.
        """
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise CnnirError("operand-missing", f"operand {index} is missing")
        return found

    @property
    def present(self) -> tuple[Tensor, ...]:
        """The operands that are there."""
        return tuple(tensor for tensor in self.inputs if tensor is not None)

    @property
    def output(self) -> Tensor:
        """The first result."""
        return self.outputs[0]

    def buffers(self, operands: int = 2) -> int:
        """Bytes that NumPy buffers when it broadcasts or casts `operands` operands."""
        widest = max((tensor.itemsize for tensor in (*self.present, *self.outputs)), default=1)
        longest = max((tensor.elements for tensor in (*self.present, *self.outputs)), default=0)
        return operands * widest * min(UFUNC_BUFFER, longest)

    def cast_buffers(self, count: int) -> int:
        """Bytes that NumPy buffers when it combines floats with 64-bit integers, `count` of them."""
        return 16 * min(UFUNC_BUFFER, count)


def _tensor(value: Value, node: Node) -> Tensor:
    if not isinstance(value.type, TensorType):
        raise CnnirError("size-unknown", f"{value.name} has no size", node=node.label, got=value.type)
    shape = known_shape(value.type.shape, node.label)
    weight = value.weight
    return Tensor(shape, value.type.dtype, isinstance(weight, Fill), weight is not None and _may_be_strided(weight))


def _may_be_strided(weight: Weight) -> bool:
    """Weights that are views of others are made of them when they are needed."""
    if isinstance(weight, Array):
        return not weight.contents.flags.c_contiguous
    return not isinstance(weight, Fill | FileRange | Seeded)


Workspace: TypeAlias = Callable[[Any, Call], int]
"""``rule(op, call)``: bytes that the op's NumPy kernel needs beside operands and results."""

workspaces: RuleTable[Workspace] = RuleTable("rule of the kernel's workspace")


def in_float32(rule: Workspace) -> Workspace:
    """Decorator: the kernel widens floats of fewer than 32 bits, and has the wide copies to the end."""

    @functools.wraps(rule)
    def widened(op: Op, call: Call) -> int:
        narrow = [tensor for tensor in (*call.present, *call.outputs) if tensor.narrow]
        if not narrow:
            return rule(op, call)
        wide = Call(tuple(None if x is None else _wide(x) for x in call.inputs), tuple(map(_wide, call.outputs)))
        return 4 * sum(tensor.elements for tensor in narrow) + rule(op, wide)

    return widened


def _wide(tensor: Tensor) -> Tensor:
    return replace(tensor, dtype=DType.FLOAT32, repeated=False) if tensor.narrow else tensor


def kept_dims(shape: Sequence[int], axes: Sequence[int]) -> int:
    """Elements that are left when a tensor is reduced over the axes."""
    return math.prod(size for axis, size in enumerate(shape) if axis not in axes)
