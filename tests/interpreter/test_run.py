"""Running graphs: what may be asked and fed, what is refused, and that nothing is overwritten that is still wanted."""

import itertools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from cnnir import CnnirError, GraphBuilder
from cnnir.exporters.onnx import read
from cnnir.graph import Graph, Value
from cnnir.ops import Add, Clip, Concat, Flatten, Identity, Mul, Op, Relu, Reshape, Sigmoid, Split, Sum, Tanh
from cnnir.types import DType, TensorType
from cnnir.weights import Array, Fill
from tests.models import random_input
from tests.random_graphs import random_graph

AnyArray: TypeAlias = NDArray[Any]

SEEDS = 150


def small_network(dtype: DType = DType.FLOAT32, batch: int | str = 2) -> Graph:
    """Convolution, ReLU, pooling, a residual sum, a fully connected layer."""
    builder = GraphBuilder("small", dtype=dtype)
    x = builder.input("image", (batch, 3, 8, 8))
    y = builder.relu(builder.conv(x, 4, kernel=3, padding=1, name="conv"))
    y = builder.add(builder.conv(y, 4, kernel=1, name="branch"), y, name="sum")
    y = builder.flatten(builder.max_pool(y))
    return builder.build(builder.linear(y, 5, name="fc"))


def image(batch: int = 2, dtype: type[np.generic] = np.float32) -> dict[str, AnyArray]:
    """What `small_network` takes."""
    return {"image": np.random.default_rng(7).standard_normal((batch, 3, 8, 8)).astype(dtype)}


def vector_graph(*sizes: int) -> tuple[Graph, list[Value]]:
    """A graph with float32 vector inputs x0, x1, ..."""
    graph = Graph("vectors")
    return graph, [graph.add_input(f"x{i}", TensorType(DType.FLOAT32, (size,))) for i, size in enumerate(sizes)]


# What may be asked


def test_any_value_by_name() -> None:
    """Inputs, weights, values in the middle, outputs; in the order asked for, and nothing else."""
    graph = small_network()
    names = [value.name for value in graph.values][::-1]
    found = graph.run(image(), names)
    assert list(found) == names
    np.testing.assert_array_equal(found["image"], image()["image"])
    weight = graph.value("conv.weight").weight
    assert weight is not None
    np.testing.assert_array_equal(found["conv.weight"], weight.array())
    np.testing.assert_array_equal(found["relu1"], np.maximum(found["conv"], 0))
    np.testing.assert_array_equal(found["sum"], found["branch"] + found["relu1"])
    np.testing.assert_allclose(
        found["fc"], found["flatten1"] @ found["fc.weight"].T + found["fc.bias"], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("planned", [False, True])
def test_each_value_alone(planned: bool) -> None:
    """Asking for one value gives what asking for all gives, also from the arena."""
    graph = small_network()
    everything = graph.run(image(), [value.name for value in graph.values])
    plan = graph.plan() if planned else None
    for name, expected in everything.items():
        (found,) = graph.run(image(), [name], plan).values()
        np.testing.assert_array_equal(found, expected)


def test_outputs_by_default() -> None:
    """The graph's outputs in their order; one that stands there twice comes once, as names are unique."""
    graph, (x,) = vector_graph(3)
    a, b = graph.add_node(Relu(), [x]).output, graph.add_node(Tanh(), [x]).output
    graph.set_outputs([b, a, b, x])
    feed = {"x0": np.array([-1.0, 0.0, 2.0], np.float32)}
    assert list(graph.run(feed)) == [b.name, a.name, "x0"]
    assert list(graph.run(feed, plan=graph.plan())) == [b.name, a.name, "x0"]


def test_only_what_is_needed_runs() -> None:
    """A node that cannot be computed does no harm to those who do not ask for it."""
    graph = with_unknown_op()
    np.testing.assert_array_equal(graph.run(vector_feed(), ["y"])["y"], [0, 2])
    with pytest.raises(CnnirError) as caught:
        graph.run(vector_feed(), ["z"])
    assert caught.value.code == "opaque-evaluation"
    assert caught.value.message.startswith("onnx's reference implementation cannot compute")


def vector_feed() -> dict[str, AnyArray]:
    """For the graphs below."""
    return {"x": np.array([-1, 2], np.float32)}


def with_unknown_op(op_type: str = "Mystery", domain: str = "nowhere") -> Graph:
    """``y = Relu(x)`` and ``z``, made of y by some other op."""
    nodes = [
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node(op_type, ["y"], ["z"], name="other", domain=domain),
    ]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xyz"]
    model = helper.make_model(
        helper.make_graph(nodes, "g", infos[:1], infos[1:]),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("nowhere", 1)],
        ir_version=8,
    )
    assert isinstance(model, onnx.ModelProto)
    return read(model)


