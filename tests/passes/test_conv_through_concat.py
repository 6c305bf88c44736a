"""Convolutions of concatenations, added up part by part: equal but for float error, as ONNX Runtime judges."""

import numpy as np
import pytest

from cnnir import load
from cnnir.builder import GraphBuilder
from cnnir.graph import Graph, Value
from cnnir.interpreter import run
from cnnir.ops import Add, Concat, Conv, GlobalAveragePool, Relu, Tanh
from cnnir.types import DType, TensorType
from cnnir.weights import Seeded
from tests import models
from tests.passes.test_bottleneck import distance


def joined(parts: int = 2, *, kernel: int = 3, bias: bool = True, axis: int = 1, group: int = 1) -> Graph:
    """Convolutions of an input, of 3, 4, ... channels, joined and convolved."""
    builder = GraphBuilder("joined")
    x = builder.input("x", (2, 3, 9, 8))
    graph = builder.graph
    # Along another axis than channels they have to be alike.
    made = [_conv(graph, x, number, 3 + (number if axis == 1 else 0)) for number in range(parts)]
    whole = graph.add_node(Concat(axis), made, name="whole").output
    depth = sum(range(3, 3 + parts)) if axis == 1 else 3
    operands = [whole, graph.add_weight("w", Seeded(DType.FLOAT32, (6, depth // group, kernel, kernel), 7, 1, 0.3))]
    if bias:
        operands.append(graph.add_weight("b", Seeded(DType.FLOAT32, (6,), 8, 1, 0.5)))
    op = Conv((2, 1), (kernel // 2,) * 4, (1, 1), group)
    graph.set_outputs([graph.add_node(op, operands, name="y", outputs=["y"]).output])
    return graph


def _conv(graph: Graph, x: Value, number: int, filters: int) -> Value:
    weight = graph.add_weight(f"w{number}", Seeded(DType.FLOAT32, (filters, 3, 3, 3), number, 1, 0.5))
    made = graph.add_node(Conv((1, 1), (1, 1, 1, 1), (1, 1)), [x, weight], name=f"conv{number}").output
    return graph.add_node(Relu(), [made]).output


def macs(graph: Graph) -> int:
    return int(str(graph.table().totals.macs))


@pytest.mark.parametrize("parts", [2, 3, 5])
@pytest.mark.parametrize(("kernel", "bias"), [(1, True), (3, False), (3, True)])
def test_values_and_memory(parts: int, kernel: int, bias: bool) -> None:
    """Nothing is joined, no more is multiplied, the output keeps its name; chained, less memory does."""
    graph = joined(parts, kernel=kernel, bias=bias)
    result = graph.apply("conv-through-concat")
    assert result.metrics == {"convolutions": 1}
    kinds = [node.op.kind for node in result.graph.nodes]
    assert "Concat" not in kinds
    assert (kinds.count("Conv"), kinds.count("Add")) == (2 * parts, parts - 1)
    assert [value.name for value in result.graph.outputs] == ["y"]
    assert distance(graph, result.graph) < 1e-6
    assert macs(result.graph) == macs(graph)
    plans = [each.plan(fuse="aggressive", alignment=4) for each in (graph, result.graph)]
    assert plans[1].arena_bytes < plans[0].arena_bytes
    feed = models.random_input(graph)
    (free,), (planned,) = run(result.graph, feed).values(), run(result.graph, feed, plan=plans[1], poison=True).values()
    assert np.array_equal(free, planned)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("axis", "no channels"),
        ("reader", "somebody else"),
        ("output", "somebody else"),
        ("group", "in groups"),
        ("computed", "the weight is computed"),
        ("constant", "a part is a weight"),
        ("half", "narrow type"),
    ],
)
def test_refusals(case: str, reason: str) -> None:
    """Maps joined otherwise, or that others read, and weights that are not there, are left alone with the reason."""
    graph = joined(
        axis=2 if case == "axis" else 1, group=3 if case == "group" else 1, parts=4 if case == "group" else 2
    )
    whole, y = graph.value("whole"), graph.value("y")
    if case == "reader":
        graph.set_outputs([y, graph.add_node(GlobalAveragePool(), [whole]).output])
    elif case == "output":
        graph.set_outputs([y, whole])
    elif case == "computed":
        weight = graph.add_node(Tanh(), [graph.add_input("v", graph.value("w").type)]).output
        graph.set_outputs([graph.add_node(Conv((1, 1), (0, 0, 0, 0), (1, 1)), [whole, weight]).output])
        graph = graph.apply("dead-code").graph
    elif case == "constant":
        part = graph.add_weight("c", Seeded(DType.FLOAT32, (2, 3, 9, 8), 1, 1, 1.0))
        more = graph.add_node(Concat(1), [graph.value("conv0"), part]).output
        weight = graph.add_weight("wc", Seeded(DType.FLOAT32, (6, 6, 1, 1), 7, 1, 0.3))
        graph.set_outputs([graph.add_node(Conv((1, 1), (0, 0, 0, 0), (1, 1)), [more, weight]).output])
        graph = graph.apply("dead-code").graph
    elif case == "half":
        graph = half()
    result = graph.apply("conv-through-concat")
    assert not result.modified
    assert reason in result.refusals[0].reason


def half() -> Graph:
    """Two maps of float16, joined and convolved."""
    graph = Graph("half")
    x = graph.add_input("x", TensorType(DType.FLOAT16, (1, 2, 4, 4)))
    whole = graph.add_node(Concat(1), [graph.add_node(Relu(), [x]).output, graph.add_node(Tanh(), [x]).output]).output
    weight = graph.add_weight("w", Seeded(DType.FLOAT16, (3, 4, 1, 1), 0, 1, 1.0))
    graph.set_outputs([graph.add_node(Conv((1, 1), (0, 0, 0, 0), (1, 1)), [whole, weight]).output])
    return graph


def test_squeezenet() -> None:
    """All its squeeze layers but the first read what two expanding layers made; so does the head, behind a Dropout."""
    graph = models.with_random_weights(load(models.path("squeezenet")))
    result = graph.apply("pool-through-concat,conv-through-concat")
    assert result.metrics == {"concatenations": 2, "convolutions": 7}
    assert sum(isinstance(node.op, Add) for node in result.graph.nodes) == 7
    assert macs(result.graph) == macs(graph)
    assert distance(graph, result.graph) < 1e-5
