"""What no plan of a graph can do without: the bound over all orders, whatever shares bytes in them.

Which results are written in place depends on the order: an operand can be overwritten only by its last reader. So the
bound takes every result that could ever be written in place as written in place, and every other one as what it is.
"""

from collections.abc import Iterable

from cnnir.graph import Graph, Node, Value
from cnnir.passes.memory.sharing import Sharing, known_bytes


def order_bound(graph: Graph, sharing: Sharing, *, in_place: bool, count_inputs: bool, count_outputs: bool) -> int:
    """Bytes that some node needs at once in every order: what it reads, and what it can write only beside that.

    Args:
        graph: All dims known.
        sharing: Of any order; only its views are used, which are the same in all.
        in_place: Whether results may be written over operands.
        count_inputs: Whether what shares bytes with a graph input counts.
        count_outputs: Whether what can share bytes with a graph output counts.
    """
    roots = {value: _root(sharing, value) for value in sharing.storage_of}
    of_inputs = {roots[value] for value in graph.inputs}
    of_outputs = {roots[value] for value in graph.outputs if value in roots}
    kept = of_inputs | of_outputs
    outside = set() if count_inputs else set(of_inputs)
    if not count_outputs:
        outside |= _reachable_in_place(sharing, roots, of_outputs) if in_place else of_outputs
    largest = 0
    for node in sharing.order:
        touched = {roots[value] for value in node.operands if value in roots}
        if not (in_place and _may_donate(node, roots, kept)):
            touched |= {roots[value] for value in node.outputs}
        largest = max(largest, sum(known_bytes(root) for root in touched - outside))
    return largest


def _root(sharing: Sharing, value: Value) -> Value:
    """The value that a chain of views looks at."""
    while value in sharing.views and value.producer is not None:
        value = value.producer.operands[0]
    return value


def _may_donate(node: Node, roots: dict[Value, Value], kept: set[Value]) -> bool:
    """Could the node write over an operand, were it the last one to read it?"""
    if not node.op.in_place or len(node.outputs) != 1:
        return False
    return any(_donors(node, roots, kept))


def _donors(node: Node, roots: dict[Value, Value], kept: set[Value]) -> Iterable[Value]:
    operands = dict.fromkeys(value for value in node.operands if value in roots)
    for operand in operands:
        alone = sum(roots[other] is roots[operand] for other in operands) == 1
        if alone and operand.type == node.output.type and roots[operand] not in kept:
            yield roots[operand]


def _reachable_in_place(sharing: Sharing, roots: dict[Value, Value], ends: set[Value]) -> set[Value]:
    """Whatever can come to lie in the bytes of an output: chains of in-place results that end there."""
    reached = set(ends)
    for node in reversed(sharing.order):
        if node.op.in_place and len(node.outputs) == 1 and roots[node.output] in reached:
            reached.update(roots[value] for value in node.operands if value in roots)
    return reached
