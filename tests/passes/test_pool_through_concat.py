"""Pooling pushed through a concatenation of channels."""

import numpy as np
import pytest

from cnnir.builder import GraphBuilder
from cnnir.graph import Graph, Value
from cnnir.interpreter import run
from cnnir.ops import AveragePool, Concat, Conv, GlobalAveragePool, MaxPool
from cnnir.ops.base import Op
from cnnir.types import DType
from cnnir.weights import Seeded

MAX = MaxPool((3, 3), (2, 2), (1, 1, 1, 1))


def joined(op: Op, axis: int = 1) -> Graph:
    """Two convolutions joined, and pooled."""
    builder = GraphBuilder("joined")
    x = builder.input("x", (1, 3, 9, 8))
    graph = builder.graph
    parts = [_conv(graph, x, 4, 1), _conv(graph, x, 4, 2)]
    whole = graph.add_node(Concat(axis), parts, name="whole").output
    graph.set_outputs([graph.add_node(op, [whole], name="pool").output])
    return graph


def _conv(graph: Graph, x: Value, filters: int, seed: int) -> Value:
    weight = graph.add_weight(f"w{seed}", Seeded(DType.FLOAT32, (filters, 3, 3, 3), seed, 1, 0.5))
    return graph.add_node(Conv((1, 1), (1, 1, 1, 1), (1, 1)), [x, weight], name=f"conv{seed}").output


@pytest.mark.parametrize("op", [MAX, AveragePool((2, 2), (2, 2), (0, 0, 0, 0)), GlobalAveragePool()])
def test_values_and_memory(op: Op) -> None:
    """The same bits; no map is joined before it is pooled; with fused steps no unpooled map is stored."""
    graph = joined(op)
    result = graph.apply("pool-through-concat")
    assert result.modified
    assert [node.op.kind for node in result.graph.nodes].count("Concat") == 1
    x = np.random.default_rng(3).standard_normal((1, 3, 9, 8)).astype(np.float32)
    (before,), (after,) = (run(each, {"x": x}).values() for each in (graph, result.graph))
    assert np.array_equal(before, after)
    plans = [each.plan(fuse="steps", alignment=4) for each in (graph, result.graph)]
    assert plans[1].arena_bytes < plans[0].arena_bytes
    (planned,) = run(result.graph, {"x": x}, plan=plans[1]).values()
    assert np.array_equal(before, planned)


def test_nested_concatenations() -> None:
    """What is pushed through one concatenation is pushed through those that it joins."""
    graph = joined(MAX)
    whole = graph.value("whole")
    assert whole.producer is not None
    more = _conv(graph, graph.inputs[0], 2, 3)
    outer = graph.add_node(Concat(1), [whole, more], name="outer").output
    graph.set_outputs([graph.add_node(MAX, [outer], name="pool_outer").output])
    result = graph.apply("dead-code,pool-through-concat")
    kinds = [node.op.kind for node in result.graph.nodes]
    assert kinds.count("MaxPool") >= 2


@pytest.mark.parametrize("case", ["axis", "reader", "output"])
def test_refusals(case: str) -> None:
    """Maps joined otherwise, or whose whole is wanted, are left alone, with the reason."""
    graph = joined(MAX, axis=2 if case == "axis" else 1)
    whole = graph.value("whole")
    pooled = graph.outputs[0]
    if case == "reader":
        graph.set_outputs([pooled, graph.add_node(GlobalAveragePool(), [whole]).output])
    elif case == "output":
        graph.set_outputs([pooled, whole])
    result = graph.apply("pool-through-concat")
    reason = {"axis": "no channels", "reader": "somebody else", "output": "somebody else"}[case]
    assert not result.modified
    assert reason in result.refusals[0].reason