@pytest.mark.parametrize("planned", [False, True])
def test_opaque_node(planned: bool) -> None:
    """Computed by onnx's reference, in the arena as well."""
    graph = with_unknown_op("Cosh", "")
    (_, z) = graph.run(vector_feed(), plan=graph.plan() if planned else None).values()
    np.testing.assert_allclose(z, [1.0, 3.7621956910836314], rtol=1e-6)


# What is refused


def refusal(graph: Graph, feed: dict[str, Any], outputs: list[str] | None = None) -> CnnirError:
    """The error of a run that must fail."""
    with pytest.raises(CnnirError) as caught:
        graph.run(feed, outputs)
    return caught.value


def test_unknown_input() -> None:
    """Names what the inputs are."""
    error = refusal(small_network(), {**image(), "picture": np.zeros(3)})
    assert (error.code, error.node) == ("input-unknown", "picture")
    assert "image" in str(error.hint)


def test_missing_input() -> None:
    """Names the input and its type."""
    error = refusal(small_network(), {})
    assert (error.code, error.node) == ("input-missing", "image")
    assert "float32[2, 3, 8, 8]" in str(error)


@pytest.mark.parametrize("shape", [(2, 3, 8, 9), (1, 3, 8, 8), (3, 8, 8), (2, 3, 8, 8, 1), ()])
def test_wrong_shape(shape: tuple[int, ...]) -> None:
    """Names the input, what it expects, and what came."""
    error = refusal(small_network(), {"image": np.zeros(shape, np.float32)})
    assert (error.code, error.node, error.got) == ("input-shape", "image", list(shape))
    assert str(error.expected) == "float32[2, 3, 8, 8]"


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.uint8, np.bool_])
def test_wrong_element_type(dtype: type[np.generic]) -> None:
    """Nothing is converted in silence; the hint says how to."""
    error = refusal(small_network(), image(dtype=dtype))
    assert (error.code, error.node, error.expected) == ("input-dtype", "image", "float32")
    assert error.got == np.dtype(dtype).name
    assert ".astype('float32')" in str(error.hint)


def test_element_type_of_python_lists() -> None:
    """Python floats are float64: said, not converted."""
    graph, _ = vector_graph(2)
    assert refusal(graph, {"x0": [1.0, 2.0]}, []).code == "input-dtype"


def test_unknown_output() -> None:
    """With the nearest names."""
    error = refusal(small_network(), image(), ["relu_1"])
    assert (error.code, error.got) == ("value-unknown", "relu_1")
    assert "relu1" in str(error.hint)


def test_symbols_must_agree() -> None:
    """One symbol cannot stand for two sizes."""
    builder = GraphBuilder("two")
    a, b = builder.input("a", ("N", 2)), builder.input("b", ("N", 2))
    graph = builder.build(builder.add(a, b, name="sum"))
    assert graph.run({"a": np.ones((3, 2), np.float32), "b": np.ones((3, 2), np.float32)})["sum"].shape == (3, 2)
    error = refusal(graph, {"a": np.ones((3, 2), np.float32), "b": np.ones((4, 2), np.float32)})
    assert (error.code, error.node) == ("input-shape", "b")


def test_broken_constraint_names_the_node() -> None:
    """A size that a layer cannot take is refused before anything runs."""
    builder = GraphBuilder("sized")
    x = builder.input("x", (1, 3, "H", "W"))
    graph = builder.build(builder.max_pool(builder.conv(x, 2, kernel=3), kernel=2))
    assert graph.run({"x": np.zeros((1, 3, 4, 5), np.float32)})["pool1"].shape == (1, 2, 1, 1)
    error = refusal(graph, {"x": np.zeros((1, 3, 3, 5), np.float32)})
    assert error.code == "constraint"
    assert "MaxPool" in str(error.node)
    assert "H >= 4" in str(error)


def test_plan_of_another_graph() -> None:
    """The plan's digest must be the graph's."""
    other = small_network()
    other.set_outputs([*other.outputs, other.value("conv")])
    with pytest.raises(CnnirError) as caught:
        small_network().run(image(), plan=other.plan())
    assert caught.value.code == "plan-mismatch"


def test_plan_of_another_size() -> None:
    """A plan for two images does not run three."""
    graph = small_network(batch="N")
    plan = graph.bind(N=2).plan()
    np.testing.assert_array_equal(graph.run(image(), plan=plan)["fc"], graph.run(image())["fc"])
    with pytest.raises(CnnirError) as caught:
        graph.run(image(3), plan=plan)
    assert caught.value.code == "plan-mismatch"


# Element types


