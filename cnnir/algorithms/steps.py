"""What a step of a plan takes beside the pools when it is run as the interpreter runs it today."""

from collections import Counter
from collections.abc import Container, Sequence

from cnnir.algorithms.base import Call, workspaces
from cnnir.algorithms.ways import Unknown
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.plan import JOIN, VIEW, MemoryPlan, Step, row_major_strides, strided


def step_workspace(nodes: Sequence[Node], stored: Container[Value], loose: Container[Value] = ()) -> int | Unknown:
    """Bytes that the nodes of a step take outside of the pools, one after the other, each by its kernel.

    What is not stored lies outside, too, from the node that makes it to the last one that reads it.

    Args:
        nodes: In the step's order.
        stored: The values that the plan stores.
        loose: Those of them that do not lie in row-major order: each is copied once more.

    Returns:
        An upper bound; unknown, naming the node, where a kernel's workspace is.

    Raises:
        CnnirError: ``dims-unbound`` or ``size-unknown``.
    """
    readers = Counter(value for node in nodes for value in set(node.operands))
    outside: dict[Value, int] = {}
    most = 0
    for node in nodes:
        rule = workspaces.find(type(node.op))
        if rule is None:
            reason = workspaces.exemption(type(node.op)) or "its workspace is not known"
            return Unknown(f"{node.label}: {reason}")
        call = Call.of(node)
        operands = zip(node.inputs, call.inputs, strict=True)
        # A kernel that needs rows makes them; which kernels do depends on how the gaps lie.
        copied = sum(t.bytes for value, t in operands if value is not None and t is not None and value in loose)
        outside.update((v, t.bytes) for v, t in zip(node.outputs, call.outputs, strict=True) if v not in stored)
        most = max(most, sum(outside.values()) + copied + rule(node.op, call))
        readers.subtract(set(node.operands))
        outside = {value: size for value, size in outside.items() if readers[value] > 0}
    return most


def planned_workspace(graph: Graph, plan: MemoryPlan) -> tuple[int | Unknown, ...]:
    """For each step of a plan the bytes that it takes beside the pools; see `step_workspace`.

    Raises:
        CnnirError: ``plan-graph`` for a plan of other nodes.
    """
    values = {value.name: value for value in graph.values}
    if not all(name in values for name in plan.values):
        raise CnnirError("plan-graph", "the plan is of another graph", got=plan.graph)
    stored = {values[name] for name, planned in plan.values.items() if planned.pieces is not None}
    loose = {values[name] for name in plan.values if _is_loose(plan, name)}
    return tuple(_of_step(graph, step, stored, loose) for step in plan.steps)


def _is_loose(plan: MemoryPlan, name: str) -> bool:
    planned = plan.values[name]
    if planned.pieces is None:
        return False
    place = strided(planned)
    if place is None:
        return True
    rows = row_major_strides(place.shape, place.itemsize)
    return any(size > 1 and a != b for size, a, b in zip(place.shape, place.strides, rows, strict=True))


def _of_step(graph: Graph, step: Step, stored: Container[Value], loose: Container[Value]) -> int | Unknown:
    if step.algorithm in (VIEW, JOIN):
        return 0  # nothing is moved, or NumPy copies from place to place
    return step_workspace([graph.node(name) for name in step.nodes], stored, loose)


__all__ = ["planned_workspace", "step_workspace"]
