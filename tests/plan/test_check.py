"""The proof of a plan: it passes every plan that is made, and fails every way of spoiling one."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given, settings

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.ops import Add, Dropout, Op, Relu, Reshape, Transpose
from cnnir.plan import KERNEL, VIEW, Bound, MemoryPlan, Pool, Scratch, check_plan
from cnnir.plan.contents import check_contents
from cnnir.types import DType, TensorType
from cnnir.weights import Array
from tests.plan import oracle, plans
from tests.random_graphs import random_graph

GRAPHS = plans.graphs()
PLANS = {name: plans.plain(graph) for name, graph in GRAPHS.items()}

ANY = ("plan-structure", "plan-bound", "plan-overlap", "plan-life", "plan-contents", "plan-graph")


def refusal(plan: MemoryPlan, graph: Graph | None) -> str | None:
    """The code with which the proof fails, None when it holds; any other exception gets through."""
    error = failure(lambda: check_plan(plan, graph))
    assert error is None or "\n" not in str(error)
    return None if error is None else error.code


def failure(prove: Callable[[], None]) -> CnnirError | None:
    try:
        prove()
    except CnnirError as error:
        return error
    return None


def assert_refused(plan: MemoryPlan, graph: Graph | None, *codes: str) -> None:
    assert refusal(plan, graph) in (codes or ANY)


each_graph = pytest.mark.parametrize("name", GRAPHS)


@each_graph
def test_good_plans_pass(name: str) -> None:
    graph, plan = GRAPHS[name], PLANS[name]
    plan.check()
    plan.check(graph)
    assert oracle.complaint(graph, plan.to_json()) is None
    for options in ({"in_place": False}, {"alignment": 4}, {"count_inputs": False}, {"count_outputs": False}):
        other = plans.plain(graph, **options)
        assert oracle.complaint(graph, other.to_json()) is None


# Storages


def neighbours(plan: MemoryPlan) -> list[tuple[int, int]]:
    numbered = list(enumerate(plan.storages))
    return [(i, j) for i, left in numbered for j, right in numbered if i != j and plans.alive_together(left, right)]


@each_graph
def test_a_storage_moved_into_a_living_neighbour(name: str) -> None:
    graph, plan = GRAPHS[name], PLANS[name]
    pairs = neighbours(plan)
    assert pairs
    alignment = plan.pools[0].alignment
    for index, other in pairs:
        size, neighbour = plan.storages[index].bytes, plan.storages[other]
        # To its beginning, to the last aligned place inside of it, and from below into its first bytes.
        inside = (neighbour.end - 1) // alignment * alignment
        below = max(0, (neighbour.offset - size) // alignment * alignment + alignment)
        for offset in {neighbour.offset, inside, below}:
            moved = plans.with_storage(plan, index, offset=offset)
            if offset >= neighbour.end or offset + size <= neighbour.offset:
                continue
            assert_refused(moved, graph)
            assert_refused(plans.figures_mended(moved), graph, "plan-overlap")
            assert_refused(plans.figures_mended(moved), None, "plan-overlap")


@each_graph
def test_contents_alone_find_a_storage_moved_into_a_living_neighbour(name: str) -> None:
    plan = PLANS[name]
    for index, other in neighbours(plan):
        moved = plans.figures_mended(plans.with_storage(plan, index, offset=plan.storages[other].offset))
        with pytest.raises(CnnirError, match="plan-contents"):
            check_contents(moved)


@each_graph
def test_a_life_cut_short(name: str) -> None:
    graph, plan = GRAPHS[name], PLANS[name]
    for index, storage in enumerate(plan.storages):
        for changes in ({"first": storage.first + 1}, {"last": storage.last - 1}):
            cut = plans.with_storage(plan, index, **changes)
            assert_refused(cut, graph, "plan-life")
            assert_refused(plans.figures_mended(cut) if storage.first < storage.last else cut, None, "plan-life")


@each_graph
def test_a_life_outside_of_the_steps(name: str) -> None:
    plan = PLANS[name]
    for index in range(len(plan.storages)):
        for changes in ({"first": -1}, {"last": len(plan.steps)}, {"first": 10**9, "last": 10**9}):
            assert_refused(plans.with_storage(plan, index, **changes), None, "plan-life")


@each_graph
def test_a_storage_out_of_line_or_out_of_its_pool(name: str) -> None:
    plan = PLANS[name]
    for index, storage in enumerate(plan.storages):
        for changes in (
            {"offset": storage.offset + 4},
            {"offset": -64},
            {"offset": plan.pools[0].bytes // 64 * 64 + 64},
            {"bytes": -1},
            {"bytes": storage.bytes - 1},
            {"bytes": plan.pools[0].bytes + 1},
            {"pool": "elsewhere"},
            {"pool": ""},
        ):
            assert_refused(plans.with_storage(plan, index, **changes), None, "plan-structure")


# Pieces


@each_graph
def test_a_piece_that_lies_wrongly(name: str) -> None:
    graph, plan = GRAPHS[name], PLANS[name]
    for value, planned in plan.values.items():
        piece = plans.first_piece(planned)
        changes: list[dict[str, Any]] = [{"offset": piece.offset + by} for by in (1, -1, 4, -4, 64, -64, 1 << 40)]
        changes += [{"storage": wrong} for wrong in (-1, len(plan.storages))]
        changes += [{"pool": "elsewhere"}, {"origin": piece.origin[1:]}, {"shape": (*piece.shape, 1)}, {"strides": ()}]
        for axis in range(len(piece.shape)):
            changes += [{"shape": changed(piece.shape, axis, by)} for by in (-1, 1)]
            changes += [{"origin": changed(piece.origin, axis, by)} for by in (-1, 1)]
            if piece.shape[axis] > 1:
                stride = piece.strides[axis]
                changes += [{"strides": changed(piece.strides, axis, by)} for by in (-1, 1, 4, stride)]
                changes += [{"strides": changed(piece.strides, axis, -by)} for by in (4, stride, 2 * stride)]
        for change in changes:
            assert_refused(plans.with_piece(plan, value, **change), None, "plan-structure")
            assert_refused(plans.with_piece(plan, value, **change), graph, "plan-structure")


def changed(numbers: tuple[int, ...], axis: int, by: int) -> tuple[int, ...]:
    return (*numbers[:axis], numbers[axis] + by, *numbers[axis + 1 :])


@each_graph
def test_a_piece_in_another_storage(name: str) -> None:
    """A storage of the right size may take the value, but what lay there before is gone, or dies too early."""
    graph, plan = GRAPHS[name], PLANS[name]
    for (value, planned), (index, storage) in itertools.product(plan.values.items(), enumerate(plan.storages)):
        piece = plans.first_piece(planned)
        if index == piece.storage:
            continue
        moved = plans.with_piece(plan, value, storage=index, offset=storage.offset)
        verdict = refusal(plans.figures_mended(plans.lives_mended(moved)), graph)
        if verdict is None:
            assert oracle.complaint(graph, plans.figures_mended(plans.lives_mended(moved)).to_json()) is None
        else:
            assert verdict in ANY
        # Without mending, the plan's own figures or lives speak against it.
        if plan.storages[piece.storage].bytes != storage.bytes:
            assert_refused(moved, graph)


@each_graph
def test_a_value_without_its_pieces(name: str) -> None:
    graph, plan = GRAPHS[name], PLANS[name]
    for value, planned in plan.values.items():
        piece = plans.first_piece(planned)
        for pieces in (None, (), (piece, piece)):
            assert_refused(plans.with_value(plan, value, pieces=pieces), None, "plan-structure")
            assert_refused(plans.with_value(plan, value, pieces=pieces), graph, "plan-structure")


@each_graph
def test_a_value_of_another_type(name: str) -> None:
    graph, plan = GRAPHS[name], PLANS[name]
    for value, planned in plan.values.items():
        negative = tuple(-dim for dim in planned.shape)
        both = plans.with_piece(plans.with_value(plan, value, shape=negative), value, shape=negative)
        assert_refused(both, None, "plan-structure")
        for dtype in ("string", "float31", ""):
            assert_refused(plans.with_value(plan, value, dtype=dtype), None, "plan-structure")
        assert_refused(plans.with_value(plan, value, dtype="int32"), graph, "plan-graph", "plan-contents")


@each_graph
def test_values_missing_or_too_many(name: str) -> None:
    graph, plan = GRAPHS[name], PLANS[name]
    some = next(iter(plan.values.values()))
    for value in plan.values:
        less = {key: planned for key, planned in plan.values.items() if key != value}
        assert_refused(dataclasses.replace(plan, values=less), graph, "plan-structure")
    more = dataclasses.replace(plan, values={**plan.values, "nobody": some})
    assert_refused(more, graph, "plan-graph")
    for weight in graph.weights[:1]:
        stored = dataclasses.replace(some, dtype=str(weight.type).split("[")[0], shape=(), pieces=None)
        assert_refused(dataclasses.replace(plan, values={**plan.values, weight.name: stored}), graph, "plan-graph")


def test_a_value_in_two_pieces_passes() -> None:
    """The proof asks for whole values, not for single pieces."""
    graph = GRAPHS["residual"]
    plan = plans.plain(graph, in_place=False)
    piece = plans.first_piece(plan.values["conv2"])
    half = (1, piece.shape[1] // 2, *piece.shape[2:])
    upper = dataclasses.replace(piece, shape=half)
    lower = dataclasses.replace(upper, origin=(0, half[1], 0, 0), offset=piece.offset + half[1] * piece.strides[1])
    plans.with_value(plan, "conv2", pieces=(upper, lower)).check(graph)
    swapped = (dataclasses.replace(upper, offset=lower.offset), dataclasses.replace(lower, offset=upper.offset))
    plans.with_value(plan, "conv2", pieces=swapped).check(graph)
    for pieces in ((upper, upper), (upper,), (upper, piece), (upper, dataclasses.replace(lower, origin=(0, 0, 0, 0)))):
        assert_refused(plans.with_value(plan, "conv2", pieces=pieces), graph, "plan-structure")
    over = dataclasses.replace(lower, offset=upper.offset)
    assert_refused(plans.with_value(plan, "conv2", pieces=(upper, over)), graph, "plan-contents")


def test_another_layout_passes_where_nobody_shares_the_bytes() -> None:
    """Strides decide the layout: channels last is as good as channels first."""
    graph = GRAPHS["residual"]
    plan = plans.plain(graph, in_place=False)
    _, channels, _, width = plan.values["conv2"].shape
    last = plans.with_piece(plan, "conv2", strides=(4, 4, width * channels * 4, channels * 4))
    last.check(graph)
    assert oracle.complaint(graph, last.to_json()) is None
    assert plan.steps[plan.order.index("relu1")].donations == ()
    shared = plans.plain(graph)
    assert ("conv1", "relu1") in shared.steps[shared.order.index("relu1")].donations
    assert_refused(
        plans.with_piece(shared, "conv1", strides=(4, 4, width * channels * 4, channels * 4)), graph, "plan-contents"
    )


# Figures


@each_graph
def test_figures_tampered_with(name: str) -> None:
    graph, plan = GRAPHS[name], PLANS[name]
    spoilt: list[MemoryPlan] = []
    for kind, bound in plan.bounds.items():
        for by in (-plan.arena_bytes, -64, -1, 1, 64):
            spoilt.append(plans.with_bound(plan, kind, reached=bound.reached + by))
            raised = Bound.of(bound.bytes + by, bound.reached, bound.rule)
            # How far a bound over all orders could be raised, only a search over all orders would tell.
            if kind == "placement" or by > bound.reached - bound.bytes:
                spoilt.append(dataclasses.replace(plan, bounds={**plan.bounds, kind: raised}))
        spoilt += [plans.with_bound(plan, kind, status=s) for s in ("optimal", "feasible") if s != bound.status]
        spoilt += [plans.with_bound(plan, kind, bytes=-1, status="feasible")]
        spoilt += [dataclasses.replace(plan, bounds={k: b for k, b in plan.bounds.items() if k != kind})]
    spoilt += [dataclasses.replace(plan, bounds={**plan.bounds, "third": plan.bounds["order"]})]
    for wrong in spoilt:
        assert_refused(wrong, graph, "plan-bound")
    for by in (-64, -1, 1, 64):
        size = plan.pools[0].bytes + by
        assert_refused(plans.with_pool(plan, 0, bytes=size), graph, "plan-structure", "plan-bound")


@each_graph
def test_pools_tampered_with(name: str) -> None:
    graph, plan = GRAPHS[name], PLANS[name]
    (pool,) = plan.pools
    for changes in (
        {"alignment": 0},
        {"alignment": -64},
        {"capacity": pool.bytes - 1},
        {"name": "other"},
        {"bytes": -1},
    ):
        assert_refused(plans.with_pool(plan, 0, **changes), graph, "plan-structure")
    for pools in ((pool, pool), ()):
        assert_refused(dataclasses.replace(plan, pools=pools), graph, "plan-structure")
    # Another pool is no fault in itself, but its bytes are: nothing lies there.
    assert_refused(dataclasses.replace(plan, pools=(pool, Pool("more", 64))), graph, "plan-bound")
    assert_refused(plans.with_pool(plan, 0, counted=False), graph, "plan-bound")


# Steps


@each_graph
def test_steps_out_of_order(name: str) -> None:
    plan = PLANS[name]
    broken = 0
    for number, (first, second) in enumerate(itertools.pairwise(plan.steps)):
        steps = list(plan.steps)
        steps[number : number + 2] = [second, first]
        swapped = plans.with_steps(plan, tuple(steps))
        mended = plans.figures_mended(plans.lives_mended(swapped))
        if set(first.writes) & set(second.reads):
            broken += 1
            assert_refused(swapped, None)
            assert_refused(mended, None, "plan-contents", "plan-overlap")
    assert broken > 3


@each_graph
def test_steps_dropped_or_doubled(name: str) -> None:
    graph, plan = GRAPHS[name], PLANS[name]
    for number, step in enumerate(plan.steps):
        spoilt = [
            (*plan.steps[:number], *plan.steps[number + 1 :]),
            (*plan.steps[:number], step, *plan.steps[number:]),
            (*plan.steps, step),
            (step, *plan.steps),
        ]
        for steps in spoilt:
            wrong = plans.with_steps(plan, steps)
            assert_refused(wrong, graph)
            assert_refused(plans.figures_mended(plans.lives_mended(wrong)), graph)
    assert_refused(plans.with_steps(plan, ()), graph, "plan-life")


@each_graph
def test_steps_that_name_other_nodes(name: str) -> None:
    graph, plan = GRAPHS[name], PLANS[name]
    for number, step in enumerate(plan.steps):
        for nodes in ((), ("nobody",), (*step.nodes, "nobody"), (*step.nodes, *step.nodes)):
            assert_refused(plans.with_step(plan, number, nodes=nodes), graph, "plan-graph", "plan-structure")


@each_graph
def test_reads_and_writes_altered(name: str) -> None:
    graph, plan = GRAPHS[name], PLANS[name]
    for number, step in enumerate(plan.steps):
        for field, names in (("reads", step.reads), ("writes", step.writes)):
            others = [other for other in plan.values if other not in names][:4]
            altered: list[tuple[str, ...]] = [(*names, other) for other in others]
            altered += [(other, *names[1:]) for other in others if names]
            altered += [(*names[:i], *names[i + 1 :]) for i in range(len(names))]
            altered += [(*names, "nobody"), (*names, *names[:1], *names[:1])]
            for wrong in altered:
                if wrong != names:
                    assert_refused(plans.with_step(plan, number, **{field: wrong}), graph)


@each_graph
def test_donations_altered(name: str) -> None:
    graph, plan = GRAPHS[name], PLANS[name]
    for number, step in enumerate(plan.steps):
        wrong = [(source, target) for source in step.reads for target in step.writes]
        for pair in [*wrong, ("nobody", "nobody"), *((t, s) for s, t in wrong)]:
            if pair not in step.donations:
                donated = plans.with_step(plan, number, donations=(*step.donations, pair))
                assert_refused(donated, graph, "plan-structure", "plan-contents", "plan-graph")
        for pair in step.donations:
            kept = tuple(other for other in step.donations if other != pair)
            assert_refused(plans.with_step(plan, number, donations=kept), graph, "plan-contents")


@each_graph
def test_views_and_kernels_exchanged(name: str) -> None:
    graph, plan = GRAPHS[name], PLANS[name]
    for number, step in enumerate(plan.steps):
        other = KERNEL if step.algorithm == VIEW else VIEW
        codes = ("plan-contents",) if step.algorithm == VIEW else ("plan-contents", "plan-structure", "plan-graph")
        assert_refused(plans.with_step(plan, number, algorithm=other), graph, *codes)
        if other == VIEW and step.donations:
            # Bytes in the right place do not make a computation a view.
            bare = plans.with_step(plan, number, algorithm=VIEW, donations=())
            assert_refused(bare, graph, "plan-graph", "plan-structure")


def test_a_view_of_another_operand() -> None:
    """The bytes that a view shows are its first operand's."""
    graph = Graph("shown")
    shape = graph.add_input("shape", TensorType(DType.INT64, (2,)))
    data = graph.add_weight("data", Array.of(np.arange(2, dtype=np.int64)))
    node = graph.add_node(Reshape((2,)), [data], name="show")
    graph.set_outputs([graph.add_node(Reshape((1, 2)), [shape]).output, *node.outputs])
    plan = plans.plain(graph)
    number = plan.order.index("show")
    seen = plans.with_step(plan, number, reads=("shape",), algorithm=VIEW)
    seen = plans.with_piece(seen, "show", storage=0, offset=plan.storages[0].offset)
    assert_refused(plans.figures_mended(plans.lives_mended(seen)), graph, "plan-graph")


