"""Every op through every opset and back, and the forms that each op had in the course of the opsets."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, checker, defs, helper, numpy_helper, shape_inference

from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read, write
from cnnir.exporters.onnx.mapping import writers
from cnnir.graph import Graph
from cnnir.ops import (
    DEFINED,
    LRN,
    REGISTRY,
    ArgMax,
    ArgMin,
    AveragePool,
    BatchNormalization,
    BitShift,
    Cast,
    Clip,
    Concat,
    ConstantOfShape,
    Conv,
    ConvTranspose,
    CumSum,
    DepthToSpace,
    Dropout,
    Einsum,
    Expand,
    EyeLike,
    Flatten,
    Gather,
    GatherElements,
    GatherND,
    Gemm,
    GroupNormalization,
    HardSigmoid,
    LeakyRelu,
    MaxPool,
    OneHot,
    Op,
    Opaque,
    Pad,
    QuantizeLinear,
    Range,
    ReduceL2,
    ReduceLogSumExp,
    ReduceMax,
    ReduceMean,
    ReduceSum,
    Relu,
    Reshape,
    Resize,
    ScatterElements,
    ScatterND,
    Shape,
    Shrink,
    Size,
    Slice,
    Softmax,
    SpaceToDepth,
    Split,
    Squeeze,
    Sum,
    Tile,
    TopK,
    TrainingBatchNormalization,
    Transpose,
    Trilu,
    Unsqueeze,
)
from cnnir.ops.activation import Distribution
from cnnir.text import difference, print_graph
from cnnir.types import DType
from tests.interpreter.single_nodes import Case, random_case

AnyArray = NDArray[Any]

NEWEST = defs.onnx_opset_version()
OPSETS = range(7, NEWEST + 1)
SEEDS = range(8)

LAST_IN_ONNXRUNTIME = 21
"""Beyond it the runtime calls some opsets unfinished."""

onnxruntime.set_default_logger_severity(4)


@functools.cache
def history() -> dict[str, list[int]]:
    """The opsets in which ONNX changed each op."""
    found: dict[str, list[int]] = {}
    for schema in defs.get_all_schemas_with_history():
        if not schema.domain:
            found.setdefault(schema.name, []).append(schema.since_version)
    found["TrainingBatchNormalization"] = found["BatchNormalization"]
    return {name: sorted(versions) for name, versions in found.items()}


def first_opset(op_class: type[Op]) -> int:
    """The first opset in which an op can be written, under the name that it had there."""
    former = {"Resize": "Upsample", "ScatterElements": "Scatter"}
    return max(7, history()[former.get(op_class.__name__, op_class.__name__)][0])


def held(op: Op) -> Op:
    """The op with its numbers as the format holds them, in single precision."""
    floats = {part.name: getattr(op, part.name) for part in fields(op)}
    return replace(op, **{name: float(np.float32(v)) for name, v in floats.items() if isinstance(v, float)})


def plain_text(graph: Graph) -> str:
    """The text form without what says where the graph comes from."""
    copy = graph.clone()
    copy.provenance = Graph().provenance
    for node in copy.nodes:
        node.metadata = {}
    return print_graph(copy)


def checker_departs(op: Op, opset: int) -> bool:
    """True where the checker's shape inference departs from the specification's own text.

    Up to opset 21 it counts pooling windows that start in the padding at the end, and it finds no sizes for a
    transposed convolution whose given sizes are smaller than the input's, or other ones with SAME.
    """
    if isinstance(op, ConvTranspose):
        return op.output_shape is not None or op.auto_pad.startswith("SAME")
    return opset < 22 and bool(getattr(op, "ceil_mode", False))


@functools.cache
def written(name: str, seed: int, opset: int) -> ModelProto | CnnirError:
    """The model of a random node of the op in an opset, or why it cannot be said there."""
    try:
        return write(random_case(REGISTRY[name], seed).graph(), opset=opset)
    except CnnirError as error:
        return error


def several_nodes(op: Op, opset: int) -> bool:
    """Ops that an opset says by several.

    A Softmax over several axes is flattened around the newer one; one axis is brought to the end for the older. Groups
    with a scale each are rows of an InstanceNormalization: GroupNormalization has come to mean channels.
    """
    if isinstance(op, GroupNormalization):
        return op.per_group
    return isinstance(op, Distribution) and (opset >= 13) == (len(op.axes) > 1)


# Through every opset


@pytest.mark.parametrize("op_class", DEFINED, ids=lambda op: op.__name__)
def test_every_opset_and_back(op_class: type[Op]) -> None:
    """What is written passes the full check, and reads back as the same op in the same text."""
    returned = 0
    for opset in OPSETS:
        for seed in SEEDS:
            case, model = random_case(op_class, seed), written(op_class.__name__, seed, opset)
            if isinstance(model, CnnirError):
                continue
            assert model.opset_import[0].version == opset
            checker.check_model(model, full_check=not checker_departs(case.op, opset))
            again = read(model)
            if len(again.nodes) == 1:
                expected = replace(held(case.op), **front_axis(case, opset))
                assert again.nodes[0].op == expected, (opset, str(case))
                graph = with_op(case, expected)
                assert plain_text(again) == plain_text(graph)
                assert difference(again, read(write(again))) is None
                returned += 1
            else:
                assert several_nodes(case.op, opset), (opset, str(case))
    assert returned >= len(SEEDS)


def front_axis(case: Case, opset: int) -> dict[str, int]:
    """Before opset 11 the axis of a Flatten counts from the front."""
    (first, *_) = case.operands
    if isinstance(case.op, Flatten) and case.op.axis < 0 and opset < 11 and first is not None:
        return {"axis": case.op.axis + first.ndim}
    return {}


def with_op(case: Case, op: Op) -> Graph:
    """The case's graph with another op."""
    return replace(case, op=op).graph()


