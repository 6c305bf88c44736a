"""The forms that ops had in the course of the opsets, and what each of them means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, defs, helper, numpy_helper, shape_inference

from cnnir.graph import Graph
from cnnir.ops import (
    LRN,
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
    HardSigmoid,
    LeakyRelu,
    MaxPool,
    OneHot,
    Op,
    Pad,
    QuantizeLinear,
    Range,
    ReduceL2,
    ReduceLogSumExp,
    ReduceMax,
    ReduceMean,
    ReduceSum,
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
from cnnir.text import print_graph
from cnnir.types import DType

AnyArray = NDArray[Any]

NEWEST = defs.onnx_opset_version()
OPSETS = range(7, NEWEST + 1)


def plain_text(graph: Graph) -> str:
    """The text form without what says where the graph comes from."""
    copy = graph.clone()
    copy.provenance = Graph().provenance
    for node in copy.nodes:
        node.metadata = {}
    return print_graph(copy)


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
