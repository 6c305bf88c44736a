"""Spoilt models: whatever stands in a file, the reader gives a graph or one clear line, never another exception."""

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read, write
from cnnir.ops import DEFINED
from cnnir.verify import verify
from tests.broken_models import conv_model
from tests.interpreter.single_nodes import random_case
from tests.onnx.test_reader import model, tensor

CHUNKS = 8
MODELS_A_CHUNK = 130
"""Of each kind of harm."""


def folding_model() -> ModelProto:
    """Weights that nodes make, of every kind; control flow; external data; a sparse weight; symbolic dims."""
    body = helper.make_graph([helper.make_node("Add", ["r", "c"], ["b"])], "then", [], [tensor("b", [2, 2])])
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["f"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [0.5])),
        helper.make_node("Reshape", ["f", "t"], ["g"]),
        helper.make_node("Transpose", ["g"], ["h"], perm=[1, 0]),
        helper.make_node("Constant", [], ["c"], value_floats=[1.0, 2.0]),
        helper.make_node("Unsqueeze", ["c", "z"], ["u"]),
        helper.make_node("MatMul", ["x", "h"], ["r"]),
        helper.make_node("If", ["flag"], ["i"], then_branch=body, else_branch=body),
        helper.make_node("Cosh", ["i"], ["e"]),
        helper.make_node("Split", ["e"], ["p", "q"], num_outputs=2),
        helper.make_node("Concat", ["p", "q", "u"], ["y"], axis=0),
    ]
    constants = {"s": [4], "t": [2, -1], "z": [0]}
    return model(
        nodes,
        [tensor("x", ["N", 2]), tensor("flag", [], TensorProto.BOOL)],
        [tensor("y", ["N + 1", 2])],
        [numpy_helper.from_array(np.asarray(array, np.int64), name) for name, array in constants.items()],
        opset=18,
    )


def seeds() -> list[ModelProto]:
    """One model for each op, in an old and in a new opset, and a few that are larger."""
    found = [conv_model(), folding_model()]
    for op_class in DEFINED:
        for opset in (9, 13, 24):
            try:
                found.append(write(random_case(op_class, 1).graph(), opset=opset))
            except CnnirError:  # what an old opset lacks
                assert opset < 24
    return found


def outcome(proto: ModelProto) -> bool:
    """True when it loads; a graph that loads holds together and can be written, or is refused in one line."""
    try:
        graph = read(proto)
        verify(graph)
        write(graph)
    except CnnirError as error:
        assert "\n" not in str(error)  # noqa: PT017  harm may also be harmless
        return False
    return True


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_spoilt_bytes(chunk: int) -> None:
    """A few bytes overwritten, left out or put in, anywhere."""
    draw = np.random.default_rng([1, chunk])
    originals = [proto.SerializeToString() for proto in seeds()]
    parsed = 0
    for _ in range(MODELS_A_CHUNK):
        data = bytearray(originals[int(draw.integers(len(originals)))])
        for _ in range(int(draw.integers(1, 4))):
            place, kind = int(draw.integers(len(data))), int(draw.integers(20))
            if kind > 1:
                data[place] = int(draw.integers(256))
            elif kind == 1:
                del data[place : place + int(draw.integers(1, 4))]
            else:
                data[place:place] = draw.bytes(int(draw.integers(1, 4)))
        try:
            proto = ModelProto.FromString(bytes(data))
        except DecodeError:
            continue
        parsed += 1
        outcome(proto)
    assert parsed > MODELS_A_CHUNK // 10


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_spoilt_parts(chunk: int) -> None:
    """Attributes, settings, operands, shapes and versions replaced by others that a file may hold."""
    draw = np.random.default_rng([2, chunk])
    originals, loaded = seeds(), 0
    for _ in range(MODELS_A_CHUNK):
        proto = ModelProto()
        proto.CopyFrom(originals[int(draw.integers(len(originals)))])
        for _ in range(int(draw.integers(1, 3))):
            harm = HARMS[int(draw.integers(len(HARMS)))]
            harm(proto, draw)
        loaded += outcome(proto)
    assert 0 < loaded < MODELS_A_CHUNK


NUMBERS = (0, 1, -1, 2, 3, 7, 100, -100, 2**31, -(2**31), 2**62, 2**63 - 1, -(2**63))
REALS = (0.0, 1.0, -1.0, 0.3, 2.5, 1e30, 3e38, -3e38, float("inf"), float("-inf"), float("nan"), 1e-40)
TEXTS = (b"", b"SAME_UPPER", b"VALID", b"nearest", b"linear", b"reflect", b"\xff\xfe", b"(((N", b"what")


def some_attribute(name: str, draw: np.random.Generator) -> AttributeProto:
    """An attribute of any type."""
    count = int(draw.integers(5))
    number = int(draw.choice(len(NUMBERS)))
    choices = (
        lambda: helper.make_attribute(name, NUMBERS[number]),
        lambda: helper.make_attribute(name, REALS[number % len(REALS)]),
        lambda: helper.make_attribute(name, TEXTS[number % len(TEXTS)]),
        lambda: helper.make_attribute(name, [NUMBERS[i] for i in draw.integers(len(NUMBERS), size=count)] or [1]),
        lambda: helper.make_attribute(name, [REALS[i] for i in draw.integers(len(REALS), size=count)] or [1.0]),
        lambda: helper.make_attribute(name, [TEXTS[i] for i in draw.integers(len(TEXTS), size=count)] or [b""]),
        lambda: helper.make_attribute(name, some_tensor("", draw)),
        lambda: AttributeProto(name=name, i=1),
        lambda: AttributeProto(name=name, ref_attr_name="outer", type=AttributeProto.INT),
    )
    return choices[int(draw.integers(len(choices)))]()