@pytest.mark.parametrize("planned", [False, True])
def test_float64(planned: bool) -> None:
    """Every value is float64, and more exact than float32 could be."""
    graph, narrow = small_network(DType.FLOAT64), small_network()
    for value in narrow.weights:
        weight = graph.value(value.name).weight
        assert weight is not None
        value.weight = Array.of(weight.array().astype(np.float32))
    names = [value.name for value in graph.values]
    found = graph.run(image(dtype=np.float64), names, graph.plan() if planned else None)
    assert {array.dtype.name for array in found.values()} == {"float64"}
    rough = narrow.run(image(), ["fc"])["fc"]
    assert 0 < np.abs(found["fc"] - rough).max() < 1e-5 * np.abs(rough).max()


def test_overflow_is_a_value() -> None:
    """Infinities and NaN come out as IEEE 754 has them, and nothing warns."""
    graph, (x, y) = vector_graph(3, 3)
    graph.set_outputs([graph.add_node(op, [x, y], name=op.kind).output for op in (Add(), Mul())])
    feed = {"x0": np.array([3e38, np.inf, 0], np.float32), "x1": np.array([3e38, -np.inf, np.inf], np.float32)}
    total, product = graph.run(feed).values()
    np.testing.assert_array_equal(total, [np.inf, np.nan, np.inf])
    np.testing.assert_array_equal(product, [np.inf, -np.inf, np.nan])


def test_feed_in_any_layout() -> None:
    """Views with gaps, read-only arrays and foreign byte orders are the same numbers."""
    graph = small_network()
    expected = graph.run(image())["fc"]
    array = image()["image"]
    gaps = np.zeros((2, 6, 8, 16), np.float32)[:, ::2, :, ::2]
    gaps[...] = array
    gaps.flags.writeable = False
    for fed in (gaps, np.asfortranarray(array), array.astype(">f4"), array[::-1][::-1]):
        np.testing.assert_array_equal(graph.run({"image": fed})["fc"], expected)
        np.testing.assert_array_equal(graph.run({"image": fed}, plan=graph.plan())["fc"], expected)


def test_scalar_feed() -> None:
    """A NumPy scalar is a tensor of rank 0."""
    graph = Graph("scalar")
    x = graph.add_input("x", TensorType(DType.FLOAT32, ()))
    graph.set_outputs([graph.add_node(Add(), [x, x], name="y").output])
    assert graph.run({"x": np.float32(2)})["y"].item() == 4.0  # type: ignore[dict-item]
    assert graph.run({"x": np.float32(2)}, plan=graph.plan())["y"].shape == ()  # type: ignore[dict-item]


# Nothing is overwritten


@pytest.mark.parametrize("planned", [False, True])
def test_fed_arrays_stay(planned: bool) -> None:
    """Results are the caller's own: changing them changes neither the feed, nor a weight, nor the next run."""
    graph = small_network()
    names = [value.name for value in graph.values]
    plan = graph.plan() if planned else None
    feed, before = image(), image()
    first = {name: array.copy() for name, array in graph.run(feed, names, plan).items()}
    for array in graph.run(feed, names, plan).values():
        array[...] = np.nan
    np.testing.assert_array_equal(feed["image"], before["image"])
    for name, array in graph.run(feed, names, plan).items():
        np.testing.assert_array_equal(array, first[name])


@pytest.mark.parametrize("seed", range(SEEDS))
def test_plan_gives_what_the_free_run_gives(seed: int) -> None:
    """In the arena every value of a random network is the same to the bit, asked for together or as outputs."""
    graph = random_graph(np.random.default_rng(seed), nodes=8 + seed % 17)
    feed = random_input(graph, seed)
    names = [value.name for value in graph.values]
    free = graph.run(feed, names)
    outputs = [value.name for value in graph.outputs]
    for plan, asked in itertools.product((graph.plan(), graph.plan(in_place=False)), (names, outputs)):
        found = graph.run(feed, asked, plan)
        for name in asked:
            np.testing.assert_array_equal(found[name], free[name], name)


def written_over(graph: Graph) -> set[tuple[str, str]]:
    """(operand, result) wherever the plan computes in place."""
    return {donation for step in graph.plan().steps for donation in step.donations}


Network: TypeAlias = Callable[[Graph, Value], list[Value]]


def _op(graph: Graph, name: str, op: Op, *inputs: Value) -> Value:
    return graph.add_node(op, inputs, name=name).output


def _chain(graph: Graph, x: Value) -> list[Value]:
    y = x
    for name in "abcd":
        y = _op(graph, name, Tanh() if name in "ac" else Relu(), y)
    return [y]


def _residual(graph: Graph, x: Value) -> list[Value]:
    a = _op(graph, "a", Tanh(), x)
    b = _op(graph, "b", Sigmoid(), a)
    return [_op(graph, "c", Relu(), _op(graph, "sum", Add(), b, a))]


