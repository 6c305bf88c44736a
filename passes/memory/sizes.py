"""How many bytes a value takes; planning needs all of them known."""

from cnnir.dims import Dim, is_known, symbols
from cnnir.errors import CnnirError
from cnnir.graph import Value
from cnnir.types import TensorType, known_shape


def known_bytes(value: Value) -> int:
    """Bytes of a value in memory.

    Raises:
        CnnirError: ``size-unknown`` or ``dims-unbound``, naming the value and the node that makes it.
    """
    where = value.producer.label if value.producer is not None else value.name
    if not isinstance(value.type, TensorType):
        raise CnnirError("size-unknown", f"{value.name} has no size that could be planned", node=where, got=value.type)
    if value.type.dtype.is_packed:
        raise CnnirError(
            "size-unknown", f"{value.name} has packed elements, which no plan can place", node=where, got=value.type
        )
    size = value.type.bytes
    if not is_known(size):
        names = sorted(symbols(size))
        if not names:
            raise CnnirError(
                "size-unknown", f"{value.name} has a dim or type of unknown size", node=where, got=value.type
            )
        raise CnnirError(
            "dims-unbound",
            f"{value.name} has a symbolic size",
            node=where,
            got=value.type,
            hint=f"bind {', '.join(names)} first, for instance {names[0]}=1",
        )
    return size


def shape_of(value: Value) -> tuple[int, ...]:
    """The dims of a value whose bytes are known."""
    assert isinstance(value.type, TensorType)  # noqa: S101  known_bytes has refused all else
    return known_shape(value.type.shape, value.name)


def dims_of(value: Value) -> tuple[Dim, ...]:
    """The dims of a tensor, symbolic ones too."""
    assert isinstance(value.type, TensorType)  # noqa: S101  known_bytes has refused all else
    return value.type.shape


def itemsize_of(value: Value) -> int:
    """Bytes of one element."""
    assert isinstance(value.type, TensorType)  # noqa: S101  known_bytes has refused all else
    return value.type.dtype.numpy.itemsize


__all__ = ["dims_of", "itemsize_of", "known_bytes", "shape_of"]