def test_a_view_op_with_a_second_output_is_computed() -> None:
    graph = Graph("masked")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (2, 3)))
    relu = graph.add_node(Relu(), [x]).output
    graph.set_outputs(graph.add_node(Dropout(with_mask=True), [relu]).outputs)
    plan = plans.plain(graph)
    assert [step.algorithm for step in plan.steps] == [KERNEL, KERNEL]
    assert oracle.complaint(graph, plan.to_json()) is None


# One fault at a time, in graphs made for it


def two_layers(first: Op, second: Op, *shape: int) -> tuple[Graph, MemoryPlan]:
    """``x -> a -> b``, with a plan that shares nothing."""
    graph = Graph("two")
    x = graph.add_input("x", TensorType(DType.FLOAT32, shape))
    a = graph.add_node(first, [x], name="a").output
    graph.set_outputs([graph.add_node(second, [a], name="b").output])
    return graph, plans.plain(graph, in_place=False)


def laid_over(plan: MemoryPlan, target: str, source: str, **changes: Any) -> MemoryPlan:
    """The plan with one value over another, all else made to fit."""
    piece = plans.first_piece(plan.values[source])
    over = plans.with_piece(plan, target, storage=piece.storage, offset=piece.offset)
    number = next(number for number, step in enumerate(plan.steps) if target in step.writes)
    return plans.figures_mended(plans.lives_mended(plans.with_step(over, number, **changes)))


