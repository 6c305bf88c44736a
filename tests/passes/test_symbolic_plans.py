"""One plan for a range of sizes: proved at fifty bindings of each network, by the check and by the oracle."""

import functools
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import cnnir
from cnnir import GraphBuilder
from cnnir.cli import main
from cnnir.dims import Dim, bind, parse_dim
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import save
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


def branches() -> Graph:
    """Slices of a concatenation, one of them concatenated again, a split, strips in front of pooling."""
    builder = GraphBuilder("branches")
    x = builder.input("image", (1, 3, "H", "W"))
    x = builder.max_pool(builder.relu(builder.conv(x, 8, kernel=3, padding=1)), 3, stride=2)
    for filters in (3, 5):
        left, right = (builder.relu(builder.conv(x, count, kernel=1)) for count in (filters, 2 * filters))
        right = builder.conv(right, 4, kernel=3, padding=1)
        x = builder.concat(builder.concat(left, right), builder.conv(x, 2, kernel=1), x)
    return builder.build(builder.global_average_pool(builder.relu(builder.conv(x, 20, kernel=1))))


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


FUSED: dict[str, tuple[Callable[[], Graph], Ranges, dict[str, Any]]] = {
    "branches": (branches, {"H": (5, 90), "W": (7, 120)}, {"fuse": "steps"}),
    "branches, a step a node": (branches, {"H": (5, 90), "W": (7, 120)}, {"concat": True, "alignment": 8}),
    "branches, chained": (branches, {"H": (5, 60), "W": (7, 60)}, {"fuse": "aggressive", "count_inputs": False}),
    "residual": (residual, {"H": (1, 90), "W": (1, 120)}, {"fuse": "steps"}),
    "stack": (lambda: stack().bind(N=1), {"H": (32, 250), "W": (32, 300)}, {"fuse": "aggressive"}),
    "dense squeezenet": (
        lambda: dense("squeezenet1_0").bind(N=1), {"H": (224, 400), "W": (224, 300)}, {"fuse": "steps"},
    ),
    "dense densenet": (
        lambda: dense("densenet121").bind(N=1), {"H": (224, 260), "W": (224, 256)}, {"fuse": "steps"},
    ),
}  # fmt: skip


@functools.cache
def planned(name: str) -> SymbolicPlan:
    """The plan of a network."""
    make, ranges = NETWORKS[name]
    return symbolic_plan(make(), ranges)


@functools.cache
def fused(name: str) -> SymbolicPlan:
    """One with bodies, fused steps and strips."""
    make, ranges, options = FUSED[name]
    return symbolic_plan(make(), ranges, **options)


def drawn(ranges: Ranges, count: int, seed: str) -> list[dict[str, int]]:
    """The corners of the range, and sizes drawn from it."""
    generator = random.Random(seed)
    corners = [{key: end[side] for key, end in ranges.items()} for side in (0, 1)]
    more = [{key: generator.randint(*ends) for key, ends in ranges.items()} for _ in range(count - len(corners))]
    return corners + more


def number(dim: Dim, dims: dict[str, int]) -> int:
    """The value of a formula."""
    value = bind(dim, dims)
    assert isinstance(value, int)
    return value


def bindings(name: str) -> list[dict[str, int]]:
    """The corners of the range, and sizes drawn from it."""
    return drawn(NETWORKS[name][1], BINDINGS, name)


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


# Bodies, fused steps, strips


@pytest.mark.parametrize("name", FUSED)
def test_fifty_bindings_of_fused_steps(name: str) -> None:
    """Slices at distances that depend on the sizes, strips of open width: each proved, of the arena that was told."""
    found = fused(name)
    for dims in drawn(FUSED[name][1], 6 if name.startswith("dense") else BINDINGS, name):
        plan, fixed = found.at(dims), found.at(dims, fixed=True)
        assert plan.arena_bytes == found.arena_bytes(dims)
        assert found.formula is None or plan.arena_bytes == max(number(dim, dims) for dim in found.formula)
        assert plan.arena_bytes <= fixed.arena_bytes <= found.arena_most
        assert [step.nodes for step in plan.steps] == [step.nodes for step in found.upper.steps]
        assert {storage.offset for storage in fixed.storages if storage.aligned} or not fixed.storages
    assert any(len(step.nodes) > 1 for step in found.upper.steps) or FUSED[name][2].get("fuse") is None


@pytest.mark.parametrize("name", [name for name in FUSED if not name.startswith("dense")])
def test_the_oracle_agrees_on_fused_steps(name: str) -> None:
    """Bytes followed one by one at fifty sizes, small ones, as that takes long; and run, bit for bit, at some."""
    found, ranges = fused(name), FUSED[name][1]
    small = {key: (least, min(most, least + 30)) for key, (least, most) in ranges.items()}
    for index, dims in enumerate(drawn(small, BINDINGS, name)):
        graph, plan = found.graph.bind(**dims), found.at(dims, fixed=index % 2 == 1)
        assert complaint(graph, plan.to_json()) is None
        if index % 10 == 0:
            feed = models.random_input(graph, index)
            free = graph.run(feed)
            for value, array in graph.run(feed, plan=plan, poison=True).items():
                np.testing.assert_array_equal(array, free[value])


