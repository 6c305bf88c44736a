"""Weights that nodes make of nothing but weights, where that takes no computation: they are never nodes here."""

from collections.abc import Callable

import numpy as np
from onnx import SparseTensorProto, TensorProto

from cnnir.dims import is_known
from cnnir.errors import CnnirError
from cnnir.exporters.onnx.external import Place
from cnnir.exporters.onnx.mapping import Attributes, Source, Unmapped, integers_of, read_node
from cnnir.exporters.onnx.tensors import element_of, weight_from_sparse, weight_from_tensor
from cnnir.ops import Transpose, infer
from cnnir.types import DType, TensorType
from cnnir.weights import Array, Fill, Weight

FOLDED = frozenset(
    ("Constant", "ConstantOfShape", "Identity", "Unsqueeze", "Squeeze", "Reshape", "Flatten", "Transpose", "Tile")
)
"""Op types of ONNX's own that may make such a weight."""


def folded_weight(source: Source, place: Place | None) -> Weight | None:
    """The weight that a node makes whose operands are all weights; None when it stays a node.

    Raises:
        CnnirError: For a node that contradicts itself.
    """
    try:
        if source.proto.op_type == "Constant":
            return _constant(source.attributes, place)
        if source.proto.op_type == "ConstantOfShape":
            return _filled(source)
        if source.proto.op_type == "Tile":
            return _repeated(source)
        return _viewed(source)
    except Unmapped:
        return None


def _viewed(source: Source) -> Weight | None:
    op, operands = read_node(source)
    (type_,), _ = infer(op, operands)
    base = operands[0].weight if operands[0] is not None else None
    if base is None or not isinstance(type_, TensorType) or not all(is_known(dim) for dim in type_.shape):
        return None
    if isinstance(op, Transpose):
        return base.transposed(op.permutation)
    return base.reshaped(tuple(dim for dim in type_.shape if is_known(dim)))


def _filled(source: Source) -> Weight:
    shape = source.tensor(0)
    contents = source.setting(0, "shape")
    if shape.rank != 1 or contents is None:
        raise CnnirError("rank", "the shape is no list", expected="rank 1", got=shape)
    dims = integers_of(contents, "shape")
    if any(dim < 0 for dim in dims):
        raise CnnirError("dim-negative", "a dim cannot be negative", got=list(dims))
    dtype, element = element_of(source.attributes.tensor("value"))
    return Fill(dtype, dims, element)


def _repeated(source: Source) -> Weight | None:
    """One element repeated: what ConstantOfShape says since opset 9."""
    value, repeats = source.input(0), source.int_setting(1, "repeats")
    weight = value.weight if value is not None else None
    if weight is None or repeats is None or set(weight.shape) - {1} or len(repeats) != len(weight.shape):
        return None
    if weight.dtype is DType.STRING or any(count < 0 for count in repeats):
        return None
    return Fill(weight.dtype, repeats, weight.array().reshape(-1)[0])


def _constant(attributes: Attributes, place: Place | None) -> Weight | None:
    if len(attributes.left) != 1:
        return None
    (name,) = attributes.left
    makers: dict[str, Callable[[], Weight]] = {
        "value": lambda: weight_from_tensor(attributes.tensor(name) or TensorProto(), place),
        "sparse_value": lambda: weight_from_sparse(attributes.sparse_tensor(name) or SparseTensorProto(), place),
        "value_float": lambda: Array.of(np.asarray(attributes.number(name), np.float32)),
        "value_floats": lambda: Array.of(np.asarray(attributes.numbers(name), np.float32)),
        "value_int": lambda: Array.of(np.asarray(attributes.integer(name), np.int64)),
        "value_ints": lambda: Array.of(np.asarray(attributes.integers(name), np.int64)),
        "value_string": lambda: Array.of(np.asarray(attributes.text(name, ""), object)),
        "value_strings": lambda: Array.of(np.asarray(attributes.texts(name), object)),
    }
    return makers[name]() if name in makers else None
