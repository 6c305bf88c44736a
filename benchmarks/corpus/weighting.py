"""Weights for a model of the folder, and the same model in double precision."""

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, numpy_helper


def scale_standardized(model: ModelProto) -> None:
    """Scale by He's rule what normalises weights.

    Weights that run through a BatchNormalization of their own (weight standardization, Qiao et al., 2019) come out of
    it with a variance of 1, whatever was drawn for them, and the sums over them grow from layer to layer until they are
    infinite. So its scale gets the root mean square that the weights should have had, sqrt(2 / fan-in), and its shift,
    which is summed up as often as there are weights, a part of 1 / fan-in; of the largest where several share one.
    """
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    same = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Identity"}
    scales: dict[str, int] = {}
    shifts: dict[str, int] = {}
    for node in model.graph.node:
        if node.op_type == "BatchNormalization" and node.input[0] in tensors:
            fan_in = math.prod(tensors[node.input[0]].dims[2:])
            for found, operand in ((scales, node.input[1]), (shifts, node.input[2])):
                name = same.get(operand, operand)
                found[name] = max(found.get(name, 1), fan_in)
    for name in tensors.keys() & scales.keys():
        array = numpy_helper.to_array(tensors[name])
        array = array * np.float32(math.sqrt(2 / scales[name]) / np.sqrt(np.mean(np.square(array))))
        tensors[name].CopyFrom(numpy_helper.from_array(array, name))
    for name in tensors.keys() & shifts.keys():
        array = numpy_helper.to_array(tensors[name]) / np.float32(shifts[name])
        tensors[name].CopyFrom(numpy_helper.from_array(array, name))


def write_double(source: Path, target: Path) -> None:
    """The model with every single-precision tensor in double precision; the factors of a Resize stay as they are."""
    model = onnx.load(source)
    kept = {node.input[2] for node in model.graph.node if node.op_type == "Resize" and len(node.input) > 2}
    _widen(model.graph, kept)
    onnx.save(model, target)


def _widen(graph: GraphProto, kept: set[str]) -> None:
    del graph.value_info[:]
    for tensor in graph.initializer:
        if tensor.name not in kept:
            _widen_tensor(tensor)
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR and node.output[0] not in kept:
                _widen_tensor(attribute.t)
            elif node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE


def _widen_tensor(tensor: TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))
