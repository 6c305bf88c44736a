"""Ops of ONNX that cnnir carries as opaque nodes, where they stand in a head.

Those that compute element by element do the same on a map. Reductions over rows and columns that have no form as a
pooling of ours are refused by name.
"""

from cnnir.graph import Node
from cnnir.ops import Opaque
from cnnir.passes.fc_to_conv.rules import Fit, Layouts, pointwise, rules
from cnnir.passes.fc_to_conv.unfit import Unfit

UNARY = frozenset(("Acosh", "Asinh", "Atanh", "Cosh", "Sinh"))
"""ONNX's functions of one tensor, element by element, that are not defined here."""

_REDUCTIONS = frozenset((
    "GlobalLpPool", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
    "ReduceProd", "ReduceSum", "ReduceSumSquare",
))  # fmt: skip

_PRODUCTS = frozenset(("Einsum", "MatMulInteger", "QGemm", "QLinearMatMul", "MatMulNBits"))


def is_unary(node: Node) -> bool:
    """True for an opaque function of one tensor, element by element."""
    return _standard(node) and node.op.kind in UNARY and len(node.operands) == 1


def is_reduction(node: Node) -> bool:
    """True for an opaque reduction."""
    return _standard(node) and node.op.kind in _REDUCTIONS


def is_product(node: Node) -> bool:
    """True for a fully connected layer, or what may be one, that no rule knows."""
    return (node.op.op_type if isinstance(node.op, Opaque) else node.op.kind) in _PRODUCTS


def _standard(node: Node) -> bool:
    op = node.op
    return isinstance(op, Opaque) and not op.domain and not op.captures and op.present == (True,)


@rules.rule(Opaque)
def foreign(op: Opaque, node: Node, layouts: Layouts) -> Fit:
    """An op of ONNX that is not defined here."""
    if is_unary(node):
        return pointwise(op, node, layouts)
    if is_reduction(node):
        raise Unfit(f"{op.kind} over whole maps has no form as pooling with a fixed window here", node)
    raise Unfit(f"{op.kind} is not known to treat every position alike", node)
