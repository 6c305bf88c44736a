"""ONNX's tensors and our weights."""

import math
from pathlib import Path, PurePosixPath

import numpy as np
from onnx import SparseTensorProto, TensorProto, numpy_helper

from cnnir.errors import CnnirError
from cnnir.exporters.onnx.types import CODES, dtype_of
from cnnir.types import DType
from cnnir.weights import AnyArray, Array, Computed, FileRange, Weight


def weight_from_tensor(tensor: TensorProto, folder: Path | None) -> Weight:
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
        return _external(tensor, dtype, shape, folder)
    try:
        if tensor.HasField("raw_data") and dtype.bits is not None and dtype.bits >= 8:
            contents = np.frombuffer(tensor.raw_data, dtype.numpy.newbyteorder("<")).reshape(shape)
        else:
            contents = numpy_helper.to_array(tensor).reshape(shape)
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        raise CnnirError("tensor-data", "the contents do not fit the shape", node=tensor.name, got=error) from None
    return Array(dtype, shape, contents)


def _external(tensor: TensorProto, dtype: DType, shape: tuple[int, ...], folder: Path | None) -> Weight:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = PurePosixPath(entries.get("location", ""))
    if folder is None or not location.name or location.is_absolute() or ".." in location.parts:
        raise CnnirError(
            "external-data", "the data lies outside of the model's folder", node=tensor.name, got=str(location),
            hint="load the model from its file, with the data beside it",
        )  # fmt: skip
    path = folder / location
    try:
        size, offset = path.stat().st_size, int(entries.get("offset", "0"))
        needed = -(-int(np.prod(shape, dtype=object)) * (dtype.bits or 0) // 8)
        length = int(entries.get("length", needed))
    except OSError:
        raise CnnirError(
            "external-data", "the file with the weight's data is missing", node=tensor.name, got=str(location),
            hint="put it beside the model",
        ) from None  # fmt: skip
    except ValueError as error:
        raise CnnirError("external-data", "offset or length is no number", node=tensor.name, got=error) from None
    if dtype.bits is None or length != needed or offset < 0 or offset + length > size:
        raise CnnirError(
            "external-data", f"{location} does not hold the weight's bytes", node=tensor.name,
            expected=f"{needed} bytes at {offset}", got=f"{length} bytes in a file of {size}",
        )  # fmt: skip
    return FileRange(dtype, shape, path, offset, length)


def weight_from_sparse(sparse: SparseTensorProto) -> Weight:
    """The dense weight of a sparse tensor, filled in when it is used.

    Raises:
        CnnirError: ``tensor-data`` when positions and values do not belong together.
    """
    values, shape = weight_from_tensor(sparse.values, None), tuple(sparse.dims)
    indices = weight_from_tensor(sparse.indices, None).array()
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
    """The tensor with a weight's contents."""
    contents = np.ascontiguousarray(weight.array()).reshape(weight.shape)
    if weight.dtype.bits is None or weight.dtype.bits < 8:
        return numpy_helper.from_array(contents, name)
    tensor = TensorProto(name=name, data_type=CODES[weight.dtype], dims=weight.shape)
    tensor.raw_data = contents.astype(contents.dtype.newbyteorder("<"), copy=False).tobytes()
    return tensor


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
