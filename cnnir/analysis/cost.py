"""What a network costs: multiply-accumulates, parameters, bytes of weights.

A total in which one node is not known is not known: it is None, and the reasons name the nodes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cnnir.dims import UNKNOWN, Dim
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops.base import Inputs, Role
from cnnir.ops.opaque import Opaque
from cnnir.types import TensorType

_PARAMETERS = (Role.DATA, Role.WEIGHT, Role.BIAS)
"""Roles in which a constant is a parameter, of whatever element type: statistics are measured, settings steer."""


@dataclass(frozen=True, slots=True)
class NodeCosts:
    """Costs of one node. A weight that several nodes read counts at the first of them alone.

    Attributes:
        node: Whose costs.
        macs: Multiply-accumulates, None when not known.
        params: Elements of the constants that it reads, of any element type, statistics and settings left out; None
            when not known: an opaque op does not say what a constant is to it.
        weights: Those of `params` that stand where the op has its weight; None likewise.
        biases: Those of `params` that stand where the op has its bias; None likewise.
        weight_bytes: Bytes of all constants that it reads, statistics and settings among them; None when not known.
        reasons: Why something is not known; empty when all is.
    """

    node: Node
    macs: Dim | None
    params: Dim | None
    weights: Dim | None
    biases: Dim | None
    weight_bytes: Dim | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GraphCosts:
    """Costs of all nodes, in the graph's order, and their sums.

    Weights that no node reads are in no sum.

    Attributes:
        nodes: One entry a node.
        macs: Multiply-accumulates of one run, None when a node's are not known.
        params: Parameters, None when a node's are not known.
        weights: Parameters in the role of a weight, None likewise.
        biases: Parameters in the role of a bias, None likewise.
        weight_bytes: Bytes of all constants, None when a node's are not known.
        reasons: Why a sum is not known, each naming its node.
    """

    nodes: tuple[NodeCosts, ...]
    macs: Dim | None
    params: Dim | None
    weights: Dim | None
    biases: Dim | None
    weight_bytes: Dim | None
    reasons: tuple[str, ...]

    def of(self, node: Node) -> NodeCosts:
        """The entry of a node.

        Raises:
            CnnirError: ``node-unknown`` when the graph had no such node.
        """
        for entry in self.nodes:
            if entry.node is node:
                return entry
        raise CnnirError("node-unknown", "the costs are of a graph without this node", node=node.label)


def costs(graph: Graph) -> GraphCosts:
    """Costs of a graph, for one run.

    MACs follow each op's own definition, params the rule of one convolution, ``K * (F * F * C / group + 1)``.
    """
    stored: set[Value] = set()
    counted: set[Value] = set()
    entries = tuple(_node_costs(node, stored, counted) for node in graph.nodes)
    return GraphCosts(
        entries,
        total(entry.macs for entry in entries),
        total(entry.params for entry in entries),
        total(entry.weights for entry in entries),
        total(entry.biases for entry in entries),
        total(entry.weight_bytes for entry in entries),
        tuple(f"{entry.node.label}: {reason}" for entry in entries for reason in entry.reasons),
    )


def _node_costs(node: Node, stored: set[Value], counted: set[Value]) -> NodeCosts:
    """Costs of a node, but for constants whose bytes (`stored`) or elements (`counted`) stand at one before it."""
    macs, reasons = _macs(node)
    constants = [(node.op.operand(i).role, value) for i, value in enumerate(node.inputs) if value and value.weight]
    weight_bytes: Dim = 0
    for value in dict.fromkeys(value for _, value in constants):
        if value not in stored and value.weight is not None:
            stored.add(value)
            if value.weight.type.bytes == UNKNOWN:
                reasons.append(f"{value.name} holds texts, which have no fixed size")
            weight_bytes = weight_bytes + value.weight.type.bytes
    elements: dict[Role, Dim] = dict.fromkeys(Role, 0)
    hidden: list[str] = []
    for role, value in constants:
        if value in counted or value.weight is None:
            continue
        if not isinstance(node.op, Opaque):
            elements[role] = elements[role] + value.weight.type.elements
        elif all(isinstance(user.op, Opaque) for user in value.users):
            hidden.append(value.name)
        else:
            continue  # counted where an op reads it that says what it is
        counted.add(value)
    if hidden:
        reasons.append(f"what {', '.join(hidden)} is to {node.op.kind} is not known, so neither are its parameters")
    return NodeCosts(
        node,
        macs,
        None if hidden else _sum(elements[role] for role in _PARAMETERS),
        None if hidden else elements[Role.WEIGHT],
        None if hidden else elements[Role.BIAS],
        None if weight_bytes == UNKNOWN else weight_bytes,
        tuple(reasons),
    )


def _macs(node: Node) -> tuple[Dim | None, list[str]]:
    try:
        cost = node.op.cost(Inputs(node.op, node.inputs), [value.type for value in node.outputs])
    except CnnirError as error:
        # An op that reads a shape which nobody knows cannot tell.
        return None, [f"the MACs are not known, {error.message}"]
    if cost.macs is None:
        return None, [cost.reason]
    if cost.macs == UNKNOWN:
        unknown = [value.name for value in (*node.operands, *node.outputs) if _has_unknown_dim(value)]
        return None, [f"the MACs are not known, nor are all dims of {', '.join(unknown)}"]
    return cost.macs, []


def _has_unknown_dim(value: Value) -> bool:
    return not isinstance(value.type, TensorType) or UNKNOWN in value.type.shape


def _sum(parts: Iterable[Dim]) -> Dim:
    total: Dim = 0
    for part in parts:
        total = total + part
    return total


def total(parts: Iterable[Dim | None]) -> Dim | None:
    """The sum of figures; None when one of them is not known."""
    found = _sum(UNKNOWN if part is None else part for part in parts)
    return None if found == UNKNOWN else found
