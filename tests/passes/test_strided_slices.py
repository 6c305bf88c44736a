"""Slices that are not contiguous: written where they belong, cut out without a copy, proved and run."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cnnir
from cnnir import GraphBuilder
from cnnir.algorithms import planned_workspace
from cnnir.cli import main
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import save
from cnnir.graph import Graph
from cnnir.ops import Add, Flatten, Identity, Sigmoid, Slice, Split, Tanh
from cnnir.passes.memory import fits, symbolic_plan
from cnnir.passes.memory.forming.frames import Frames, Runs
from cnnir.passes.memory.forming.views import STRETCHES
from cnnir.plan import JOIN, VIEW, MemoryPlan, row_major_strides
from cnnir.plan.arrays import itemsize_of
from cnnir.types import DType, TensorType
from tests import models
from tests.plan.oracle import complaint
from tests.random_graphs import random_graph


def in_strides(plan: MemoryPlan) -> set[str]:
    """The values that do not lie in row-major order."""
    found = set()
    for name, value in plan.values.items():
        dense = row_major_strides(value.shape, itemsize_of(value))
        for piece in value.pieces or ():
            if any(n > 1 and a != b for n, a, b in zip(value.shape, piece.strides, dense, strict=True)):
                found.add(name)
    return found


def prove(graph: Graph, plan: MemoryPlan, seed: int = 0) -> None:
    """By the oracle, and by a run in which every byte that holds nothing is spoilt: the same numbers."""
    assert complaint(graph, plan.to_json()) is None
    feed = models.random_input(graph, seed)
    free = graph.run(feed)
    for name, array in graph.run(feed, plan=plan, poison=True).items():
        np.testing.assert_array_equal(array, free[name])


def inception() -> Graph:
    """Branches of two images, side by side along the channels, twice."""
    builder = GraphBuilder("inception")
    x = builder.relu(builder.conv(builder.input("image", (2, 3, 7, 8)), 4, kernel=3, padding=1))
    for filters in (3, 5):
        left, right = (builder.relu(builder.conv(x, count, kernel=1)) for count in (filters, filters + 1))
        x = builder.concat(left, builder.concat(right, builder.conv(x, 2, kernel=3, padding=1)), x)
    return builder.build(builder.global_average_pool(x))


def last_axis() -> Graph:
    """A concatenation along the axis that runs fastest: each slice has a stretch for each pixel."""
    builder = GraphBuilder("last axis")
    x = builder.relu(builder.conv(builder.input("image", (1, 3, 5, 6)), 4, kernel=1))
    return builder.build(
        builder.relu(builder.conv(builder.concat(builder.sigmoid(x), builder.tanh(x), axis=3), 2, kernel=1))
    )


def cut_out() -> Graph:
    """Parts along the channels of two images, in a row, of parts, and joined in another order."""
    builder = GraphBuilder("cut out")
    x = builder.conv(builder.input("image", (2, 3, 6, 6)), 6, kernel=3, padding=1)
    first, second, third = builder.split(x, (1, 2, 3))
    (part,) = builder.graph.add_node(Slice((1,), (5,), (2,), (1,)), [third]).outputs
    (same,) = builder.graph.add_node(Identity(), [second]).outputs
    (flat,) = builder.graph.add_node(Flatten(1), [builder.relu(third)]).outputs
    joined = builder.concat(builder.sigmoid(same), builder.conv(first, 2, kernel=1))
    return builder.build(builder.conv(part, 2, kernel=1), builder.relu(joined), flat)


GRAPHS: dict[str, tuple[Callable[[], Graph], dict[str, Any]]] = {
    "inception": (inception, {"fuse": "steps"}),
    "inception, a step a node": (inception, {"concat": True}),
    "last axis": (last_axis, {"concat": True, "alignment": 4}),
    "cut out": (cut_out, {}),
    "cut out, workspace": (cut_out, {"workspace": "today"}),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_what_lies_in_strides(name: str) -> None:
    """Something does, and it is right; without the option nothing does, and no fewer bytes are enough."""
    make, options = GRAPHS[name]
    graph = make()
    plan, usual = graph.plan(strided=True, **options), graph.plan(**options)
    assert in_strides(plan)
    assert not in_strides(usual)
    assert plan.arena_bytes <= usual.arena_bytes
    assert plan.bounds["order"].bytes <= usual.bounds["order"].bytes
    prove(graph, plan)


def test_nothing_is_copied() -> None:
    """All branches of both modules are written where they belong; their concatenations are views."""
    graph = inception()
    plan = graph.plan(concat=True, strided=True)
    concats = [step for step in plan.steps if graph.node(step.nodes[0]).op.kind == "Concat"]
    assert len(concats) == 4
    assert sum(step.algorithm in (VIEW, JOIN) for step in concats) >= 3
    assert plan.arena_bytes < graph.plan().arena_bytes


def test_slices_have_lives_of_their_own() -> None:
    """A stretch is free where its slice is not there yet: two images need twice what one needs."""
    for name in ("squeezenet", "densenet121"):
        alone = cnnir.load(models.path(name)).plan(fuse="steps").arena_bytes
        pair = cnnir.load(models.path(name)).apply("set-batch", batch="2").graph
        plan = pair.plan(fuse="steps", strided=True)
        assert plan.arena_bytes <= 2 * alone + (alone if name == "squeezenet" else 0)
        assert plan.arena_bytes < pair.plan(fuse="steps").arena_bytes


@pytest.mark.parametrize("seed", range(24))
def test_random_networks(seed: int) -> None:
    """Half of them of two images, with views of all kinds; in the arena or with the caller."""
    graph = random_graph(np.random.default_rng([seed, 5]), 18)
    ways: list[dict[str, Any]] = [{"fuse": "steps"}, {"concat": True, "count_inputs": False, "count_outputs": False}]
    for options in ways:
        plan = graph.plan(strided=True, **options)
        assert plan.arena_bytes <= graph.plan(**options).arena_bytes
        prove(graph, plan, seed)


def test_random_networks_have_some() -> None:
    """The last test is one of strides."""
    graphs = [random_graph(np.random.default_rng([seed, 5]), 18) for seed in range(24)]
    assert sum(bool(in_strides(graph.plan(strided=True, fuse="steps"))) for graph in graphs) >= 6


def test_stretches_have_a_limit() -> None:
    """Each is a storage: what would be too many is copied."""
    for side, strided in ((16, True), (17, False)):
        assert (side * side <= STRETCHES) == strided
        builder = GraphBuilder("wide")
        x = builder.input("x", (1, side, side, 3))
        graph = builder.build(builder.tanh(builder.concat(builder.sigmoid(x), builder.relu(x), axis=3)))
        assert bool(in_strides(graph.plan(concat=True, strided=True))) == strided


def test_workspace_counts_the_copies_of_kernels() -> None:
    """What a kernel makes of an operand in strides has its place."""
    graph = inception()
    plan = graph.plan(concat=True, strided=True, workspace="today")
    assert complaint(graph, plan.to_json()) is None
    for step, figure in zip(plan.steps, planned_workspace(graph, plan), strict=True):
        assert isinstance(figure, int)
        assert figure == (step.scratch.bytes - step.scratch.strips if step.scratch is not None else 0)
    assert graph.plan(concat=True, strided=True, workspace="server").arena_bytes <= plan.arena_bytes


def test_budgets_rest_on_the_same_sharing() -> None:
    """What fits in strides is not refused by a proof about copies."""
    graph = inception()
    plan = graph.plan(fuse="steps", strided=True)
    assert fits(graph, plan.arena_bytes, fuse="steps", strided=True).verdict == "fits"
    assert fits(graph, plan.bounds["order"].bytes - 1, fuse="steps", strided=True).verdict == "does not fit"


def test_open_sizes_are_not_for_strides() -> None:
    """Their strides at other sizes are not worked out: one line."""
    builder = GraphBuilder("open")
    x = builder.input("x", (2, 3, "H", "H"))
    joined = builder.concat(builder.conv(x, 2, kernel=1), builder.conv(x, 3, kernel=1))
    graph = builder.build(builder.conv(joined, 2, kernel=1))
    with pytest.raises(CnnirError) as caught:
        symbolic_plan(graph, {"H": (3, 9)}, concat=True, strided=True)
    assert caught.value.code == "plan-form"


def test_on_the_command_line(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """``--strided`` asks for them."""
    path = tmp_path / "inception.onnx"
    save(inception(), path)
    assert main(["plan", str(path), "--concat", "--strided", "--json"]) == 0
    plan = MemoryPlan.from_json(capsys.readouterr().out)
    assert (plan.options["strided"], bool(in_strides(plan))) == (True, True)


# Frames, held against sets of bytes


def bytes_of(runs: Runs) -> list[int]:
    return [at for begin, end in runs for at in range(begin, end)]


@pytest.mark.parametrize("seed", range(40))
def test_frames_move_bytes_as_they_should(seed: int) -> None:
    """Parts of parts, filled and written over: each value's bytes are those that its elements say, one by one."""
    generator = np.random.default_rng(seed)
    rows, parts = int(generator.integers(1, 4)), [int(n) for n in generator.integers(1, 4, 3)]
    graph = Graph("frames")
    values = [graph.add_input(f"p{i}", TensorType(DType.UINT8, (rows, n))) for i, n in enumerate(parts)]
    whole = graph.add_input("whole", TensorType(DType.UINT8, (rows, sum(parts))))
    outer = graph.add_input("outer", TensorType(DType.UINT8, (rows, sum(parts) + 2)))
    frames = Frames()
    for value, count in zip((*values, whole, outer), (*parts, sum(parts), sum(parts) + 2), strict=True):
        frames.open(value, rows * count, owned=value not in (whole, outer))
    ends = list(itertools.accumulate(parts, initial=0))
    slots = [
        [(row * sum(parts) + begin, row * sum(parts) + begin + n) for row in range(rows)]
        for begin, n in zip(ends, parts, strict=False)
    ]
    outer_slot = [(row * (sum(parts) + 2) + 1, row * (sum(parts) + 2) + 1 + sum(parts)) for row in range(rows)]
    for index, slot in enumerate(slots):
        frames.reserve(whole, index, slot)
    frames.reserve(outer, "whole", outer_slot)
    todo = [*range(len(parts)), len(parts)]
    for index in generator.permutation(todo):
        if index == len(parts):
            assert frames.fill(outer, "whole", whole)
        else:
            assert frames.fill(whole, int(index), values[index])
    base = bytes_of(frames.runs(outer))
    array = np.array(base).reshape(rows, -1)
    assert bytes_of(frames.runs(whole)) == array[:, 1:-1].ravel().tolist()
    for value, begin, n in zip(values, ends, parts, strict=False):
        assert bytes_of(frames.runs(value)) == array[:, 1 + begin : 1 + begin + n].ravel().tolist()
        assert set(frames.overlapping(value)) == {value, whole, outer}


