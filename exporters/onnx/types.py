"""ONNX's types and ours."""

from collections.abc import Mapping
from typing import Any

from onnx import TensorProto, TypeProto, ValueInfoProto

from cnnir.dims import UNKNOWN, Dim, format_dim, is_known, parse_dim, symbol, symbols
from cnnir.errors import CnnirError
from cnnir.types import DType, OptionalType, SequenceType, TensorType, Type, UnknownType

_ONNX_NAMES: Mapping[DType, str] = {DType.FLOAT32: "FLOAT", DType.FLOAT64: "DOUBLE"}

CODES: Mapping[DType, int] = {
    dtype: TensorProto.DataType.Value(_ONNX_NAMES.get(dtype, dtype.name))
    for dtype in DType
    if _ONNX_NAMES.get(dtype, dtype.name) in TensorProto.DataType.keys()  # noqa: SIM118  no dict
}
"""``TensorProto.DataType`` of each element type; an older onnx may lack the newest ones."""

_LARGEST = 2**63 - 1
"""Of the numbers that the format holds."""

_DTYPES: Mapping[int, DType] = {code: dtype for dtype, code in CODES.items()}


def dtype_of(code: int, where: str | None = None) -> DType:
    """The element type of a ``TensorProto.DataType``.

    Raises:
        CnnirError: ``dtype-unsupported``.
    """
    if code not in _DTYPES:
        raise CnnirError("dtype-unsupported", "an element type that is not known here", node=where, got=code)
    return _DTYPES[code]


def type_from_proto(proto: TypeProto, where: str) -> Type:
    """Our type for a ``TypeProto``.

    Raises:
        CnnirError: ``dim-negative``.
    """
    kind = proto.WhichOneof("value")
    if kind == "tensor_type":
        tensor = proto.tensor_type
        if not tensor.elem_type:
            return UnknownType()
        dtype = dtype_of(tensor.elem_type, where)
        if not tensor.HasField("shape"):
            return UnknownType(dtype)
        return TensorType(dtype, tuple(_dim(dim, where) for dim in tensor.shape.dim))
    if kind == "sequence_type":
        return SequenceType(type_from_proto(proto.sequence_type.elem_type, where))
    if kind == "optional_type":
        return OptionalType(type_from_proto(proto.optional_type.elem_type, where))
    # Maps and sparse tensors mean nothing here; they are carried along as they are.
    return UnknownType(None, proto.SerializeToString(deterministic=True)) if kind is not None else UnknownType()


def _dim(proto: Any, where: str) -> Dim:
    kind = proto.WhichOneof("value")
    if kind == "dim_value":
        size = int(proto.dim_value)
        if size < 0:
            raise CnnirError(
                "dim-negative", "a dim cannot be negative", node=where, got=size, hint="use a name for a free dim"
            )
        return size
    name = str(proto.dim_param) if kind == "dim_param" else ""
    return symbol_of(name) if name else UNKNOWN


def symbol_of(name: str) -> Dim:
    """The dim that a ``dim_param`` names: an expression where it reads as one, else a symbol of that name."""
    try:
        dim = parse_dim(name)
    except CnnirError:
        return symbol(name)
    return dim if not is_known(dim) or 0 <= dim <= _LARGEST else symbol(name)


def _held(dim: int) -> int:
    if dim > _LARGEST:
        raise CnnirError("onnx-form", "a dim is larger than the format holds", expected=f"at most {_LARGEST}", got=dim)
    return dim


def _param(dim: Dim) -> str:
    """A single name goes out as it came; the text form of some has quotes."""
    names = symbols(dim)
    if len(names) == 1:
        (name,) = names
        if dim == symbol(name) == symbol_of(name):
            return name
    return format_dim(dim)


def type_to_proto(type_: Type) -> TypeProto | None:
    """The ``TypeProto`` of a type, None when there is nothing to say."""
    proto = TypeProto()
    if isinstance(type_, TensorType):
        proto.tensor_type.elem_type = CODES[type_.dtype]
        # A scalar has a shape too, without dims.
        proto.tensor_type.shape.SetInParent()
        for dim in type_.shape:
            added = proto.tensor_type.shape.dim.add()
            if is_known(dim):
                added.dim_value = _held(dim)
            elif dim != UNKNOWN:
                added.dim_param = _param(dim)
    elif isinstance(type_, SequenceType | OptionalType):
        element = type_to_proto(type_.element)
        if element is None:
            return None
        field = proto.sequence_type if isinstance(type_, SequenceType) else proto.optional_type
        field.elem_type.CopyFrom(element)
    elif type_.declared:
        proto.ParseFromString(type_.declared)
    elif type_.dtype is not None:
        proto.tensor_type.elem_type = CODES[type_.dtype]
    else:
        return None
    return proto


def value_info(name: str, type_: Type) -> ValueInfoProto:
    """The format's entry for a value, without a type where there is nothing to say of it."""
    return ValueInfoProto(name=name, type=type_to_proto(type_))
