"""What a budget promises, on random networks: met as the result itself counts, or refused with what can be had."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.ops import Add, Conv, Flatten, Gemm, MatMul, Relu
from cnnir.passes import PassResult
from cnnir.passes.bottleneck import Bottleneck, data_aware
from cnnir.types import DType, TensorType, known_shape
from cnnir.weights import Seeded
from tests import models
from tests.passes.test_bottleneck_budget import kept, total, unlike
from tests.random_graphs import random_graph


def tangled(rng: np.random.Generator) -> Graph:
    """Layers that share weights and biases with one another and with an Add, some of them outputs of the graph."""
    graph = Graph("tangled")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (2, 6, 5, 5)))
    pool: dict[tuple[int, ...], list[Value]] = {}

    def weight(*shape: int) -> Value:
        known = pool.setdefault(shape, [])
        if not known or rng.random() < 0.5:
            seed = int(rng.integers(100))
            known.append(graph.add_weight(graph.fresh_name("w"), Seeded(DType.FLOAT32, shape, seed, len(pool), 0.4)))
        return known[int(rng.integers(len(known)))]

    for _ in range(int(rng.integers(2, 6))):
        groups = int(rng.choice([1, 1, 2]))
        operands = [x, weight(6, 6 // groups, 3, 3)]
        operands += [weight(6)] if rng.random() < 0.6 else []
        x = graph.add_node(Conv((1, 1), (1, 1, 1, 1), (1, 1), groups), operands).output
        if rng.random() < 0.2:
            x = graph.add_node(Add(), [x, weight(6, 1, 1)]).output
        x = graph.add_node(Relu(), [x]).output
    x = graph.add_node(Flatten(), [x]).output
    x = graph.add_node(MatMul(), [x, weight(150, 12)]).output
    operands = [x, weight(12, 12)]
    operands += [weight(12)] if rng.random() < 0.6 else []
    x = graph.add_node(Gemm(trans_b=bool(rng.random() < 0.5)), operands).output
    outputs = [x]
    if rng.random() < 0.5:
        shape = tuple(pool)[int(rng.integers(len(pool)))]
        outputs.append(pool[shape][0])
    graph.set_outputs(outputs)
    return graph


def least(error: CnnirError) -> int:
    """What a refusal names."""
    text = str(error.got).split(" as the least")[0]
    return int((text.split("(")[1] if "(" in text else text).split(" B")[0].replace(",", ""))


def tried(make: Callable[[], PassResult]) -> PassResult | CnnirError:
    """What comes of it: a result, or a refusal that names the least."""
    try:
        return make()
    except CnnirError as error:
        if error.code != "budget-unreachable":
            raise
        return error


def rewritten(graph: Graph, options: Bottleneck, *, aware: bool) -> PassResult:
    return data_aware(graph, models.random_input(graph), options) if aware else graph.apply(options)


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_macs_and_params(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    graph = data.draw(st.sampled_from([tangled, random_graph]))(rng)
    name, mode = (
        data.draw(st.sampled_from(["macs", "params"])),
        data.draw(st.sampled_from(["auto", "svd", "separable"])),
    )
    aware, multiple = data.draw(st.booleans()), data.draw(st.sampled_from([1, 2, 8]))
    share, whole = data.draw(st.floats(0.02, 1.0)), total(graph, name)
    if not whole:
        return

    def result(share: float) -> PassResult:
        options = Bottleneck(mode=mode, multiple=multiple, measure=False, **{name: share})  # type: ignore[arg-type]
        return rewritten(graph, options, aware=aware)

    found = tried(lambda: result(share))
    if isinstance(found, CnnirError):
        reached = least(found)
        assert share * whole < reached <= whole
        # What it names can be had, and nothing below.
        share = (reached + 0.5) / whole
        found = result(min(share, 1.0))
        with pytest.raises(CnnirError, match="budget-unreachable"):
            result((reached - 0.5) / whole)
    assert total(found.graph, name) <= share * whole
    for change in found.changes:
        if "budget" in change.what:
            # Where several layers have one bias the price of a new one may be paid once too often, never too seldom.
            stated = int(change.what.split("-> ")[1].split(" ")[0].replace(",", ""))
            assert total(found.graph, name) <= stated <= math.floor(share * whole)
    params = total(graph, "params") - total(found.graph, "params")
    assert found.metrics["params saved"] == params
    assert bool(found.changes) == (found.metrics.get("layers factorised", 0) > 0)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 9999), st.floats(0.1, 1.0), st.sampled_from(["auto", "tucker"]), st.booleans())
def test_planned_peak(seed: int, share: float, mode: str, aware: bool) -> None:
    graph = random_graph(np.random.default_rng(seed))
    budget = int(share * graph.plan().arena_bytes)

    def result(peak: int) -> PassResult:
        return rewritten(graph, Bottleneck(mode=mode, peak=str(peak), measure=False), aware=aware)

    found = tried(lambda: result(budget))
    if isinstance(found, CnnirError):
        assert least(found) > budget
        budget = least(found)
        found = result(budget)
    assert found.graph.plan().arena_bytes <= budget


def chained() -> Graph:
    """Layers of every kind that factorises: windows, 1x1, groups, depthwise, fully connected."""
    graph = Graph("chained")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 4, 12, 12)))
    shapes = [((16, 4, 3, 3), 1), ((16, 4, 3, 3), 4), ((24, 16, 1, 1), 1), ((24, 1, 3, 3), 24), ((16, 24, 3, 3), 1)]
    for index, (shape, groups) in enumerate(shapes):
        weight = graph.add_weight(f"w{index}", Seeded(DType.FLOAT32, shape, 3, index, 0.3))
        pads = (shape[2] // 2,) * 4
        x = graph.add_node(Conv((1, 1), pads, (1, 1), groups), [x, weight], name=f"conv{index}").output
        x = graph.add_node(Relu(), [x]).output
    x = graph.add_node(Flatten(), [x]).output
    columns = known_shape(x.type.shape)[1] if isinstance(x.type, TensorType) else 0
    weight = graph.add_weight("fc", Seeded(DType.FLOAT32, (columns, 20), 3, 9, 0.1))
    graph.set_outputs([graph.add_node(MatMul(), [x, weight], name="fc").output])
    return graph


@pytest.mark.parametrize("make", [chained, unlike], ids=["chained", "unlike"])
@pytest.mark.parametrize(("mode", "multiple"), [("auto", 1), ("svd", 1), ("separable", 1), ("tucker", 1), ("svd", 4)])
@pytest.mark.parametrize("name", ["macs", "params"])
def test_never_worse_than_any_uniform_ratio(name: str, mode: str, multiple: int, make: Callable[[], Graph]) -> None:
    """At four budgets that uniform ratios meet exactly, so that nothing is left over for the pass to gain by."""
    graph = make()
    for ratio in (0.15, 0.3, 0.5, 0.7):
        options = {"mode": mode, "multiple": multiple, "measure": False}
        uniform = graph.apply("bottleneck", ratio=ratio, **options)
        share = total(uniform.graph, name) / total(graph, name)
        if share >= 1:
            continue
        result = graph.apply("bottleneck", **{name: share * (1 + 1e-12)}, **options)
        assert total(result.graph, name) <= total(uniform.graph, name)
        assert kept(result) >= kept(uniform) * 0.999  # errors are shown with four digits
