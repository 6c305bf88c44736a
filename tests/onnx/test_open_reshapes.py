"""Reshapes to open sizes: a file says how they are computed, a runtime computes them, and reading brings them back."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from cnnir import zoo
from cnnir.builder import GraphBuilder
from cnnir.dims import Dim, format_dim, parse_dim, product
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read, write
from cnnir.graph import Graph
from cnnir.ops import Op, Opaque, Reshape
from cnnir.ops.formulas import formula
from cnnir.types import TensorType
from cnnir.weights import AnyArray


def reshaped(source: Sequence[int | str], *target: int | str, allowzero: bool = False) -> Graph:
    """An activation, a Reshape, and an activation."""
    builder = GraphBuilder("open")
    x = builder.relu(builder.input("x", tuple(source)), name="r")
    dims = tuple(parse_dim(dim) if isinstance(dim, str) else dim for dim in target)
    return builder.build(builder.relu(builder.op(Reshape(dims, allowzero), x, name="view"), name="y"))


def judged(model: ModelProto, array: AnyArray) -> AnyArray:
    """What ONNX Runtime makes of it, without rewrites of its own."""
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: array})[0])


def wiring(graph: Graph) -> list[tuple[str, Op, list[str]]]:
    """Every node with its op and what it reads."""
    return [(node.name, node.op, [value.name for value in node.operands]) for node in graph.nodes]


def numbers(*shape: int) -> AnyArray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


CASES: tuple[tuple[tuple[int | str, ...], tuple[int | str, ...], list[str]], ...] = (
    (("N", 4, "H", "W"), ("N", 4, "H*W"), []),
    (("N", 4, "H", "W"), ("N", "4*H*W"), []),
    (("N", 4, "H", "W"), (0, 2, 2, "H", "W"), ["Shape", "Gather", "Concat"]),
    (("N", 4, "H", "W"), ("N", "W", -1, "H"), ["Shape", "Gather", "Gather", "Concat"]),
    (("N", 4, "H", "W"), ("N", "W", "H", 4), []),
    (("N", 4, "H", "W"), ("N", "W", 4, "H"), ["Shape", "Gather", "Gather", "Concat"]),
    (("N", 4, "H", "W"), ("H*W", 4, "N"), ["Shape", "Gather", "Gather", "Mul", "Gather", "Concat"]),
    (("N", 4, "H", "W"), ("2*H", 2, "N*W"), ["Shape", "Gather", "Mul", "Gather", "Gather", "Mul", "Concat"]),
)
"""What is reshaped, to what, and the ops that compute the target; none where 0 and -1 say it."""


@pytest.mark.parametrize(("source", "target", "ops"), CASES)
def test_what_is_written(source: Sequence[int | str], target: Sequence[int | str], ops: list[str]) -> None:
    """ONNX Runtime gives what NumPy gives at two sizes, and folding what was read gives the same node."""
    graph = reshaped(source, *target)
    model = write(graph)
    assert [node.op_type for node in model.graph.node] == ["Relu", *ops, "Reshape", "Relu"]
    assert len({node.name for node in model.graph.node}) == len(model.graph.node)
    for sizes in ((2, 4, 6, 5), (1, 4, 3, 7)):
        array = numbers(*sizes)
        expected = next(iter(graph.run({"x": array}).values()))
        assert np.array_equal(judged(model, array), expected)
    back = read(model).apply("fold").graph
    assert {value.name: value.type for value in back.values} == {value.name: value.type for value in graph.values}
    if ops:
        assert wiring(back) == wiring(graph)
        assert write(back).graph.node == model.graph.node


def test_what_cannot_be_computed() -> None:
    """A size that what is reshaped does not tell: the dim and the node are named; bound, it is written."""
    graph = reshaped(("N", 4, "2*H", "2*W + 2"), "W + 1", "N", 2, "4*H", 2)
    with pytest.raises(
        CnnirError,
        match=r"view \(Reshape\): the open size W \+ 1 cannot be computed from what is at hand, \[N, 2\*H, 2\*W \+ 2\]",
    ) as caught:
        write(graph)
    assert caught.value.code == "onnx-form"
    bound = graph.bind(N=2, H=3, W=4)
    array = numbers(2, 4, 6, 10)
    assert judged(write(bound), array).shape == (5, 2, 2, 12, 2)


def test_zeros_that_are_meant() -> None:
    """Where a 0 says that nothing is there, no dim is copied by one."""
    graph = reshaped((0, "H", "W"), "W", 0, "H", allowzero=True)
    model = write(graph, opset=21)
    assert judged(model, numbers(0, 3, 5)).shape == (5, 0, 3)
    with pytest.raises(CnnirError, match="opset"):
        write(graph, opset=13)
    again = reshaped((4, "H"), 2, 2, "H", allowzero=True)
    assert judged(write(again, opset=13), numbers(4, 3)).shape == (2, 2, 3)
    known = reshaped((4, 3), 6, -1, allowzero=True)
    assert [len(node.attribute) for node in write(known, opset=14).graph.node] == [0, 1, 0], "it goes out as it came"
    assert judged(write(known, opset=13), numbers(4, 3)).shape == (6, 2)


@pytest.mark.parametrize("opset", [7, 13, 21])
def test_a_network_of_any_size(opset: int) -> None:
    """ShuffleNet with batch, height and width open: 32 Reshapes to sizes that are computed."""
    graph = zoo.build("shufflenet_v2", size=("H", "W"), batch="N", classes=10, width=0.5)
    model = write(graph, opset=opset)
    for shape in ((2, 3, 64, 96), (1, 3, 97, 65)):
        array = numbers(*shape)
        expected = next(iter(graph.run({"data": array}).values()))
        np.testing.assert_allclose(judged(model, array), expected, rtol=1e-4, atol=1e-5)
    back = read(model)
    assert sum(isinstance(node.op, Opaque) and node.op.kind == "Reshape" for node in back.nodes) == 32
    result = back.apply("fold", scales=False)
    assert not result.refusals
    assert result.metrics["opaque nodes defined"] >= 32
    assert wiring(result.graph) == wiring(graph)
    assert {value.name: value.type for value in result.graph.values} == {v.name: v.type for v in graph.values}


def combined(parts: tuple[str, Dim, Dim]) -> Dim:
    sign, one, other = parts
    return {"+": one + other, "*": one * other, "/": (one + other) // other}[sign]


dims = st.recursive(
    st.sampled_from(["H", "W", "N"]).map(parse_dim) | st.integers(1, 4),
    lambda inner: st.tuples(st.sampled_from("+*/"), inner, inner).map(combined),
    max_leaves=4,
)


@settings(max_examples=40, deadline=None)
@given(wanted=st.lists(dims, min_size=2, max_size=4))
def test_any_formula(wanted: list[Dim]) -> None:
    """Dims made of symbols that the operand has are said, and the runtime computes them as `bind` does."""
    source = (parse_dim("N"), parse_dim("H"), parse_dim("W"), product(wanted))
    builder = GraphBuilder("formulas")
    x = builder.relu(builder.input("x", [format_dim(dim) for dim in source]), name="r")
    assert isinstance(x.type, TensorType)
    target = (*wanted, product(source[:3]))
    assert all(formula(dim, source) is not None for dim in wanted)
    graph = builder.build(builder.op(Reshape(target), x, name="view"))
    model = write(graph)
    for sizes in ({"N": 1, "H": 4, "W": 3}, {"N": 2, "H": 3, "W": 5}):
        bound = graph.bind(**sizes)
        (given_type,) = (value.type for value in bound.inputs)
        assert isinstance(given_type, TensorType)
        shape = tuple(int(str(dim)) for dim in given_type.shape)
        (expected,) = (value.type for value in bound.outputs)
        assert isinstance(expected, TensorType)
        assert judged(model, np.zeros(shape, np.float32)).shape == expected.shape