def test_slices_are_bodies() -> None:
    """What is told about are really slices that lie fixed to each other, and strips."""
    found = fused("branches")
    assert len(set(found.lifted.bodies)) < len(found.sizes)
    assert any(begin != 0 for begin in found.lifted.begins)
    assert found.lifted.strips
    assert all(str(strips.bytes) != "0" for strips in found.lifted.strips.values())


def test_bases_are_fixed() -> None:
    """Bodies stay where they are for the whole range, slices move within them."""
    found = fused("branches")
    bodies = found.lifted.bodies
    for dims in drawn(FUSED["branches"][1], 10, "bases"):
        plan = found.at(dims, fixed=True)
        for index, storage in enumerate(plan.storages):
            begin = number(found.lifted.begins[index], dims)
            assert storage.offset == found.fixed_bases[bodies[index]] + begin


@pytest.mark.parametrize("fuse", ["none", "steps"])
def test_workspace(fuse: str) -> None:
    """Worked out for the sizes that are asked for; at most, where all of them can be tried."""
    found = symbolic_plan(branches(), {"H": (12, 14), "W": (19, 21)}, fuse=fuse, workspace="today")
    assert found.formula is None
    for dims in drawn({"H": (12, 14), "W": (19, 21)}, 6, "workspace"):
        plan = found.at(dims)
        assert plan.arena_bytes == found.arena_bytes(dims) <= found.arena_most
        assert found.at(dims, fixed=True).arena_bytes <= found.arena_most
        alone = found.graph.bind(**dims).plan(fuse=fuse, workspace="today")
        assert plan.workspace_bytes == alone.workspace_bytes
        assert complaint(found.graph.bind(**dims), plan.to_json()) is None
    wide = symbolic_plan(branches(), {"H": (12, 80), "W": (12, 80)}, fuse=fuse, workspace="today")
    assert wide.at({"H": 33, "W": 44}).arena_bytes == wide.arena_bytes({"H": 33, "W": 44})
    assert "all sizes can be tried" in str(wide)
    with pytest.raises(CnnirError) as caught:
        wide.at({"H": 33, "W": 44}, fixed=True)
    assert caught.value.code == "plan-form"


def test_ways_of_a_profile_are_of_one_size() -> None:
    """Rows at a time, tiles: chosen for the sizes that were planned."""
    with pytest.raises(CnnirError) as caught:
        symbolic_plan(branches(), {"H": (12, 18), "W": (30, 40)}, workspace="server")
    assert caught.value.code == "plan-form"


def test_what_is_contiguous_at_the_upper_end_alone() -> None:
    """Slices of a batch of one are; where the batch is open they are copied, in the plan that is kept."""
    builder = GraphBuilder("cut")
    x = builder.input("image", ("N", 4, "H", "H"))
    left, right = (builder.conv(x, 3, kernel=1) for _ in range(2))
    graph = builder.build(builder.conv(builder.concat(left, right), 2, kernel=1))
    found = symbolic_plan(graph, {"N": (1, 3), "H": (1, 9)}, fuse="steps")
    assert found.at({"N": 2, "H": 5}).arena_bytes > 0
    assert len(set(found.lifted.bodies)) == len(found.sizes)
    alone = symbolic_plan(graph, {"N": (1, 1), "H": (1, 9)}, fuse="steps")
    assert len(set(alone.lifted.bodies)) < len(alone.sizes)


def test_json_follows_its_schema() -> None:
    """Formulas that can be read back, bases, and the plan at the upper ends."""
    schema = Path(__file__).parents[2] / "docs/schema/cnnir.symbolic-plan-1.schema.json"
    for found in (fused("branches"), planned("residual")):
        document = json.loads(found.to_json())
        jsonschema.validate(document, json.loads(schema.read_text()))
        assert [parse_dim(storage["bytes"]) for storage in document["storages"]] == list(found.sizes)
        assert document["arena_most"] == found.arena_most
        assert document["upper"] == json.loads(found.upper.to_json())


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The formula is printed; what is about known sizes is refused in one line."""
    path = tmp_path / "branches.onnx"
    save(branches(), path)
    arguments = ["plan", str(path), "--range", "H=5:90", "--range", "W=7:120", "--fuse", "steps"]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"{fused('branches')}\n"
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["arena_most"] == fused("branches").arena_most
    for more, code in (
        (["--steps"], "usage"),
        (["--budget", "1MiB"], "usage"),
        (["--range", "H=1:2"], "usage"),
        (["--range", "H=1-2"], "usage"),
        (["--range", "K=1:2"], "symbol-unknown"),
    ):
        assert main([*arguments, *more]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n"), f"[{code}]" in err) == ("", 1, True)
