"""An executable order of a file's nodes: its own where that is one."""

import heapq

from onnx import GraphProto, NodeProto

from cnnir.errors import CnnirError
from cnnir.exporters.onnx.bodies import captured_names


def executable_order(graph: GraphProto, notes: list[str]) -> list[NodeProto]:
    """The nodes so that each stands behind what it reads, the earliest in the file first (Kahn 1962).

    Args:
        graph: Left as it is.
        notes: Told when the file's own order is not executable.

    Raises:
        CnnirError: ``graph-cycle`` naming the nodes of a cycle.
    """
    nodes = list(graph.node)
    made_by = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    needs = [{made_by[name] for name in (*node.input, *captured_names(node)) if name in made_by} for node in nodes]
    if all(maker < index for index, makers in enumerate(needs) for maker in makers):
        return nodes
    missing = [len(makers) for makers in needs]
    readers: list[list[int]] = [[] for _ in nodes]
    for index, makers in enumerate(needs):
        for maker in makers:
            readers[maker].append(index)
    ready = [index for index, count in enumerate(missing) if not count]
    order: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for reader in readers[index]:
            missing[reader] -= 1
            if not missing[reader]:
                heapq.heappush(ready, reader)
    if len(order) < len(nodes):
        cycle = [_label(nodes[index]) for index in _cycle(needs, missing)]
        raise CnnirError(
            "graph-cycle", "nodes wait for each other", node=cycle[0], got=" -> ".join([*cycle, cycle[0]]),
            hint="a network is a graph without cycles; cut one of these edges",
        )  # fmt: skip
    notes.append("the nodes do not stand in an executable order in the file; they were sorted")
    return [nodes[index] for index in order]


def _cycle(needs: list[set[int]], missing: list[int]) -> list[int]:
    """The nodes on one cycle among those that wait: from the first of them, always to the first that it waits for."""
    waiting = {index for index, count in enumerate(missing) if count}
    seen: dict[int, int] = {}
    index = min(waiting)
    while index not in seen:
        seen[index] = len(seen)
        index = min(needs[index] & waiting)
    return list(seen)[seen[index] :]


def _label(node: NodeProto) -> str:
    return f"{node.name or next(filter(None, node.output), '?')} ({node.op_type})"
