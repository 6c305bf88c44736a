"""Live ranges, against a walk that asks of every step and value whether somebody still needs it."""

import numpy as np
import pytest

from cnnir.analysis import live_ranges
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Add, Relu
from cnnir.types import DType, TensorType
from cnnir.weights import Fill
from tests.random_graphs import random_graph

FLOATS = TensorType(DType.FLOAT32, (4,))


def relu(graph: Graph, value: Value) -> Node:
    return graph.add_node(Relu(), [value])


def random_order(graph: Graph, rng: np.random.Generator) -> list[Node]:
    """Some order that can run: always one of the nodes whose operands are all there."""
    there = {value for value in graph.values if value.producer is None}
    waiting, order = list(graph.nodes), []
    while waiting:
        ready = [node for node in waiting if all(value in there for value in node.operands)]
        node = ready[int(rng.integers(len(ready)))]
        waiting.remove(node)
        order.append(node)
        there.update(node.outputs)
    return order


def needed(graph: Graph, order: list[Node], value: Value, step: int) -> bool:
    """Must the value be there while this step runs? Straight from the definition."""
    begun = value in graph.inputs or any(value in node.outputs for node in order[: step + 1])
    made_now = value in order[step].outputs or (value in graph.inputs and step == 0)
    read_from_here = any(value in node.operands for node in order[step:])
    return begun and (made_now or read_from_here or value in graph.outputs)


@pytest.mark.parametrize("seed", range(25))
def test_ranges_are_exactly_the_steps_in_which_a_value_is_needed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 14)
    order = random_order(graph, rng)
    ranges = live_ranges(graph, order)
    assert set(ranges) == {value for value in graph.values if value.weight is None}
    for value, found in ranges.items():
        steps = [step for step in range(len(order)) if needed(graph, order, value, step)]
        assert [found.first, found.last] == [steps[0], steps[-1]], value
        assert steps == list(range(steps[0], steps[-1] + 1))
        reading = [step for step, node in enumerate(order) if value in node.operands]
        assert found.last_use == (reading[-1] if reading else None)


def test_the_graphs_own_order_is_the_default() -> None:
    graph = random_graph(np.random.default_rng(3))
    assert live_ranges(graph) == live_ranges(graph, graph.nodes)


def test_an_output_lives_to_the_end_and_an_unread_value_for_its_own_step() -> None:
    graph = Graph()
    x, idle = graph.add_input("x", FLOATS), graph.add_input("idle", FLOATS)
    early, unread, late = relu(graph, x), relu(graph, x), relu(graph, x)
    graph.set_outputs([early.output, late.output])
    found = {value.name: (r.first, r.last, r.last_use) for value, r in live_ranges(graph).items()}
    assert found == {
        x.name: (0, 2, 2),
        idle.name: (0, 0, None),
        early.output.name: (0, 2, None),
        unread.output.name: (1, 1, None),
        late.output.name: (2, 2, None),
    }


def test_overlap_includes_the_common_step() -> None:
    graph = Graph()
    first = relu(graph, graph.add_input("x", FLOATS))
    second = relu(graph, first.output)
    third = relu(graph, second.output)
    graph.set_outputs([third.output])
    ranges = live_ranges(graph)
    one, two, three = (ranges[node.output] for node in (first, second, third))
    assert one.overlaps(two)
    assert two.overlaps(one)
    assert not one.overlaps(three)


def test_a_graph_without_nodes() -> None:
    graph = Graph()
    x = graph.add_input("x", FLOATS)
    graph.set_outputs([x])
    (found,) = live_ranges(graph).values()
    assert (found.first, found.last, found.last_use) == (0, 0, None)


def test_weights_have_no_range() -> None:
    graph = Graph()
    weight = graph.add_weight("w", Fill(DType.FLOAT32, (4,), np.float32(1)))
    graph.add_node(Add(), [graph.add_input("x", FLOATS), weight])
    assert weight not in live_ranges(graph)


def test_orders_that_cannot_run_are_refused() -> None:
    graph = Graph()
    first = relu(graph, graph.add_input("x", FLOATS))
    second = relu(graph, first.output)
    stranger = relu(other := Graph(), other.add_input("x", FLOATS))
    with pytest.raises(CnnirError, match="order-dependency") as caught:
        live_ranges(graph, [second, first])
    assert caught.value.node == second.label
    for order in ([first], [first, first], [first, second, second], [first, stranger]):
        with pytest.raises(CnnirError, match="order-nodes"):
            live_ranges(graph, order)