@pytest.mark.parametrize("op_class", DEFINED, ids=lambda op: op.__name__)
def test_a_later_opset_never_says_less(op_class: type[Op]) -> None:
    """What cannot be said in an opset could not be said before it either; all can be said in the newest."""
    for seed in SEEDS:
        refused = [opset for opset in OPSETS if isinstance(written(op_class.__name__, seed, opset), CnnirError)]
        assert refused == list(range(7, 7 + len(refused)))
        assert NEWEST not in refused
        for opset in refused:
            error = written(op_class.__name__, seed, opset)
            assert isinstance(error, CnnirError)
            assert error.code == "opset"
            assert error.node == f"node ({op_class.__name__})"
            assert error.hint is not None


@pytest.mark.parametrize("op_class", DEFINED, ids=lambda op: op.__name__)
def test_said_from_the_first_opset_on(op_class: type[Op]) -> None:
    """Some node of every op can be said as soon as ONNX has the op, and none before."""
    # A Gemm without bias came later than the op, and Upsample says a few forms of Resize alone.
    name = op_class.__name__
    first = next(
        opset for opset in OPSETS if any(isinstance(written(name, seed, opset), ModelProto) for seed in range(60))
    )
    assert first == first_opset(op_class)


@pytest.mark.parametrize("op_class", DEFINED, ids=lambda op: op.__name__)
def test_same_values_in_every_opset(op_class: type[Op]) -> None:
    """Each form that an op had means the same: onnxruntime computes from it what we compute."""
    compared = 0
    for seed in SEEDS:
        case = random_case(op_class, seed)
        if not case.portable or runtime_refuses(case.op):
            continue
        expected = list(case.graph().run(case.feed()).values())
        last = max(LAST_IN_ONNXRUNTIME, first_opset(op_class))
        for opset in {first_opset(op_class), *history()[op_class.__name__], last}:
            if not first_opset(op_class) <= opset <= last:
                continue
            model = written(op_class.__name__, seed, opset)
            unsaid = isinstance(case.op, Dropout) and case.op.with_mask and opset < 12
            if isinstance(model, CnnirError) or unsaid:  # what a mask holds outside of training is said since 12
                continue
            session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
            for ours, theirs in zip(expected, arrays_of(session, case), strict=True):
                np.testing.assert_allclose(ours, theirs, 1e-5, 1e-5, err_msg=f"{opset}: {case}")
                compared += 1
    assert compared >= len(SEEDS) // 2


def arrays_of(session: onnxruntime.InferenceSession, case: Case) -> list[AnyArray]:
    """What the runtime computes."""
    return [np.asarray(array) for array in session.run(None, case.feed())]


def runtime_refuses(op: Op) -> bool:
    """True for valid nodes that onnxruntime does not run."""
    crossed = isinstance(op, Clip) and op.low is not None and op.high is not None and op.low > op.high
    dilated = isinstance(op, Conv) and op.auto_pad.startswith("SAME") and any(step > 1 for step in op.dilations)
    given = isinstance(op, ConvTranspose) and (op.output_shape is not None or op.auto_pad.startswith("SAME"))
    return crossed or dilated or given


# The forms that an op had


@dataclass(frozen=True)
class Form:
    """A node as some opsets write it: constants behind its first operand, attributes, and the op that it means."""

    opsets: range
    op_type: str
    expected: Op
    settings: Sequence[AnyArray | None] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = (2, 3, 4, 6)
    outputs: int = 1
    dtype: type[np.generic] = np.float32

    def model(self, opset: int) -> ModelProto:
        """A model of this node; the constants are initializers."""
        names = [f"s{index}" if setting is not None else "" for index, setting in enumerate(self.settings)]
        outputs = [f"y{index}" for index in range(self.outputs)]
        node = helper.make_node(self.op_type, ["x", *names], outputs, name="n", **self.attributes)
        info = helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype)), self.shape)
        graph = helper.make_graph(
            [node],
            "form",
            [info],
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            [numpy_helper.from_array(s, n) for s, n in zip(self.settings, names, strict=True) if s is not None],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        model = shape_inference.infer_shapes(model)
        for info in model.graph.output:
            if not info.type.WhichOneof("value"):  # onnx does not find all of these
                info.type.CopyFrom(helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, None))
        return model


def ints(*numbers: int) -> AnyArray:
    """A constant of int64."""
    return np.asarray(numbers, np.int64)


