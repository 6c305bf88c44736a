"""Reshape: to numbers, and to dims that are open."""

from cnnir.dims import is_known
from cnnir.exporters.onnx.mapping.attributes import Unmapped
from cnnir.exporters.onnx.mapping.base import (
    Read,
    Source,
    Target,
    reads,
    require_opset,
    write_with_settings,
    writers,
)
from cnnir.exporters.onnx.mapping.computed import dims_operand
from cnnir.graph import Node
from cnnir.ops import Reshape
from cnnir.ops.formulas import copied_target
from cnnir.types import TensorType

_ALLOWS_ZERO = 14
"""The opset since which a 0 may mean that there is nothing."""


@reads("Reshape")
def read_reshape(source: Source) -> Read:
    """The shape is an operand since opset 5."""
    shape = source.int_setting(1, "shape")
    if shape is None:
        raise Unmapped("its shape is missing")
    return Reshape(shape, source.attributes.flag("allowzero")), source.inputs[:1]


@writers.rule(Reshape)
def write_reshape(target: Target, node: Node, op: Reshape) -> None:
    """Open dims are copied, inferred, or computed from the shape of the operand."""
    known = all(is_known(dim) for dim in op.shape)
    allowzero = op.allowzero and (0 in op.shape or (known and target.opset >= _ALLOWS_ZERO))
    if allowzero:
        require_opset(target, node, _ALLOWS_ZERO)
    source = node.operands[0].type
    dims = source.shape if isinstance(source, TensorType) else ()
    # Where a 0 says that there is nothing, none can say that a dim is copied.
    said = copied_target(dims, op.shape) if known or not allowzero else None
    shape = dims_operand(target, node, "shape", op.shape if said is None else said)
    write_with_settings(target, node, "Reshape", [shape], allowzero=1 if allowzero else None)
