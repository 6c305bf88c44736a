"""One plan for a range of sizes: proved at fifty bindings of each network, by the check and by the oracle."""

import functools
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import cnnir
from cnnir import GraphBuilder
from cnnir.dims import Dim, bind
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.memory import SymbolicPlan, symbolic_plan
from tests import models
from tests.plan.oracle import complaint

BINDINGS = 50

Ranges = dict[str, tuple[int, int]]


def stack() -> Graph:
    """Strides and a window: sizes are rounded up and down."""
    builder = GraphBuilder("stack")
    x = builder.input("image", ("N", 3, "H", "W"))
    for filters in (16, 32, 64, 32):
        x = builder.relu(builder.conv(x, filters, kernel=3, stride=2, padding=1))
    return builder.build(builder.max_pool(x, 2))


def residual() -> Graph:
    """Branches that live side by side, of which the larger depends on the sizes; alignment matters throughout."""
    builder = GraphBuilder("residual")
    x = builder.input("image", (1, 3, "H", "W"))
    x = builder.relu(builder.conv(x, 5, kernel=3, padding=1))
    for filters in (7, 11):
        left = builder.conv(x, filters, kernel=3, stride=2, padding=1)
        right = builder.conv(builder.max_pool(x, 2, padding="same"), filters, kernel=1)
        x = builder.relu(builder.add(left, right))
    return builder.build(builder.concat(x, builder.sigmoid(x)))


def two_sizes() -> Graph:
    """Two inputs of unrelated sizes: which of them is larger differs over the range."""
    builder = GraphBuilder("two")
    left = builder.input("left", (1, 2, "H", "W"))
    right = builder.input("right", (1, 2, "K", "K"))
    for name, x in (("a", left), ("b", right)):
        made = builder.conv(builder.relu(builder.conv(x, 3, kernel=3, padding=1)), 4, kernel=3, padding=1, name=name)
        if name == "a":
            left = builder.global_average_pool(made)
        else:
            right = builder.global_average_pool(made)
    return builder.build(builder.add(left, right))


def any_batch(name: str) -> Graph:
    """A real network of open batch."""
    return cnnir.load(models.path(name)).apply("set-batch", batch="N").graph


def dense(name: str) -> Graph:
    """A classifier of the zoo for images of any size."""
    graph = cnnir.zoo.build(name).apply("fc-to-conv", dense=True, keep_interface=False).graph
    return graph.apply("set-batch", batch="N").graph


NETWORKS: dict[str, tuple[Callable[[], Graph], Ranges]] = {
    "stack": (stack, {"N": (1, 5), "H": (32, 250), "W": (32, 300)}),
    "residual": (residual, {"H": (1, 90), "W": (1, 120)}),
    "two sizes": (two_sizes, {"H": (1, 60), "W": (1, 60), "K": (1, 80)}),
    "squeezenet": (lambda: any_batch("squeezenet"), {"N": (1, 64)}),
    "resnet50": (lambda: any_batch("resnet50"), {"N": (1, 16)}),
    "dense resnet18": (lambda: dense("resnet18"), {"N": (1, 3), "H": (193, 512), "W": (193, 640)}),
}


@functools.cache
def planned(name: str) -> SymbolicPlan:
    """The plan of a network."""
    make, ranges = NETWORKS[name]
    return symbolic_plan(make(), ranges)


def number(dim: Dim, dims: dict[str, int]) -> int:
    """The value of a formula."""
    value = bind(dim, dims)
    assert isinstance(value, int)
    return value


def bindings(name: str) -> list[dict[str, int]]:
    """The corners of the range, and sizes drawn from it."""
    generator = random.Random(name)
    ranges = NETWORKS[name][1]
    corners = [{key: end[side] for key, end in ranges.items()} for side in (0, 1)]
    return corners + [
        {key: generator.randint(*ends) for key, ends in ranges.items()} for _ in range(BINDINGS - len(corners))
    ]


@pytest.mark.parametrize("name", NETWORKS)
def test_fifty_bindings(name: str) -> None:
    """Each is a plan of the bound graph, of the arena that the formula gives and the bound allows; decisions stay."""
    found = planned(name)
    assert found.formula is not None
    for dims in bindings(name):
        plan = found.at(dims)
        plan.check(found.graph.bind(**dims))
        assert plan.arena_bytes == found.arena_bytes(dims) == max(number(dim, dims) for dim in found.formula)
        assert plan.arena_bytes <= found.arena_most
        assert plan.steps == found.upper.steps
        assert [(s.first, s.last) for s in plan.storages] == [(s.first, s.last) for s in found.upper.storages]
        assert plan.bindings == dims


@pytest.mark.parametrize("name", NETWORKS)
def test_fixed_offsets(name: str) -> None:
    """One table of offsets for the whole range, within the bound."""
    found = planned(name)
    tables = set()
    for dims in bindings(name):
        plan = found.at(dims, fixed=True)
        tables.add(tuple(storage.offset for storage in plan.storages))
        assert plan.arena_bytes <= found.arena_most
    assert len(tables) == 1


@pytest.mark.parametrize("name", ["stack", "residual", "two sizes"])
def test_the_oracle_agrees(name: str) -> None:
    """Bytes followed one by one, by code that knows nothing of the check."""
    found = planned(name)
    for dims in bindings(name)[:4]:
        small = {key: min(value, 33) for key, value in dims.items()}
        graph = found.graph.bind(**small)
        for fixed in (False, True):
            assert complaint(graph, found.at(small, fixed=fixed).to_json()) is None


