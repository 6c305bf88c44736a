"""The offline plan of TensorFlow Lite Micro: its bytes, its table, and what it cannot say."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import cnnir
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read, read_plan, write
from cnnir.exporters.tflm import METADATA, offline_plan
from cnnir.graph import Graph
from cnnir.ops import Concat, Slice, Softmax, Split
from cnnir.passes.memory import fits
from cnnir.plan import JOIN, MemoryPlan
from tests import models
from tests.interpreter.drawing import Case
from tests.plan.oracle import complaint
from tests.plan.plans import figures_mended, first_piece, with_piece, with_storage
from tests.plan.samples import SAMPLES
from tests.random_graphs import random_graph


def words(data: bytes) -> list[int]:
    """The buffer as a little-endian runtime reads it."""
    return [int(word) for word in np.frombuffer(data, "<i4")]


def expected_offset(plan: MemoryPlan, name: str) -> int:
    """Where the plan has a value."""
    return first_piece(plan.values[name]).offset


def small() -> Graph:
    """A chain with a view in it."""
    return cnnir.from_pattern("INPUT[3x8x8] -> CONV3-4 -> RELU -> POOL2 -> FC-10")


@pytest.mark.parametrize("name", models.NAMES)
def test_real_networks(name: str) -> None:
    """Header, one word for each value, and the table says the same."""
    plan = cnnir.load(models.path(name)).plan()
    found = offline_plan(plan)
    version, subgraph, count, *offsets = words(found.to_bytes())
    assert (version, subgraph, count) == (0, 0, len(plan.values))
    assert offsets == [expected_offset(plan, name) for name in plan.values]
    assert found.order == plan.order
    rows = list(csv.DictReader(io.StringIO(found.table())))
    assert [(int(row["tensor"]), row["name"], int(row["offset"])) for row in rows] == [
        (index, name, offset) for index, (name, offset) in enumerate(zip(plan.values, offsets, strict=True))
    ]
    # Storages are rounded up by nobody: the last byte is a tensor's.
    assert max(int(row["offset"]) + int(row["bytes"]) for row in rows) == found.arena_bytes == plan.arena_bytes


@pytest.mark.parametrize("seed", range(30))
def test_a_models_own_tensors(seed: int) -> None:
    """In the file's order, weights and strangers left to the runtime; what lives together shares no byte."""
    generator = np.random.default_rng([seed, 3])
    graph = random_graph(generator)
    while any(isinstance(node.op, Split) for node in graph.nodes):  # its parts are views, which the form cannot say
        graph = random_graph(generator)
    plan = graph.plan(alignment=64)
    names = [*plan.values, "weights", "", "", "bias"]
    generator.shuffle(names)
    found = offline_plan(plan, names, subgraph=2)
    version, subgraph, count, *offsets = words(found.to_bytes())
    assert (version, subgraph, count) == (0, 2, len(names))
    assert offsets == [expected_offset(plan, name) if name in plan.values else -1 for name in names]
    assert all(offset % 16 == 0 for offset in offsets if offset >= 0)


def cut_up() -> Graph:
    """Parts of a value and of parts, put together again, some of them twice."""
    builder = cnnir.GraphBuilder("cut up")
    x = builder.relu(builder.conv(builder.input("image", (1, 3, 9, 8)), 6, kernel=3))
    first, second, third = builder.split(x, (1, 2, 3))
    joined = builder.concat(third, builder.relu(first), builder.concat(second, x))
    (part,) = builder.graph.add_node(Slice((2,), (9,), (1,), (1,)), [joined]).outputs
    return builder.build(builder.sigmoid(part), builder.relu(joined))


@pytest.mark.parametrize("make", [cut_up, lambda: cnnir.load(models.path("inception_v1")).bind()])
def test_parts_that_are_copied(make: Callable[[], Graph]) -> None:
    """With ``views=False`` each operator has its result for itself, or exactly over an operand: and that runs."""
    graph = make()
    plan = graph.plan(views=False)
    found = {tensor.name: tensor for tensor in offline_plan(plan).tensors}
    for node in graph.nodes:
        if isinstance(node.op, Split | Slice | Concat):
            places = [found[value.name] for value in (*node.operands, *node.outputs) if value.name in found]
            spans = sorted({(place.offset, place.offset + place.bytes) for place in places})
            assert all(low[1] <= high[0] for low, high in pairwise(spans))
    with pytest.raises(CnnirError) as caught:
        offline_plan(graph.plan(concat=True))
    assert "views=False" in str(caught.value)


