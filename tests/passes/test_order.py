"""The order of tasks: equal to the best of all orders on small problems, proved on random networks."""

import importlib
import itertools
import random

import pytest

from benchmarks.order import network, stack
from cnnir.errors import CnnirError
from cnnir.passes.memory.order import alternatives, schedule, windows
from cnnir.passes.memory.order.region import projection
from cnnir.passes.memory.order.solve import solve
from cnnir.passes.memory.order.stages import stages
from cnnir.passes.memory.problem import Atom, Problem, Task, profile
from tests.passes.scheduling import least_peak, orders, peak, random_problem


@pytest.mark.parametrize("start", range(0, 2000, 250))
def test_the_order_is_the_best_of_all(start: int) -> None:
    better = 0
    for seed in range(start, start + 250):
        problem = random_problem(seed, random.Random(seed).randint(1, 8))
        found = schedule(problem)
        best = least_peak(problem)
        assert found.peak == found.bound == best == peak(problem, found.order), seed
        own = tuple(range(len(problem.tasks)))
        if peak(problem, own) == best:
            assert found.order == own, seed
        else:
            better += 1
    assert better > 30


def test_the_oracle_agrees_with_a_walk_through_all_orders() -> None:
    for seed in range(300):
        problem = random_problem(seed, 5)
        assert least_peak(problem) == min(peak(problem, order) for order in orders(problem)), seed


def test_the_profile_is_what_the_definition_says() -> None:
    for seed in range(300):
        problem = random_problem(seed, 7)
        order = next(order for order in orders(problem))
        assert max(profile(problem, order)) == peak(problem, order), seed


def test_a_problem_without_tasks_needs_what_is_given_and_kept() -> None:
    found = schedule(Problem((Atom(5, (), (), given=True, kept=True), Atom(7, (), (), given=True)), ()))
    assert (found.order, found.peak, found.bound) == ((), 5, 5)


def test_a_cut_short_search_says_so() -> None:
    short = 0
    for seed in range(200):
        problem = random_problem(seed, 8)
        found, best = schedule(problem, effort=2), least_peak(problem)
        assert found.bound <= best <= found.peak == peak(problem, found.order), seed
        assert found.peak <= peak(problem, range(len(problem.tasks))), seed
        short += found.bound < found.peak
    assert short


def test_an_order_that_breaks_a_dependency_is_refused() -> None:
    problem = Problem((Atom(1, (0,), (1,)),), (Task((), (0,)), Task((0,), ())))
    with pytest.raises(CnnirError, match="before what it needs"):
        profile(problem, (1, 0))


def test_random_networks_are_proved() -> None:
    for seed in range(5):
        small = network(14, seed)
        assert schedule(small).peak == schedule(small).bound == least_peak(small), seed
        found = schedule(network(64, seed))
        assert found.peak == found.bound == peak(network(64, seed), found.order), seed


def test_stages_are_the_places_that_every_order_passes_through() -> None:
    inner = 0
    for seed in range(150):
        problem = random_problem(seed, 6)
        passed = [{frozenset(order[:place]) for order in orders(problem)} for place in range(7)]
        ends = [end for _, end in stages(problem)]
        assert ends == [place for place in range(1, 7) if len(passed[place]) == 1], seed
        inner += len(ends) > 1
    assert inner > 15


def test_a_window_alone_is_a_bound_for_the_whole() -> None:
    tight = 0
    for seed in range(200):
        problem, draw = random_problem(seed, 8), random.Random(seed)
        first, end = sorted(draw.sample(range(9), 2))
        always = sum(atom.bytes for atom in problem.atoms if atom.given and atom.kept)
        alone = projection(problem, range(first, end), always)
        found = solve(alone, 0, alone.peak(range(first, end)), 1000)
        assert found.bound == found.peak <= least_peak(problem), seed
        tight += found.bound == least_peak(problem)
    assert tight > 25


def test_windows_lower_an_order_and_never_claim_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "WIDTHS", (3, 6))
    lowered = proved = 0
    for seed in range(300):
        problem = random_problem(seed, 8)
        own = tuple(range(8))
        found = windows.lower(problem, own, (0, 8), 0, 1000)
        best = least_peak(problem)
        assert found.bound <= best <= found.peak == peak(problem, found.order) <= peak(problem, own), seed
        lowered += found.peak < peak(problem, own)
        proved += found.bound == found.peak
    assert lowered > 50
    assert proved > 150


def test_a_long_stage_is_ordered_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = stack(200, 1)
    exact = schedule(problem)
    assert exact.bound == exact.peak < peak(problem, range(len(problem.tasks)))
    monkeypatch.setattr(importlib.import_module("cnnir.passes.memory.order.schedule"), "LARGEST", 50)
    found = schedule(problem)
    assert found.bound <= exact.peak <= found.peak == peak(problem, found.order)
    assert found.peak < peak(problem, range(len(problem.tasks)))


def test_a_stack_of_thousands_of_tasks_is_ordered() -> None:
    problem = stack(5000, 0)
    found = schedule(problem)
    assert found.bound <= found.peak == max(profile(problem, found.order))
    assert found.peak < 0.9 * max(profile(problem, range(len(problem.tasks))))


def test_alternatives_are_other_orders_without_a_higher_peak() -> None:
    several = 0
    for seed in range(120):
        problem = random_problem(seed, 7)
        first = schedule(problem)
        others = list(itertools.islice(alternatives(problem, first.order, seed=3), 10))
        assert len({first.order, *others}) == len(others) + 1, seed
        assert all(peak(problem, order) <= first.peak for order in others), seed
        assert others == list(itertools.islice(alternatives(problem, first.order, seed=3), 10)), seed
        several += len(others) > 2
    assert several > 30


def test_a_network_has_many_best_orders() -> None:
    problem = network(40, 2)
    first = schedule(problem)
    others = list(itertools.islice(alternatives(problem, first.order), 25))
    assert len(others) == 25
    assert {max(profile(problem, order)) for order in others} == {first.peak}
