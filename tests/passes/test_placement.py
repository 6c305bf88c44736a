"""Placement: nothing overlaps, nothing is lower than the bound, and tiny cases are compared with the true optimum."""

import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from cnnir.passes.memory import Buffer, Placement, live_peak, place
from cnnir.passes.memory.placement import aligned_peak


@st.composite
def instances(draw: st.DrawFn, most: int = 30) -> list[Buffer]:
    """Buffers of like and unlike sizes, long and short lives, some empty."""
    steps = draw(st.integers(1, 25))
    size = st.one_of(st.integers(0, 8).map(lambda n: 16 * n), st.integers(0, 300), st.just(64))
    buffers = []
    for _ in range(draw(st.integers(1, most))):
        first = draw(st.integers(0, steps - 1))
        buffers.append(Buffer(draw(size), first, draw(st.integers(first, steps - 1))))
    return buffers


def rounded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def assert_sound(buffers: list[Buffer], placement: Placement, alignment: int = 1) -> None:
    """Byte by byte: no byte of no step is taken twice."""
    assert len(placement.offsets) == len(buffers)
    assert all(offset >= 0 and offset % alignment == 0 for offset in placement.offsets)
    assert placement.height == max((o + b.bytes for o, b in zip(placement.offsets, buffers, strict=True)), default=0)
    steps = max((buffer.last for buffer in buffers), default=0) + 1
    taken = np.zeros((steps, placement.height), np.int32)
    for buffer, offset in zip(buffers, placement.offsets, strict=True):
        taken[buffer.first : buffer.last + 1, offset : offset + buffer.bytes] += 1
    assert taken.max(initial=0) <= 1
    peak = max(sum(b.bytes for b in buffers if b.first <= step <= b.last) for step in range(steps))
    assert placement.bound == live_peak(buffers) == peak
    assert placement.height >= placement.bound


def optimum(buffers: list[Buffer], alignment: int) -> int:
    """The least height: some order, each buffer as low as it goes, is an optimal placement's order from below."""
    return min(stacked(order, alignment) for order in itertools.permutations(buffers))


def stacked(order: tuple[Buffer, ...], alignment: int) -> int:
    placed: list[tuple[Buffer, int]] = []
    for buffer in order:
        beside = [(at, at + b.bytes) for b, at in placed if b.first <= buffer.last and buffer.first <= b.last]
        starts = [0, *(rounded(end, alignment) for _, end in beside)]
        free = (s for s in sorted(starts) if all(s + buffer.bytes <= low or high <= s for low, high in beside))
        placed.append((buffer, next(free)))
    return max(at + buffer.bytes for buffer, at in placed)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(instances(), st.sampled_from([1, 4, 64, 256]))
def test_nothing_overlaps(buffers: list[Buffer], alignment: int) -> None:
    assert_sound(buffers, place(buffers, alignment, effort=200), alignment)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(instances(), st.sampled_from([1, 64]))
def test_the_same_buffers_give_the_same_placement(buffers: list[Buffer], alignment: int) -> None:
    assert place(buffers, alignment, effort=200) == place(list(buffers), alignment, effort=200)


@pytest.mark.parametrize("alignment", [1, 64])
def test_tiny_cases_against_the_optimum(alignment: int) -> None:
    """The optimum, and the proof of it."""
    rng = np.random.default_rng(7)
    for _ in range(60):
        buffers = []
        for _ in range(int(rng.integers(2, 7))):
            first = int(rng.integers(0, 6))
            buffers.append(Buffer(int(rng.integers(1, 9)) * 24, first, int(rng.integers(first, 6))))
        placement, least = place(buffers, alignment), optimum(buffers, alignment)
        assert placement.bound <= aligned_peak(buffers, alignment) <= placement.proved == least == placement.height


@pytest.mark.parametrize(
    ("buffers", "height"),
    [
        ([], 0),
        ([Buffer(0, 0, 0)], 0),
        ([Buffer(10, 0, 5)], 10),
        ([Buffer(10, 0, 1), Buffer(10, 2, 3)], 10),
        ([Buffer(10, 0, 2), Buffer(10, 2, 3)], 20),
        ([Buffer(0, 0, 3), Buffer(10, 0, 3), Buffer(0, 1, 2)], 10),
    ],
)
def test_small_cases(buffers: list[Buffer], height: int) -> None:
    placement = place(buffers)
    assert placement.height == height
    if buffers:
        assert_sound(buffers, placement)


def test_alignment_rounds_offsets_and_not_the_end() -> None:
    buffers = [Buffer(10, 0, 1), Buffer(5, 0, 1)]
    placement = place(buffers, 64)
    assert_sound(buffers, placement, 64)
    assert placement.height == 64 + 5


def test_a_chain_takes_two_neighbours() -> None:
    """Each buffer is read by the next step only: the height is that of the largest pair."""
    sizes = [7, 100, 30, 60, 80, 5, 90]
    buffers = [Buffer(size, index, index + 1) for index, size in enumerate(sizes)]
    placement = place(buffers)
    assert_sound(buffers, placement)
    assert placement.height == placement.bound == max(a + b for a, b in itertools.pairwise(sizes))


def test_duration_counts_both_ends() -> None:
    assert Buffer(1, 2, 2).duration == 1
    assert Buffer(1, 2, 5).duration == 4
    assert live_peak([]) == 0


def test_what_alignment_costs() -> None:
    """Every buffer but the topmost is rounded up: the one that gains most by not being so can lie there."""
    buffers = [Buffer(10, 0, 1), Buffer(70, 0, 1), Buffer(128, 1, 2), Buffer(1, 3, 3)]
    assert live_peak(buffers) == 10 + 70 + 128
    assert aligned_peak(buffers, 1) == 10 + 70 + 128
    assert aligned_peak(buffers, 64) == 64 + 128 + 70
    assert place(buffers, 64).height == 64 + 128 + 70
    assert aligned_peak([], 64) == 0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(instances(), st.sampled_from([1, 4, 64, 256]))
def test_alignment_at_each_step(buffers: list[Buffer], alignment: int) -> None:
    """The same by its definition, step by step."""
    steps = range(max((buffer.last for buffer in buffers), default=-1) + 1)
    least = 0
    for live in ([b for b in buffers if b.first <= step <= b.last] for step in steps):
        whole = sum(rounded(b.bytes, alignment) for b in live)
        least = max(least, min((whole - rounded(top.bytes, alignment) + top.bytes for top in live), default=0))
    assert aligned_peak(buffers, alignment) == least
    assert place(buffers, alignment, effort=0).height >= least
