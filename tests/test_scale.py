"""Large networks: a checked plan with its bounds, and nothing that grows much faster than the network."""

import math
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from xml.etree import ElementTree

import pytest

from benchmarks import scale
from benchmarks.growth_chart import growth_svg
from tests.stacks import stack

SMALL, LARGE = 500, 4_000
LIMIT = 1.4
"""Exponent of growth between the two: 1 is linear, 2 quadratic; so small, a little of both is noise."""

EFFORT = 50
"""States for the order of each stage: the search is another test's, and takes the same time whatever the size."""


def _grown(measure: Callable[[int], float]) -> float:
    """Exponent of the growth of a measure with the number of nodes."""
    small, large = stack(SMALL, 1), stack(LARGE, 1)
    return math.log(measure(LARGE) / measure(SMALL)) / math.log(len(large) / len(small))


def test_a_large_network_is_planned_and_proved() -> None:
    graph = stack(LARGE // 2, 1)
    plan = graph.plan(order="file")
    plan.check(graph)
    for bound in plan.bounds.values():
        assert 0 < bound.bytes <= bound.reached
    assert plan.bounds["placement"].reached == plan.arena_bytes <= 1.25 * plan.lower_bound


def test_time_grows_with_the_network() -> None:
    def seconds(nodes: int) -> float:
        times = []
        for _ in range(3):
            clock = scale.Clock()
            scale.run_phases(clock("build", partial(stack, nodes, 1)), clock, EFFORT)
            times.append(sum(clock.seconds.values()))
        return min(times)

    assert _grown(seconds) < LIMIT


def test_the_proof_grows_with_the_network_in_time_and_memory() -> None:
    graphs = {nodes: stack(nodes, 1) for nodes in (SMALL, LARGE)}
    plans = {nodes: graph.plan(order="file") for nodes, graph in graphs.items()}

    def seconds(nodes: int) -> float:
        times = []
        for _ in range(3):
            begin = time.process_time()
            plans[nodes].check(graphs[nodes])
            times.append(time.process_time() - begin)
        return min(times)

    def taken(nodes: int) -> float:
        return traced(lambda: plans[nodes].check(graphs[nodes]))

    assert _grown(seconds) < LIMIT
    assert _grown(taken) < LIMIT


def test_memory_grows_with_the_network() -> None:
    def taken(nodes: int) -> float:
        clock = scale.Clock()
        return traced(lambda: scale.run_phases(stack(nodes, 1), clock, EFFORT))

    assert _grown(taken) < LIMIT


def traced(work: Callable[[], object]) -> float:
    """Bytes at the peak."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float(peak)


def test_stacks_are_what_they_say() -> None:
    """Cells of every kind of node, in a network that has the same beginning whatever its size."""
    small, large = stack(100, 7), stack(600, 7)
    assert {node.op.kind for node in small.nodes} == {"Conv", "Add", "Concat", "Relu", "Sigmoid"}
    assert [node.label for node in large.nodes[: len(small)]] == [node.label for node in small.nodes]
    assert len(small) >= 100
    assert len(large) >= 600
    read = {value for node in large.nodes for value in node.inputs}
    assert all(value in read or value in large.outputs for node in large.nodes for value in node.outputs)


ROWS = [
    {"nodes": 1000.0, "bytes": 2.0**22, **dict.fromkeys(scale.PHASES, 0.3), "plan": 2.0},
    {"nodes": 10000.0, "bytes": 10 * 2.0**22, **dict.fromkeys(scale.PHASES, 3.0), "plan": 20.0},
]


def test_what_grows_linearly_is_drawn_along_the_broken_lines() -> None:
    chart = growth_svg(ROWS, ("build", "plan", "check"))
    parts = list(ElementTree.fromstring(chart).iter())
    curves = [part.attrib["points"].split() for part in parts if part.tag.endswith("polyline")]
    assert len(curves) == 4
    assert sum(part.tag.endswith("circle") for part in parts) == 8
    assert "plan: 10,000 nodes, 20<" in chart
    slopes = [_slope(*(number for point in curve for number in map(float, point.split(",")))) for curve in curves]
    dashed = [part.attrib for part in parts if "stroke-dasharray" in part.attrib]
    broken = [_slope(*(float(line[name]) for name in ("x1", "y1", "x2", "y2"))) for line in dashed]
    assert set(slopes) == set(broken)


def _slope(x1: float, y1: float, x2: float, y2: float) -> float:
    return round((y1 - y2) / (x2 - x1), 2)


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({}, 0),
        ({"plan": 38.0}, 0),
        ({"plan": 41.0}, 1),
        ({"plan": 301.0}, 2),
        ({"bytes": 21 * 2.0**22}, 1),
        ({"check": 6.1, "form": 6.1}, 2),
    ],
)
def test_what_grows_too_fast_is_named(change: dict[str, float], missed: int) -> None:
    assert len(scale.missed(ROWS[0], {**ROWS[1], **change})) == missed
