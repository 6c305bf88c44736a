"""Compiled plans: what they give, what they allocate, and that threads do not meet."""

import gc
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from cnnir import load, zoo
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.interpreter import Program, seeded_feed
from cnnir.ops import Add, BatchNormalization, Conv, Gemm, GlobalAveragePool, MatMul, Mul, Relu, Sigmoid, Sum, Tanh
from cnnir.ops.base import Op
from cnnir.plan import KERNEL
from cnnir.types import DType, TensorType
from cnnir.weights import Array
from tests import models
from tests.random_blocks import random_blocks

RANDOM = 60
"""Graphs of a seeded sample."""

ITERATORS = 32 * 1024
"""Bytes that NumPy's iterators over strided arrays, and Python's objects, may take."""

NETWORKS = (
    "resnet18{size=64}", "mobilenet_v2{size=64}", "mobilenet_v3_small{size=64}", "shufflenet_v2{size=64}",
    "squeezenet1_1{size=64}", "googlenet_bn{size=64}", "resnext50_32x4d{size=64}", "efficientnet_b0{size=64}",
    "densenet121{size=64}", "nasnet_a_mobile{size=96}", "alexnet", "convnetjs_cifar10", "nin",
)  # fmt: skip


def assert_close(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], tolerance: float) -> None:
    """Each output within so much of its largest element."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].shape == array.shape
        assert found[name].dtype == array.dtype
        largest = max(float(np.abs(array).max(initial=0)), 1e-30)
        np.testing.assert_allclose(found[name] / largest, array / largest, rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_the_zoo(name: str) -> None:
    """Drawn weights: the program gives what the kernels give, poisoned to the last bit the same."""
    graph = zoo.build(name)
    program, feed = graph.compile(), seeded_feed(graph, 0)
    found = program(feed)
    assert_close(found, graph.run(feed), 1e-4)
    poisoned = program(feed, poison=True)
    assert all(np.array_equal(found[key], poisoned[key]) for key in found)
    assert any(step.algorithm not in (KERNEL, "view", "join") for step in program.plan.steps)


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "inception_v2"])
def test_real_networks(name: str) -> None:
    """With drawn weights, in place of the constant ones that hide mistakes."""
    graph = models.with_random_weights(load(models.path(name)))
    feed = models.random_input(graph)
    assert_close(graph.compile()(feed), graph.run(feed), 1e-4)


def test_random_graphs() -> None:
    for seed in range(RANDOM):
        graph = random_blocks(np.random.default_rng([seed, 9]))
        program, feed = graph.compile(), models.random_input(graph, seed)
        found = program(feed)
        assert_close(found, graph.run(feed), 2e-5)
        poisoned = program(feed, poison=True)
        assert all(np.array_equal(found[key], poisoned[key], equal_nan=True) for key in found), seed


def small() -> Graph:
    """A convolution and its activation."""
    rng = np.random.default_rng(0)
    graph = Graph("small")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 4, 16, 16)))
    weight = Array.of(rng.standard_normal((8, 4, 3, 3)).astype(np.float32))
    conv = graph.add_node(Conv((1, 1), (1, 1, 1, 1), (1, 1)), [x, graph.add_weight("w", weight)]).output
    graph.set_outputs([graph.add_node(Relu(), [conv]).output])
    return graph


def test_a_run_allocates_nothing_but_its_results() -> None:
    """After the first: beside them nothing but NumPy's own iterators."""
    graph = zoo.build("resnet18{size=64}")
    (probabilities,) = graph.outputs
    logits = probabilities.producer.operands[0] if probabilities.producer is not None else probabilities
    graph.set_outputs([logits])
    program, feed = graph.compile(), seeded_feed(graph, 0)
    program(feed)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        found = program(feed)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak <= sum(array.nbytes for array in found.values()) + ITERATORS
    assert program.plan.arena_bytes > 10 * ITERATORS


