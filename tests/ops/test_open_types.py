"""Types that are not fully known, numbers that must stay exact, and casts that are not ours."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from cnnir import CnnirError
from cnnir.exporters.onnx import read, write
from cnnir.graph import Graph
from cnnir.ops import (
    DEFINED,
    Cast,
    Clip,
    Concat,
    ConstantOfShape,
    Dropout,
    Gemm,
    Identity,
    MaxPool,
    Mul,
    Op,
    Relu,
)
from cnnir.ops.opaque import Opaque
from cnnir.text import digest, parse_graph, print_graph
from cnnir.types import DType, TensorType, Type, UnknownType
from tests.interpreter.judges import by_onnxruntime, run
from tests.interpreter.single_nodes import Case, random_case
from tests.ops.sources import Given, inferred, tensor

HALF = UnknownType(DType.FLOAT16)
"""Of open rank."""


@pytest.mark.parametrize("op_class", DEFINED, ids=lambda op: op.__name__)
def test_element_type_of_open_rank(op_class: type[Op]) -> None:
    """Where no rank is known, the element types are those that the op gives for any rank."""
    for seed in range(20):
        case = random_case(op_class, seed)
        known = [None if x is None else TensorType(DType.of(x.dtype), x.shape) for x in case.operands]
        types, _ = inferred(case.op, *(None if type_ is None else Given(type_) for type_ in known))
        opened = (None if type_ is None else Given(UnknownType(type_.dtype)) for type_ in known)
        found, _ = inferred(case.op, *opened)
        assert found == tuple(UnknownType(type_.dtype) for type_ in types if isinstance(type_, TensorType))


@pytest.mark.parametrize(
    ("op", "operands", "expected"),
    [
        (Mul(), [Given(UnknownType()), tensor(2, dtype=DType.FLOAT64)], [UnknownType(DType.FLOAT64)]),
        (Concat(0), [Given(UnknownType()), Given(HALF)], [HALF]),
        (Gemm(), [Given(UnknownType()), tensor(2, 3), None], [UnknownType(DType.FLOAT32)]),
        (Relu(), [Given(UnknownType())], [UnknownType()]),
        (Cast(DType.INT8), [Given(UnknownType())], [UnknownType(DType.INT8)]),
        (ConstantOfShape(DType.INT8, 1), [Given(UnknownType(DType.INT64))], [UnknownType(DType.INT8)]),
        (MaxPool((2,), (1,), (0, 0), with_indices=True), [Given(HALF)], [HALF, UnknownType(DType.INT64)]),
        (Dropout(0.5, with_mask=True), [Given(HALF)], [HALF, UnknownType(DType.BOOL)]),
        (Identity(), [Given(UnknownType(None, b"map"))], [UnknownType(None, b"map")]),
    ],
    ids=str,
)
def test_what_is_said_anyway(op: Op, operands: list[Given | None], expected: list[Type]) -> None:
    """An operand that is known tells the others' element type, and some ops know their own."""
    types, _ = inferred(op, *operands)
    assert list(types) == expected


def test_chain_behind_an_open_rank() -> None:
    """It is exported with its element types, onnxruntime runs it, and it is read as it was."""
    graph = Graph("chain")
    x = graph.add_input("x", UnknownType(DType.FLOAT32))
    y = graph.add_node(Relu(), [x], name="r", outputs=["a"]).output
    y = graph.add_node(Mul(), [y, y], name="m", outputs=["b"]).output
    y = graph.add_node(Cast(DType.INT32), [y], name="c", outputs=["d"]).output
    graph.set_outputs([y])
    model = write(graph)
    data = np.array([[-1.0, 2.0, 3.0]], np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(session.run(None, {"x": data})[0], [[0, 4, 9]])
    again = read(model)
    assert [value.type for value in again.values] == [value.type for value in graph.values]
    assert graph.run({"x": data})["d"].tolist() == [[0, 4, 9]]


# Bounds


@pytest.mark.parametrize(
    ("dtype", "bound"),
    [
        (np.int64, 2**63 - 1),
        (np.int64, 2**53 + 1),
        (np.int64, -(2**63)),
        (np.uint64, 2**64 - 1),
        (np.int8, 127),
        (np.float32, 0.1),
        (np.float64, -0.0),
    ],
)
def test_bounds_are_exact(dtype: type[np.generic], bound: float) -> None:
    """Through the text, the digest, and ONNX and back; and the kernel obeys them."""
    data = np.array([0, 1, 100], dtype)
    for op in (Clip(low=bound), Clip(high=bound)):
        graph = Case(op, (data,)).graph()
        text = print_graph(graph)
        (node,) = parse_graph(text).nodes
        assert print_graph(parse_graph(text)) == text
        (loaded,) = read(write(graph)).nodes
        for found in (node.op, loaded.op):
            assert isinstance(found, Clip)
            wanted = np.asarray(bound, dtype).item()
            assert (found.low if op.low is not None else found.high) in (bound, wanted)
        assert digest(parse_graph(text)) == digest(graph)
        np.testing.assert_array_equal(run(Case(op, (data,)))[0], by_onnxruntime(Case(op, (data,)))[0])


def test_one_bound_one_form() -> None:
    """6 and 6.0 are the same op; two integers that one float would stand for are not."""
    assert repr(Clip(0, 6)) == repr(Clip(0.0, 6.0))
    assert Clip(high=2**63 - 1) != Clip(high=2**63)
    assert Clip(high=2**53 + 1) != Clip(high=2**53)


@pytest.mark.parametrize(("dtype", "bound"), [(DType.INT8, 128), (DType.UINT8, -1), (DType.INT32, 0.5)])
def test_bounds_beyond_the_element_type(dtype: DType, bound: float) -> None:
    """A bound that the tensor cannot hold."""
    with pytest.raises(CnnirError) as caught:
        inferred(Clip(bound), tensor(2, dtype=dtype))
    assert caught.value.code == "clip-bound"


# Casts


@pytest.mark.parametrize("open_rank", [False, True])
@pytest.mark.parametrize(("source", "to"), [("STRING", "FLOAT"), ("FLOAT", "STRING"), ("STRING", "STRING")])
def test_casts_of_texts_are_opaque(source: str, to: str, open_rank: bool) -> None:
    """Such a node is carried along, and computed by onnx's reference implementation."""
    code = {name: TensorProto.DataType.Value(name) for name in (source, to)}
    shape = None if open_rank else [2]
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Cast", ["x"], ["y"], to=code[to])],
            "g",
            [helper.make_tensor_value_info("x", code[source], shape)],
            [helper.make_tensor_value_info("y", code[to], shape)],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    graph = read(model)
    (node,) = graph.nodes
    assert isinstance(node.op, Opaque)
    data = np.array(["1.5", "-2"], object) if source == "STRING" else np.array([1.5, -2], np.float32)
    found = graph.run({"x": data})["y"]
    if to == "FLOAT":
        assert found.tolist() == [1.5, -2.0]
    else:
        assert [float(text) for text in found.tolist()] == [1.5, -2.0]


def test_texts_behind_an_unknown_type() -> None:
    """A cast whose operand turns out to hold texts when it runs is an error of one line."""
    graph = Graph("late")
    x = graph.add_input("x", UnknownType())
    graph.set_outputs([graph.add_node(Cast(DType.FLOAT32), [x], name="cast").output])
    with pytest.raises(CnnirError) as caught:
        graph.run({"x": np.array(["a"], object)})
    assert (caught.value.code, caught.value.node) == ("cast-mode", "cast (Cast)")
