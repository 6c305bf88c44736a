"""Plans are executed: what lies where they say gives the bits of a free run, whatever else is in the pools."""

import dataclasses

import numpy as np
import pytest

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.interpreter.arena import Arena
from cnnir.plan import KERNEL, MemoryPlan
from cnnir.types import TensorType, known_shape
from cnnir.weights import AnyArray
from tests.plan import plans
from tests.plan.samples import SAMPLES

each_sample = pytest.mark.parametrize("name", SAMPLES)


def feed(graph: Graph) -> dict[str, AnyArray]:
    rng = np.random.default_rng(3)
    shapes = {value.name: value.type.shape for value in graph.inputs if isinstance(value.type, TensorType)}
    return {name: rng.standard_normal(known_shape(shape)).astype(np.float32) for name, shape in shapes.items()}


@each_sample
@pytest.mark.parametrize("poison", [False, True])
def test_a_planned_run_gives_the_bits_of_a_free_one(name: str, poison: bool) -> None:
    """Of every value, stored or not."""
    graph, plan = SAMPLES[name]
    given = feed(graph)
    every = [value.name for value in graph.values if value.weight is None]
    free, planned = graph.run(given, every), graph.run(given, every, plan, poison=poison)
    assert free.keys() == planned.keys()
    for value, array in free.items():
        np.testing.assert_array_equal(planned[value], array, strict=True)
    outputs = graph.run(given, plan=plan, poison=poison)
    for value, array in outputs.items():
        np.testing.assert_array_equal(array, free[value], strict=True)


@each_sample
def test_poison_finds_what_leans_on_dead_bytes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that forgets a read lets go of the value before its reader: without the proof, NaN comes out."""
    graph, plan = SAMPLES[name]
    number = max(number for number, step in enumerate(plan.steps) if step.algorithm == KERNEL)
    forgetful = plans.with_step(plan, number, reads=(), donations=())
    monkeypatch.setattr(MemoryPlan, "check", lambda *_: None)
    given = feed(graph)
    plain, spoilt = (graph.run(given, plan=forgetful, poison=poison) for poison in (False, True))
    expected = graph.run(given)
    last = plan.steps[number].writes[-1]
    np.testing.assert_array_equal(plain[last], expected[last])
    assert np.isnan(spoilt[last]).any() or np.any(spoilt[last] != expected[last])


def test_poison_leaves_nothing_but_what_is_needed() -> None:
    graph, plan = SAMPLES["concat_without_copy"]
    arena = Arena(plan)
    steps = arena.poisoned()
    arena.arrays["x"][...] = 0
    assert next(steps) == 0
    assert not arena.arrays["x"].any()
    assert np.isnan(arena.arrays["both"]).all()
    arena.arrays["a"][...] = 1
    assert next(steps) == 1
    assert (arena.arrays["both"][:, :1] == 1).all()
    assert np.isnan(arena.arrays["both"][:, 1:]).all()
    arena.arrays["b"][...] = 2
    assert next(steps) == 2
    assert arena.arrays["both"].sum() == (1 + 3 * 2) * 16
    assert np.isnan(arena.arrays["x"]).all()
    assert list(steps) == [3]
    assert not any(arena.arrays[name].sum() == 0 for name in ("a", "b"))
    del graph


def test_another_layout_is_executed() -> None:
    """Strides decide the layout: channels last, in two pieces."""
    graph, plan = SAMPLES["epilogue_and_accumulation"]
    piece = plans.first_piece(plan.values["ra"])
    strides = (128, 4, 32, 8)
    upper = dataclasses.replace(piece, shape=(1, 2, 1, 4), strides=strides)
    lower = dataclasses.replace(upper, shape=(1, 2, 3, 4), origin=(0, 0, 1, 0), offset=piece.offset + 32)
    turned = plans.with_value(plan, "ra", pieces=(upper, lower))
    given = feed(graph)
    np.testing.assert_allclose(
        graph.run(given, plan=turned, poison=True)["out"], graph.run(given)["out"], rtol=1e-6, atol=1e-6
    )
    # A plan that holds and is no array is proved, and not executed.
    scattered = plans.with_value(plan, "ra", pieces=(
        dataclasses.replace(upper, offset=piece.offset + 96), dataclasses.replace(lower, offset=piece.offset),
    ))  # fmt: skip
    scattered.check(graph)
    with pytest.raises(CnnirError, match="plan-unsupported"):
        graph.run(given, plan=scattered)


def test_there_is_nothing_to_poison_without_a_plan() -> None:
    graph, _ = SAMPLES["network"]
    with pytest.raises(CnnirError, match="give a plan"):
        graph.run(feed(graph), poison=True)
