"""What a network costs: multiply-accumulates, parameters, bytes of weights.

A total in which one node is not known is not known: it is None, and the reasons name the nodes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cnnir.dims import UNKNOWN, Dim
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops.base import Inputs, Role
from cnnir.types import TensorType

_PARAMETERS = (Role.DATA, Role.WEIGHT, Role.BIAS)
"""Roles in which a constant is a parameter: statistics are measured, settings are no numbers of the network's."""


@dataclass(frozen=True, slots=True)
class NodeCosts:
    """Costs of one node. A weight that several nodes read counts at the first of them alone.

    Attributes:
        node: Whose costs.
        macs: Multiply-accumulates, None when not known.
        params: Elements of the floating-point constants that it reads, statistics and settings left out.
        weights: Those of `params` that stand where the op has its weight.
        biases: Those of `params` that stand where the op has its bias.
        weight_bytes: Bytes of all constants that it reads, statistics and settings among them; None when not known.
        reasons: Why something is not known; empty when all is.
    """

    node: Node
    macs: Dim | None
    params: Dim
    weights: Dim
    biases: Dim
    weight_bytes: Dim | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GraphCosts:
    """Costs of all nodes, in the graph's order, and their sums.

    Weights that no node reads are in no sum.

    Attributes:
        nodes: One entry a node.
        macs: Multiply-accumulates of one run, None when a node's are not known.
        params: Parameters.
        weights: Parameters in the role of a weight.
        biases: Parameters in the role of a bias.
        weight_bytes: Bytes of all constants, None when a node's are not known.
        reasons: Why a sum is not known, each naming its node.
    """

    nodes: tuple[NodeCosts, ...]
    macs: Dim | None
    params: Dim
    weights: Dim
    biases: Dim
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
    counted: set[Value] = set()
    entries = tuple(_node_costs(node, counted) for node in graph.nodes)
    return GraphCosts(
        entries,
        _total(entry.macs for entry in entries),
        _sum(entry.params for entry in entries),
        _sum(entry.weights for entry in entries),
        _sum(entry.biases for entry in entries),
        _total(entry.weight_bytes for entry in entries),
        tuple(f"{entry.node.label}: {reason}" for entry in entries for reason in entry.reasons),
    )


def _node_costs(node: Node, counted: set[Value]) -> NodeCosts:
    macs, reasons = _macs(node)
    elements: dict[Role, Dim] = dict.fromkeys(Role, 0)
    weight_bytes: Dim = 0
    for index, value in enumerate(node.inputs):
        if value is None or value.weight is None or value in counted:
            continue
        counted.add(value)
        type_ = value.weight.type
        if type_.bytes == UNKNOWN:
            reasons.append(f"{value.name} holds texts, which have no fixed size")
        weight_bytes = weight_bytes + type_.bytes
        if type_.dtype.is_float:
            role = node.op.operand(index).role
            elements[role] = elements[role] + type_.elements
    return NodeCosts(
        node,
        macs,
        _sum(elements[role] for role in _PARAMETERS),
        elements[Role.WEIGHT],
        elements[Role.BIAS],
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


def _total(parts: Iterable[Dim | None]) -> Dim | None:
    total = _sum(UNKNOWN if part is None else part for part in parts)
    return None if total == UNKNOWN else total