def test_only_ops_that_work_in_place_take_donations() -> None:
    graph, plan = two_layers(Relu(), Relu(), 2, 2)
    donated = laid_over(plan, "b", "a", donations=(("a", "b"),))
    assert refusal(donated, graph) is None
    graph, plan = two_layers(Relu(), Transpose((1, 0)), 2, 2)
    donated = laid_over(plan, "b", "a", donations=(("a", "b"),))
    assert refusal(donated, None) is None
    assert_refused(donated, graph, "plan-graph")
    assert oracle.complaint(graph, donated.to_json()) is not None


def test_a_donation_keeps_the_type() -> None:
    graph = Graph("rows")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (6,)))
    y = graph.add_input("y", TensorType(DType.FLOAT32, (1, 6)))
    a = graph.add_node(Relu(), [x], name="a").output
    graph.set_outputs([graph.add_node(Add(), [a, y], name="b").output])
    plan = plans.plain(graph, in_place=False)
    assert_refused(laid_over(plan, "b", "a", donations=(("a", "b"),)), graph, "plan-graph")


def test_a_view_that_nobody_reads_lies_where_its_operand_lies() -> None:
    graph, _ = two_layers(Relu(), Relu(), 2, 2)
    graph.add_node(Reshape((4,)), [graph.value("a")], name="view")
    plan = plans.plain(graph, in_place=False)
    piece = plans.first_piece(plan.values["b"])
    moved = plans.with_piece(plan, "view", storage=piece.storage, offset=piece.offset)
    assert_refused(plans.figures_mended(plans.lives_mended(moved)), graph, "plan-contents")