@pytest.mark.parametrize("seed", range(20))
def test_random_networks_without_views_of_parts(seed: int) -> None:
    """Whatever is cut and concatenated; each byte is what it has to be, and the arena no smaller than with views."""
    graph = random_graph(np.random.default_rng([seed, 8]), 20)
    plan = graph.plan(views=False)
    offline_plan(plan)
    assert complaint(graph, plan.to_json()) is None
    assert not any(step.algorithm == JOIN for step in plan.steps)
    feed = models.random_input(graph, seed)
    free = graph.run(feed)
    for name, array in graph.run(feed, plan=plan, poison=True).items():
        np.testing.assert_array_equal(array, free[name])


def test_views_are_not_asked_for_and_forbidden_at_once() -> None:
    """A concatenation without a copy consists of views; fused steps copy theirs."""
    with pytest.raises(CnnirError) as caught:
        cut_up().plan(views=False, concat=True)
    assert caught.value.code == "views-option"
    plan = cut_up().plan(views=False, fuse="steps")
    assert (plan.options["views"], plan.options["concat"]) == (False, False)
    assert fits(cut_up(), plan.arena_bytes, views=False).verdict == "fits"


def test_name_of_the_metadata() -> None:
    """What the runtime looks for; anything else it ignores without a word."""
    assert METADATA == "OfflineMemoryAllocation"


def strided() -> MemoryPlan:
    """A value with gaps between its rows."""
    plan = small().plan()
    index, piece = first_piece(plan.values["fc2"]).storage, first_piece(plan.values["fc2"])
    plan = with_storage(plan, index, bytes=max(plan.storages[index].bytes, 80))
    return figures_mended(with_piece(plan, "fc2", strides=(80, 8), offset=piece.offset))


def fused() -> MemoryPlan:
    """A step of three nodes."""
    graph = Case(Softmax((1, 2)), (np.arange(24, dtype=np.float32).reshape(2, 3, 4),)).graph()
    return read_plan(read(write(graph, plan=graph.plan())))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: small().plan(count_inputs=False), "one arena"),
        (lambda: small().plan(count_inputs=False, count_outputs=False), "one arena"),
        (lambda: cnnir.from_pattern("INPUT[3x5x5] -> CONV3-5 -> RELU").plan(alignment=4), "aligned"),
        (strided, "no strides"),
        (fused, "one operator at a time"),
        (lambda: SAMPLES["pooled_in_strips"][1], "one operator at a time"),
        (lambda: SAMPLES["concat_without_copy"][1], "would copy"),
        (lambda: SAMPLES["joined"][1], "would copy"),
        (lambda: SAMPLES["split_and_sliced"][1], "would copy"),
    ],
    ids=["input outside", "interface outside", "alignment", "strides", "fused", "strips", "concat", "join", "split"],
)
def test_what_the_form_cannot_say(make: Callable[[], MemoryPlan], reason: str) -> None:
    """One line that says why."""
    plan = make()
    plan.check()
    with pytest.raises(CnnirError) as caught:
        offline_plan(plan)
    assert caught.value.code == "plan-form"
    assert reason in str(caught.value)


def test_names_have_to_be_the_networks() -> None:
    """A value that no tensor bears the name of, one that two bear, a tensor whose bytes the plan does not keep."""
    plan = small().plan()
    names = list(plan.values)
    for wrong in (names[1:], [*names, names[2]], [*names[:-1], "misspelt"]):
        with pytest.raises(CnnirError) as caught:
            offline_plan(plan, wrong)
        assert caught.value.code == "tensor-names"
    unstored = replace(plan, values={**plan.values, "ghost": replace(plan.values["data"], pieces=None)})
    assert offline_plan(unstored).to_bytes() == offline_plan(plan).to_bytes()
    with pytest.raises(CnnirError) as caught:
        offline_plan(unstored, [*names, "ghost"])
    assert (caught.value.code, caught.value.node) == ("plan-form", "ghost")
