"""CP-SAT as the last of the searches, where OR-Tools is installed; and that it is asked for."""

import dataclasses
import importlib.util

import numpy as np
import pytest

from cnnir.errors import CnnirError
from cnnir.passes.memory import Body, place
from cnnir.passes.memory.placement.cpsat import Solver
from cnnir.passes.memory.placement.instance import instance_of
from tests.passes.bodies import assert_bodies_lie_well, least, random_body
from tests.passes.test_placement_search import HEIGHT, assert_packed, cut


def test_who_asks_for_it_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(CnnirError, match="OR-Tools is not installed") as caught:
        place([(0, 1, 5)], cpsat=1)
    assert caught.value.code == "extra-missing"


def test_against_every_placement() -> None:
    """Bodies of any form: what it finds is sound, what it refutes has no placement."""
    pytest.importorskip("ortools")
    rng = np.random.default_rng(3)
    refuted = 0
    for number in range(40):
        bodies: list[Body] = [random_body(rng, steps=5, sizes=5) for _ in range(int(rng.integers(2, 5)))]
        if number % 2:
            bodies[0] = dataclasses.replace(bodies[0], fixed=int(rng.integers(0, 6)))
        best = least(bodies, 2, place(bodies, 2, effort=0).height)
        instance = instance_of(tuple(bodies), 2)
        answer = Solver(instance).run(best, 10, 0)
        assert answer.bases is not None
        assert instance.height(answer.bases) == best
        if best > instance.least:
            refuted += 1
            assert Solver(instance).run(best - 1, 10, 0).impossible
        placed = place(bodies, 2, effort=0, cpsat=10)
        assert placed.height == best
        assert_bodies_lie_well(bodies, placed, 2)
    assert refuted > 3


def test_it_comes_last_and_only_lower_ones_are_taken() -> None:
    pytest.importorskip("ortools")
    lives = cut(3, 80)
    found = place(lives, effort=0, cpsat=20)
    assert (found.height, found.heuristic, found.status) == (HEIGHT, "CP-SAT", "optimal")
    assert_packed(lives, found.offsets)
    assert place(lives, effort=0, cpsat=20) == found
    assert place(lives, effort=2_000, cpsat=20) == place(lives, effort=2_000)
    # Too little work for an answer: nothing is changed.
    hard = cut(0, 120)
    assert place(hard, effort=0, cpsat=1e-9) == place(hard, effort=0)
