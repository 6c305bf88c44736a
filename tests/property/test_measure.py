"""The measure of rounding: outputs that cancel are within it, mistakes of kernels are not."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from cnnir.exporters.onnx import write
from cnnir.graph import Graph
from cnnir.interpreter.kernels import kernels
from cnnir.ops import Add, AveragePool, Conv, Floor, MaxPool, Op, Relu, Sub
from cnnir.types import DType, TensorType
from cnnir.weights import Array
from tests.interpreter.drawing import AnyArray, Draw
from tests.measure import Sensitivity, apart, farthest
from tests.models import random_input
from tests.property.judging import by_onnxruntime
from tests.random_graphs import random_graph

TOLERANCE = 1e-5


def cancelling() -> Graph:
    """A sum of large numbers less what it is nearly equal to: what is left is their rounding."""
    graph, draw = Graph("cancelling"), Draw(7)
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 16, 6, 6)))
    w = graph.add_weight("w", Array.of(draw.tensor(8, 16, 3, 3)))
    turned = graph.add_weight("v", Array.of(np.ascontiguousarray(graph.value("w").weight.array()[:, ::-1])))  # type: ignore[union-attr]
    back = graph.add_weight("order", Array.of(np.eye(16, dtype=np.float32)[::-1].reshape(16, 16, 1, 1).copy()))
    op = Conv((1, 1), (1, 1, 1, 1), (1, 1))
    one = graph.add_node(op, [x, w]).output
    reversed_x = graph.add_node(Conv((1, 1), (0, 0, 0, 0), (1, 1)), [x, back]).output
    other = graph.add_node(op, [reversed_x, turned]).output
    graph.set_outputs(graph.add_node(Sub(), [one, other], name="y").outputs)
    return graph


def test_what_cancels() -> None:
    """The outputs are far apart beside their own size, and as near as rounding allows."""
    graph = cancelling()
    feed, model = random_input(graph), write(graph)
    found, expected = graph.run(feed), by_onnxruntime(model, random_input(graph))
    (ours,), (theirs,) = found.values(), expected
    assert apart(ours, theirs, TOLERANCE) is not None
    sensitivity = Sensitivity.by_reference(model, feed)
    assert farthest(found, expected, TOLERANCE, sensitivity) is None
    exact = sensitivity.of(next(iter(found)))
    assert exact is not None
    assert 1e-7 < exact.spread.max() < 1e-4
    # A hundred times as far is a mistake.
    assert apart(ours + np.float32(100 * exact.spread.max()), theirs, TOLERANCE, lambda: exact) is not None


def test_steps() -> None:
    """An element on a step may lie on either side, its neighbours may not."""
    graph = Graph("steps")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (3,)))
    w = graph.add_weight("w", Array.of(np.array([1 / 3, 1.0, 1.0], np.float32)))
    graph.set_outputs(graph.add_node(Floor(), [graph.add_node(Add(), [x, w]).output]).outputs)
    feed = {"x": np.array([2 / 3, 0.5, 0.25], np.float32)}
    exact = Sensitivity.by_reference(write(graph), feed).of(graph.outputs[0].name)
    either, wrong = np.array([0, 1, 1], np.float32), np.array([1, 2, 1], np.float32)
    theirs = np.array([1, 1, 1], np.float32)
    assert apart(either, theirs, TOLERANCE, lambda: exact) is None
    assert apart(wrong, theirs, TOLERANCE, lambda: exact) is not None


Spoiler = Callable[[Op, Sequence[AnyArray | None], AnyArray], None]


def _off(op: Op, inputs: Sequence[AnyArray | None], out: AnyArray) -> None:
    """One element is off by a thousandth of the largest."""
    if out.size:
        out.flat[out.size // 2] += np.abs(out).max() / 1000


def _scaled(op: Op, inputs: Sequence[AnyArray | None], out: AnyArray) -> None:
    """All is too large by a ten-thousandth."""
    out *= out.dtype.type(1.0001)


def _shifted(op: Op, inputs: Sequence[AnyArray | None], out: AnyArray) -> None:
    """The last column is that before it, as with a wrong padding."""
    if out.ndim == 4 and out.shape[3] > 1:
        out[..., -1] = out[..., -2]


@pytest.mark.parametrize("spoil", [_off, _scaled, _shifted])
@pytest.mark.parametrize("op_class", [Conv, MaxPool, AveragePool, Add])
def test_spoilt_kernels_are_caught(monkeypatch: pytest.MonkeyPatch, op_class: type[Op], spoil: Spoiler) -> None:
    """The measure of random networks, each of which would pass, fails for most of those that use the kernel."""
    right = kernels[op_class]

    def wrong(op: Op, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
        right(op, inputs, outputs)
        spoil(op, inputs, outputs[0])

    caught = used = 0
    for seed in range(25):
        graph = random_graph(np.random.default_rng(seed))
        if not any(isinstance(node.op, op_class) for node in graph.nodes):
            continue
        feed, model = random_input(graph, seed), write(graph)
        expected, sensitivity = by_onnxruntime(model, random_input(graph, seed)), Sensitivity.by_reference(model, feed)
        assert farthest(graph.run(feed), expected, TOLERANCE, sensitivity) is None, seed
        with monkeypatch.context() as patch:
            patch.setitem(kernels._rules, op_class, wrong)
            caught += farthest(graph.run(feed), expected, TOLERANCE, sensitivity) is not None
        used += 1
    assert used >= 5
    # A column that equals the one before it is not spoilt by it.
    assert caught >= 0.7 * used, f"{caught} of {used}"


def test_infinities_and_numbers_that_are_none() -> None:
    """Equal ones are equal, and nothing else is near to them."""
    inf, nan = np.float32(np.inf), np.float32(np.nan)
    one = np.array([inf, -inf, nan, 1], np.float32)
    assert apart(one, one.copy(), TOLERANCE) is None
    for other in ([inf, inf, nan, 1], [inf, -inf, 0, 1], [3e38, -inf, nan, 1], [inf, -inf, nan, nan]):
        assert apart(one, np.array(other, np.float32), TOLERANCE) is not None
        assert apart(np.array(other, np.float32), one, TOLERANCE) is not None


def test_types_and_shapes() -> None:
    """They are what is compared first; integers are equal or not."""
    one = np.ones((2, 1), np.float32)
    for other in (np.ones((1, 2), np.float32), np.ones((2, 1), np.float64), np.ones(2, np.float32)):
        assert "instead of" in (apart(one, other, 1.0) or "")
    assert apart(np.array([10**9]), np.array([10**9 + 1]), 1.0) is not None


def test_relu_is_not_widened() -> None:
    """Where nothing cancels the spread stays below the plain bound."""
    graph = Graph("relu")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (64,)))
    graph.set_outputs(graph.add_node(Relu(), [x]).outputs)
    feed = random_input(graph)
    exact = Sensitivity.by_reference(write(graph), feed).of(graph.outputs[0].name)
    assert exact is not None
    assert exact.spread.max() < TOLERANCE / 2 * np.abs(feed["x"]).max()
