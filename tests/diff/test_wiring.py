"""Outputs that keep their names and come from elsewhere."""

import numpy as np
import pytest

import cnnir
from cnnir.builder import GraphBuilder
from cnnir.graph import Graph
from cnnir.ops import Identity, Op, Relu, Sigmoid, Split
from cnnir.types import DType, TensorType
from cnnir.weights import Array

VECTOR = TensorType(DType.FLOAT32, (1, 4))


def two(first: Op, second: Op) -> Graph:
    """Outputs p and q by these ops."""
    graph = Graph("two")
    x = graph.add_input("x", VECTOR)
    outputs = [graph.add_node(op, [x], outputs=[name]).output for op, name in ((first, "p"), (second, "q"))]
    graph.set_outputs(outputs)
    return graph


def parts(*, crossed: bool) -> Graph:
    """The halves of a Split, behind an Identity each, as p and q."""
    graph = Graph("parts")
    x = graph.add_input("x", VECTOR)
    halves = graph.add_node(Split(1, (2, 2)), [x], outputs=["a", "b"]).outputs
    order = halves[::-1] if crossed else halves
    graph.set_outputs(
        graph.add_node(Identity(), [half], outputs=[name]).output for half, name in zip(order, "pq", strict=True)
    )
    return graph


def heads(*, crossed: bool) -> Graph:
    """Two heads of other weights."""
    builder = GraphBuilder("heads")
    x = builder.input("x", (1, 3, 4, 4))
    p, q = (builder.conv(x, 2, kernel=1, name=name) for name in "pq")
    if crossed:
        ours, theirs = builder.graph.value("p.weight"), builder.graph.value("q.weight")
        ours.weight, theirs.weight = theirs.weight, ours.weight
    return builder.build(p, q)


def with_weight(number: float) -> Graph:
    """A constant among the outputs."""
    graph = two(Relu(), Sigmoid())
    weight = graph.add_weight("w", Array.of(np.full((2,), number, np.float32)))
    graph.set_outputs([*graph.outputs, weight])
    return graph


PAIRS = {
    "ops": (two(Relu(), Sigmoid()), two(Sigmoid(), Relu())),
    "outputs of one node": (parts(crossed=False), parts(crossed=True)),
    "weights of heads": (heads(crossed=False), heads(crossed=True)),
    "contents of a constant output": (with_weight(1), with_weight(2)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_crossed_outputs_are_different(name: str) -> None:
    """What a caller gets under a name differs, so the networks do."""
    first, second = PAIRS[name]
    found = cnnir.diff(first, second, seed=0)
    assert not found.equal
    assert cnnir.diff(first, first.clone()).equal
    assert cnnir.diff(second, second.clone(), seed=0).equal
