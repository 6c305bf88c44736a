"""Algorithms on maps whose channels lie innermost, each against plain sums in float64."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cnnir.algorithms.channels_last.ways import step_ways
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node
from cnnir.interpreter.kernels import kernels
from cnnir.interpreter.lowering import Context, lower, parse
from cnnir.interpreter.lowering.winograd import transforms
from cnnir.ops import (
    LRN,
    Add,
    AveragePool,
    Clip,
    Conv,
    Gemm,
    GlobalAveragePool,
    GlobalMaxPool,
    HardSwish,
    LeakyRelu,
    MatMul,
    MaxPool,
    Mul,
    Relu,
    Sigmoid,
    Slice,
    Softmax,
    Swish,
    Transpose,
)
from cnnir.ops.base import Op
from cnnir.types import DType, TensorType, known_shape
from cnnir.weights import Array

Floats = NDArray[np.float32]


def shape_of(value: Any) -> tuple[int, ...]:
    """The known shape of a value."""
    assert isinstance(value.type, TensorType)
    return known_shape(value.type.shape)


def layer(op: Op, data: Sequence[int], *weights: Sequence[int], seed: int = 0) -> Graph:
    """One node ``head`` on an input ``x`` and drawn weights."""
    rng = np.random.default_rng(seed)
    graph = Graph("layer")
    operands = [graph.add_input("x", TensorType(DType.FLOAT32, tuple(data)))]
    for number, shape in enumerate(weights):
        drawn = rng.standard_normal(shape) / math.sqrt(max(1, math.prod(shape[1:])))
        operands.append(graph.add_weight(f"w{number}", Array.of(drawn.astype(np.float32))))
    graph.set_outputs([graph.add_node(op, operands, name="head").output])
    return graph


def innermost(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, channels innermost in memory."""
    if array.ndim != 4:
        return np.ascontiguousarray(array)
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def run_step(nodes: Sequence[Node], algorithm: str, scratch: int, feed: Mapping[str, Floats]) -> Floats:
    """The result of a step by an algorithm in so many bytes of scratch, all of them NaN at the beginning."""
    graph_values = {value for node in nodes for value in node.operands} | {nodes[-1].output}
    arrays = {value: innermost(feed[value.name]) for value in graph_values if value.name in feed}
    arrays[nodes[-1].output] = innermost(np.full(shape_of(nodes[-1].output), np.nan, np.float32))
    weights = {value: value.weight.array() for value in graph_values if value.weight is not None}
    room = np.full(scratch, 0xFF, np.uint8)
    for call in lower(nodes, algorithm, room, Context(arrays, weights, {})):
        call()
    result: Floats = arrays[nodes[-1].output]
    return result


def exact(nodes: Sequence[Node], feed: Mapping[str, Floats]) -> NDArray[np.float64]:
    """The result by the plain kernels in float64."""
    made: dict[Any, Any] = {}
    for node in nodes:
        operands: list[NDArray[np.float64] | None] = []
        for value in node.inputs:
            if value is None:
                operands.append(None)
            elif value in made:
                operands.append(made[value])
            else:
                array = value.weight.array() if value.weight is not None else feed[value.name]
                operands.append(array.astype(np.float64))
        made[node.output] = np.empty(shape_of(node.output))
        with np.errstate(all="ignore"):
            kernels[type(node.op)](node.op, operands, [made[node.output]])
    result: NDArray[np.float64] = made[nodes[-1].output]
    return result


def check_all_ways(graph: Graph, tolerance: float = 2e-6, seed: int = 1) -> set[str]:
    """Every way to compute all nodes of a graph as one step, in just the scratch that it says; their names."""
    rng = np.random.default_rng(seed)
    feed = {value.name: rng.standard_normal(shape_of(value)).astype(np.float32) for value in graph.inputs}
    ways = step_ways(graph.nodes, {graph.nodes[-1].output})
    assert ways
    expected = exact(graph.nodes, feed)
    largest = max(float(np.abs(expected).max(initial=0)), 1e-30)
    for way in ways:
        settings = ",".join(f"{name}={number}" for name, number in way.parameters)
        algorithm = f"{way.algorithm}{{{settings}}}" if settings else way.algorithm
        found = run_step(graph.nodes, algorithm, way.scratch, feed)
        error = float(np.abs(found - expected).max(initial=0)) / largest
        assert error <= max(tolerance, way.error), (algorithm, error)
        if way.scratch:
            with pytest.raises(CnnirError, match="less scratch"):
                run_step(graph.nodes, algorithm, way.scratch - 64, feed)
    return {way.algorithm for way in ways}


