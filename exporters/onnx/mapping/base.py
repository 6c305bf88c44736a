"""One table for both directions: how an ONNX node of any opset becomes an op, and an op a node again.

Reading gives an op whose meaning does not depend on opsets; what a node says in operands but must be constant (the
shape of a Reshape, the axes of a Squeeze) becomes an attribute. What cannot be said in our ops raises `Unmapped`, and
the node is carried along as an opaque one.
"""

import itertools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
from onnx import NodeProto, TensorProto, defs

from cnnir.dims import Dim, is_known
from cnnir.errors import CnnirError
from cnnir.exporters.onnx.mapping.attributes import Attributes, Unmapped
from cnnir.exporters.onnx.types import CODES
from cnnir.graph import Node, Value
from cnnir.ops import Op, RuleTable, infer
from cnnir.ops.base import normalize_axis
from cnnir.types import DType, TensorType, Type, UnknownType
from cnnir.weights import AnyArray, Weight

OPERAND_NAME = "cnnir.operand."
"""Metadata key: the name that a constant operand had before it became an attribute."""

OUTPUT_NAME = "cnnir.output."
"""Metadata key: the name of an output that nobody reads and our op does not have."""

_LONGEST_SETTING = 1 << 16
"""Elements; what steers an op has a few for each axis."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A weight that becomes a value of the graph when something reads it."""

    name: str
    weight: Weight

    @property
    def type(self) -> Type:
        """The weight's type."""
        return self.weight.type


Operand: TypeAlias = Value | Pending


@dataclass
class Source:
    """An ONNX node while it is read.

    Attributes:
        proto: The node.
        opset: Version of the operator set that gives it its meaning.
        inputs: Its operands; None where the name is empty.
        outputs: Names of its outputs, without empty ones at the end.
        read_outputs: The outputs that something reads.
        metadata: What the writer needs to give back the same names.
    """

    proto: NodeProto
    opset: int
    inputs: tuple[Operand | None, ...]
    outputs: list[str]
    read_outputs: frozenset[str]
    metadata: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.attributes = Attributes(self.proto)

    def has(self, index: int) -> bool:
        """True when the operand is there."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def input(self, index: int) -> Operand | None:
        """The operand, None when absent."""
        return self.inputs[index] if index < len(self.inputs) else None

    def tensor(self, index: int) -> TensorType:
        """The operand's tensor type; without one there is no rank to read attributes by."""
        value = self.input(index)
        if value is None or not isinstance(value.type, TensorType):
            raise Unmapped("the rank of its input is not known")
        return value.type

    def dtype(self, index: int) -> DType | None:
        """The operand's element type, None when it is not known."""
        type_ = value.type if (value := self.input(index)) is not None else None
        return type_.dtype if isinstance(type_, TensorType | UnknownType) else None

    def setting(self, index: int, name: str) -> AnyArray | None:
        """The contents of an operand that has to be constant; None when it is absent."""
        value = self.input(index)
        if value is None:
            return None
        if value.weight is None:
            raise Unmapped(f"its {name} is computed")
        weight = value.weight
        if math.prod(weight.shape[:-1]) > 1 or math.prod(weight.shape) > _LONGEST_SETTING:
            raise CnnirError("operand-shape", f"its {name} is no short list", got=weight.type)
        self.metadata[OPERAND_NAME + name] = value.name
        return weight.array()

    def int_setting(self, index: int, name: str) -> tuple[int, ...] | None:
        """The same as ints."""
        array = self.setting(index, name)
        return None if array is None else integers_of(array, name)

    def float_setting(self, index: int, name: str) -> tuple[float, ...] | None:
        """The same as floats."""
        array = self.setting(index, name)
        if array is not None and not DType.of(array.dtype).is_float:
            raise CnnirError("operand-dtype", f"its {name} are no floats", got=str(array.dtype))
        return None if array is None else tuple(float(item) for item in array.reshape(-1))

    def scalar_setting(self, index: int, name: str, dtype: DType | None = None) -> bool | int | float | None:
        """The same as one number, of an element type where one is demanded."""
        array = self.setting(index, name)
        if array is None:
            return None
        if array.size != 1:
            raise CnnirError("operand-shape", f"its {name} is not one number", expected=1, got=array.size)
        number: object = array.reshape(-1)[0].item() if DType.of(array.dtype) is not DType.STRING else ""
        if not isinstance(number, bool | int | float) or (dtype is not None and DType.of(array.dtype) is not dtype):
            wanted = dtype.value if dtype is not None else "a number"
            raise CnnirError(
                "operand-dtype", f"its {name} has no fitting element type", expected=wanted, got=array.dtype
            )
        return number

    def ints_anywhere(self, index: int, name: str, since: int) -> tuple[int, ...] | None:
        """Ints that are an attribute in old opsets and an operand since some version."""
        return self.attributes.integers(name) if self.opset < since else self.int_setting(index, name)

    def drop_output(self, index: int, name: str) -> None:
        """Leave out an output that our op does not have; possible when nobody reads it."""
        if index < len(self.outputs):
            if any(output in self.read_outputs for output in self.outputs[index:]):
                raise Unmapped(f"its output {name} is read")
            self.metadata[OUTPUT_NAME + name] = self.outputs[index]
            del self.outputs[index:]

    def finish(self) -> None:
        """Nothing may be left that was not understood."""
        if self.attributes.left:
            raise Unmapped(f"its attribute {self.attributes.left[0]} is not defined here")
        if any(not output for output in self.outputs):
            raise Unmapped("an output in the middle is absent")