def _twice(graph: Graph, x: Value) -> list[Value]:
    a = _op(graph, "a", Tanh(), x)
    return [_op(graph, "d", Mul(), square := _op(graph, "b", Mul(), a, a), square)]


def _three_times(graph: Graph, x: Value) -> list[Value]:
    a = _op(graph, "a", Tanh(), x)
    b = _op(graph, "b", Sum(), a, a, a)
    c = _op(graph, "c", Sigmoid(), b)
    return [_op(graph, "d", Sum(), c, b, c, b)]


def _operand_is_output(graph: Graph, x: Value) -> list[Value]:
    a = _op(graph, "a", Tanh(), x)
    return [a, _op(graph, "b", Relu(), a)]


def _operand_is_read_later(graph: Graph, x: Value) -> list[Value]:
    a = _op(graph, "a", Tanh(), x)
    b = _op(graph, "b", Clip(0.0, 0.25), a)
    return [_op(graph, "c", Add(), b, _op(graph, "d", Sigmoid(), a))]


def _view_of_operand_is_output(graph: Graph, x: Value) -> list[Value]:
    a = _op(graph, "a", Tanh(), x)
    view = _op(graph, "view", Reshape((-1, 2)), a)
    return [view, _op(graph, "b", Relu(), a)]


def _view_of_input(graph: Graph, x: Value) -> list[Value]:
    view = _op(graph, "view", Flatten(0), _op(graph, "same", Identity(), x))
    return [_op(graph, "b", Relu(), view)]


def _operand_beside_its_view(graph: Graph, x: Value) -> list[Value]:
    a = _op(graph, "a", Tanh(), x)
    view = _op(graph, "view", Identity(), a)
    return [_op(graph, "b", Add(), a, view)]


def _weight_operand(graph: Graph, x: Value) -> list[Value]:
    weight = graph.add_weight("w", Fill(DType.FLOAT32, (6,), np.float32(3)))
    return [_op(graph, "b", Add(), weight, x), _op(graph, "c", Mul(), weight, weight)]


def _broadcast_operand(graph: Graph, x: Value) -> list[Value]:
    a = _op(graph, "a", Tanh(), x)
    column = _op(graph, "column", Reshape((6, 1)), a)
    return [_op(graph, "b", Sum(), column, a, column)]


def _parts(graph: Graph, x: Value) -> list[Value]:
    first, second = graph.add_node(Split(0, (3, 3)), [_op(graph, "a", Tanh(), x)], outputs=["p", "q"]).outputs
    return [_op(graph, "b", Concat(0), _op(graph, "c", Relu(), second), first, second)]


NETWORKS: dict[Network, tuple[set[tuple[str, str]], set[str]]] = {
    _chain: ({("a", "b"), ("b", "c"), ("c", "d")}, {"x"}),
    _residual: ({("b", "sum"), ("sum", "c")}, {"x"}),
    _twice: ({("a", "b"), ("b", "d")}, {"x"}),
    _three_times: ({("a", "b")}, {"x"}),
    _operand_is_output: (set(), {"x", "a"}),
    _operand_is_read_later: ({("a", "d")}, {"x"}),
    _view_of_operand_is_output: (set(), {"x", "a"}),
    _view_of_input: (set(), {"x", "view"}),
    _operand_beside_its_view: (set(), {"x"}),
    _weight_operand: (set(), {"x", "w"}),
    _broadcast_operand: (set(), {"x"}),
    _parts: (set(), {"x", "p", "q"}),
}
"""For each network what its plan must write over, and what it must never write over."""


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__.strip("_"))
def test_in_place(network: Network) -> None:
    """What may be written over is, what may not is not, and the values are those of a run without sharing."""
    graph = Graph(network.__name__)
    graph.set_outputs(network(graph, graph.add_input("x", TensorType(DType.FLOAT32, (6,)))))
    feed = {"x": np.array([-2.0, -1.0, -0.5, 0.25, 1.0, 3.0], np.float32)}
    free = graph.run(feed, [value.name for value in graph.values])
    found = graph.run(feed, plan=graph.plan())
    for value in graph.outputs:
        np.testing.assert_array_equal(found[value.name], free[value.name])
    expected, kept = NETWORKS[network]
    donations = written_over(graph)
    assert expected <= donations
    assert not kept & {operand for operand, _ in donations}


def test_in_place_saves_memory() -> None:
    """A residual sum over one of its operands takes two buffers instead of three."""
    graph = Graph("residual")
    graph.set_outputs(_residual(graph, graph.add_input("x", TensorType(DType.FLOAT32, (6,)))))
    arenas = [graph.plan(alignment=4, in_place=in_place).pools for in_place in (True, False)]
    assert [sum(pool.bytes for pool in pools) for pools in arenas] == [2 * 24, 3 * 24]
