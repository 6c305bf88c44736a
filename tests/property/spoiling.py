"""Spoilt files: whatever stands in one, there comes a graph that works, or one clear line, never another exception.

A file is spoilt in its bytes or in its parts, by a seed. What loads is verified, costed, simplified, written and read
again, and planned and run where it is small: in the arena and freely, to the same bits.
"""

import warnings
from functools import cache
from pathlib import Path

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from cnnir.analysis import costs
from cnnir.dims import is_known
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import load, save, write
from cnnir.graph import Graph
from cnnir.ops import DEFINED, Opaque
from cnnir.passes import apply
from cnnir.passes.simplify import Simplify
from cnnir.types import TensorType
from cnnir.verify import verify
from tests.broken_models import conv_model
from tests.interpreter.drawing import AnyArray
from tests.interpreter.single_nodes import random_case
from tests.onnx.test_reader import model, tensor
from tests.property.growing import NEWEST, grown
from tests.property.judging import Tally

SMALL_BYTES = 2**22
"""All values together: what is larger is not run."""

SMALL_MACS = 10**7

GROWN = 24
"""Larger models among those that are spoilt."""


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
        for opset in (9, 13, NEWEST):
            try:
                found.append(write(random_case(op_class, 1).graph(), opset=opset))
            except CnnirError:  # what an old opset lacks
                assert opset < NEWEST
    return found


# One file


def check_file(data: bytes, path: Path) -> str:
    """What became of a file: ``refused`` in one line, ``loaded``, or also ``run``.

    Args:
        data: What stands in it.
        path: Where it may be written, and others beside it.

    Raises:
        Exception: whatever should not have come; `AssertionError` where a result is not what it should be.
    """
    path.write_bytes(data)
    try:
        graph = load(path)
        verify(graph)
        costs(graph)
        proto = write(graph)
        assert proto.graph.node or not graph.nodes
        simple = apply(graph, Simplify()).graph
        small = _is_small(graph)
        if small:
            _check_runs(graph, simple)
        again = path.with_suffix(".again.onnx")
        save(graph, again)
        verify(load(again))
    except CnnirError as error:
        told = str(error)
        assert told, "an empty message"
        assert "\n" not in told, told
        return "refused"
    return "run" if small else "loaded"


def _is_small(graph: Graph) -> bool:
    """Whether it can be run in no time: all types are known, and few bytes."""
    total = 0
    for value in graph.values:
        type_ = value.type
        if not isinstance(type_, TensorType) or not all(is_known(dim) for dim in type_.shape) or not type_.dtype.bits:
            return False
        if any(int(str(dim)) > SMALL_BYTES for dim in type_.shape):
            return False  # beside a dim of 0; NumPy has no such arrays
        total += int(str(type_.elements)) * type_.dtype.bits // 8
    macs = costs(graph).macs
    opaque = any(isinstance(node.op, Opaque) for node in graph.nodes)
    return total <= SMALL_BYTES and not opaque and is_known(macs or 0) and int(str(macs or 0)) <= SMALL_MACS


def _check_runs(graph: Graph, simple: Graph) -> None:
    """In the arena and freely the same bits come out; simplified, what has the same type."""
    feed = {value.name: _drawn(value.type) for value in graph.inputs}
    free = graph.run(feed)
    planned = graph.run(feed, plan=graph.plan())
    for name, array in free.items():
        assert planned[name].tobytes() == array.tobytes(), f"{name}: planned and free differ"
    for array, other in zip(free.values(), simple.run(feed).values(), strict=True):
        assert (other.dtype, other.shape) == (array.dtype, array.shape), "simplified differs in its types"


def _drawn(type_: object) -> AnyArray:
    assert isinstance(type_, TensorType)
    shape = tuple(int(str(dim)) for dim in type_.shape)
    drawn = np.random.default_rng(0).integers(0, 3, shape)
    return np.asarray(drawn, type_.dtype.numpy)


# Spoiling


def spoilt(seed: int) -> bytes:
    """The spoilt file of a seed: even ones are spoilt in their parts, odd ones in their bytes."""
    draw = np.random.default_rng([3, seed])
    originals = _originals()
    original = originals[int(draw.integers(len(originals)))]
    if seed % 2:
        return _spoilt_bytes(bytearray(original), draw)
    proto = ModelProto.FromString(original)
    for _ in range(int(draw.integers(1, 4))):
        HARMS[int(draw.integers(len(HARMS)))](proto, draw)
    return proto.SerializeToString()


