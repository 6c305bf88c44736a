"""What is fed binds the symbols, in whatever order and under whatever names; and what does not fit is refused."""

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from cnnir import CnnirError, GraphBuilder
from cnnir.dims import UNKNOWN, Dim, parse_dim, symbol
from cnnir.exporters.onnx import read
from cnnir.graph import Graph
from cnnir.ops import Add, Identity, Relu, Reshape, Slice
from cnnir.types import DType, OptionalType, SequenceType, TensorType, Type, UnknownType
from cnnir.weights import Array


def relus(*shapes: tuple[Dim, ...]) -> Graph:
    """One Relu an input; the inputs are called a, b, ..."""
    graph = Graph("relus")
    inputs = [
        graph.add_input(name, TensorType(DType.FLOAT32, shape)) for name, shape in zip("abc", shapes, strict=False)
    ]
    graph.set_outputs([graph.add_node(Relu(), [x], name=f"relu_{x.name}").output for x in inputs])
    return graph


def zeros(*shapes: tuple[int, ...]) -> dict[str, Any]:
    """A feed of these shapes."""
    return {name: np.zeros(shape, np.float32) for name, shape in zip("abc", shapes, strict=False)}


def refusal(graph: Graph, feed: dict[str, Any]) -> CnnirError:
    """The error of a run that must fail."""
    with pytest.raises(CnnirError) as caught:
        graph.run(feed)
    return caught.value


@pytest.mark.parametrize("name", ["N", "batch size", "a+b", "1", "größe"])
def test_symbols_of_any_name(name: str) -> None:
    """A name that is no identifier is bound like others."""
    graph = relus((symbol(name), 2), (symbol(name), 2))
    assert [array.shape for array in graph.run(zeros((3, 2), (3, 2))).values()] == [(3, 2), (3, 2)]
    error = refusal(graph, zeros((3, 2), (1, 2)))
    assert (error.code, error.node) == ("input-shape", "b")


@pytest.mark.parametrize("shapes", [("2*N", "N"), ("N", "2*N"), ("(N + 1)//2", "N")])
def test_expressions_before_their_symbol(shapes: tuple[str, str]) -> None:
    """An expression is checked also where its symbol is bound by a later input."""
    first, second = (parse_dim(text) for text in shapes)
    graph = relus((first,), (second,))
    sizes = {"N": 4, "2*N": 8, "(N + 1)//2": 2}
    right = [(sizes[text],) for text in shapes]
    assert [array.shape for array in graph.run(zeros(*right)).values()] == right
    expression = next(index for index, text in enumerate(shapes) if text != "N")
    right[expression] = (7,)
    error = refusal(graph, zeros(*right))
    assert (error.code, error.node) == ("input-shape", "ab"[expression])


def test_ragged_rows() -> None:
    """Rows of two lengths are no array: one line, not NumPy's words."""
    error = refusal(relus((2, 2)), {"a": [[1.0, 2.0], [3.0]]})
    assert (error.code, error.node) == ("input-array", "a")


TENSOR = TensorType(DType.FLOAT32, (2,))


@pytest.mark.parametrize(
    ("type_", "fed"),
    [
        (SequenceType(TENSOR), [np.ones(2, np.float32), np.zeros(2, np.float32)]),
        (SequenceType(TENSOR), []),
        (OptionalType(TENSOR), None),
        (OptionalType(TENSOR), np.ones(2, np.float32)),
        (UnknownType(), [np.ones(2, np.float32), np.ones(3, np.float32)]),
    ],
    ids=["sequence", "empty sequence", "absent", "present", "unknown"],
)
def test_what_is_no_tensor_stays(type_: Type, fed: Any) -> None:
    """A sequence is no array, and comes out as it went in; the caller's own is not given back."""
    graph = Graph("other")
    x = graph.add_input("x", type_)
    graph.set_outputs([graph.add_node(Identity(), [x], name="y").output, x])
    found: dict[str, Any] = graph.run({"x": fed})
    for name in ("y", "x"):
        assert type(found[name]) is type(fed)
        assert repr(found[name]) == repr(fed)
        assert found[name] is not fed or fed is None


def test_sequence_into_opaque_node() -> None:
    """ONNX's reference gets the sequence that was fed."""
    sequence = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, [2])
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("SequenceLength", ["s"], ["n"])],
            "g",
            [sequence],
            [helper.make_tensor_value_info("n", TensorProto.INT64, [])],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    feed: dict[str, Any] = {"s": [np.ones(2, np.float32)] * 3}
    assert read(model).run(feed)["n"].item() == 3


# Conditions that are sufficient, not necessary


def test_one_broadcasts_too() -> None:
    """N meets 3: inference asks for N == 3 and says so, a run with N = 1 is right all the same."""
    graph = Graph("sum")
    x = graph.add_input("a", TensorType(DType.FLOAT32, (symbol("N"), 2)))
    weight = graph.add_weight("w", Array.of(np.ones((3, 2), np.float32)))
    graph.set_outputs([graph.add_node(Relu(), [graph.add_node(Add(), [x, weight]).output], name="y").output])
    (constraint,) = graph.constraints
    assert str(constraint) == "N == 3"
    assert "1" in constraint.reason
    for size in (1, 3):
        (found,) = graph.run({"a": np.full((size, 2), 4.0, np.float32)}).values()
        np.testing.assert_array_equal(found, np.full((3, 2), 5.0))
    error = refusal(graph, zeros((2, 2)))
    assert (error.code, error.expected) == ("constraint", "N == 3")


def test_slice_beyond_a_small_tensor() -> None:
    """2:5 of N elements: inference asks for N >= 5, a run with N = 3 cuts."""
    graph = Graph("slice")
    x = graph.add_input("a", TensorType(DType.FLOAT32, (symbol("N"),)))
    part = graph.add_node(Slice((2,), (5,), (0,), (1,)), [x]).output
    graph.set_outputs([graph.add_node(Relu(), [part], name="y").output])
    for size in range(1, 8):
        data = np.arange(size, dtype=np.float32)
        np.testing.assert_array_equal(graph.run({"a": data})["y"], data[2:5])


def test_symbolic_attributes_are_bound() -> None:
    """A Reshape to [N, 6] runs with what was fed."""
    builder = GraphBuilder("attributes")
    x = builder.input("a", ("N", 2, 3))
    graph = builder.build(builder.op(Reshape((symbol("N"), 6)), x, name="y"))
    assert graph.run({"a": np.zeros((4, 2, 3), np.float32)})["y"].shape == (4, 6)


def test_unknown_dims_are_found_when_run() -> None:
    """A dim of which nothing is known takes any size."""
    assert [array.shape for array in relus((UNKNOWN, 2)).run(zeros((5, 2))).values()] == [(5, 2)]
