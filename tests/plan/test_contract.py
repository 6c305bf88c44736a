"""What plans can say: values in several pieces, views of several values, joins, fused steps, slices, strips."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.plan import JOIN, KERNEL, VIEW, MemoryPlan, Piece, Scratch
from tests.plan import handmade, oracle, plans
from tests.plan.samples import SAMPLES

each_sample = pytest.mark.parametrize("name", SAMPLES)


def refused(plan: MemoryPlan, graph: Graph | None, *codes: str) -> None:
    """All else made to fit, the plan is refused in one line with one of these codes; the oracle sees it too."""
    mended = plans.figures_mended(plans.lives_mended(plan))
    with pytest.raises(CnnirError) as caught:
        mended.check(graph)
    assert caught.value.code in codes
    assert "\n" not in str(caught.value)
    if graph is not None and caught.value.code != "plan-structure":
        assert oracle.complaint(graph, mended.to_json()) is not None


def spanning(plan: MemoryPlan, name: str, **changes: Sequence[Any]) -> MemoryPlan:
    """The plan with a field of each of a value's pieces changed."""
    pieces = plan.values[name].pieces or ()
    for field, values in changes.items():
        pieces = tuple(dataclasses.replace(p, **{field: value}) for p, value in zip(pieces, values, strict=True))
    return plans.with_value(plan, name, pieces=pieces)


def step_of(plan: MemoryPlan, node: str) -> int:
    return next(number for number, step in enumerate(plan.steps) if node in step.nodes)


@each_sample
def test_good_plans_pass_and_travel(name: str) -> None:
    graph, plan = SAMPLES[name]
    plan.check()
    plan.check(graph)
    assert oracle.complaint(graph, plan.to_json()) is None
    assert MemoryPlan.from_json(plan.to_json()) == plan


@each_sample
def test_each_life_is_needed(name: str) -> None:
    """Slices too: a life cut at either end is missed."""
    _, plan = SAMPLES[name]
    for index, storage in enumerate(plan.storages):
        for changes in ({"first": storage.first + 1}, {"last": storage.last - 1}):
            with pytest.raises(CnnirError, match="plan-life"):
                plans.with_storage(plan, index, **changes).check()


# Several pieces


def test_pieces_of_a_concat_lie_as_parts_of_one_array() -> None:
    graph, plan = SAMPLES["concat_without_copy"]
    pieces = plan.values["both"].pieces
    assert pieces is not None
    first, second = pieces
    swapped = spanning(plan, "both", origin=[(0, 3, 0, 0), (0, 0, 0, 0)])
    refused(swapped, graph, "plan-graph")
    # A concat without copy says where its operands lie: they are its parts, in its order.
    turned = plans.with_value(plan, "both", pieces=(second, first))
    turned.check(graph)
    for field in ("offset", "strides"):
        moved = [getattr(first, field), getattr(second, field)]
        moved[1] = (64, 64, 4, 16) if field == "strides" else first.offset
        refused(spanning(plan, "both", **{field: moved}), graph, "plan-structure", "plan-graph", "plan-contents")


def test_a_slice_off_the_alignment_is_part_of_something() -> None:
    graph, plan = SAMPLES["concat_without_copy"]
    assert not plan.storages[2].aligned
    refused(plans.with_storage(plan, 2, aligned=True), graph, "plan-structure")
    # The same place, without a value that begins below and reaches into it.
    apart = handmade.plan_of(
        graph, ["a", "b", "both", "c"], [(256, 128), (0, 64), (64, 192), (512, 256), (768, 128)],
        {"x": 0, "a": 1, "b": 2, "both": 3, "c": 4}, alignment=256,
    )  # fmt: skip
    refused(apart, graph, "plan-structure")
    aligned = plans.with_storage(apart, 2, offset=1024, aligned=True)
    plans.figures_mended(aligned).check(graph)


# Views