@cache
def _originals() -> tuple[bytes, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = [*seeds(), *(grown(seed, Tally()).model() for seed in range(GROWN))]
    return tuple(proto.SerializeToString() for proto in models)


def _spoilt_bytes(data: bytearray, draw: np.random.Generator) -> bytes:
    """Bits turned, bytes overwritten, left out or put in, ends cut off, fields of another file spliced in."""
    for _ in range(int(draw.integers(1, 5))):
        if not data:
            break
        place, kind = int(draw.integers(len(data))), int(draw.integers(24))
        if kind < 10:
            data[place] ^= 1 << int(draw.integers(8))
        elif kind < 18:
            data[place] = int(draw.integers(256))
        elif kind == 18:
            del data[place:]
        elif kind == 19:
            del data[place : place + int(draw.integers(1, 4))]
        elif kind == 20:
            data[place:place] = draw.bytes(int(draw.integers(1, 4)))
        else:
            others = _originals()
            other = others[int(draw.integers(len(others)))]
            start = int(draw.integers(len(other)))
            length = int(draw.integers(1, 60))
            data[place : place + (length if kind < 23 else 0)] = other[start : start + length]
    return bytes(data)


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
    """A node of the model; a new one where there is none."""
    if not proto.graph.node:
        proto.graph.node.add(op_type="Relu", input=["x"], output=["y"])
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


def duplicate_node(proto: ModelProto, draw: np.random.Generator) -> None:
    """A node twice; half of the time with results of its own names."""
    node = proto.graph.node.add()
    node.CopyFrom(some_node(proto, draw))
    if draw.integers(2):
        for index in range(len(node.output)):
            node.output[index] = f"copy{index}"


def remove_node(proto: ModelProto, draw: np.random.Generator) -> None:
    """A node less."""
    some_node(proto, draw)
    del proto.graph.node[int(draw.integers(len(proto.graph.node)))]


def move_node(proto: ModelProto, draw: np.random.Generator) -> None:
    """A node at another place."""
    node = NodeProto()
    node.CopyFrom(some_node(proto, draw))
    remove_node(proto, draw)
    proto.graph.node.insert(int(draw.integers(len(proto.graph.node) + 1)), node)


def harm_dims(proto: ModelProto, draw: np.random.Generator) -> None:
    """A weight says that it has other dims, or another element type, than it holds."""
    weights = proto.graph.initializer
    if not weights:
        return
    weight = weights[int(draw.integers(len(weights)))]
    if weight.dims and draw.integers(3):
        weight.dims[int(draw.integers(len(weight.dims)))] = NUMBERS[int(draw.integers(len(NUMBERS)))]
    else:
        weight.data_type = int(draw.integers(30))


def harm_setting(proto: ModelProto, draw: np.random.Generator) -> None:
    """One number of an integer constant becomes another: a size, an axis, a bound."""
    weights = [w for w in proto.graph.initializer if w.data_type == TensorProto.INT64 and w.raw_data]
    if weights:
        weight = weights[int(draw.integers(len(weights)))]
        numbers = np.frombuffer(weight.raw_data, np.int64).copy()
        numbers[int(draw.integers(numbers.size))] = NUMBERS[int(draw.integers(len(NUMBERS)))]
        weight.raw_data = numbers.tobytes()


def harm_number(proto: ModelProto, draw: np.random.Generator) -> None:
    """One number of an attribute becomes another: a stride, a pad, a group, an axis."""
    found = [
        item for node in proto.graph.node for item in node.attribute if item.ints or item.type == AttributeProto.INT
    ]
    if not found:
        return
    item, number = found[int(draw.integers(len(found)))], NUMBERS[int(draw.integers(len(NUMBERS)))]
    if item.ints:
        item.ints[int(draw.integers(len(item.ints)))] = number
    else:
        item.i = number


def harm_output(proto: ModelProto, draw: np.random.Generator) -> None:
    """An output less, twice, or one that nothing makes."""
    outputs = proto.graph.output
    kind = int(draw.integers(3))
    if kind == 0 and outputs:
        outputs.pop()
    elif kind == 1 and outputs:
        outputs.append(outputs[0])
    else:
        outputs.add(name="nowhere")


HARMS = (
    *(harm_attribute, harm_number) * 3, *(harm_weight, harm_setting) * 2, harm_dims, harm_operands, drop_attribute,
    harm_input, harm_op, harm_versions, duplicate_node, remove_node, move_node, harm_output,
)  # fmt: skip