def test_what_is_written_twice_is_refused_without_the_graph_too() -> None:
    for second in (Relu(), Reshape((4,))):
        _, plan = two_layers(Relu(), second, 2, 2)
        doubled = plans.with_steps(plan, (*plan.steps, plan.steps[-1]))
        assert_refused(plans.figures_mended(plans.lives_mended(doubled)), None, "plan-contents")


def test_empty_values_are_written_before_they_are_read() -> None:
    """No byte tells that something is missing."""
    graph, plan = two_layers(Relu(), Relu(), 0, 2)
    plan.check(graph)
    swapped = plans.with_steps(plan, plan.steps[::-1])
    assert_refused(plans.figures_mended(plans.lives_mended(swapped)), graph, "plan-contents")


def test_a_step_has_nodes() -> None:
    _, plan = two_layers(Relu(), Relu(), 2, 2)
    assert_refused(plans.with_step(plan, 0, nodes=()), None, "plan-structure")


def test_inputs_stand_in_the_order_of_the_graph() -> None:
    graph, plan = GRAPHS["views"], PLANS["views"]
    assert_refused(dataclasses.replace(plan, inputs=plan.inputs[::-1]), graph, "plan-graph")


def test_a_piece_of_negative_size() -> None:
    """Two negative dims make a volume that seems right."""
    _, plan = two_layers(Relu(), Relu(), 2, 3)
    assert_refused(plans.with_piece(plan, "a", shape=(-2, -3), strides=(0, -4)), None, "plan-structure")