def test_a_view_shows_what_its_op_says() -> None:
    graph, plan = SAMPLES["split_and_sliced"]
    low, high = (value.name for value in graph.node("parts").outputs)
    other = {"storage": 2, "offset": plan.storages[2].offset}
    refused(plans.with_piece(plan, "last", **other), graph, "plan-graph", "plan-contents")
    refused(spanning(plan, high, offset=[128, 64], storage=[3, 2]), graph, "plan-graph")
    refused(plans.with_piece(plan, low, **other), graph, "plan-graph", "plan-contents")
    # The turned channel as a view: its strides are exchanged.
    piece = plans.first_piece(plan.values["last"])
    number = step_of(plan, "turned")
    seen = plans.with_step(plan, number, algorithm=VIEW)
    at = {"storage": piece.storage, "offset": piece.offset}
    refused(plans.with_piece(seen, "turned", **at), graph, "plan-graph")
    exchanged = plans.with_piece(seen, "turned", **at, strides=(64, 64, 4, 16))
    plans.figures_mended(plans.lives_mended(exchanged)).check(graph)


def test_a_view_lies_in_what_it_reads() -> None:
    for name, target in (("concat_without_copy", "both"), ("chained_concats", "two"), ("network", "flat")):
        graph, plan = SAMPLES[name]
        number = step_of(plan, target)
        for field in ("reads", "writes"):
            some = getattr(plan.steps[number], field)
            refused(plans.with_step(plan, number, **{field: some[1:]}), graph, "plan-structure", "plan-contents",
                    "plan-graph")  # fmt: skip
        for changes in ({"donations": ((plan.steps[number].reads[0], target),)}, {"scratch": Scratch("arena", 0, 64)}):
            refused(plans.with_step(plan, number, **changes), graph, "plan-structure")
        refused(plans.with_step(plan, number, algorithm=KERNEL), graph, "plan-contents")


def test_what_a_view_shows_stays_until_it_is_read() -> None:
    """Every slice is in its place when the concat is taken; one that is written over later is missed."""
    graph, plan = SAMPLES["chained_concats"]
    number = step_of(plan, "b")
    assert plan.steps[number].writes == ("b",)
    over = plans.with_piece(plan, "b", storage=0, offset=0)
    refused(over, None, "plan-contents", "plan-graph")
    refused(over, graph, "plan-contents", "plan-graph")


def test_an_op_that_computes_is_no_view() -> None:
    graph, plan = SAMPLES["recomputed_prologue"]
    number = step_of(plan, "b")
    for algorithm in (VIEW, JOIN):
        refused(plans.with_step(plan, number, algorithm=algorithm, donations=()), graph, "plan-structure")
    graph, plan = SAMPLES["split_and_sliced"]
    number = step_of(plan, "positive")
    refused(plans.with_step(plan, number, algorithm=VIEW, donations=()), graph, "plan-graph")
    refused(plans.with_step(plan, number, algorithm=JOIN, donations=()), graph, "plan-graph")


# Joins


def test_a_join_writes_over_nothing_that_it_reads() -> None:
    graph, plan = SAMPLES["joined"]
    number = step_of(plan, "both")
    refused(plans.with_step(plan, number, algorithm=VIEW), graph, "plan-contents")
    refused(plans.with_step(plan, number, algorithm=KERNEL), graph, "plan-contents")
    # b in the place of a's copy, and a where b belongs: both inside of the concat, neither in its place.
    exchanged = plans.with_piece(plan, "a", storage=3, offset=64)
    refused(exchanged, graph, "plan-graph")
    both = plans.with_piece(exchanged, "b", storage=1, offset=0)
    refused(both, graph, "plan-graph")
    # With nothing in its place, all is copied; with all in its place, nothing is.
    placed = plans.with_piece(plan, "b", storage=3, offset=64)
    plans.figures_mended(plans.lives_mended(placed)).check(graph)


# Fused steps


