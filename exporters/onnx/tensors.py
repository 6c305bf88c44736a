"""ONNX's tensors and our weights."""

import math

import numpy as np
from onnx import SparseTensorProto, TensorProto, numpy_helper

from cnnir.errors import CnnirError, within_memory
from cnnir.exporters.onnx.external import Place, mapped_weight
from cnnir.exporters.onnx.types import CODES, dtype_of
from cnnir.types import DType
from cnnir.weights import AnyArray, Array, Computed, Weight


def weight_from_tensor(tensor: TensorProto, place: Place | None) -> Weight:
    """The weight that a tensor holds, in memory or in a file beside the model.

    Raises:
        CnnirError: ``external-data`` when the file is missing or too short, ``tensor-data`` when the contents do not
            fit the shape, ``dim-negative``.
    """
    dtype = dtype_of(tensor.data_type, tensor.name)
    shape = tuple(tensor.dims)
    if any(dim < 0 for dim in shape):
        raise CnnirError("dim-negative", "a dim cannot be negative", node=tensor.name, got=list(shape))
    if tensor.data_location == TensorProto.EXTERNAL:
        return mapped_weight(tensor, dtype, shape, place)
    try:
        if tensor.HasField("raw_data") and dtype.bits is not None and dtype.bits >= 8:
            contents = np.frombuffer(tensor.raw_data, dtype.numpy.newbyteorder("<")).reshape(shape)
        else:
            contents = numpy_helper.to_array(tensor).reshape(shape)
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        raise CnnirError("tensor-data", "the contents do not fit the shape", node=tensor.name, got=error) from None
    return Array(dtype, shape, contents)


def weight_from_sparse(sparse: SparseTensorProto, place: Place | None = None) -> Weight:
    """The dense weight of a sparse tensor, filled in when it is used.

    Raises:
        CnnirError: ``tensor-data`` when positions and values do not belong together.
    """
    values, shape = weight_from_tensor(sparse.values, place), tuple(sparse.dims)
    indices = weight_from_tensor(sparse.indices, place).array()
    name = sparse.values.name
    if any(dim < 0 for dim in shape):
        raise CnnirError("dim-negative", "a dim cannot be negative", node=name, got=list(shape))
    flat = indices.ndim == 1
    limits = np.asarray([math.prod(shape)] if flat else shape, object)
    places = indices.reshape(-1, 1) if flat else indices
    if indices.dtype.kind not in "iu" or values.dtype is DType.STRING or places.shape != (*values.shape, len(limits)):
        raise CnnirError("tensor-data", "positions and values do not belong together", node=name, got=indices.shape)
    if (places < 0).any() or (places >= limits).any():
        raise CnnirError("tensor-data", "a position lies outside of the tensor", node=name, expected=list(shape))

    def dense() -> AnyArray:
        array = np.zeros(shape, values.dtype.numpy)
        target = array.reshape(-1) if flat else array
        target[tuple(places.T)] = values.array()
        return array

    return Computed(values.dtype, shape, dense)


def tensor_from_weight(name: str, weight: Weight) -> TensorProto:
    """The tensor with a weight's contents.

    Raises:
        CnnirError: ``memory`` when they do not fit into it.
    """
    with within_memory(name):
        if weight.dtype is DType.STRING:
            return numpy_helper.from_array(np.asarray(weight.array()).reshape(weight.shape), name)
        tensor = header(name, weight)
        tensor.raw_data = bytes(raw_bytes(weight))
        return tensor


def header(name: str, weight: Weight) -> TensorProto:
    """The tensor without its contents."""
    return TensorProto(name=name, data_type=CODES[weight.dtype], dims=weight.shape)


def raw_size(weight: Weight) -> int | None:
    """How many bytes `raw_bytes` gives; None for texts, which have no such form."""
    return None if weight.dtype.bits is None else -(-math.prod(weight.shape) * weight.dtype.bits // 8)


def raw_bytes(weight: Weight) -> memoryview:
    """The contents as the format stores them (onnx.proto3, ``raw_data``), not copied where they lie so already."""
    contents = np.ascontiguousarray(weight.array())
    if weight.dtype.bits is not None and weight.dtype.bits < 8:
        return memoryview(numpy_helper.from_array(contents, "").raw_data)
    little = contents.astype(contents.dtype.newbyteorder("<"), copy=False)
    return little.reshape(-1).view(np.uint8).data


def element_of(value: TensorProto | None) -> tuple[DType, np.generic]:
    """Type and value of the one element that ConstantOfShape repeats, a float 0 when it is not given.

    Raises:
        CnnirError: ``tensor-data`` when it is not one number.
    """
    if value is None:
        return DType.FLOAT32, np.float32(0)
    weight = weight_from_tensor(value, None)
    if math.prod(weight.shape) != 1 or weight.dtype in (DType.STRING, DType.COMPLEX64, DType.COMPLEX128):
        raise CnnirError("tensor-data", "its value is not one number", got=weight.type)
    element: np.generic = weight.array().reshape(-1)[0]
    return weight.dtype, element