def test_elements_are_aligned_where_there_is_room() -> None:
    graph, plan = two_layers(Relu(), Relu(), 2, 3)
    piece = plans.first_piece(plan.values["a"])
    roomy = plans.figures_mended(plans.with_storage(plan, piece.storage, bytes=64))
    for by, right in ((0, True), (4, True), (40, True), (2, False), (1, False), (44, False)):
        moved = plans.with_piece(roomy, "a", offset=piece.offset + by)
        assert refusal(moved, graph) == (None if right else "plan-structure")
    assert_refused(plans.with_piece(roomy, "a", strides=(14, 4)), graph, "plan-structure")


def test_a_pool_is_no_larger_than_what_lies_in_it() -> None:
    for plan in PLANS.values():
        larger = plans.with_pool(plan, 0, bytes=plan.pools[0].bytes + 64)
        placement = plan.bounds["placement"]
        told = Bound.of(placement.bytes, placement.reached + 64, placement.rule)
        assert_refused(dataclasses.replace(larger, bounds={**plan.bounds, "placement": told}), None, "plan-bound")


# Scratch


def test_scratch_needs_room_of_its_own() -> None:
    graph, plan = GRAPHS["residual"], PLANS["residual"]
    alignment = plan.pools[0].alignment
    top = -(-plan.arena_bytes // alignment) * alignment
    for number, step in list(enumerate(plan.steps))[::3]:
        if step.algorithm == VIEW:
            continue
        room = plans.figures_mended(plans.with_step(plan, number, scratch=Scratch("arena", top, 100)))
        room.check(graph)
        assert oracle.complaint(graph, room.to_json()) is None
        assert room.scratch_bytes == 100
        for value in (*step.reads, *step.writes):
            place = plans.first_piece(plan.values[value]).offset
            over = plans.with_step(plan, number, scratch=Scratch("arena", place, 4))
            assert oracle.complaint(graph, over.to_json()) is not None
            assert_refused(over, graph, "plan-contents", "plan-overlap")
        for index in plan.live_storages(number):
            over = plans.with_step(plan, number, scratch=Scratch("arena", plan.storages[index].offset, 4))
            assert_refused(over, graph, "plan-contents", "plan-overlap")
        for scratch in (
            Scratch("arena", -4, 4),
            Scratch("arena", 0, -4),
            Scratch("arena", top, 4),
            Scratch("no", 0, 4),
        ):
            assert_refused(plans.with_step(plan, number, scratch=scratch), graph, "plan-structure")


# Fused steps


def fused(plan: MemoryPlan, first: str, second: str) -> MemoryPlan:
    """The plan with two neighbouring steps made one; what lies between them is not stored any more."""
    number = plan.order.index(first)
    one, two = plan.steps[number], plan.steps[number + 1]
    assert two.nodes == (second,)
    step = dataclasses.replace(
        one,
        nodes=(first, second),
        reads=tuple(dict.fromkeys((*one.reads, *(name for name in two.reads if name not in one.writes)))),
        writes=two.writes,
        donations=(),
    )
    plan = plans.with_steps(plan, (*plan.steps[:number], step, *plan.steps[number + 2 :]))
    storages = tuple(
        dataclasses.replace(s, first=s.first - (s.first > number), last=s.last - (s.last > number))
        for s in plan.storages
    )
    plan = dataclasses.replace(plan, storages=storages)
    for name in one.writes:
        plan = plans.with_value(plan, name, pieces=None)
    return plans.figures_mended(plans.lives_mended(plan))


def test_fused_steps() -> None:
    graph = GRAPHS["residual"]
    together = fused(plans.plain(graph), "conv1", "relu1")
    together.check(graph)
    number = together.order.index("conv1")
    assert_refused(plans.with_step(together, number, nodes=("relu1", "conv1")), graph, "plan-graph")
    assert_refused(plans.with_step(together, number, writes=("conv1", "relu1")), graph, "plan-structure")
    assert_refused(fused(plans.plain(graph), "relu1", "conv2"), graph, "plan-graph", "plan-structure")


def test_a_donation_through_a_fused_step() -> None:
    """What a convolution reads cannot be written over by it, whatever else the step does."""
    graph = GRAPHS["residual"]
    plan = plans.plain(graph, in_place=False)
    number = plan.order.index("conv2")
    source, target = plan.values["relu1"], "relu2"
    together = fused(plan, "conv2", "relu2")
    assert plans.first_piece(source).shape == together.values[target].shape
    piece = plans.first_piece(together.values["relu1"])
    over = plans.with_piece(together, target, storage=piece.storage, offset=piece.offset)
    over = plans.with_step(over, number, donations=(("relu1", target),))
    over = plans.figures_mended(plans.lives_mended(over))
    with pytest.raises(CnnirError, match="plan-"):
        over.check(graph)


# The graph


@each_graph
def test_a_plan_of_another_graph(name: str) -> None:
    plan = PLANS[name]
    for other, graph in GRAPHS.items():
        if other != name:
            assert_refused(plan, graph, "plan-graph")
            forged = dataclasses.replace(plan, digest=plans.plain(graph).digest)
            assert_refused(forged, graph, "plan-graph")
    assert_refused(dataclasses.replace(plan, digest="0" * 64), GRAPHS[name], "plan-graph")
    assert refusal(dataclasses.replace(plan, digest="0" * 64), None) is None


@each_graph
def test_another_interface(name: str) -> None:
    graph, plan = GRAPHS[name], PLANS[name]
    inner = next(name for name in plan.values if name not in plan.inputs + plan.outputs)
    for changes in (
        {"inputs": ()},
        {"inputs": (*plan.inputs, inner)},
        {"inputs": ("nobody",)},
        {"outputs": ()},
        {"outputs": (*plan.outputs, inner)},
        {"outputs": ("nobody",)},
    ):
        assert_refused(dataclasses.replace(plan, **changes), graph)


# Against the oracle


def draw_index(data: st.DataObject, count: int) -> int:
    return data.draw(st.integers(0, count - 1))


def moved_storage(plan: MemoryPlan, data: st.DataObject) -> MemoryPlan:
    """To an aligned place somewhere in the pool, often to where another one lies."""
    index = draw_index(data, len(plan.storages))
    places = [storage.offset for storage in plan.storages]
    places += range(0, plan.arena_bytes, 64)
    return plans.with_storage(plan, index, offset=data.draw(st.sampled_from(places)))


def exchanged_storages(plan: MemoryPlan, data: st.DataObject) -> MemoryPlan:
    """Two storages change places."""
    left, right = (draw_index(data, len(plan.storages)) for _ in range(2))
    places = plan.storages[left].offset, plan.storages[right].offset
    return plans.with_storage(plans.with_storage(plan, left, offset=places[1]), right, offset=places[0])


def moved_piece(plan: MemoryPlan, data: st.DataObject) -> MemoryPlan:
    """A value goes to another storage."""
    name = data.draw(st.sampled_from(list(plan.values)))
    index = draw_index(data, len(plan.storages))
    return plans.with_piece(plan, name, storage=index, offset=plan.storages[index].offset)


def exchanged_pieces(plan: MemoryPlan, data: st.DataObject) -> MemoryPlan:
    """Two values of one type change places."""
    left = data.draw(st.sampled_from(list(plan.values)))
    alike = [name for name, value in plan.values.items() if value.shape == plan.values[left].shape]
    right = data.draw(st.sampled_from(alike))
    pieces = plan.values[left].pieces, plan.values[right].pieces
    return plans.with_value(plans.with_value(plan, left, pieces=pieces[1]), right, pieces=pieces[0])


def restrided(plan: MemoryPlan, data: st.DataObject) -> MemoryPlan:
    """Strides of a value exchanged between axes."""
    name = data.draw(st.sampled_from(list(plan.values)))
    strides = data.draw(st.permutations(plans.first_piece(plan.values[name]).strides))
    return plans.with_piece(plan, name, strides=tuple(strides))


def reordered(plan: MemoryPlan, data: st.DataObject) -> MemoryPlan:
    """One step goes to another place."""
    steps = list(plan.steps)
    steps.insert(draw_index(data, len(steps)), steps.pop(draw_index(data, len(steps))))
    return plans.with_steps(plan, tuple(steps))


def redonated(plan: MemoryPlan, data: st.DataObject) -> MemoryPlan:
    """The donations of a step drawn anew."""
    number = draw_index(data, len(plan.steps))
    step = plan.steps[number]
    pairs = [(source, target) for source in step.reads for target in step.writes]
    chosen = data.draw(st.lists(st.sampled_from(pairs), unique=True, max_size=2)) if pairs else []
    return plans.with_step(plan, number, donations=tuple(chosen))


def exchanged_algorithm(plan: MemoryPlan, data: st.DataObject) -> MemoryPlan:
    """A view made a computation, or the other way round."""
    number = draw_index(data, len(plan.steps))
    step = plan.steps[number]
    algorithm = KERNEL if step.algorithm == VIEW else VIEW
    donations = step.donations if algorithm == KERNEL else ()
    return plans.with_step(plan, number, algorithm=algorithm, donations=donations)


def rereading(plan: MemoryPlan, data: st.DataObject) -> MemoryPlan:
    """A step reads something else."""
    number = draw_index(data, len(plan.steps))
    reads = data.draw(st.lists(st.sampled_from(list(plan.values)), unique=True, max_size=3))
    return plans.with_step(plan, number, reads=tuple(reads))


def scratched(plan: MemoryPlan, data: st.DataObject) -> MemoryPlan:
    """A step takes workspace in the pool."""
    number = draw_index(data, len(plan.steps))
    begin = draw_index(data, plan.arena_bytes)
    return plans.with_step(plan, number, scratch=Scratch("arena", begin, data.draw(st.integers(0, 128))))


Spoiler = Callable[[MemoryPlan, st.DataObject], MemoryPlan]

SPOILERS: list[Spoiler] = [
    moved_storage,
    exchanged_storages,
    moved_piece,
    exchanged_pieces,
    restrided,
    reordered,
    redonated,
    exchanged_algorithm,
    rereading,
    scratched,
]


@functools.cache
def planned(seed: int, *, in_place: bool) -> tuple[Graph, MemoryPlan]:
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, int(rng.integers(3, 11)))
    return graph, plans.plain(graph, in_place=in_place)


