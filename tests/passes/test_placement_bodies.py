"""Placement of rigid bodies: slices with lives of their own, fixed bases, alignments of their own."""

import dataclasses
import itertools

import numpy as np
import pytest

from cnnir.errors import CnnirError
from cnnir.passes.memory import Body, Buffer, Slice, place
from cnnir.passes.memory.placement import portfolio
from cnnir.passes.memory.placement.calendar import by_size
from cnnir.passes.memory.placement.greedy import greedy_placements
from cnnir.passes.memory.placement.instance import instance_of
from cnnir.passes.memory.placement.search import Searcher
from tests.passes.bodies import assert_bodies_lie_well, least, random_body


def instance(rng: np.random.Generator, count: int, *, fixed: bool = True) -> list[Body]:
    """Bodies of which one may be fixed."""
    bodies = [random_body(rng, steps=5, sizes=5) for _ in range(count)]
    if fixed and rng.random() < 0.5:
        bodies[0] = dataclasses.replace(bodies[0], fixed=int(rng.integers(0, 6)))
    return bodies


@pytest.mark.parametrize("alignment", [1, 2, 4])
def test_bodies_against_every_placement(alignment: int) -> None:
    rng = np.random.default_rng(alignment)
    for _ in range(150):
        bodies = instance(rng, int(rng.integers(2, 5)))
        placement = place(bodies, alignment)
        assert_bodies_lie_well(bodies, placement, alignment)
        assert placement.status == "optimal"
        assert placement.height == least(bodies, alignment, placement.height)


def test_many_bodies_lie_well() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        bodies = [random_body(rng, steps=30, sizes=40) for _ in range(40)]
        bodies[3] = dataclasses.replace(bodies[3], fixed=17)
        assert_bodies_lie_well(bodies, place(bodies, 4, effort=100), 4)


def test_what_lies_between_the_slices_is_free() -> None:
    """Two slices with a gap of four: another buffer lies in it."""
    comb = Body((Slice(0, 4, 0, 3), Slice(8, 4, 0, 3)))
    placement = place([comb, Buffer(4, 0, 3)])
    assert placement.offsets == (0, 4)
    assert (placement.height, placement.status) == (12, "optimal")


def test_slices_with_lives_of_their_own() -> None:
    """Above a slice that is not written yet there is room for others."""
    stairs = Body((Slice(0, 4, 0, 3), Slice(4, 4, 1, 3), Slice(8, 4, 2, 3)))
    bodies = [stairs, Body((Slice(0, 8, 0, 0),)), Body((Slice(0, 4, 1, 1),))]
    placement = place(bodies)
    assert_bodies_lie_well(bodies, placement)
    assert (placement.height, placement.status) == (12, "optimal")


def test_a_buffer_that_rests_in_between() -> None:
    """The same bytes at different steps, and another's while it does not need them."""
    resting = Body((Slice(0, 8, 0, 1), Slice(0, 8, 4, 5)))
    placement = place([resting, Buffer(8, 2, 3)])
    assert (placement.offsets, placement.height) == ((0, 0), 8)


def test_fixed_bodies_stay() -> None:
    bodies = [Body((Slice(0, 4, 0, 3),), fixed=3), Body((Slice(0, 4, 0, 3),))]
    placement = place(bodies, 2)
    assert placement.offsets == (3, 8)
    assert place([bodies[0]]).offsets == (3,)
    assert place([bodies[0]]).height == place([bodies[0]]).proved == 7


def test_alignments_of_their_own() -> None:
    bodies = [Body((Slice(0, 3, 0, 0),), alignment=6), Body((Slice(0, 3, 0, 0),), alignment=4)]
    placement = place(bodies)
    assert_bodies_lie_well(bodies, placement)
    assert placement.height == 7
    assert {base % 12 for base in place(bodies, 12).offsets} == {0}


def test_plain_arrays() -> None:
    lives = np.array([[0, 1, 10], [1, 2, 20], [2, 3, 10]])
    as_buffers = place([Buffer(10, 0, 1), Buffer(20, 1, 2), Buffer(10, 2, 3)])
    assert place(lives) == place(lives.tolist()) == as_buffers
    assert as_buffers.height == 30


