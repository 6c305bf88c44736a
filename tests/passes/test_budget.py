"""Does it fit: answers equal to trying every order and every placement, and refusals that hold by themselves."""

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cnnir import zoo
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.memory import Memory, fits
from cnnir.passes.memory.forming import Choices, form
from cnnir.passes.memory.order.enumeration import Walk, orders_within
from cnnir.passes.memory.order.forced import forced
from cnnir.passes.memory.problem import profile
from tests.passes.budgeting import all_orders, drawn_options, surprises
from tests.plan import plans
from tests.random_graphs import random_graph


def small_graphs(seeds: range) -> Iterator[tuple[int, Graph, list[tuple[str, ...]], np.random.Generator]]:
    for seed in seeds:
        rng = np.random.default_rng(seed)
        graph = random_graph(rng, int(rng.integers(2, 8)))
        orders = all_orders(graph)
        if orders is not None:
            yield seed, graph, orders, rng


def test_answers_equal_trying_everything() -> None:
    """No order of a refused network has a placement; what fits has a plan that both judges take."""
    met: Counter[str] = Counter()
    for seed, graph, orders, rng in small_graphs(range(120)):
        options: dict[str, Any] = {"alignment": int(rng.choice([4, 64])), "in_place": bool(rng.integers(4)),
                                   "fuse": "none", "workspace": "none"}  # fmt: skip
        assert [*surprises(graph, orders, "auto", rng, met, options)] == [], seed
    assert met["does not fit, by placement"] > 5
    assert met["one step"] > 20
    assert met["unknown"] == 0


def test_refusals_hold_whatever_is_copied() -> None:
    """With fused steps, slices in place or copied, workspace, a given order: what is refused fits in no way."""
    met: Counter[str] = Counter()
    # The first few had wrong refusals once: what is in slices cannot be written over, a copy of it can.
    for seed in (152, 163, 428, 477, 952, *range(1000, 1040)):
        for _, graph, orders, rng in small_graphs(range(seed, seed + 1)):
            order = "auto" if rng.integers(3) else "file"
            assert [*surprises(graph, orders, order, rng, met, drawn_options(rng))] == [], seed
    assert met["does not fit, by bytes"] > 20
    assert met["fits"] > 20


def test_refusals_with_workspace() -> None:
    """The proof counts the workspace of the kernels; a budget that the arena just misses is refused, not unknown."""
    graph = plans.residual_network()
    found = graph.plan(workspace="today")
    assert found.bounds["order"].bytes == found.arena_bytes > graph.plan().arena_bytes
    answer = fits(graph, found.arena_bytes - 1, workspace="today")
    assert (answer.verdict, answer.bound) == ("does not fit", found.arena_bytes)


def test_what_a_task_needs_in_every_order() -> None:
    """The proof of one task is what it needs in the best of all orders, or less; whole walks and single steps agree."""
    exact = 0
    for seed, graph, _, rng in small_graphs(range(200, 260)):
        problem = form(graph, Choices(fuse="steps" if seed % 2 else "none", concat=bool(seed % 3))).problem
        count = len(problem.tasks)
        orders = orders_within(problem, 1 << 40, 500, 100_000)
        if not orders.complete or not count:
            continue
        walks = [dict(zip(order, profile(problem, order), strict=True)) for order in orders.found]
        for task in range(count):
            best = min(walk[task] for walk in walks)
            assert forced(problem, task).bytes <= best
            exact += forced(problem, task).bytes == best
        for order, walk in itertools.islice(zip(orders.found, walks, strict=True), 20):
            stepwise = Walk(problem)
            for task in order:
                assert stepwise.need(task) == walk[task]
                stepwise.run(task)
        level = int(rng.choice([max(walk.values()) for walk in walks]))
        within = orders_within(problem, level, 500, 100_000)
        expected = {order for order, walk in zip(orders.found, walks, strict=True) if max(walk.values()) <= level}
        assert set(within.found) == expected
    assert exact > 100


def test_the_step_of_vgg() -> None:
    """The two maps of 64 channels at 224 x 224 are there when the second convolution runs, in every order."""
    answer = fits(zoo.vgg16(), 24 << 20)
    assert (answer.verdict, answer.step) == ("does not fit", "conv1_2")
    assert answer.values == (("conv1_1", 12_845_056), ("conv1_2", 12_845_056))
    assert answer.bound == 2 * 12_845_056
    assert "conv1_2 needs 24.50 MiB (25,690,112 B) in every order" in str(answer)


def test_an_order_that_is_given() -> None:
    """The answer is about that order: what lives at one of its steps, or its placement."""
    graph = plans.residual_network()
    found = graph.plan(order="file")
    yes, no = (fits(graph, budget, order="file") for budget in (found.arena_bytes, found.lower_bound - 1))
    assert (yes.verdict, no.verdict) == ("fits", "does not fit")
    assert no.step == found.steps[found.peak_step or 0].label
    assert sum(size for _, size in no.values) == found.lower_bound


def test_what_is_not_known_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no effort left, a gap: the bound, and the best that was found."""
    monkeypatch.setattr("cnnir.passes.memory.budget.WORK", 0)
    monkeypatch.setattr("cnnir.passes.memory.budget.STATES", 0)
    unknown = 0
    for _, graph, _, _ in small_graphs(range(40)):
        found = graph.plan()
        budget = found.arena_bytes - 1
        answer = fits(graph, budget)
        if answer.verdict == "unknown":
            unknown += 1
            assert answer.bound <= budget < answer.plan.arena_bytes
            assert "at least" in str(answer)
    assert unknown > 0


@pytest.mark.parametrize(("budget", "options"), [(-1, {}), (1, {"pools": [Memory("a")]}), (1, {"weights": "a"})])
def test_a_budget_is_one_memory(budget: int, options: dict[str, Any]) -> None:
    with pytest.raises(CnnirError, match=r"\[budget\]"):
        fits(plans.residual_network(), budget, **options)
