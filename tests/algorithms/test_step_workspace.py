"""What a planned run takes beside its pools, against what it does take; and scratch traded for time over all steps."""

import gc
import itertools
import tracemalloc

import numpy as np
import pytest

from cnnir import Graph, load
from cnnir.algorithms import Choice, Unknown, least_arena, planned_workspace, step_workspace, trade, trades
from cnnir.errors import CnnirError
from cnnir.ops import BatchNormalization, Conv, Einsum, MatMul, Relu
from cnnir.plan import VIEW, MemoryPlan
from cnnir.types import DType, TensorType
from cnnir.weights import AnyArray, Array
from tests import models
from tests.plan.handmade import plan_of

HEADERS = 96 * 1024
"""Bytes that Python's own objects may take in a run: views of values, arrays' headers, the bookkeeping of the run."""


def run_peak(graph: Graph, plan: MemoryPlan, feed: dict[str, AnyArray]) -> int:
    """The most bytes that a planned run holds at once, the pools among them, the caller's arrays not."""
    graph.run(feed, plan=plan)  # from now on the plan is proved
    gc.collect()
    tracemalloc.start()
    try:
        graph.run(feed, plan=plan)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def known(figures: tuple[int | Unknown, ...]) -> list[int]:
    """The figures, which are all known."""
    found = [figure for figure in figures if not isinstance(figure, Unknown)]
    assert len(found) == len(figures)
    return found


@pytest.mark.parametrize("name", ["squeezenet", "bvlc_alexnet", "shufflenet", "resnet50"])
def test_a_run_takes_the_arena_and_the_largest_workspace(name: str) -> None:
    """To within a hundredth, on real networks."""
    graph = models.with_random_weights(load(models.path(name)))
    plan = graph.plan()
    figure = plan.arena_bytes + max(known(planned_workspace(graph, plan)))
    peak = run_peak(graph, plan, models.random_input(graph))
    assert peak <= figure + HEADERS
    assert figure <= 1.01 * peak


def floats(seed: int, *shape: int) -> Array:
    """A weight that is there: what is drawn when it is asked for would be measured, too."""
    return Array.of(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def normalised_convolution() -> Graph:
    """A convolution, a normalisation and an activation, on 64 channels of 56 x 56."""
    graph = Graph("fused")
    data = graph.add_input("x", TensorType(DType.FLOAT32, (1, 64, 56, 56)))
    filters = graph.add_weight("w", floats(1, 64, 64, 1, 1))
    few = [graph.add_weight(f"n{index}", Array.of(abs(floats(2, 64).contents))) for index in range(4)]
    value = graph.add_node(Conv((1, 1), (0,) * 4, (1, 1)), [data, filters], name="conv").output
    value = graph.add_node(BatchNormalization(1e-5), [value, *few], name="norm").output
    graph.set_outputs(graph.add_node(Relu(), [value], name="relu").outputs)
    return graph


def test_fused_steps_hold_what_is_not_stored() -> None:
    """What lies between the nodes of a step lies outside of the pools, as long as the step still reads it."""
    graph = normalised_convolution()
    whole = 4 * 64 * 56 * 56
    fused = plan_of(graph, ["conv norm relu"], [(0, whole), (whole, whole)], {"x": 0, "relu": 1})
    (figure,) = known(planned_workspace(graph, fused))
    # Two maps at a time, or the first one and what the convolution makes aside.
    assert 2 * whole <= figure <= 2 * whole + 64 * 1024
    feed: dict[str, AnyArray] = {"x": floats(3, 1, 64, 56, 56).contents}
    peak = run_peak(graph, fused, feed)
    assert peak <= fused.arena_bytes + figure + HEADERS
    assert fused.arena_bytes + figure <= 1.05 * peak


def test_views_take_nothing() -> None:
    """Their bytes are others'."""
    graph = load(models.path("squeezenet"))
    plan = graph.plan()
    figures = known(planned_workspace(graph, plan))
    views = [number for number, step in enumerate(plan.steps) if step.algorithm == VIEW]
    assert views
    assert not any(figures[number] for number in views)


def test_operands_with_gaps_may_be_copied() -> None:
    """A product of what does not lie in rows takes it in rows."""
    graph = Graph("loose")
    left, right = (graph.add_input(name, TensorType(DType.FLOAT32, (64, 64))) for name in ("a", "b"))
    node = graph.add_node(MatMul(), [left, right])
    graph.set_outputs(node.outputs)
    stored = set(graph.values)
    tight, loose = step_workspace([node], stored), step_workspace([node], stored, {left})
    assert (tight, loose) == (4 * 64 * 64, 2 * 4 * 64 * 64)


def test_unknown_names_its_node() -> None:
    """A step with one unknown node is unknown."""
    graph = Graph("contraction")
    data = graph.add_input("x", TensorType(DType.FLOAT32, (8, 8)))
    value = graph.add_node(Einsum("ij,jk->ik"), [data, data], name="sums").output
    graph.set_outputs(graph.add_node(Relu(), [value], name="relu").outputs)
    first, second = planned_workspace(graph, graph.plan())
    assert isinstance(first, Unknown)
    assert first.reason.startswith("sums (Einsum): ")
    assert second == 0


def test_a_plan_of_another_graph_is_refused() -> None:
    """By name."""
    graph = normalised_convolution()
    other = load(models.path("squeezenet"))
    with pytest.raises(CnnirError) as raised:
        planned_workspace(graph, other.plan())
    assert raised.value.code == "plan-graph"
    with pytest.raises(CnnirError) as raised:
        planned_workspace(other, graph.plan())
    assert raised.value.code == "plan-graph"


def drawn(seed: int) -> tuple[list[int], list[list[Choice]]]:
    """Live bytes, and for each step a front of up to three ways."""
    rng = np.random.default_rng(seed)
    live, fronts = [], []
    for _ in range(int(rng.integers(1, 5))):
        live.append(int(rng.integers(0, 12)))
        count = int(rng.integers(1, 4))
        scratches = sorted(int(n) for n in rng.choice(12, count, replace=False))
        times = sorted((float(n) for n in rng.choice(16, count, replace=False)), reverse=True)
        fronts.append([Choice("way", size, time) for size, time in zip(scratches, times, strict=True)])
    return live, fronts


@pytest.mark.parametrize("seed", range(60))
def test_trades_are_those_of_all_combinations(seed: int) -> None:
    """The pairs of bytes and seconds that no combination of ways beats, none left out."""
    live, fronts = drawn(seed)
    pairs = {
        (max(need + c.scratch_bytes for need, c in zip(live, chosen, strict=True)), sum(c.seconds or 0 for c in chosen))
        for chosen in itertools.product(*fronts)
    }
    best = {
        pair for pair in pairs if not any(a <= pair[0] and b <= pair[1] and (a, b) != pair for a, b in pairs)
    }  # fmt: skip
    found = trades(live, fronts)
    assert [(one.bytes, one.seconds) for one in found] == sorted(best)
    assert found[0].bytes == least_arena(live, fronts) == trade(live, fronts).bytes
    for size in range(least_arena(live, fronts), 26):
        chosen = trade(live, fronts, size)
        assert chosen.bytes <= size
        assert chosen.seconds == min(seconds for bytes_, seconds in pairs if bytes_ <= size)
    with pytest.raises(CnnirError) as raised:
        trade(live, fronts, least_arena(live, fronts) - 1)
    assert raised.value.code == "scratch-budget"
