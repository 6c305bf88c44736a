"""The order of tasks: equal to the best of all orders on small problems, proved on random networks."""

import random

import pytest

from cnnir.errors import CnnirError
from cnnir.passes.memory.order import schedule
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
    for seed in range(400):
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
