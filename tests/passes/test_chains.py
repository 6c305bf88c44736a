"""Chains: convolutions and poolings that take each other's results in strips, and what a network needs with them."""

import itertools
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from cnnir import load
from cnnir.graph import Graph, Value
from cnnir.interpreter import run, seeded_feed
from cnnir.ops import LRN, AveragePool, Conv, MaxPool, Relu, Reshape, Transpose
from cnnir.passes.memory import attempts, fits, plan_rewritten
from cnnir.passes.memory.forming import Choices, form
from cnnir.passes.memory.forming.chains import Wish
from cnnir.plan import MemoryPlan, Step
from cnnir.types import DType, TensorType, known_shape
from cnnir.weights import Seeded
from tests import models
from tests.passes.streaming import streamed
from tests.plan import oracle
from tests.random_blocks import random_blocks

SEEDS = range(100)


def sequence(seed: int) -> Graph:
    """A convolution, and up to five layers that each read the one before: all that a chain may hold."""
    rng = np.random.default_rng(seed)
    graph = Graph("sequence")
    sizes = (1, int(rng.integers(1, 5)), int(rng.integers(9, 15)), int(rng.integers(5, 12)))
    x = graph.add_input("x", TensorType(DType.FLOAT32, sizes))
    x = _conv(graph, rng, x, int(rng.integers(2, 40)))
    for _ in range(int(rng.integers(1, 6))):
        x = graph.add_node(Relu(), [x]).output if rng.random() < 0.5 else x
        x = graph.add_node(LRN(3), [x]).output if rng.random() < 0.1 else x
        channels = shape_of(x)[1]
        kind = rng.integers(5)
        if kind == 0 and channels % 2 == 0 and channels > 2:
            x = _shuffled(graph, x)
        if kind == 1 and min(shape_of(x)[2:]) > 4:
            make = MaxPool if rng.random() < 0.6 else AveragePool
            size = int(rng.integers(2, 4))
            pad = int(make is MaxPool and rng.random() < 0.4)
            x = graph.add_node(make((size, size), (int(rng.integers(1, 3)),) * 2, (pad,) * 4), [x]).output
        elif kind in (0, 2):
            x = _conv(graph, rng, x, channels, channels)
        else:
            x = _conv(graph, rng, x, int(rng.integers(2, 40)), 2 if channels % 2 == 0 and rng.random() < 0.3 else 1)
    graph.set_outputs([x])
    return graph


