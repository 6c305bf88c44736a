"""What an op may take part in when nodes are fused: which ops work point by point, and which compute from windows."""

from collections.abc import Sequence

from cnnir.graph import Node, Value
from cnnir.ops import (
    LRN,
    BatchNormalization,
    Cast,
    Conv,
    ConvTranspose,
    DequantizeLinear,
    Gemm,
    MatMul,
    Pad,
    PRelu,
    QuantizeLinear,
    Slice,
    Transpose,
    Where,
)
from cnnir.ops.elementwise import Broadcasting
from cnnir.ops.function import Function
from cnnir.ops.pooling import GlobalPool, Pool
from cnnir.ops.reduction import Reduction
from cnnir.passes.memory.forming.views import is_identity

POINTWISE = (Function, Broadcasting, Where, PRelu, BatchNormalization, Cast, QuantizeLinear, DequantizeLinear)
"""Each element of the result needs the elements at the same place alone."""

COMPUTING = (Conv, ConvTranspose, Gemm, MatMul, Pool, GlobalPool, Reduction)
"""What reads each element several times, or sums over them: it can work out what it reads while it reads."""

MOVING = (Pad, Slice, Transpose)
"""Each element of the result is one of the operand's, or a constant: read by index, without a copy."""


def is_pointwise(node: Node) -> bool:
    """True when the node may be worked out element by element, of an operand of the output's shape."""
    return len(node.outputs) == 1 and (isinstance(node.op, POINTWISE) or is_identity(node.op))


def is_epilogue(node: Node) -> bool:
    """True when the node may be applied to a result before that is written: LRN looks at neighbouring channels too."""
    return is_pointwise(node) or isinstance(node.op, LRN)


def is_pool(node: Node) -> bool:
    """True for pooling that makes nothing but the pooled map."""
    return isinstance(node.op, Pool | GlobalPool) and len(node.outputs) == 1


def stored_operands(node: Node) -> list[Value]:
    """The operands that are not weights, each once."""
    return list(dict.fromkeys(value for value in node.operands if value.weight is None))


def read_by(nodes: Sequence[Node]) -> list[Value]:
    """What nodes that run as one read: operands that are not weights and that none of them makes."""
    made = {value for node in nodes for value in node.outputs}
    return list(dict.fromkeys(v for node in nodes for v in stored_operands(node) if v not in made))


def shape_like(value: Value, other: Value) -> bool:
    """True when both are tensors of one shape, whatever their element types."""
    return str(getattr(value.type, "shape", None)) == str(getattr(other.type, "shape", None))


__all__ = ["COMPUTING", "MOVING", "is_epilogue", "is_pointwise", "is_pool", "read_by", "shape_like", "stored_operands"]
