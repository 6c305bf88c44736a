"""The notation at its edges: what it cannot write, and what is very long."""

import math
import time

import pytest

import cnnir
from cnnir import CnnirError, from_pattern, to_pattern
from cnnir.graph import Graph
from cnnir.ops import LRN, Concat, LeakyRelu, Op, Relu


def one_op(op: Op, operands: int = 1, size: tuple[int | str, int | str] = (8, 8), batch: int | str = 1) -> Graph:
    """An image, and one op on it."""
    builder = cnnir.GraphBuilder("one")
    x = builder.image(4, size, batch=batch)
    return builder.build(builder.op(op, *[x] * operands))


@pytest.mark.parametrize(
    "graph",
    [
        one_op(Concat(axis=2), 2),
        one_op(Concat(axis=0), 2),
        one_op(LeakyRelu(-0.5)),
        one_op(LeakyRelu(math.inf)),
        one_op(LeakyRelu(math.nan)),
        one_op(LRN(size=3, alpha=-1.0)),
        one_op(Relu(), size=("max_w", 8)),
        one_op(Relu(), size=("größe", 8)),
        one_op(Relu(), batch="größe"),
    ],
    ids=lambda graph: f"{graph.nodes[0].op} of {graph.inputs[0].type}",
)
def test_what_the_notation_cannot_write_is_refused(graph: Graph) -> None:
    """Another axis, a number below zero or without end, a symbol that would not be read back."""
    with pytest.raises(CnnirError) as caught:
        to_pattern(graph)
    assert caught.value.code == "pattern-none"


@pytest.mark.parametrize(
    "graph",
    [one_op(Concat(axis=1), 2), one_op(LeakyRelu(1e30)), one_op(LeakyRelu(1e-20)), one_op(Relu(), batch="max_n")],
    ids=lambda graph: f"{graph.nodes[0].op} of {graph.inputs[0].type}",
)
def test_what_it_writes_is_read_back(graph: Graph) -> None:
    """The same op over the same shapes."""
    again = from_pattern(to_pattern(graph))
    assert [node.op for node in again.nodes] == [node.op for node in graph.nodes]
    assert [value.type for value in again.outputs] == [value.type for value in graph.outputs]


def test_long_chains_take_no_longer_than_their_length() -> None:
    """A name that is wished ten thousand times is found at once each time."""
    begin = time.process_time()
    graph = from_pattern("INPUT[8x8x3] -> RELU*10000")
    assert graph.nodes[-1].name == "relu_9999"
    assert time.process_time() - begin < 10