def _conv(graph: Graph, rng: np.random.Generator, x: Value, filters: int, group: int = 1) -> Value:
    filters += filters % 2 if group == 2 else 0
    height = shape_of(x)[2]
    kernel = int(rng.choice([1, 3, 3, 5] if height > 5 else [1, 3]))
    shape = (filters, shape_of(x)[1] // group, kernel, kernel)
    weight = Seeded(DType.FLOAT32, shape, int(rng.integers(1000)), 1, 0.2)
    operands = [x, graph.add_weight(graph.fresh_name("w"), weight)]
    if rng.random() < 0.5:
        operands.append(graph.add_weight(graph.fresh_name("b"), Seeded(DType.FLOAT32, (filters,), 5, 2, 0.5)))
    # Now and then the map grows, and now and then windows have gaps.
    pad = kernel // 2 + int(rng.random() < 0.15)
    dilation = 2 if kernel == 3 and height > 6 and rng.random() < 0.15 else 1
    stride = 2 if height > 6 and rng.random() < 0.25 else 1
    return graph.add_node(Conv((stride,) * 2, (pad,) * 4, (dilation,) * 2, group), operands).output


def _shuffled(graph: Graph, x: Value) -> Value:
    batch, channels, *sizes = shape_of(x)
    apart = graph.add_node(Reshape((batch, 2, channels // 2, *sizes)), [x]).output
    return graph.add_node(Reshape((batch, channels, *sizes)), [
        graph.add_node(Transpose((0, 2, 1, 3, 4)), [apart]).output
    ]).output  # fmt: skip


def shape_of(value: Value) -> tuple[int, ...]:
    assert isinstance(value.type, TensorType)
    return known_shape(value.type.shape)


def chains(plan: MemoryPlan, graph: Graph) -> Iterator[Step]:
    """Steps of several convolutions and poolings."""
    for step in plan.steps:
        if sum(graph.node(name).op.kind in {"Conv", "MaxPool", "AveragePool"} for name in step.nodes) > 1:
            yield step


def test_strips_are_enough() -> None:
    """Carried out in buffers of the size that the plan says, each chain gives its values, and makes nothing twice."""
    met: Counter[str] = Counter()
    for seed in SEEDS:
        graph = sequence(seed)
        plan = graph.plan(fuse="aggressive", alignment=4)
        assert oracle.complaint(graph, plan.to_json()) is None
        feed = seeded_feed(graph, seed)
        values = run(graph, feed, [value.name for value in graph.values if value.weight is None])
        planned = run(graph, feed, plan=plan, poison=True)
        assert all(np.array_equal(values[name], array) for name, array in planned.items())
        for step in chains(plan, graph):
            assert step.scratch is not None
            assert step.tile is not None
            found = streamed(graph, step, values[step.reads[0]])
            np.testing.assert_allclose(found.result, values[step.writes[0]], rtol=1e-4, atol=1e-5)
            assert found.held <= step.scratch.strips
            assert set(found.made.values()) == {1}
            kinds = [graph.node(name).op.kind for name in step.nodes]
            met["chains"] += 1
            met["held to the byte"] += found.held == step.scratch.strips
            met["of three"] += sum(kind in {"Conv", "MaxPool", "AveragePool"} for kind in kinds) > 2
            met.update(kind for kind in ("LRN", "Transpose", "MaxPool", "AveragePool") if kind in kinds)
            met["by blocks"] += step.tile[1] == 16
    assert min(met.values()) > 5, met


def test_the_best_cuts() -> None:
    """No other way to cut a sequence needs less in its worst step: all are tried, cut by cut."""
    better = 0
    for seed in SEEDS[:60]:
        graph = sequence(seed)
        names = [node.name for node in graph.nodes if node.op.kind in {"Conv", "MaxPool", "AveragePool"}][1:]
        chosen = worst(graph, Wish())
        ways = [
            Wish(frozenset(names) - frozenset(joined), frozenset(joined))
            for count in range(len(names) + 1)
            for joined in itertools.combinations(names, count)
        ]
        assert chosen == min(worst(graph, wish) for wish in ways)
        better += chosen < worst(graph, Wish(cut=frozenset(names)))
    assert better > 20


def worst(graph: Graph, wish: Wish) -> int:
    """The most that a step of the file's order needs."""
    formation = form(graph, Choices("aggressive", in_place=False, chains=wish))
    problem = formation.problem
    return max(
        sum(problem.atoms[atom].bytes for atom in (*task.reads, *task.writes)) + task.scratch for task in problem.tasks
    )


def test_sums_in_narrow_types_are_not_added_up_block_by_block() -> None:
    """What blocks of channels give would be rounded each time: rows of all channels are held instead."""
    for dtype, channels in ((DType.FLOAT32, 16), (DType.FLOAT16, 40)):
        graph = Graph("narrow")
        x = graph.add_input("x", TensorType(dtype, (1, 4, 20, 9)))
        for number, (filters, depth) in enumerate([(40, 4), (4, 40)]):
            weight = graph.add_weight(f"w{number}", Seeded(dtype, (filters, depth, 3, 3), number, 1, 0.1))
            x = graph.add_node(Conv((1, 1), (1, 1, 1, 1), (1, 1)), [x, weight]).output
        graph.set_outputs([x])
        (step,) = graph.plan(fuse="aggressive").steps
        assert step.tile == (3, channels)


def test_real_networks() -> None:
    """Squeeze layers are added up part by part, shuffles read by index, normalisations over channels row by row."""
    attainable = {"squeezenet": 820_544, "shufflenet": 924_672, "inception_v1": 1_476_608}
    for name, most in attainable.items():
        graph, plan = plan_rewritten(load(models.path(name)), fuse="aggressive", alignment=4)
        assert plan.arena_bytes == most
        assert {bound.status for bound in plan.bounds.values()} == {"optimal"}
        assert any(True for _ in chains(plan, graph))


@pytest.mark.parametrize("name", ["inception_v1", "inception_v2", "densenet121"])
def test_chains_are_never_a_loss(name: str) -> None:
    """Where what is best for each sequence by itself is none for the network, the plan is that without chains."""
    graph = load(models.path(name))
    plain, chained = (graph.plan(fuse=level, alignment=4) for level in ("steps", "aggressive"))
    assert chained.arena_bytes <= plain.arena_bytes
    assert {bound.status for bound in chained.bounds.values()} == {"optimal"}


def test_random_networks_never_lose() -> None:
    """Of the blocks that real ones are built of, in the file's order too."""
    lower = 0
    for seed in range(30):
        graph = random_blocks(np.random.default_rng(seed), 1 + seed % 6)
        for order in ("auto", "file"):
            plain, chained = (graph.plan(order=order, fuse=level, alignment=4) for level in ("steps", "aggressive"))
            assert chained.arena_bytes <= plain.arena_bytes
            lower += chained.arena_bytes < plain.arena_bytes
    assert lower > 10


@pytest.mark.parametrize("seed", [83, 106, 185, 238, 283])
def test_links_at_the_peak(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains that are cut or joined one by one come lower than what is best for each sequence by itself."""
    graph = random_blocks(np.random.default_rng(seed), 1 + seed % 6)
    plan = graph.plan(fuse="aggressive", alignment=4)
    assert oracle.complaint(graph, plan.to_json()) is None
    feed = seeded_feed(graph, seed)
    free, planned = run(graph, feed), run(graph, feed, plan=plan, poison=True)
    assert all(np.array_equal(free[name], array) for name, array in planned.items())
    monkeypatch.setattr(attempts, "LINKS", 0)
    assert plan.arena_bytes < graph.plan(fuse="aggressive", alignment=4).arena_bytes


def test_budgets() -> None:
    """What fits without chains fits with them; what does not is not said to be impossible, but for what has to be."""
    graph = load(models.path("inception_v1"))
    least = graph.plan(fuse="aggressive").arena_bytes
    assert fits(graph, least, fuse="aggressive").verdict == "fits"
    assert fits(graph, least - 4, fuse="aggressive").verdict == "unknown"
    image = 4 * 3 * 224 * 224
    answer = fits(graph, image - 4, fuse="aggressive")
    assert (answer.verdict, answer.bound) == ("does not fit", image)
