"""Reshape: to numbers, and to dims that are open, which a file can only say how to compute."""

from collections.abc import Sequence
from itertools import groupby

from cnnir.dims import Dim, Shape, is_known
from cnnir.exporters.onnx.mapping.attributes import Unmapped
from cnnir.exporters.onnx.mapping.base import (
    Read,
    Source,
    Target,
    int64,
    reads,
    require_opset,
    write_with_settings,
    writers,
)
from cnnir.graph import Node
from cnnir.ops import Reshape
from cnnir.ops.formulas import Axis, Combined, Formula, copied_target, formula
from cnnir.types import DType, TensorType


@reads("Reshape")
def read_reshape(source: Source) -> Read:
    """The shape is an operand since opset 5; allowzero came with 14."""
    shape = source.int_setting(1, "shape")
    if shape is None:
        raise Unmapped("its shape is missing")
    return Reshape(shape, source.attributes.flag("allowzero")), source.inputs[:1]


@writers.rule(Reshape)
def write_reshape(target: Target, node: Node, op: Reshape) -> None:
    """Open dims are copied, inferred, or computed from the shape of the operand."""
    known = all(is_known(dim) for dim in op.shape)
    allowzero = op.allowzero and (known or 0 in op.shape)
    if allowzero:
        require_opset(target, node, 14)
    source = node.operands[0].type
    dims = source.shape if isinstance(source, TensorType) else ()
    # Where a 0 says that there is nothing, none can say that a dim is copied.
    said = copied_target(dims, op.shape) if known or not allowzero else None
    shape = target.constant(node, "shape", int64(said)) if said is not None else _computed(target, node, op, dims)
    write_with_settings(target, node, "Reshape", [shape], allowzero=1 if allowzero else None)


def _computed(target: Target, node: Node, op: Reshape, source: Shape) -> str:
    """The name of the target's dims, the open ones computed from those of the operand.

    What is computed from equal dims is equal: a network that says the same target many times computes it once.
    """
    said = tuple(_said(dim, source) for dim in op.shape)
    arithmetic = _Arithmetic(target, node, source)
    return target.once((source, said), lambda: arithmetic.row(said))


def _said(dim: Dim, source: Shape) -> Formula:
    found = formula(dim, source)
    if found is None:
        shown = ", ".join(map(str, source))
        raise Unmapped(f"{dim} in its target cannot be computed from what it reshapes, [{shown}]; bind it")
    return found


class _Arithmetic:
    """Vectors of numbers, computed in front of a node from the dims of what it reads."""

    def __init__(self, target: Target, node: Node, source: Shape) -> None:
        self.target = target
        self.node = node
        self.source = source

    def row(self, said: Sequence[Formula]) -> str:
        """The name of all of them behind each other; numbers that stand together are one constant, axes one Gather."""
        runs = [list(run) for _, run in groupby(said, key=type)]
        vectors = [name for run in runs for name in self._run(run)]
        return vectors[0] if len(vectors) == 1 else self._assist("Concat", vectors, "target", len(said), axis=0)

    def _run(self, run: Sequence[Formula]) -> list[str]:
        """The vectors of neighbours of one kind."""
        numbers = [part for part in run if isinstance(part, int)]
        axes = [part.index for part in run if isinstance(part, Axis)]
        if numbers:
            return [self.target.constant(self.node, f"shape.{'.'.join(map(str, numbers))}", int64(numbers))]
        return [self._gathered(axes)] if axes else [self._vector(part) for part in run]

    def _vector(self, said: Formula) -> str:
        """The name of the one number that a formula gives; the same one for the same formula."""
        return self.target.once((self.source, said), lambda: self._made(said))

    def _made(self, said: Formula) -> str:
        if not isinstance(said, Combined):
            (name,) = self._run([said])
            return name
        first, *others = (self._vector(part) for part in said.parts)
        for other in others:
            first = self._assist(said.op, [first, other], said.op.lower(), 1)
        return first

    def _gathered(self, axes: list[int]) -> str:
        return self.target.once((self.source, tuple(axes), "axes"), lambda: self._gather(axes))

    def _gather(self, axes: list[int]) -> str:
        key = ".".join(map(str, axes))
        places = self.target.constant(self.node, f"axis.{key}", int64(axes))
        return self._assist("Gather", [self._operand_shape(), places], f"dim.{key}", len(axes), axis=0)

    def _operand_shape(self) -> str:
        operand = self.target.name(self.node.inputs[0])
        return self.target.once(
            (self.source, "shape"), lambda: self._assist("Shape", [operand], "operand_shape", len(self.source))
        )

    def _assist(self, op_type: str, inputs: Sequence[str], key: str, size: int, *, axis: int | None = None) -> str:
        name = self.target.temporary(self.node, key, TensorType(DType.INT64, (size,)))
        self.target.assist(self.node, op_type, inputs, [name], axis=axis)
        return name