def test_unstored_values_are_read_where_they_are_made() -> None:
    graph, plan = SAMPLES["epilogue_and_accumulation"]
    apart = (
        *plan.steps[:-1],
        dataclasses.replace(plan.steps[-1], nodes=("b", "bn"), writes=(), donations=()),
        dataclasses.replace(plan.steps[-1], nodes=("sum", "out"), reads=("bn", "shortcut")),
    )
    refused(plans.with_steps(plan, apart), graph, "plan-structure")


def test_a_sum_is_accumulated_into_what_is_not_read_otherwise() -> None:
    graph, plan = SAMPLES["epilogue_and_accumulation"]
    number = step_of(plan, "b")
    refused(plans.with_step(plan, number, donations=()), graph, "plan-contents")
    refused(plans.with_step(plan, number, donations=(("ra", "out"),)), graph, "plan-contents")
    over = plans.with_piece(plan, "out", storage=1, offset=128)
    over = plans.with_step(over, number, donations=(("ra", "out"),))
    refused(over, graph, "plan-graph")


def test_only_what_is_not_stored_runs_again() -> None:
    graph, plan = SAMPLES["recomputed_prologue"]
    first = plans.with_step(plan, 0, writes=("act", "a"))
    stored = plans.with_value(first, "act", pieces=(Piece(2, "arena", 192, (0,) * 4, (1, 2, 4, 4), (128, 64, 16, 4)),))
    storage = dataclasses.replace(plan.storages[0], offset=192)
    refused(dataclasses.replace(stored, storages=(*plan.storages, storage)), graph, "plan-graph")
    last = plan.steps[-1]
    shorter = dataclasses.replace(last, nodes=("act", *last.nodes[2:]))
    refused(plans.with_step(plan, 1, nodes=shorter.nodes), graph, "plan-graph")
    refused(plans.with_step(plan, 1, nodes=(*last.nodes[:1], *last.nodes)), graph, "plan-structure")


# Scratch


def test_strips_hold_their_rows() -> None:
    graph, plan = SAMPLES["pooled_in_strips"]
    scratch = plan.steps[0].scratch
    assert scratch is not None
    assert (plan.scratch_bytes, plan.strip_bytes, plan.live_bytes()) == (128, 96, (128 + 48 + 128,))
    assert (plan.workspace_bytes, plan.data_bytes) == (128 - 96, 128 + 48 + 96)
    spoiling: list[dict[str, Any]] = [{"strips": 129}, {"strips": -1}, {"offset": 196}, {"bytes": 80}]
    for changes in spoiling:
        spoilt = dataclasses.replace(scratch, **changes)
        refused(plans.with_step(plan, 0, scratch=spoilt), graph, "plan-structure")
    for tile in (None, (2,), (0, 3), (2, 0), (2, 3, 1)):
        refused(plans.with_step(plan, 0, tile=tile), graph, "plan-structure")
    for tile in ((3, 3), (4, 2), (100, 2)):
        refused(plans.with_step(plan, 0, tile=tile), graph, "plan-graph")
    # What the pooling reads has to lie somewhere, and workspace of another kind is no place for it.
    bare = plans.with_step(plan, 0, scratch=None, tile=None)
    refused(bare, graph, "plan-graph")
    refused(plans.with_step(plan, 0, scratch=dataclasses.replace(scratch, strips=0), tile=None), graph, "plan-graph")


def test_scratch_lies_over_nothing_that_lives() -> None:
    """Not even over bytes that nobody will read again: their storage says that they are taken."""
    graph, plan = SAMPLES["epilogue_and_accumulation"]
    scratch = Scratch("arena", 128, 64)
    longer = plans.with_storage(plan, 1, last=2)
    plans.figures_mended(longer).check(graph)
    over = plans.figures_mended(plans.with_step(plan, 1, scratch=scratch))
    with pytest.raises(CnnirError, match="plan-overlap"):
        over.check(graph)