def test_a_capacity_is_enough() -> None:
    """Nothing lower is looked for, and what cannot be is said."""
    rng = np.random.default_rng(2)
    many = [
        (int(first), int(first + rng.integers(1, 9)), int(rng.integers(1, 99))) for first in rng.integers(0, 20, 60)
    ]
    roomy = place(many, capacity=2 * place(many).bound)
    assert (roomy.status, roomy.heuristic) == ("fits", "by size, first fit")
    assert roomy.height > place(many).height
    lives = [(0, 3, 10), (2, 5, 7), (4, 7, 9), (6, 9, 4)]
    assert place(lives, capacity=17).status == "optimal"
    assert place(lives, capacity=16).status == "does not fit"


@pytest.mark.parametrize(
    ("bodies", "code"),
    [
        ([Buffer(-1, 0, 0)], "placement-body"),
        ([Buffer(1, 2, 1)], "placement-body"),
        ([Body((Slice(-1, 4, 0, 0),))], "placement-body"),
        ([Body((Slice(0, 4, 0, 3), Slice(2, 4, 3, 5)))], "placement-body"),
        ([Body((Slice(0, 4, 0, 3),), alignment=0)], "placement-body"),
        ([Body((Slice(0, 4, 0, 3),), fixed=-1)], "placement-body"),
        ([Body((Slice(0, 4, 0, 3),), fixed=2), Body((Slice(0, 4, 3, 3),), fixed=5)], "placement-fixed"),
        ([(1, 2)], "placement-body"),
        (np.zeros((2, 4), int), "placement-body"),
        (np.zeros((2, 3)), "placement-body"),
    ],
)
def test_what_cannot_be(bodies: list[Body], code: str) -> None:
    with pytest.raises(CnnirError) as caught:
        place(bodies)
    assert caught.value.code == code


def test_compiled_and_plain_searches_agree() -> None:
    """The same node for node, wherever numba is installed."""
    rng = np.random.default_rng(11)
    for count in (5, 12, 30):
        bodies = tuple(random_body(rng, steps=12, sizes=9, most=1 + count % 2) for _ in range(count))
        found = instance_of(bodies, 1)
        for capacity in (found.least, found.least + 2):
            plain = Searcher(found, compiled=False).run(capacity, 300, 3)
            assert Searcher(found, compiled=True).run(capacity, 300, 3) == plain


def test_many_buffers_need_no_list_of_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The orders that very many bodies get are as sound as the others."""
    monkeypatch.setattr(portfolio, "_MOST_PAIRS", 10)
    rng = np.random.default_rng(4)
    for _ in range(20):
        bodies = [random_body(rng, steps=30, sizes=40) for _ in range(40)]
        bodies[3] = dataclasses.replace(bodies[3], fixed=17)
        placement = place(bodies, 4)
        assert_bodies_lie_well(bodies, placement, 4)
        assert placement.heuristic.startswith(("by start", "by size"))


def test_many_buffers_are_repaired_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound, the same each time, never above the greedy placements it begins with, and lower for one at least."""
    monkeypatch.setattr(portfolio, "_MOST_PAIRS", 10)
    lower = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        first, sizes = rng.integers(0, 100, 300), rng.integers(1, 100, 300) * 8
        lives = np.stack([first, first + rng.geometric(0.1, 300), sizes], axis=1)
        greedy, placement = place(lives, 16, effort=0), place(lives, 16, effort=6_000)
        assert placement == place(lives, 16, effort=6_000)
        assert placement.nodes <= 6_000
        assert placement.bound <= placement.height <= greedy.height
        lower += placement.height < greedy.height
        for step in range(int(lives[:, 1].max()) + 1):
            live = np.flatnonzero((lives[:, 0] <= step) & (step <= lives[:, 1])).tolist()
            spans = sorted((placement.offsets[i], placement.offsets[i] + int(lives[i, 2])) for i in live)
            assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))
        assert all(offset % 16 == 0 for offset in placement.offsets)
    assert lower


def test_by_size_without_a_list_of_pairs() -> None:
    """The calendar finds the neighbours that the list of pairs has: the bases are the same."""
    for seed in range(40):
        found = instance_of(tuple(instance(np.random.default_rng(seed), 12)), 4)
        listed = dict(greedy_placements(found))
        made = by_size(found.slices, found.step, found.fixed)
        assert made == (listed["by size, first fit"], listed["by size, best fit"])