@pytest.mark.parametrize("seed", range(60))
def test_drawn_convolutions(seed: int) -> None:
    """Windows, strides, gaps, padding, groups, batches and odd sizes as they come."""
    rng = np.random.default_rng([seed, 4])

    def number(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    kernel = (number(1, 5), number(1, 5))
    dilations = (number(1, 2), number(1, 2))
    extents = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    pads = tuple(number(0, extent) for extent in (*extents, *extents))
    sizes = [max(extent, number(1, 17)) for extent in extents]
    group = number(1, 4) if rng.random() < 0.4 else 1
    channels, filters = (number(1, 3), 1) if rng.random() < 0.2 else (number(1, 9), number(1, 9))
    op = Conv((number(1, 3), number(1, 3)), pads, dilations, group)
    bias = [[filters * group]] if rng.random() < 0.7 else []
    data = (number(1, 2), channels * group, *sizes)
    check_all_ways(layer(op, data, (filters * group, channels, *kernel), *bias, seed=seed), seed=seed)


@pytest.mark.parametrize(("cells", "size"), [(3, 4), (3, 7), (3, 13), (3, 28), (5, 9), (5, 27)])
def test_winograd(cells: int, size: int) -> None:
    """Full tiles, cut ones, and several passes."""
    pad = cells // 2
    op = Conv((1, 1), (pad, pad, pad, pad), (1, 1))
    found = check_all_ways(layer(op, (2, 24, size, size), (40, 24, cells, cells), (40,)))
    assert any(name.startswith("winograd") for name in found)


@pytest.mark.parametrize(("outputs", "cells"), [(2, 3), (4, 3), (2, 5), (3, 2), (1, 1), (2, 1)])
def test_the_transforms_filter(outputs: int, cells: int) -> None:
    """``AT ((G g) * (BT d))`` is the correlation of d with g, to rounding."""
    by_inputs, by_filters, by_products = transforms(outputs, cells)
    rng = np.random.default_rng(3)
    data, window = rng.standard_normal(outputs + cells - 1), rng.standard_normal(cells)
    found = by_products @ ((by_filters @ window) * (by_inputs @ data))
    np.testing.assert_allclose(found, np.correlate(data, window, "valid"), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("op", "channels"),
    [
        (MaxPool((3, 3), (2, 2), (0, 0, 0, 0), ceil_mode=True), 5),
        (MaxPool((3, 2), (1, 3), (1, 1, 1, 0)), 4),
        (MaxPool((2, 2), (2, 2), (0, 0, 0, 0), (2, 1)), 1),
        (MaxPool((1, 1), (2, 2), (0, 0, 0, 0)), 3),
        (AveragePool((3, 3), (1, 1), (1, 1, 1, 1)), 6),
        (AveragePool((3, 3), (2, 2), (1, 1, 1, 1), count_include_pad=True), 6),
        (AveragePool((2, 3), (2, 2), (0, 1, 1, 0), ceil_mode=True), 2),
        (GlobalAveragePool(), 7),
        (GlobalMaxPool(), 7),
        (LRN(5, alpha=0.1), 12),
        (LRN(4, alpha=0.5, beta=0.6, bias=2.0), 3),
        (LRN(1, alpha=0.5), 4),
        (LRN(9, alpha=0.5), 2),
    ],
    ids=str,
)
def test_pooling_and_normalisation(op: Op, channels: int) -> None:
    check_all_ways(layer(op, (2, channels, 11, 13)))


def test_products() -> None:
    for rows, trans in itertools.product((1, 3), (False, True)):
        weight = (8, 5) if trans else (5, 8)
        check_all_ways(layer(Gemm(0.5, 2.0, trans_b=trans), (rows, 5), weight, (8,)))
    check_all_ways(layer(MatMul(), (2, 3, 4, 5), (5, 6)))
    for axes in ((1,), (1, 2, 3), (0, 3)):
        check_all_ways(layer(Softmax(axes), (2, 3, 4, 5)))


def behind(graph: Graph, ops: Sequence[str]) -> Graph:
    """The graph with an epilogue: ops by name; ``residual`` adds an input, ``scale`` multiplies channels."""
    value = graph.outputs[0]
    shape = shape_of(value)
    known: dict[str, Op] = {"relu": Relu(), "clip": Clip(-0.5, 0.4), "hard": HardSwish(), "leaky": LeakyRelu(0.3)}
    for number, name in enumerate(ops):
        if name == "residual":
            value = graph.add_node(Add(), [value, graph.add_input("r", TensorType(DType.FLOAT32, shape))]).output
        elif name == "scale":
            drawn = np.random.default_rng(number).standard_normal((shape[1], 1, 1)).astype(np.float32)
            value = graph.add_node(Mul(), [value, graph.add_weight("s", Array.of(drawn))]).output
        elif name == "squeeze":
            small = graph.add_input("q", TensorType(DType.FLOAT32, (shape[0], shape[1], 1, 1)))
            value = graph.add_node(Mul(), [value, small]).output
        elif name == "branch":
            value = graph.add_node(Mul(), [value, graph.add_node(Sigmoid(), [value]).output]).output
        elif name == "swish":
            value = graph.add_node(Swish(), [value]).output
        else:
            value = graph.add_node(known[name], [value]).output
    graph.set_outputs([value])
    return graph


@pytest.mark.parametrize(
    "ops",
    [
        ["relu"], ["clip"], ["residual", "relu"], ["scale", "residual"], ["branch"], ["hard"], ["leaky", "residual"],
        ["residual", "branch"], ["branch", "scale", "residual", "hard"], ["squeeze", "relu"], ["swish"],
        ["hard", "squeeze", "residual", "swish"],
    ],
    ids="-".join,
)  # fmt: skip
def test_epilogues(ops: list[str]) -> None:
    """Behind each kind of head: rows that are finished are worked on, and left."""
    conv = Conv((1, 1), (1, 1, 1, 1), (1, 1))
    check_all_ways(behind(layer(conv, (2, 6, 9, 8), (7, 6, 3, 3), (7,)), ops))
    check_all_ways(behind(layer(Conv((2, 2), (0, 0, 0, 0), (1, 1)), (1, 6, 9, 8), (7, 6, 1, 1)), ops))
    check_all_ways(behind(layer(Conv((1, 1), (1, 1, 1, 1), (1, 1), 6), (1, 6, 9, 8), (6, 1, 3, 3), (6,)), ops))
    check_all_ways(behind(layer(AveragePool((2, 2), (1, 1), (0, 0, 0, 0)), (1, 6, 9, 8)), ops))
    check_all_ways(behind(layer(Relu(), (2, 6, 9, 8)), ops))
    check_all_ways(behind(layer(GlobalAveragePool(), (2, 6, 9, 8)), ops))
    check_all_ways(behind(layer(MatMul(), (2, 6, 9, 8), (8, 5)), ops))
    check_all_ways(behind(layer(Transpose((0, 1, 3, 2)), (2, 6, 9, 8)), ops))
    check_all_ways(behind(layer(Slice((1, 2), (5, 8), (1, 3), (1, 1)), (2, 6, 9, 8)), ops))


def test_a_result_over_its_residual() -> None:
    """The sum may lie in the bytes of what is added: nothing is written there before it has been read."""
    graph = behind(layer(Conv((1, 1), (1, 1, 1, 1), (1, 1)), (1, 6, 12, 8), (7, 6, 3, 3), (7,)), ["residual", "relu"])
    rng = np.random.default_rng(2)
    feed = {value.name: rng.standard_normal(shape_of(value)).astype(np.float32) for value in graph.inputs}
    ways = step_ways(graph.nodes, {graph.nodes[-1].output})
    assert ways
    for way in ways:
        settings = ",".join(f"{name}={number}" for name, number in way.parameters)
        shared = innermost(feed["r"])
        arrays = {graph.value("x"): innermost(feed["x"]), graph.value("r"): shared, graph.nodes[-1].output: shared}
        weights = {value: value.weight.array() for value in graph.weights if value.weight is not None}
        room = np.full(way.scratch, 0xFF, np.uint8)
        for call in lower(graph.nodes, f"{way.algorithm}{{{settings}}}", room, Context(arrays, weights, {})):
            call()
        np.testing.assert_allclose(shared, exact(graph.nodes, feed), rtol=0, atol=1e-5)


def test_what_a_step_says_it_does_not_do() -> None:
    """Steps that no algorithm computes have none, rather than a wrong one."""
    graph = layer(MaxPool((2, 2), (2, 2), (0, 0, 0, 0)), (1, 3, 8, 8))
    assert step_ways([graph.nodes[0]], set())
    volume = layer(Conv((1, 1, 1), (0,) * 6, (1, 1, 1)), (1, 3, 8, 8, 8), (4, 3, 2, 2, 2))
    assert not step_ways(volume.nodes, {volume.nodes[0].output})


def test_names_of_algorithms() -> None:
    assert parse("im2col{rows=4}") == ("im2col", {"rows": 4})
    assert parse("winograd-2x2-3x3{tile_rows=3,x=1}") == ("winograd-2x2-3x3", {"tile_rows": 3, "x": 1})
    assert parse("product") == ("product", {})
    for odd in ("im2col{rows}", "im2col{rows=x}", "im2col{}"):
        with pytest.raises(CnnirError, match="no algorithm"):
            parse(odd)