def test_a_program_takes_its_arena_and_no_more() -> None:
    """What a program holds is the arena, and weights in the forms that it says."""
    graph = zoo.build("resnet18{size=64}")
    plan = graph.compile().plan
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        program = Program(graph, plan)
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    # Drawn weights are made when they are asked for.
    known = plan.arena_bytes + program.form_bytes + sum(array.nbytes for array in program.weights.values())
    assert known <= held <= known + 2 * 1024 * 1024, "calls are Python objects"


def test_threads_do_not_meet() -> None:
    """Calls at the same time have arenas of their own."""
    graph = small()
    program = graph.compile()
    feeds = [
        {"x": np.random.default_rng(seed).standard_normal((1, 4, 16, 16)).astype(np.float32)} for seed in range(40)
    ]
    alone = [program(feed) for feed in feeds]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(program, feeds))
    for one, other in zip(alone, together, strict=True):
        assert all(np.array_equal(one[key], other[key]) for key in one)


def test_results_are_the_callers() -> None:
    """The next run does not change them."""
    program = small().compile()
    zero = program({"x": np.zeros((1, 4, 16, 16), np.float32)})
    kept = {key: array.copy() for key, array in zero.items()}
    program({"x": np.ones((1, 4, 16, 16), np.float32)})
    assert all(np.array_equal(zero[key], kept[key]) for key in zero)


def test_plans_that_are_none() -> None:
    graph, other = small(), small()
    other.add_node(Relu(), [other.outputs[0]])
    plan = graph.plan()
    with pytest.raises(CnnirError, match="another graph"):
        other.compile(plan)
    unknown = replace(plan, steps=(replace(plan.steps[0], algorithm="magic"), *plan.steps[1:]))
    with pytest.raises(CnnirError, match="no such way"):
        graph.compile(unknown)
    with pytest.raises(CnnirError, match="no input of this name"):
        graph.compile(plan)({"y": np.zeros(3, np.float32)})


def test_another_algorithm_than_the_scratch_is_for_is_refused() -> None:
    """Before anything runs, naming the step."""
    graph = small()
    plan = graph.compile().plan
    larger = replace(plan.steps[0], algorithm="winograd-2x2-3x3{tile_rows=8,block=0}")
    assert plan.steps[0].algorithm != larger.algorithm
    with pytest.raises(CnnirError, match="less scratch") as caught:
        Program(graph, replace(plan, steps=(larger, *plan.steps[1:])))
    assert caught.value.node is not None
    assert "step 0" in caught.value.node


def test_plain_plans_run_too() -> None:
    """Every plan that the executor runs, by the kernels."""
    graph = zoo.build("squeezenet1_1{size=64}")
    feed = seeded_feed(graph, 0)
    expected = graph.run(feed)
    for options in ({}, {"fuse": "steps"}, {"layout": "channels-last"}, {"workspace": "today"}):
        assert_close(graph.compile(graph.plan(**options))(feed), expected, 1e-5)


def test_products_of_matrices() -> None:
    graph = Graph("product")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (2, 3, 4)))
    w = graph.add_weight("w", Array.of(np.arange(20, dtype=np.float32).reshape(4, 5)))
    graph.set_outputs([graph.add_node(MatMul(), [x, w]).output])
    feed = {"x": np.arange(24, dtype=np.float32).reshape(2, 3, 4)}
    assert_close(graph.compile()(feed), graph.run(feed), 1e-6)


def of_inputs(op: Op, *shapes: tuple[int, ...]) -> Graph:
    """One node, all of whose operands are computed."""
    graph = Graph("fed")
    fed = [graph.add_input(f"x{number}", TensorType(DType.FLOAT32, shape)) for number, shape in enumerate(shapes)]
    operands = [graph.add_node(Sigmoid(), [value]).output for value in fed]
    graph.set_outputs([graph.add_node(op, operands, name="head").output])
    return graph