@pytest.mark.parametrize("name", NETWORKS)
def test_at_the_upper_end(name: str) -> None:
    """There it is no worse than the plan that it was made from, and the bound is reached."""
    found = planned(name)
    most = {key: end for key, (_, end) in found.ranges.items()}
    assert found.at(most).arena_bytes <= found.upper.arena_bytes
    assert found.at(most).arena_bytes == found.arena_most


def test_runs_in_its_arena() -> None:
    """At odd sizes, with offsets of its own and with fixed ones, bit for bit the run without a plan."""
    found = planned("residual")
    for dims in bindings("residual")[2:6]:
        graph = found.graph.bind(**dims)
        feed = models.random_input(graph, 3)
        free = graph.run(feed)
        for fixed in (False, True):
            for name, array in graph.run(feed, plan=found.at(dims, fixed=fixed)).items():
                np.testing.assert_array_equal(array, free[name])


def test_options_reach_the_planner() -> None:
    """Inputs outside, nothing in place, a coarse alignment: at every size."""
    found = symbolic_plan(residual(), {"H": (1, 50), "W": (1, 50)}, in_place=False, count_inputs=False, alignment=256)
    for height in range(1, 51, 7):
        plan = found.at({"H": height, "W": 51 - height})
        assert not any(step.donations for step in plan.steps)
        assert all(storage.offset % 256 == 0 for storage in plan.storages)
        assert {pool.name: pool.counted for pool in plan.pools} == {"arena": True, "interface": False}
        assert plan.arena_bytes == found.arena_bytes({"H": height, "W": 51 - height})


def test_formulas_are_read_by_people() -> None:
    """Short ones are printed; the bound stands beside them."""
    text = str(planned("squeezenet"))
    figure = planned("squeezenet").upper.arena_bytes // 64
    assert f"arena    {figure}*N B" in text
    assert "N 1 to 64" in text
    assert f"({planned('squeezenet').arena_most:,} B)" in text
    long = replace(planned("squeezenet"), formula=None)
    assert "arena_bytes(...)" in str(long)


@pytest.mark.parametrize(
    ("ranges", "code"),
    [
        ({"H": (32, 64), "W": (32, 64)}, "range"),
        ({"N": (1, 2), "H": (0, 64), "W": (32, 64)}, "range"),
        ({"N": (1, 2), "H": (64, 32), "W": (32, 64)}, "range"),
        ({"N": (1, 2), "H": (16, 64), "W": (32, 64)}, "range"),
        ({"N": (1, 2), "H": (32, 64), "W": (32, 64), "K": (1, 2)}, "symbol-unknown"),
    ],
    ids=["missing", "zero", "empty", "sizes that the network does not take", "unknown"],
)
def test_ranges_that_are_none(ranges: Ranges, code: str) -> None:
    """One line each."""
    with pytest.raises(CnnirError) as caught:
        symbolic_plan(stack(), ranges)
    assert caught.value.code == code


def test_sizes_outside() -> None:
    """What was proved for a range is not claimed beyond it."""
    found = planned("stack")
    for dims, code in (
        ({"N": 1, "H": 31, "W": 40}, "range"),
        ({"N": 6, "H": 40, "W": 40}, "range"),
        ({"N": 1, "H": 40}, "range"),
        ({"N": 1, "H": 40, "W": 40, "K": 1}, "symbol-unknown"),
    ):
        for ask in (found.at, found.arena_bytes):
            with pytest.raises(CnnirError) as caught:
                ask(dims)
            assert caught.value.code == code


def test_equations_pick_sizes_out_of_the_range() -> None:
    """Sizes that the network does not take are refused one by one; the upper end has to be one that it takes."""
    builder = GraphBuilder("even")
    x = builder.input("image", (1, 2, "H", "H"))
    graph = builder.build(builder.add(x, builder.upsample(builder.max_pool(x, 2), 2)))
    found = symbolic_plan(graph, {"H": (2, 20)})
    assert [size for size in range(2, 21) if takes(found, size)] == list(range(2, 21, 2))
    with pytest.raises(CnnirError) as caught:
        symbolic_plan(graph, {"H": (2, 21)})
    assert (caught.value.code, "upper ends" in str(caught.value)) == ("constraint", True)


def takes(found: SymbolicPlan, size: int) -> bool:
    """Whether the network takes an image of this height."""
    try:
        found.at({"H": size})
    except CnnirError as error:
        if error.code != "constraint":
            raise
        return False
    return True


def test_equal_at_the_upper_end_alone() -> None:
    """A map of one pixel may take over the bytes of what is added to it, a map of open size may not."""
    builder = GraphBuilder("pixel")
    x = builder.input("image", (1, 4, "H", "W"))
    pooled = builder.global_average_pool(x, name="pooled")
    graph = builder.build(builder.add(pooled, x, name="sum"), x)
    assert symbolic_plan(graph, {"H": (1, 9), "W": (1, 9)}).at({"H": 1, "W": 1}).arena_bytes > 0
    with pytest.raises(CnnirError) as caught:
        symbolic_plan(graph, {"H": (1, 1), "W": (1, 1)})
    assert (caught.value.code, "pooled and sum" in str(caught.value)) == ("plan-form", True)
    assert symbolic_plan(graph, {"H": (1, 1), "W": (1, 1)}, in_place=False).arena_bytes({"H": 1, "W": 1}) > 0
