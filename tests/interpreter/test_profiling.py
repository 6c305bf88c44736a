"""Profiles of compiled runs: what each step is said to compute and to move, beside a count of our own."""

import numpy as np
import pytest

from cnnir.builder import GraphBuilder
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.interpreter import RunProfile, seeded_feed
from cnnir.reports.profile import profile_text, trace


def small() -> Graph:
    """A convolution with its activation, a pooling, and a concatenation of both halves."""
    builder = GraphBuilder("small", seed=0)
    x = builder.input("x", (2, 3, 8, 8))
    left = builder.relu(builder.conv(x, 4, kernel=3, padding=1, name="left"))
    right = builder.conv(x, 5, kernel=1, name="right")
    return builder.build(builder.flatten(builder.concat(left, right), name="flat"))


def test_what_a_step_computes_and_moves() -> None:
    graph = small()
    found = graph.compile(graph.plan(fuse="epilogues", concat=False)).profile(seeded_feed(graph, 0), repeat=2)
    by_name = {step.nodes.split(" + ")[0]: step for step in found.steps}
    positions = 2 * 8 * 8
    left, right = by_name["left"], by_name["right"]
    assert (left.macs, right.macs) == (positions * 4 * 27, positions * 5 * 3)
    assert left.bytes == 4 * (positions * (3 + 4) + 4 * 27 + 4)
    assert right.bytes == 4 * (positions * (3 + 5) + 5 * 3 + 5)
    joined = next(step for step in found.steps if "concat" in step.nodes)
    assert joined.bytes == 2 * 4 * positions * 9
    assert by_name["flat"].bytes == 0
    assert found.bytes == sum(step.bytes or 0 for step in (left, right, joined))
    assert found.macs == positions * (4 * 27 + 5 * 3)


def test_times_add_up() -> None:
    """Whole tenths of a microsecond, and steps that lie within their run."""
    graph = small()
    program, feed = graph.compile(), seeded_feed(graph, 0)
    found = program.profile(feed, repeat=5)
    assert found.runs == 5
    assert found.nanoseconds == sum(step.nanoseconds for step in found.steps)
    assert all(step.nanoseconds % 100 == 0 for step in found.steps)
    moments = [moment for step in found.steps for moment in (step.begin, step.end)]
    assert moments == sorted(moments)
    assert found.elapsed == moments[-1] > 0
    assert [step.live_bytes for step in found.steps] == list(program.plan.live_bytes())


def test_a_profile_changes_nothing() -> None:
    """The program is the same behind it, and what it is timed on is what is computed."""
    graph = small()
    program, feed = graph.compile(), seeded_feed(graph, 0)
    before = program(feed)
    program.profile(feed, repeat=1)
    after = program(feed)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    with pytest.raises(CnnirError, match="input-missing"):
        program.profile({}, repeat=1)


def test_no_steps_no_time() -> None:
    """Text and trace of a run in no time at all divide by nothing."""
    empty = RunProfile("nothing", 1, (), 0, 0)
    assert "total" in profile_text(empty)
    assert "cnnir run nothing" in trace(empty)
