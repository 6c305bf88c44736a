"""Ranges, ones on a diagonal, one-hot codes, triangles."""

from cnnir.exporters.onnx.mapping.attributes import Unmapped
from cnnir.exporters.onnx.mapping.base import (
    Read,
    Source,
    Target,
    int64,
    reads,
    require_opset,
    write_plain,
    write_with_settings,
    writers,
)
from cnnir.exporters.onnx.types import CODES, dtype_of
from cnnir.graph import Node
from cnnir.ops import EyeLike, OneHot, Range, Trilu
from cnnir.ops.base import normalize_axis


@reads("Range")
def read_range(source: Source) -> Read:
    """Since opset 11; in which type narrow floats are counted is said since 27."""
    if source.attributes.integer("stash_type", 1) != 1:
        raise Unmapped("a range counted in another type than float32 is not defined here")
    return Range(), source.inputs


@writers.rule(Range)
def write_range(target: Target, node: Node, op: Range) -> None:
    """Its length follows from its operands, so a file does not say it."""
    require_opset(target, node, 11)
    write_plain(target, node, "Range")


@reads("EyeLike")
def read_eye_like(source: Source) -> Read:
    """Since opset 9; the element type is that of the operand where none is given."""
    code = source.attributes.optional_integer("dtype")
    dtype = source.dtype(0) if code is None else dtype_of(code)
    if dtype is None:
        raise Unmapped("the element type of its input is not known")
    return EyeLike(dtype, source.attributes.integer("k", 0)), source.inputs


@writers.rule(EyeLike)
def write_eye_like(target: Target, node: Node, op: EyeLike) -> None:
    """The element type is always said."""
    require_opset(target, node, 9)
    write_plain(target, node, "EyeLike", dtype=CODES[op.dtype], k=op.k)


@reads("OneHot")
def read_one_hot(source: Source) -> Read:
    """Since opset 9."""
    return OneHot(normalize_axis(source.attributes.integer("axis", -1), source.tensor(0).rank + 1)), source.inputs


@writers.rule(OneHot)
def write_one_hot(target: Target, node: Node, op: OneHot) -> None:
    """Since opset 9."""
    require_opset(target, node, 9)
    write_plain(target, node, "OneHot", axis=op.axis)


@reads("Trilu")
def read_trilu(source: Source) -> Read:
    """Since opset 14; the diagonal is an operand, which may be absent."""
    given = source.int_setting(1, "k")
    if given is not None and len(given) != 1:
        raise Unmapped("its k is not one number")
    return Trilu(0 if given is None else given[0], source.attributes.flag("upper", default=True)), source.inputs[:1]


@writers.rule(Trilu)
def write_trilu(target: Target, node: Node, op: Trilu) -> None:
    """The main diagonal is left out."""
    require_opset(target, node, 14)
    k = [target.constant(node, "k", int64([op.k]).reshape(()))] if op.k else []
    write_with_settings(target, node, "Trilu", k, upper=int(op.upper))
