"""Reshape: to numbers, and to dims that are open, which a file can only say how to compute."""

from collections.abc import Sequence

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

_ONE = TensorType(DType.INT64, (1,))


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
    """The name of the target's dims, the open ones computed one by one from those of the operand."""
    said = [_said(dim, source) for dim in op.shape]
    arithmetic = _Arithmetic(target, node, len(source))
    return arithmetic.row([arithmetic.vector(dim) for dim in said])


def _said(dim: Dim, source: Shape) -> Formula:
    found = formula(dim, source)
    if found is None:
        shown = ", ".join(map(str, source))
        raise Unmapped(f"{dim} in its target cannot be computed from what it reshapes, [{shown}]; bind it")
    return found


class _Arithmetic:
    """Vectors of one number each, computed in front of a node."""

    def __init__(self, target: Target, node: Node, rank: int) -> None:
        self.target = target
        self.node = node
        self.rank = rank
        self.made: dict[Formula, str] = {}
        self.shape = ""

    def vector(self, said: Formula) -> str:
        """The name of what a formula gives; the same one for the same formula."""
        if said not in self.made:
            self.made[said] = self._made(said)
        return self.made[said]

    def row(self, vectors: Sequence[str]) -> str:
        """The name of all of them behind each other."""
        type_ = TensorType(DType.INT64, (len(vectors),))
        return self._assist("Concat", vectors, "target", type_, axis=0)

    def _made(self, said: Formula) -> str:
        if isinstance(said, int):
            return self.target.constant(self.node, f"shape.{said}", int64([said]))
        if isinstance(said, Axis):
            place = self.target.constant(self.node, f"axis.{said.index}", int64([said.index]))
            return self._assist("Gather", [self._operand_shape(), place], f"dim.{said.index}", _ONE, axis=0)
        return self._chain(said)

    def _chain(self, said: Combined) -> str:
        first, *others = (self.vector(part) for part in said.parts)
        for other in others:
            first = self._assist(said.op, [first, other], said.op.lower(), _ONE)
        return first

    def _operand_shape(self) -> str:
        if not self.shape:
            operand = self.target.name(self.node.inputs[0])
            self.shape = self._assist("Shape", [operand], "operand_shape", TensorType(DType.INT64, (self.rank,)))
        return self.shape

    def _assist(
        self, op_type: str, inputs: Sequence[str], key: str, type_: TensorType, *, axis: int | None = None
    ) -> str:
        name = self.target.temporary(self.node, key, type_)
        self.target.assist(self.node, op_type, inputs, [name], axis=axis)
        return name