def spoilt(data: st.DataObject, spoilers: Sequence[Spoiler]) -> Iterator[tuple[Graph, MemoryPlan]]:
    graph, plan = planned(data.draw(st.integers(0, 30)), in_place=data.draw(st.booleans()))
    assume(all(value.pieces is not None and len(value.pieces) == 1 for value in plan.values.values()))
    for spoiler in data.draw(st.lists(st.sampled_from(spoilers), min_size=1, max_size=3)):
        plan = spoiler(plan, data)
    yield graph, plan
    # With all the rest made to fit, only what was spoilt speaks against it.
    yield graph, plans.figures_mended(plan)
    yield graph, plans.figures_mended(plans.lives_mended(plan))


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.data())
def test_what_the_oracle_finds_the_proof_finds(data: st.DataObject) -> None:
    for graph, plan in spoilt(data, SPOILERS):
        verdict = refusal(plan, graph)
        complaint = oracle.complaint(graph, plan.to_json())
        assert verdict is None or verdict in ANY
        assert verdict is not None or complaint is None


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.data())
def test_on_places_alone_oracle_and_contents_agree(data: st.DataObject) -> None:
    """The walk over contents is exact: it needs no help from lives, and refuses nothing that would work."""
    places = [moved_storage, exchanged_storages, exchanged_pieces, moved_piece]
    *_, (graph, plan) = spoilt(data, places)
    assume(all(fits_its_storage(plan, name) for name in plan.values))
    error = failure(lambda: check_contents(plan))
    assert (error is None) == (oracle.complaint_of_contents(graph, plan.to_json()) is None)
    assert error is None or error.code == "plan-contents"


def fits_its_storage(plan: MemoryPlan, name: str) -> bool:
    """Does the value fit into the storage that it was moved to?"""
    value = plan.values[name]
    piece = plans.first_piece(value)
    storage = plan.storages[piece.storage]
    size = 4 * int(np.prod(value.shape))
    return storage.offset <= piece.offset and piece.offset + size <= storage.end