class Target(Protocol):
    """Where nodes are written to."""

    @property
    def opset(self) -> int:
        """Version of ONNX's own operator set that is written."""
        ...

    @property
    def graph_inputs(self) -> Sequence[Value]:
        """The inputs of the graph: they are there in front of every node."""
        ...

    def name(self, value: Value | None) -> str:
        """The name under which a value is written; empty for an absent operand."""
        ...

    def constant(self, node: Node, key: str, contents: AnyArray) -> str:
        """The name of a constant for the operand `key` of a node, made when it is not there yet."""
        ...

    def temporary(self, node: Node, key: str, type_: Type) -> str:
        """A name for a value that only the written form has."""
        ...

    def once(self, key: Hashable, make: Callable[[], str]) -> str:
        """The name of what is made for that key: made when it is first asked for, in front of the node at hand."""
        ...

    def declare(self, name: str, type_: Type) -> None:
        """Write down the type of such a value, where its name is given."""
        ...

    def emit(self, node: Node, op_type: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """Write a node; attributes that are None are left out."""
        ...

    def assist(
        self, node: Node, op_type: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any
    ) -> None:
        """Write what works for a node that is still to come, under a name of its own."""
        ...


Read: TypeAlias = tuple[Op, Sequence[Operand | None]]
"""An op and its operands."""

Reader: TypeAlias = Callable[[Source], Read]
Writer: TypeAlias = Callable[[Target, Node, Any], None]

readers: dict[str, Reader] = {}
"""For each ONNX op type that we define, how it is read."""

writers: RuleTable[Writer] = RuleTable("ONNX mapping")

_OTHER_NAMES: Mapping[str, str] = {"TrainingBatchNormalization": "BatchNormalization"}


def onnx_name(kind: str) -> str:
    """ONNX's name of one of our ops: its own, but where ONNX tells two apart by an attribute."""
    return _OTHER_NAMES.get(kind, kind)


def read_node(source: Source) -> Read:
    """The op that a node says, and its operands.

    Raises:
        Unmapped: What cannot be said in our ops; the text says why.
        CnnirError: For a node that contradicts itself.
    """
    reader = readers.get(source.proto.op_type)
    if reader is None:
        raise Unmapped("the op is not defined here")
    op, operands = reader(source)
    source.finish()
    if len(source.outputs) != op.num_outputs:
        raise Unmapped("it has other outputs")
    _check_modes(op, operands)
    return op, operands


def _check_modes(op: Op, operands: Sequence[Operand | None]) -> None:
    """Attributes that only the op can judge: a mode that it does not define makes the node opaque."""
    try:
        infer(op, list(operands))
    except CnnirError as error:
        if error.code.endswith("-mode"):
            raise Unmapped(error.message) from None


def reads(*op_types: str) -> Callable[[Reader], Reader]:
    """Decorator: the reader of these ONNX op types."""

    def register(reader: Reader) -> Reader:
        readers.update(dict.fromkeys(op_types, reader))
        return reader

    return register


def write_plain(target: Target, node: Node, op_type: str, **attributes: Any) -> None:
    """Write a node whose operands and outputs are the op's own."""
    inputs = [target.name(value) for value in node.inputs]
    target.emit(node, op_type, inputs, [target.name(value) for value in node.outputs], **attributes)


def write_with_settings(target: Target, node: Node, op_type: str, settings: Sequence[str], **attributes: Any) -> None:
    """Write a node with one operand and the names of constants behind it."""
    inputs = [target.name(node.inputs[0]), *settings]
    while inputs and not inputs[-1]:
        inputs.pop()
    target.emit(node, op_type, inputs, [target.name(value) for value in node.outputs], **attributes)


def require_opset(target: Target, node: Node, least: int) -> None:
    """Refuse to write an op into an operator set that lacks it.

    Raises:
        CnnirError: ``opset``.
    """
    if target.opset < least:
        raise CnnirError(
            "opset", f"{node.op.kind} cannot be said in this opset", node=node.label, expected=f"at least {least}",
            got=target.opset, hint="export with a later opset",
        )  # fmt: skip


def require_types(node: Node, opset: int) -> None:
    """Refuse to write a node whose element types the operator set does not take.

    Raises:
        CnnirError: ``opset``.
    """
    try:
        schema = defs.get_schema(onnx_name(node.op.kind), opset, "")
    except defs.SchemaError:  # written under another name
        return
    operands = zip(node.inputs, itertools.chain(schema.inputs, itertools.repeat(schema.inputs[-1])), strict=False)
    for value, formal in (*operands, *zip(node.outputs, schema.outputs, strict=False)):
        if value is None or not isinstance(value.type, TensorType):
            continue
        name = TensorProto.DataType.Name(CODES[value.type.dtype]).lower()
        if f"tensor({name})" not in formal.types:
            raise CnnirError(
                "opset", f"in this opset the op does not take the element type of {value.name}", node=node.label,
                expected=" or ".join(sorted(formal.types)), got=name, hint="export with a later opset",
            )  # fmt: skip


def integers_of(array: AnyArray, name: str) -> tuple[int, ...]:
    """A setting's contents as ints.

    Raises:
        CnnirError: ``operand-dtype``.
    """
    if array.dtype.kind not in "iu":
        raise CnnirError("operand-dtype", f"its {name} are no integers", got=str(array.dtype))
    return tuple(int(item) for item in array.reshape(-1))


def int64(values: Sequence[int]) -> AnyArray:
    """A constant of int64."""
    try:
        return np.asarray(values, np.int64).reshape(len(values))
    except OverflowError:
        raise Unmapped(f"a number is larger than the format holds: {max(values, key=abs)}") from None


def known_dims(dims: tuple[Dim, ...], what: str) -> list[int]:
    """The dims as numbers.

    Raises:
        Unmapped: When one is open.
    """
    known = [dim for dim in dims if is_known(dim)]
    if len(known) != len(dims):
        raise Unmapped(f"{what} with symbolic dims cannot be written")
    return known


def each_once(axes: Sequence[int], rank: int) -> list[int]:
    """The axes counted from the front.

    Raises:
        CnnirError: ``axis`` when one is outside the rank, or given twice.
    """
    found = [normalize_axis(axis, rank) for axis in axes]
    if len(set(found)) != len(found):
        raise CnnirError("axis", "an axis is given twice", got=list(axes))
    return found