@pytest.mark.parametrize("graph", [
    of_inputs(Conv((1, 1), (1, 1, 1, 1), (1, 1), 1), (1, 4, 8, 8), (6, 4, 3, 3)),
    of_inputs(Conv((1, 1), (0, 0, 0, 0), (1, 1), 1), (1, 4, 8, 8), (6, 4, 1, 1), (6,)),
    of_inputs(Conv((1, 1), (1, 1, 1, 1), (1, 1), 4), (1, 4, 8, 8), (4, 1, 3, 3)),
    of_inputs(Gemm(1.0, 2.0), (3, 4), (4, 5), (3, 5)),
    of_inputs(BatchNormalization(), (1, 4, 8, 8), (4,), (4,), (4,), (4,)),
    of_inputs(Mul(), (1, 4, 8, 8), (1, 4, 1, 1)),
], ids=["conv", "pointwise", "depthwise", "gemm", "normalization", "scale"])  # fmt: skip
def test_weights_that_are_computed(graph: Graph) -> None:
    """They are other ones in each run: no form of them may be made beforehand."""
    program = graph.compile()
    for seed in range(2):
        feed = seeded_feed(graph, seed)
        assert_close(program(feed), graph.run(feed), 1e-5)
    step = program.plan.steps[-1]
    if isinstance(graph.node("head").op, Conv):
        wrong = replace(step, algorithm="im2col{rows=1}")
        with pytest.raises(CnnirError, match="computed in each run"):
            graph.compile(replace(program.plan, steps=(*program.plan.steps[:-1], wrong)))


@pytest.mark.parametrize("operands", ["hrh", "rrh", "hhh", "rhh", "rshr", "srh", "hrsh"])
@pytest.mark.parametrize("stored", [False, True])
def test_sums_in_the_place_of_a_late_operand(operands: str, stored: bool) -> None:
    """What is added up may not be written over before its turn, were it to come again."""
    graph = Graph("sum")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (2, 4, 8, 8)))
    h = graph.add_node(Tanh(), [x]).output
    made = {"h": h, "r": graph.add_node(Relu(), [h]).output, "s": graph.add_node(Sigmoid(), [h]).output}
    total = graph.add_node(Sum(), [made[letter] for letter in operands])
    graph.set_outputs([total.output])
    feed = seeded_feed(graph, 0)
    program = graph.compile(fuse="none") if stored else graph.compile()
    assert_close(program(feed), graph.run(feed), 1e-6)


@pytest.mark.parametrize("head", ["product", "square", "reduction"])
def test_sums_behind_what_is_made_at_once(head: str) -> None:
    """A product of matrices or a mean, of several images, and a stored map of its shape added to it."""
    graph = Graph("residual")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (3, 5, 1, 1) if head == "reduction" else (3, 5)))
    x = graph.add_node(Tanh(), [x]).output
    weight = np.random.default_rng(0).standard_normal((5, 5)).astype(np.float32)
    operands = [x] if head == "reduction" else [x, graph.add_weight("w", Array.of(weight))]
    ops = {"reduction": GlobalAveragePool(), "product": Gemm(), "square": MatMul()}
    made = graph.add_node(ops[head], operands).output
    graph.set_outputs([graph.add_node(Add(), [made, x]).output])
    program, feed = graph.compile(), seeded_feed(graph, 0)
    assert any(len(step.nodes) == 2 for step in program.plan.steps)
    assert_close(program(feed, poison=True), graph.run(feed), 1e-6)


def test_ways_for_maps_in_rows_are_not_here() -> None:
    """A plan by a cost profile names ways for rows that no one has: they are refused, whatever their scratch is."""
    refused = 0
    for channels in (1, 4):
        graph = layer_of(channels)
        plan = graph.plan(workspace="server", goal="time")
        refused += any(step.algorithm != KERNEL for step in plan.steps)
        with pytest.raises(CnnirError, match="no such way") as caught:
            graph.compile(plan)
        assert caught.value.code == "plan-unsupported"
    assert refused == 2


def layer_of(channels: int) -> Graph:
    """A convolution of 1 by 1."""
    graph = Graph("layer")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, channels, 16, 16)))
    weight = np.random.default_rng(0).standard_normal((8, channels, 1, 1)).astype(np.float32)
    filters = graph.add_weight("w", Array.of(weight))
    graph.set_outputs([graph.add_node(Conv((1, 1), (0, 0, 0, 0), (1, 1), 1), [x, filters]).output])
    return graph