def some_tensor(name: str, draw: np.random.Generator) -> TensorProto:
    """A tensor of any small shape and of any element type, now and then with too little in it."""
    shape = tuple(int(size) for size in draw.integers(0, 4, size=int(draw.integers(3))))
    size = int(np.prod(shape))
    choices = (
        lambda: numpy_helper.from_array(np.asarray(draw.choice(NUMBERS, size), np.int64).reshape(shape), name),
        lambda: numpy_helper.from_array(np.asarray(draw.choice(REALS, size), np.float32).reshape(shape), name),
        lambda: numpy_helper.from_array(np.asarray(draw.choice(REALS, size), np.float64).reshape(shape), name),
        lambda: numpy_helper.from_array(np.asarray([str(i) for i in range(size)], object).reshape(shape), name),
        lambda: numpy_helper.from_array(np.asarray(draw.integers(2, size=size), np.bool_).reshape(shape), name),
        lambda: numpy_helper.from_array(np.zeros(shape, np.complex64), name),
        lambda: TensorProto(name=name, data_type=int(draw.integers(30)), dims=shape, raw_data=draw.bytes(size)),
        lambda: TensorProto(name=name, data_type=int(draw.integers(30)), dims=shape, int32_data=[300] * size),
        lambda: TensorProto(name=name, data_type=1, dims=[2**62, 2**62], raw_data=b"1234"),
        lambda: TensorProto(name=name, data_type=1, dims=[-1], raw_data=b"1234"),
        lambda: TensorProto(name=name, data_type=1, data_location=TensorProto.EXTERNAL),
    )
    return choices[int(draw.integers(len(choices)))]()


def some_node(proto: ModelProto, draw: np.random.Generator) -> NodeProto:
    """A node of the model."""
    return proto.graph.node[int(draw.integers(len(proto.graph.node)))]


def harm_attribute(proto: ModelProto, draw: np.random.Generator) -> None:
    """An attribute of another kind, or one too many."""
    node = some_node(proto, draw)
    if not node.attribute:
        node.attribute.append(some_attribute("axis", draw))
        return
    attribute = node.attribute[int(draw.integers(len(node.attribute)))]
    attribute.CopyFrom(some_attribute(attribute.name, draw))


def drop_attribute(proto: ModelProto, draw: np.random.Generator) -> None:
    """An attribute less."""
    node = some_node(proto, draw)
    if node.attribute:
        del node.attribute[int(draw.integers(len(node.attribute)))]


def harm_weight(proto: ModelProto, draw: np.random.Generator) -> None:
    """Other contents, in other shapes and types."""
    weights = proto.graph.initializer
    if weights:
        weight = weights[int(draw.integers(len(weights)))]
        weight.CopyFrom(some_tensor(weight.name, draw))


def harm_operands(proto: ModelProto, draw: np.random.Generator) -> None:
    """An operand or a result less, more, absent or another one."""
    node = some_node(proto, draw)
    names = node.input if draw.integers(3) else node.output
    others = [name for other in proto.graph.node for name in (*other.input, *other.output)] + ["", "nowhere"]
    kind = int(draw.integers(3))
    if names and kind == 0:
        names.pop()
    elif names and kind == 1:
        names[int(draw.integers(len(names)))] = others[int(draw.integers(len(others)))]
    else:
        names.append(others[int(draw.integers(len(others)))])


def harm_input(proto: ModelProto, draw: np.random.Generator) -> None:
    """An input of another shape or element type."""
    if not proto.graph.input:
        return
    type_ = proto.graph.input[int(draw.integers(len(proto.graph.input)))].type.tensor_type
    if draw.integers(2):
        type_.elem_type = int(draw.integers(30))
        return
    del type_.shape.dim[int(draw.integers(len(type_.shape.dim) + 1)) :]
    for _ in range(int(draw.integers(3))):
        names = ("N", "", "N + 1", "N//0", "?", "-3", "9" * 40, "N*N - N", "a-b")
        if draw.integers(2):
            type_.shape.dim.add(dim_value=NUMBERS[int(draw.integers(len(NUMBERS)))])
        else:
            type_.shape.dim.add(dim_param=names[int(draw.integers(len(names)))])


def harm_op(proto: ModelProto, draw: np.random.Generator) -> None:
    """Another op, perhaps of another domain."""
    node = some_node(proto, draw)
    ops = [op_class.__name__ for op_class in DEFINED] + ["Constant", "Loop", "Cosh", "Shape", "What", ""]
    node.op_type = ops[int(draw.integers(len(ops)))]
    if not draw.integers(4):
        node.domain = ("acme", "ai.onnx", "ai.onnx.ml")[int(draw.integers(3))]


def harm_versions(proto: ModelProto, draw: np.random.Generator) -> None:
    """Another opset, or none."""
    if proto.opset_import and draw.integers(4):
        proto.opset_import[0].version = int(draw.integers(-1, 30))
    elif proto.opset_import:
        del proto.opset_import[:]
        proto.opset_import.append(helper.make_opsetid("acme", 1))


HARMS = (
    harm_attribute, harm_attribute, harm_attribute, drop_attribute, harm_weight, harm_weight, harm_operands,
    harm_input, harm_op, harm_versions,
)  # fmt: skip