def floats(*numbers: float) -> AnyArray:
    """A constant of float32."""
    return np.asarray(numbers, np.float32)


def scalar(number: float) -> AnyArray:
    """A scalar of float32."""
    return np.asarray(number, np.float32)


def until(opset: int) -> range:
    """All opsets from 7 up to this one."""
    return range(7, opset + 1)


def since(opset: int, last: int = NEWEST) -> range:
    """All opsets from this one on."""
    return range(opset, last + 1)


OLD_RESIZE = {"coordinates": "asymmetric", "rounding": "floor"}
HALF = (1.0, 1.0, 0.5, 2.0)

FORMS: list[Form] = [
    Form(until(10), "Clip", Clip(-1.0, 2.0), (), {"min": -1.0, "max": 2.0}),
    Form(until(10), "Clip", Clip(None, 2.0), (), {"max": 2.0}),
    Form(until(10), "Clip", Clip()),
    Form(since(11), "Clip", Clip(-1.0, 2.0), (scalar(-1), scalar(2))),
    Form(since(11), "Clip", Clip(None, 2.0), (None, scalar(2))),
    Form(since(11), "Clip", Clip(0.0), (scalar(0),)),
    Form(since(11), "Clip", Clip()),
    Form(since(12), "Clip", Clip(-1, 7), (np.asarray(-1), np.asarray(7)), dtype=np.int64),
    Form(until(12), "Squeeze", Squeeze((0, 2)), (), {"axes": [0, 2]}, (1, 3, 1)),
    Form(since(13), "Squeeze", Squeeze((0, -1)), (ints(0, -1),), {}, (1, 3, 1)),
    Form(OPSETS, "Squeeze", Squeeze(), (), {}, (1, 3, 1)),
    Form(until(12), "Unsqueeze", Unsqueeze((0, 3)), (), {"axes": [0, 3]}, (2, 3)),
    Form(since(13), "Unsqueeze", Unsqueeze((0, -1)), (ints(0, -1),), {}, (2, 3)),
    Form(until(9), "Slice", Slice((1, 0), (3, -1), (2, 3), (1, 1)), (),
         {"starts": [1, 0], "ends": [3, -1], "axes": [2, 3]}),
    Form(until(9), "Slice", Slice((1, 0), (3, -1), (0, 1), (1, 1)), (), {"starts": [1, 0], "ends": [3, -1]}),
    Form(since(10), "Slice", Slice((1,), (3,), (0,), (1,)), (ints(1), ints(3))),
    Form(since(10), "Slice", Slice((1,), (3,), (3,), (1,)), (ints(1), ints(3), ints(-1))),
    Form(since(10), "Slice", Slice((-1,), (-9,), (2,), (-2,)), (ints(-1), ints(-9), ints(2), ints(-2))),
    Form(since(10), "Slice", Slice((1,), (3,), (0,), (2,)), (ints(1), ints(3), None, ints(2))),
    Form(until(10), "Pad", Pad((0, 1, 2, 3), "constant", 1.5), (), {"pads": [0, 1, 2, 3], "value": 1.5}, (4, 5)),
    Form(until(10), "Pad", Pad((0, 1, 2, 3), "edge"), (), {"pads": [0, 1, 2, 3], "mode": "edge"}, (4, 5)),
    Form(since(11), "Pad", Pad((0, 1, 2, 3)), (ints(0, 1, 2, 3),), {}, (4, 5)),
    Form(since(11), "Pad", Pad((0, 1, 2, 3), "constant", 1.5), (ints(0, 1, 2, 3), scalar(1.5)), {}, (4, 5)),
    Form(since(11), "Pad", Pad((0, 1, 2, 3), "reflect"), (ints(0, 1, 2, 3),), {"mode": "reflect"}, (4, 5)),
    Form(since(18), "Pad", Pad((0, 1, 0, 3)), (ints(1, 3), None, ints(-1)), {}, (4, 5)),
    Form(since(18), "Pad", Pad((1, 0, 3, 2), "constant", 2.0), (ints(0, 1, 2, 3), scalar(2), ints(1, 0)), {}, (4, 5)),
    Form(since(19), "Pad", Pad((0, 1, 2, 3), "wrap"), (ints(0, 1, 2, 3),), {"mode": "wrap"}, (4, 5)),
    Form(until(17), "ReduceMean", ReduceMean((1, 3)), (), {"axes": [-1, 1]}),
    Form(until(17), "ReduceMean", ReduceMean((2,), keepdims=False), (), {"axes": [2], "keepdims": 0}),
    Form(OPSETS, "ReduceMean", ReduceMean((0, 1, 2, 3))),
    Form(since(18), "ReduceMean", ReduceMean((1, 3)), (ints(-1, 1),)),
    Form(since(18), "ReduceMean", ReduceMean((1,), keepdims=False), (ints(1),),
         {"keepdims": 0, "noop_with_empty_axes": 1}),
    Form(since(18), "ReduceMean", ReduceMean(()), (), {"noop_with_empty_axes": 1}),
    Form(since(18), "ReduceMean", ReduceMean((0, 1, 2, 3)), (ints(),)),
    Form(until(12), "ReduceSum", ReduceSum((1, 3)), (), {"axes": [-1, 1]}),
    Form(since(13), "ReduceSum", ReduceSum((1, 3), keepdims=False), (ints(-1, 1),), {"keepdims": 0}),
    Form(since(13), "ReduceSum", ReduceSum(()), (), {"noop_with_empty_axes": 1}),
    Form(until(17), "ReduceMax", ReduceMax((2, 3)), (), {"axes": [2, 3]}),
    Form(since(18), "ReduceMax", ReduceMax((2, 3)), (ints(2, 3),)),
    Form(until(17), "ReduceL2", ReduceL2((1,)), (), {"axes": [1]}),
    Form(since(18), "ReduceLogSumExp", ReduceLogSumExp((0, 1, 2, 3)), (ints(),)),
    Form(OPSETS, "ArgMax", ArgMax()),
    Form(since(11), "ArgMin", ArgMin(3, keepdims=False), (), {"axis": -1, "keepdims": 0}),
    Form(since(12), "ArgMax", ArgMax(1, select_last_index=True), (), {"axis": 1, "select_last_index": 1}),
    Form(until(12), "Split", Split(3, (1, 5)), (), {"axis": 3, "split": [1, 5]}, outputs=2),
    Form(since(13), "Split", Split(3, (1, 5)), (ints(1, 5),), {"axis": -1}, outputs=2),
    Form(until(17), "Split", Split(0, parts=2), outputs=2),
    Form(since(18), "Split", Split(3, parts=3), (), {"axis": 3, "num_outputs": 3}, outputs=3),
    Form(since(18), "Split", Split(3, parts=3), (), {"axis": 3, "num_outputs": 3}, (1, 1, 1, 5), outputs=3),
    Form(until(11), "Dropout", Dropout(0.25), (), {"ratio": 0.25}),
    Form(OPSETS, "Dropout", Dropout()),
    Form(since(12), "Dropout", Dropout(0.25), (scalar(0.25),)),
    Form(since(12), "Dropout", Dropout(0.25), (floats(0.25),)),
    Form(since(12), "Dropout", Dropout(0.25), (scalar(0.25), np.zeros((), np.bool_))),
    Form(since(10), "Dropout", Dropout(with_mask=True), outputs=2),
    Form(range(7, 9), "Upsample", Resize(HALF, None, "nearest", **OLD_RESIZE), (), {"scales": HALF}),  # type: ignore[arg-type]
    Form(range(9, 10), "Upsample", Resize(HALF, None, "linear", "asymmetric"), (floats(*HALF),), {"mode": "linear"}),
    Form(range(10, 11), "Resize", Resize(HALF, None, "nearest", **OLD_RESIZE), (floats(*HALF),)),  # type: ignore[arg-type]
    Form(range(11, 13), "Resize", Resize(HALF), (floats(), floats(*HALF))),
    Form(range(11, 13), "Resize", Resize(None, (2, 3, 5, 5)), (floats(), floats(), ints(2, 3, 5, 5))),
    Form(since(13), "Resize", Resize(HALF), (None, floats(*HALF))),
    Form(since(13), "Resize", Resize(None, (2, 3, 5, 5)), (None, None, ints(2, 3, 5, 5))),
    Form(since(13), "Resize", Resize(HALF), (None, floats(*HALF)), {"cubic_coeff_a": -0.5, "extrapolation_value": 1.0}),
    Form(since(18), "Resize", Resize((1.0, 3.0, 1.0, 2.0)), (None, floats(2, 3)), {"axes": [3, 1]}),
    Form(since(18), "Resize", Resize(None, (None, None, 8, 9)), (None, None, ints(8, 9)), {"axes": [2, -1]}),
    Form(
        since(19), "Resize", Resize(HALF, None, "linear", "half_pixel_symmetric"), (None, floats(*HALF)),
        {"mode": "linear", "coordinate_transformation_mode": "half_pixel_symmetric"},
    ),
    Form(since(13), "Resize", Resize(HALF, None, "cubic", cubic_coeff_a=-0.5, exclude_outside=True),
         (None, floats(*HALF)), {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1}),
    Form(range(11, 13), "Resize", Resize(HALF, None, "cubic"), (floats(), floats(*HALF)), {"mode": "cubic"}),
    Form(since(18), "Resize", Resize(HALF, None, "linear", antialias=True), (None, floats(*HALF)),
         {"mode": "linear", "antialias": 1}),
    Form(since(18), "Resize", Resize(None, (None, None, 8, 9), policy="not_larger"), (None, None, ints(8, 9)),
         {"axes": [2, 3], "keep_aspect_ratio_policy": "not_larger"}),
    Form(since(18), "Resize", Resize(None, (None, None, 8, 9), "linear", "tf_crop_and_resize",
                                     roi=(0, 0, 0.25, 0.5, 1, 1, 0.75, 1.5), extrapolation=3.0),
         (floats(0.5, 0.25, 1.5, 0.75), None, ints(9, 8)),
         {"axes": [3, 2], "mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize",
          "extrapolation_value": 3.0}),
    Form(range(11, 18), "Resize", Resize(None, (2, 3, 8, 9), "nearest", "tf_crop_and_resize",
                                         roi=(0, 0, 0.25, 0.5, 1, 1, 0.75, 1.5)),
         (floats(0, 0, 0.25, 0.5, 1, 1, 0.75, 1.5), floats(), ints(2, 3, 8, 9)),
         {"coordinate_transformation_mode": "tf_crop_and_resize"}),
    Form(until(12), "Softmax", Softmax((1, 2, 3))),
    Form(until(12), "Softmax", Softmax((2, 3)), (), {"axis": 2}),
    Form(since(13), "Softmax", Softmax((3,))),
    Form(since(13), "Softmax", Softmax((1,)), (), {"axis": -3}),
    Form(OPSETS, "Flatten", Flatten()),
    Form(since(11), "Flatten", Flatten(-1), (), {"axis": -1}),
    Form(OPSETS, "Transpose", Transpose((3, 2, 1, 0))),
    Form(OPSETS, "Transpose", Transpose((0, 2, 3, 1)), (), {"perm": [0, 2, 3, 1]}),
    Form(OPSETS, "Reshape", Reshape((0, -1)), (ints(0, -1),)),
    Form(since(14), "Reshape", Reshape((0, 3), allowzero=True), (ints(0, 3),), {"allowzero": 1}, (0, 5)),
    Form(OPSETS, "Cast", Cast(DType.INT32), (), {"to": onnx.TensorProto.INT32}),
    Form(since(19), "Cast", Cast(DType.FLOAT8E5M2), (), {"to": onnx.TensorProto.FLOAT8E5M2}),
    Form(since(19), "Cast", Cast(DType.FLOAT8E4M3FN, saturate=False), (),
         {"to": onnx.TensorProto.FLOAT8E4M3FN, "saturate": 0}),
    Form(since(19), "Cast", Cast(DType.INT8), (), {"to": onnx.TensorProto.INT8, "saturate": 0}),
    Form(since(23), "Cast", Cast(DType.FLOAT4E2M1), (), {"to": onnx.TensorProto.FLOAT4E2M1}),
    Form(since(24), "Cast", Cast(DType.FLOAT8E8M0, rounding="nearest"), (),
         {"to": onnx.TensorProto.FLOAT8E8M0, "round_mode": "nearest"}),
    Form(since(19), "CastLike", Cast(DType.FLOAT8E5M2FNUZ, saturate=False),
         (np.zeros(1, DType.FLOAT8E5M2FNUZ.numpy),), {"saturate": 0}),
    Form(since(19), "QuantizeLinear", QuantizeLinear(DType.FLOAT8E4M3FN, saturate=False),
         (scalar(0.5), np.zeros((), DType.FLOAT8E4M3FN.numpy)), {"saturate": 0}),
    Form(since(21), "QuantizeLinear", QuantizeLinear(DType.INT4), (scalar(0.5),),
         {"output_dtype": onnx.TensorProto.INT4}),
    Form(since(23), "QuantizeLinear", QuantizeLinear(DType.UINT8, precision=DType.FLOAT16), (scalar(0.5),),
         {"precision": onnx.TensorProto.FLOAT16}),
    Form(OPSETS, "LeakyRelu", LeakyRelu(float(np.float32(0.01)))),
    Form(OPSETS, "HardSigmoid", HardSigmoid(0.25, 0.5), (), {"alpha": 0.25}),
    Form(OPSETS, "LRN", LRN(3, 0.5, 0.25, 2.0), (), {"size": 3, "alpha": 0.5, "beta": 0.25, "bias": 2.0}),
    Form(OPSETS, "Sum", Sum()),
    Form(OPSETS, "Concat", Concat(2), (floats(*[0] * 144).reshape(2, 3, 4, 6),), {"axis": 2}),
    Form(since(11), "Concat", Concat(3), (floats(*[0] * 24).reshape(2, 3, 4, 1),), {"axis": -1}),
    Form(OPSETS, "MaxPool", MaxPool((2, 3), (1, 1), (0, 0, 0, 0)), (), {"kernel_shape": [2, 3]}),
    Form(
        since(10), "MaxPool", MaxPool((2, 2), (2, 1), (0, 1, 0, 1), (1, 2), "NOTSET", ceil_mode=True, with_indices=True,
                                storage_order=1), (),
        {"kernel_shape": [2, 2], "strides": [2, 1], "pads": [0, 1, 0, 1], "dilations": [1, 2], "ceil_mode": 1,
         "storage_order": 1}, outputs=2,
    ),
    Form(OPSETS, "MaxPool", MaxPool((2, 2), (2, 2), (0,) * 4, (), "SAME_LOWER"), (),
         {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    Form(OPSETS, "AveragePool", AveragePool((2, 2), (1, 1), (1, 0, 0, 1), count_include_pad=True), (),
         {"kernel_shape": [2, 2], "pads": [1, 0, 0, 1], "count_include_pad": 1}),
    Form(since(19), "AveragePool", AveragePool((2, 2), (1, 1), (0,) * 4, (2, 1)), (),
         {"kernel_shape": [2, 2], "dilations": [2, 1]}),
    Form(OPSETS, "Conv", Conv((1, 1), (0,) * 4, (1, 1)), (np.zeros((5, 3, 2, 2), np.float32),)),
    Form(OPSETS, "Conv", Conv((2, 1), (0,) * 4, (1, 2), 3, "SAME_UPPER"),
         (np.zeros((3, 1, 2, 3), np.float32), np.zeros(3, np.float32)),
         {"kernel_shape": [2, 3], "strides": [2, 1], "dilations": [1, 2], "group": 3, "auto_pad": "SAME_UPPER"}),
    Form(OPSETS, "ConvTranspose", ConvTranspose((2, 2), (0,) * 4, (1, 1), (1, 0), output_shape=(9, 13)),
         (np.zeros((3, 1, 2, 2), np.float32),), {"strides": [2, 2], "output_padding": [1, 0], "output_shape": [9, 13]}),
    Form(OPSETS, "ConvTranspose", ConvTranspose((1, 1), (0,) * 4, (1, 1), (0, 0), output_shape=(5, 7)),
         (np.zeros((3, 1, 2, 2), np.float32),), {"output_shape": [2, 1, 5, 7]}),
    Form(OPSETS, "Gemm", Gemm(0.5, 2.0, trans_a=True), (floats(*[0] * 8).reshape(2, 4), floats(0, 0, 0, 0)),
         {"alpha": 0.5, "beta": 2.0, "transA": 1}, (2, 3)),
    Form(since(11), "Gemm", Gemm(), (floats(*[0] * 12).reshape(3, 4),), {}, (2, 3)),
    Form(OPSETS, "BatchNormalization", BatchNormalization(0.5, 0.75), (np.zeros(3, np.float32),) * 4,
         {"epsilon": 0.5, "momentum": 0.75}),
    Form(range(7, 9), "BatchNormalization", BatchNormalization(0.5, 0.75), (np.zeros(3, np.float32),) * 4,
         {"epsilon": 0.5, "momentum": 0.75, "spatial": 1}),
    Form(since(14), "BatchNormalization", BatchNormalization(0.5, 0.75), (np.zeros(3, np.float32),) * 4,
         {"epsilon": 0.5, "momentum": 0.75, "training_mode": 0}),
    Form(since(14), "BatchNormalization", TrainingBatchNormalization(0.5, 0.75), (np.zeros(3, np.float32),) * 4,
         {"epsilon": 0.5, "momentum": 0.75, "training_mode": 1}, outputs=3),
    Form(since(12), "Dropout", Dropout(0.25, seed=3), (scalar(0.25),), {"seed": 3}),
    Form(since(12), "Dropout", Dropout(0.25, with_mask=True), (scalar(0.25), np.zeros((), np.bool_)), outputs=2),
    Form(since(12), "Dropout", Dropout(0.0), (scalar(0.0), np.ones((), np.bool_))),
    Form(OPSETS, "Shape", Shape()),
    Form(since(15), "Shape", Shape(1, -1), (), {"start": 1, "end": -1}),
    Form(since(15), "Shape", Shape(0, 0), (), {"end": 0}),
    Form(OPSETS, "Size", Size()),
    Form(OPSETS, "Gather", Gather(), (ints(1, 0),)),
    Form(OPSETS, "Gather", Gather(3), (ints(2),), {"axis": -1}),
    Form(since(8), "Expand", Expand((3, 1, 1)), (ints(3, 1, 1),)),
    Form(OPSETS, "Tile", Tile((1, 2, 0, 3)), (ints(1, 2, 0, 3),)),
    Form(until(9), "TopK", TopK(2, 3), (), {"k": 2}, outputs=2),
    Form(range(10, 11), "TopK", TopK(2, 1), (ints(2),), {"axis": 1}, outputs=2),
    Form(since(11), "TopK", TopK(2, 3), (ints(2),), outputs=2),
    Form(since(11), "TopK", TopK(2, 2, largest=False, sorted=False), (ints(2),),
         {"axis": -2, "largest": 0, "sorted": 0}, outputs=2),
    Form(since(11), "GatherElements", GatherElements(0), (ints(*[1] * 72).reshape(1, 3, 4, 6),)),
    Form(since(11), "GatherND", GatherND(), (ints(1, 2, 0, 1).reshape(2, 2),)),
    Form(since(12), "GatherND", GatherND(1), (ints(1, 2).reshape(2, 1),), {"batch_dims": 1}),
    Form(range(9, 11), "Scatter", ScatterElements(1), (ints(0).reshape(1, 1), floats(7).reshape(1, 1)), {"axis": 1},
         (2, 3)),
    Form(since(11), "ScatterElements", ScatterElements(1), (ints(0).reshape(1, 1), floats(7).reshape(1, 1)),
         {"axis": -1}, (2, 3)),
    Form(since(16), "ScatterElements", ScatterElements(0, "add"), (ints(0), floats(7)), {"reduction": "add"}, (2,)),
    Form(since(11), "ScatterND", ScatterND(), (ints(1).reshape(1, 1), floats(7)), {}, (2,)),
    Form(since(18), "ScatterND", ScatterND("max"), (ints(1).reshape(1, 1), floats(7)), {"reduction": "max"}, (2,)),
    Form(since(11), "CumSum", CumSum(3), (np.asarray(-1, np.int64),)),
    Form(since(11), "CumSum", CumSum(1, True, True), (ints(1),), {"exclusive": 1, "reverse": 1}),  # noqa: FBT003
    Form(since(12), "Einsum", Einsum("nchw->nc"), (), {"equation": "nchw->nc"}),
    Form(since(9), "EyeLike", EyeLike(DType.FLOAT32), (), {}, (2, 3)),
    Form(since(9), "EyeLike", EyeLike(DType.INT32, -1), (), {"dtype": onnx.TensorProto.INT32, "k": -1}, (2, 3)),
    Form(since(9), "OneHot", OneHot(2), (ints(5), floats(0, 1)), {}, (2, 3), dtype=np.int64),
    Form(since(9), "OneHot", OneHot(0), (ints(5), floats(0, 1)), {"axis": -3}, (2, 3), dtype=np.int64),
    Form(since(14), "Trilu", Trilu(), (), {}, (2, 3)),
    Form(since(14), "Trilu", Trilu(-1, upper=False), (np.asarray(-1, np.int64),), {"upper": 0}, (2, 3)),
    Form(since(11), "BitShift", BitShift("LEFT"), (np.ones((2, 3), np.uint8),), {"direction": "LEFT"}, (2, 3),
         dtype=np.uint8),
    Form(since(9), "Shrink", Shrink(0.25, 0.5), (), {"lambd": 0.25, "bias": 0.5}),
    Form(since(11), "Range", Range(), (np.asarray(9), np.asarray(2)), {}, (), dtype=np.int64),
    Form(OPSETS, "SpaceToDepth", SpaceToDepth(2), (), {"blocksize": 2}),
    Form(since(28), "SpaceToDepth", SpaceToDepth(2, "CRD"), (), {"blocksize": 2, "mode": "CRD"}),
    Form(OPSETS, "DepthToSpace", DepthToSpace(1), (), {"blocksize": 1}),
    Form(since(11), "DepthToSpace", DepthToSpace(2, "CRD"), (), {"blocksize": 2, "mode": "CRD"}, (1, 8, 2, 3)),
    Form(since(9), "ConstantOfShape", ConstantOfShape(), (), {}, (3,), dtype=np.int64),
    Form(since(9), "ConstantOfShape", ConstantOfShape(DType.INT32, 7), (),
         {"value": numpy_helper.from_array(np.array([7], np.int32))}, (3,), dtype=np.int64),
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.op_type}-{form.opsets.start}-{form.opsets.stop - 1}")
def test_forms(form: Form) -> None:
    """Each form is read as the op that it means, and written again with the same names of its constants."""
    for opset in form.opsets:
        model = form.model(opset)
        if all(info.type.tensor_type.HasField("shape") for info in model.graph.output):
            checker.check_model(model)
        graph = read(model)
        (node,) = graph.nodes
        assert node.op == form.expected, (opset, node.op)
        again = write(graph)
        checker.check_model(again)
        assert [info.name for info in again.graph.output] == [info.name for info in model.graph.output]
        assert {t.name for t in again.graph.initializer} <= {f"s{i}" for i in range(9)} | {
            f"n.{key}" for key in ("axes", "split", "steps", "roi", "scales")
        }
        # A constant that the form left out is written out, so names of constants may be more on the way back.
        assert plain_text(read(again)) == plain_text(graph)
        assert write(read(again)) == again


def test_forms_cover_what_moved() -> None:
    """Ops whose settings moved from attributes to operands are covered on both sides of the move."""
    moved = {
        "Clip": 11,
        "Squeeze": 13,
        "Unsqueeze": 13,
        "Slice": 10,
        "Pad": 11,
        "ReduceMean": 18,
        "ReduceSum": 13,
        "ReduceMax": 18,
        "Split": 13,
    }
    for op_type, opset in {**moved, "Dropout": 12}.items():
        forms = [form for form in FORMS if form.op_type == op_type]
        assert any(opset - 1 in form.opsets and form.attributes for form in forms)
        assert any(opset in form.opsets and form.settings for form in forms)
        old, new = (defs.get_schema(op_type, version, "") for version in (opset - 1, opset))
        assert len(new.inputs) > len(old.inputs)


# What stays opaque


def fed(op_type: str, count: int, opset: int = NEWEST, **attributes: Any) -> ModelProto:
    """A node all of whose operands are fed; those behind the first are vectors of int64."""
    infos = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 3, 4, 6])]
    infos += [helper.make_tensor_value_info(f"s{i}", onnx.TensorProto.INT64, [2]) for i in range(count)]
    node = helper.make_node(op_type, [info.name for info in infos], ["y"], name="n", **attributes)
    graph = helper.make_graph([node], "fed", infos, [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


SCALES = (None, floats(*HALF))

OPAQUE: list[tuple[ModelProto, str]] = [
    (fed("Reshape", 1), "its shape is computed"),
    (fed("Squeeze", 1), "its axes is computed"),
    (fed("Slice", 2), "its starts is computed"),
    (fed("Pad", 1), "its pads is computed"),
    (fed("ReduceMean", 1), "its axes is computed"),
    (fed("Expand", 1), "its shape is computed"),
    (fed("Tile", 1), "its repeats is computed"),
    (fed("TopK", 1), "its k is computed"),
    (fed("CumSum", 1), "its axis is computed"),
    (fed("Trilu", 1), "its k is computed"),
    (fed("Mystery", 0), "the op is not defined here"),
    (Form(since(13), "Resize", Relu(), SCALES, {"mode": "area"}).model(NEWEST), "mode is not defined here"),
    (
        Form(
            since(13),
            "Resize",
            Relu(),
            (floats(0, 0, 0, 0.5, 1, 1, 1, 1), floats(*HALF)),
            {"coordinate_transformation_mode": "tf_crop_and_resize"},
        ).model(NEWEST),
        "cropping to scales is not defined here",
    ),
    (
        Form(since(13), "Resize", Relu(), SCALES, {"coordinate_transformation_mode": "tf_half_pixel"}).model(NEWEST),
        "coordinates is not defined here",
    ),
    (Form(OPSETS, "Relu", Relu(), (), {"speed": 3}).model(NEWEST), "its attribute speed is not defined here"),
    (
        Form(since(12), "Dropout", Relu(), (scalar(0.5), np.ones((), np.bool_))).model(NEWEST),
        "it drops elements at random",
    ),
    (
        Form(until(13), "BatchNormalization", Relu(), (np.zeros(3, np.float32),) * 4, {}, outputs=5).model(13),
        "its output saved_var is read",
    ),
    (
        Form(until(8), "BatchNormalization", Relu(), (np.zeros(3, np.float32),) * 4, {"spatial": 0}).model(8),
        "it normalises each position apart",
    ),
    (
        Form(OPSETS, "BatchNormalization", Relu(), (np.zeros(1, np.float32),) * 4, {}, (5,)).model(21),
        "its input has no axis of channels",
    ),
    (
        Form(OPSETS, "Conv", Relu(), (np.zeros((5, 3, 2, 2), np.float32),), {"kernel_shape": [3, 3]}).model(21),
        "kernel_shape [3, 3] beside a weight of [2, 2]",
    ),
    (
        Form(OPSETS, "MaxPool", Relu(), (), {"kernel_shape": [2, 2], "auto_pad": "SAME"}).model(21),
        "auto_pad SAME is not known",
    ),
    (
        Form(OPSETS, "MaxPool", Relu(), (), {"kernel_shape": [2, 2], "auto_pad": "VALID", "pads": [1, 0, 0, 0]}).model(
            21
        ),
        "auto_pad beside explicit pads",
    ),
    (Form(until(9), "Dropout", Relu(), outputs=2).model(9), "its output mask is read"),
]


@pytest.mark.parametrize(("model", "reason"), OPAQUE, ids=lambda item: item if isinstance(item, str) else "")
def test_opaque_fallback(model: ModelProto, reason: str) -> None:
    """A node that says more than our op is carried through untouched, with a reason."""
    graph = read(model)
    (node,) = graph.nodes
    assert isinstance(node.op, Opaque)
    assert node.op.reason == reason
    assert any(note.endswith(f"{node.op.op_type}: {reason}") for note in graph.notes)
    again = write(graph)
    assert again.graph.node[-1] == model.graph.node[0]
    assert difference(read(again), graph) is None


def test_refusals_of_the_writer() -> None:
    """Opsets that do not exist are refused; element types that an old opset does not take as well."""
    graph = random_case(Relu, 0).graph()
    for opset in (6, NEWEST + 1):
        with pytest.raises(CnnirError) as caught:
            write(graph, opset=opset)
        assert (caught.value.code, caught.value.got) == ("opset", opset)
    whole = Case(Relu(), (ints(1, -2),)).graph()
    with pytest.raises(CnnirError) as caught:
        write(whole, opset=13)
    assert caught.value.code == "opset"
    assert "tensor(float)" in str(caught.value.expected)
    checker.check_model(write(whole, opset=14), full_check=True)


def test_several_nodes_have_several_names() -> None:
    """What takes three ONNX nodes to say loads in onnxruntime and gives the same."""
    case = Case(Softmax((1, 2)), (np.arange(24, dtype=np.float32).reshape(2, 3, 4),))
    model = write(case.graph())
    assert len({node.name for node in model.graph.node}) == len(model.graph.node) == 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (theirs,) = arrays_of(session, case)
    np.testing.assert_allclose(case.graph().run(case.feed())["node"], theirs, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(theirs).sum(axis=(1, 2)), 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    "op", [Transpose(()), ReduceMean(()), Unsqueeze(()), Squeeze(()), Slice((), (), (), ())], ids=str
)
def test_empty_lists(op: Op) -> None:
    """An attribute or operand without elements is one all the same."""
    case = Case(op, (scalar(3),))
    again = read(write(case.graph()))
    np.testing.assert_array_equal(again.run(case.feed())["node"], case.operands[0])


def test_every_op_has_a_mapping() -> None:
    """Both directions."""
    assert [op_class.__name__ for op_class in DEFINED if writers.find(op_class) is None] == []
