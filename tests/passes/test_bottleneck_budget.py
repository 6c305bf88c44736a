"""Ranks by budget: met or refused with the least, and never worse than a uniform ratio."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnir.analysis import costs
from cnnir.builder import GraphBuilder
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes import PassResult
from cnnir.weights import Array
from tests import models
from tests.passes.test_bottleneck import vgg


def total(graph: Graph, name: str) -> int:
    found = getattr(costs(graph), name)
    assert isinstance(found, int)
    return found


def kept(result: PassResult) -> float:
    """Product over the layers of the share of the weight's squared norm that is kept, from the reported errors."""
    errors = [float(change.what.rsplit("weight error ", maxsplit=1)[1]) for change in result.changes
              if "weight error" in change.what]  # fmt: skip
    return math.prod(1 - error**2 for error in errors)


def stated(result: PassResult) -> tuple[float, float]:
    """What the pass says it keeps, and what it says nobody can exceed."""
    (text,) = [change.what for change in result.changes if "product over the layers" in change.what]
    numbers = text.split("what they keep ")[1]
    return float(numbers.split(",")[0]), float(numbers.split("at most ")[1].split()[0])


def uniform(graph: Graph, name: str, budget: float, mode: str) -> PassResult:
    """The largest ratio within the budget, found by halving."""
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        fits = total(graph.apply("bottleneck", mode=mode, ratio=middle).graph, name) <= budget
        low, high = (middle, high) if fits else (low, middle)
    assert low > 0
    return graph.apply("bottleneck", mode=mode, ratio=low)


def unlike() -> Graph:
    """Layers that are worth very different ranks: some nearly of low rank, some not at all."""
    graph = vgg()
    rng = np.random.default_rng(5)
    graph = models.with_random_weights(graph)
    for index, value in enumerate(graph.weights):
        assert value.weight is not None
        shape = value.weight.shape
        if len(shape) > 1:
            noise = rng.standard_normal((shape[0], int(np.prod(shape[1:]))))
            left, values, right = np.linalg.svd(noise, full_matrices=False)
            values = np.exp(-np.arange(len(values)) * (0.02 + 0.4 * (index % 3)))
            value.weight = Array.of(((left * values) @ right).reshape(shape).astype(np.float32))
    return graph


@pytest.mark.parametrize(("name", "share"), [("macs", 0.5), ("macs", 0.25), ("params", 0.4), ("params", 0.7)])
@pytest.mark.parametrize("make", [vgg, unlike], ids=["random", "unlike"])
def test_never_worse_than_a_uniform_ratio(name: str, share: float, make: Callable[[], Graph]) -> None:
    graph = make()
    budget = share * total(graph, name)
    result = graph.apply("bottleneck", **{name: share})
    assert total(result.graph, name) <= budget
    for mode in ("auto", "svd"):
        assert kept(result) >= kept(uniform(graph, name, budget, mode)) * 0.999  # errors are shown with four digits
    said, most = stated(result)
    assert said == pytest.approx(kept(result), abs=2e-3)
    assert said <= most


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(["macs", "params"]), st.floats(0.01, 1.0), st.sampled_from([1, 4]), st.integers(0, 9))
def test_a_budget_is_met_or_refused_with_the_least(name: str, share: float, multiple: int, seed: int) -> None:
    graph = models.with_random_weights(vgg(16, (4, 8)), seed)
    whole = total(graph, name)
    with pytest.raises(CnnirError, match="budget-unreachable") as caught:
        graph.apply("bottleneck", multiple=multiple, **{name: 1 / whole})
    least = int(str(caught.value.got).split()[0].replace(",", ""))
    if share * whole < least:
        with pytest.raises(CnnirError, match="budget-unreachable"):
            graph.apply("bottleneck", multiple=multiple, **{name: share})
        share = (least + 0.5) / whole
    result = graph.apply("bottleneck", multiple=multiple, **{name: share})
    assert least <= total(result.graph, name) <= share * whole


def test_everything_is_affordable_at_the_whole_price() -> None:
    graph = vgg()
    result = graph.apply("bottleneck", macs=1.0)
    assert result.metrics.get("layers factorised", 0) == 0
    assert len(result.refusals) == 9


def test_shared_weights_are_not_counted_as_saved() -> None:
    builder = GraphBuilder("twins")
    x = builder.input("image", (1, 8, 9, 9))
    first = builder.conv(x, 8, kernel=3, padding=1, bias=False, name="first")
    weight = builder.graph.value("first.weight")
    assert first.producer is not None
    graph = builder.build(builder.op(first.producer.op, first, weight, name="second"))
    # Both get the same factors, and the weight is counted once.
    result = graph.apply("bottleneck", params=0.5)
    assert total(result.graph, "params") <= 288
    assert result.metrics["layers factorised"] == 2
    assert len(result.graph.weights) < 4
    for wanted, others in (("first", "second"), ("second", "first")):
        with pytest.raises(CnnirError, match=r"576 as the least.*budget-unreachable"):
            graph.apply("bottleneck", params=0.5, nodes=wanted)
        refused = graph.apply("bottleneck", params=1.0, nodes=wanted).refusals
        assert f"shared with {others}" in refused[0].reason
    assert total(graph.apply("bottleneck", macs=0.5).graph, "macs") <= total(graph, "macs") / 2


# The planned peak


def peaked(residual: bool = False) -> Graph:
    """Wide maps between narrow ones: the second convolution has two wide ones at once."""
    builder = GraphBuilder("peaked")
    x = builder.relu(builder.conv(builder.input("image", (1, 3, 16, 16)), 32, kernel=3, padding=1))
    y = builder.relu(builder.conv(x, 32, kernel=3, padding=1))
    if residual:
        y = builder.add(x, y)
    y = builder.conv(y, 4, kernel=3, stride=2, padding=1)
    return builder.build(y)


@pytest.mark.parametrize("mode", ["auto", "svd", "tucker", "separable"])
def test_a_planned_peak_is_met(mode: str) -> None:
    graph = peaked()
    before = graph.plan().arena_bytes
    assert before == 2 * 32 * 256 * 4
    result = graph.apply("bottleneck", mode=mode, peak=f"{before * 6 // 10}")
    assert result.graph.plan().arena_bytes <= before * 6 // 10
    assert result.metrics["layers factorised"] == 1
    assert len(result.refusals) == 2
    # The error is the least that fits: one step of alignment more room takes no better rank away.
    errors = [kept(graph.apply("bottleneck", mode=mode, peak=str(before * tenths // 10))) for tenths in (6, 7, 8)]
    assert errors == sorted(errors)


@pytest.mark.parametrize("residual", [False, True])
def test_a_peak_that_cannot_be_met_is_refused_with_the_least(residual: bool) -> None:
    graph = peaked(residual)
    with pytest.raises(CnnirError, match="budget-unreachable") as caught:
        graph.apply("bottleneck", peak="1KiB")
    least = int(str(caught.value.got).split("(")[1].split(" B")[0].replace(",", ""))
    result = graph.apply("bottleneck", peak=str(least))
    assert result.graph.plan().arena_bytes == least
    with pytest.raises(CnnirError, match="budget-unreachable"):
        graph.apply("bottleneck", peak=str(least - 64))


def test_a_peak_that_is_kept_already_changes_nothing() -> None:
    graph = peaked()
    result = graph.apply("bottleneck", peak="1MiB")
    assert not result.modified
    assert len(result.refusals) == 3