def test_parts_of_pixels_of_several_images() -> None:
    """With their channels last, parts of two images lie in the pixels of both, at a multiple of the element."""
    builder = GraphBuilder("pixels")
    x = builder.relu(builder.input("image", (2, 5, 1, 3)))
    whole = builder.concat(builder.relu(builder.conv(x, 3, kernel=1)), x, builder.conv(x, 7, kernel=1))
    graph = builder.build(builder.concat(whole, builder.sigmoid(x)))
    for fuse in ("none", "steps"):
        plan = graph.plan(fuse=fuse, concat=True, strided=True, layout="channels-last", alignment=4)
        assert any(step.algorithm == VIEW for step in plan.steps)
        prove(graph, plan)


def test_a_result_in_the_place_of_one_part_of_pixels_that_reads_another() -> None:
    """Two parts share the pixels of a map, and not a byte: a sum of both may be written over either."""
    graph = Graph("halves")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 6, 4, 4)))
    left, right = graph.add_node(Split(1, (3, 3)), graph.add_node(Tanh(), [x]).outputs).outputs
    total = graph.add_node(Add(), [left, right]).output
    graph.set_outputs([graph.add_node(Sigmoid(), [total]).output])
    for fuse in ("none", "epilogues", "steps"):
        plan = graph.plan(fuse=fuse, layout="channels-last")
        prove(graph, plan)
        assert plan.arena_bytes == graph.plan(fuse=fuse).arena_bytes


def test_a_view_that_waits_for_its_turn_finds_what_it_shows() -> None:
    """In an order that was asked for: no result is written over a part of it before."""
    graph = Graph("late")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 6, 4, 4)))
    whole = graph.add_node(Tanh(), [x], name="whole").output
    parts = []
    for begin in (0, 3):
        part = graph.add_node(Slice((begin,), (begin + 3,), (1,), (1,)), [whole], name=f"part{begin}").output
        parts.append(graph.add_node(Sigmoid(), [part], name=f"made{begin}").output)
    graph.set_outputs([graph.add_node(Add(), parts, name="sum").output])
    order = ["whole", "part0", "made0", "part3", "made3", "sum"]
    plan = graph.plan(order=order, alignment=4)
    assert [name for step in plan.steps for name in step.nodes] == order
    prove(graph, plan)
