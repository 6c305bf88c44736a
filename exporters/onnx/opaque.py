"""Opaque nodes: their types by onnx's own inference, their values by its reference implementation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto, ValueInfoProto, helper, shape_inference

from cnnir.dims import UNKNOWN, Dim, format_dim, is_known, symbols
from cnnir.errors import CnnirError
from cnnir.exporters.onnx.bodies import body_domains, body_names, captured_names
from cnnir.exporters.onnx.mapping import OPERAND_NAME, Operand, Pending, Unmapped, read_node, readers
from cnnir.exporters.onnx.mapping import Source as NodeSource
from cnnir.exporters.onnx.tensors import tensor_from_weight
from cnnir.exporters.onnx.types import type_from_proto, value_info
from cnnir.graph import Value
from cnnir.ops.base import Source
from cnnir.ops.opaque import Definition, Hooks, Opaque, Setting, register_hooks
from cnnir.types import DType, TensorType, Type, UnknownType
from cnnir.weights import AnyArray, Array, Weight

_SMALL = 4096
"""Elements up to which a constant operand is shown to inference; larger ones are weights, never shapes."""


def register() -> None:
    """Let onnx infer and evaluate opaque nodes, and our mapping define them."""
    register_hooks(Hooks(infer, evaluate, define, settings))


def node_of(op: Opaque, inputs: Sequence[str], outputs: Sequence[str], name: str = "") -> NodeProto:
    """The ONNX node of an opaque op; captured operands stand at the end of `inputs` and are left out."""
    node: NodeProto = NodeProto.FromString(op.attributes)
    node.op_type = op.op_type
    # What is empty stays unset, as it came.
    for part, text in (("domain", op.domain), ("name", name), ("overload", node.overload)):
        node.ClearField(part)
        if text:
            setattr(node, part, text)
    node.input.extend(inputs[: len(inputs) - op.captures] if op.captures else inputs)
    given = iter(outputs)
    node.output.extend(next(given) if present else "" for present in op.present)
    return node


_inferred: dict[object, tuple[Type, ...]] = {}
"""What came out for an op on such operands before: exporters write the same few nodes around every layer."""

_MOST_INFERRED = 1 << 12


def infer(op: Opaque, sources: tuple[Source | None, ...]) -> tuple[Type, ...]:
    """Types of the present outputs by ``onnx.shape_inference`` on a model of this one node."""
    seen = op, tuple(_seen(source) for source in sources)
    found = _inferred.get(seen)
    if found is None:
        if len(_inferred) >= _MOST_INFERRED:
            _inferred.clear()
        found = _inferred[seen] = _infer(op, sources)
    return found


def _seen(source: Source | None) -> object:
    """All that inference sees of an operand."""
    if source is None:
        return None
    weight = source.weight
    if weight is None or not _is_small(weight):
        return source.type
    array = weight.array()
    return source.type, tuple(array.reshape(-1).tolist()) if weight.dtype is DType.STRING else array.tobytes()


def _is_small(weight: Weight) -> bool:
    return bool(np.prod(weight.shape, dtype=object) <= _SMALL)


def _infer(op: Opaque, sources: tuple[Source | None, ...]) -> tuple[Type, ...]:
    unknown: tuple[Type, ...] = tuple(UnknownType() for _ in range(op.num_outputs))
    known = {name for source in sources if source is not None for name in _symbols(source.type)}
    try:
        names = _Names.of(op, sources)
        inferred = shape_inference.infer_shapes(_model(op, sources, names), data_prop=_are_short(sources))
    except (
        DecodeError,
        RuntimeError,
        ValueError,
        TypeError,
        MemoryError,
        shape_inference.InferenceError,
        onnx.checker.ValidationError,
    ):  # fmt: skip  onnx makes room for as many dims as a number in the file says
        return unknown
    found = {info.name: info.type for info in inferred.graph.value_info} | {
        info.name: info.type for info in inferred.graph.output if info.type.WhichOneof("value")
    }
    return tuple(
        _without_new_symbols(type_from_proto(found[name], op.kind), known) if name in found else UnknownType()
        for name in names.outputs
    )


def _are_short(sources: Sequence[Source | None]) -> bool:
    """Whether no vector is long: onnx makes room for a dim for each element when it follows shapes through a node."""
    types = [source.type for source in sources if source is not None]
    vectors = [type_.shape[0] for type_ in types if isinstance(type_, TensorType) and type_.rank == 1]
    return all(size <= _SMALL for size in vectors if is_known(size))


def evaluate(op: Opaque, arrays: Sequence[AnyArray | None]) -> list[AnyArray]:
    """Values of the present outputs by ``onnx.reference``.

    Raises:
        CnnirError: ``opaque-evaluation`` when it cannot compute the op.
    """
    # Slow to import, and seldom needed.
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415

    from cnnir.exporters.onnx.control import CORRECTED, SUCCESSORS  # noqa: PLC0415

    if op.domain == "" and op.op_type in SUCCESSORS:
        op_type, version = SUCCESSORS[op.op_type]
        op = replace(op, op_type=op_type, version=version)
    sources = [None if array is None else _Given(array) for array in arrays]
    try:
        names = _Names.of(op, sources)
        pairs = zip(names.inputs, arrays, strict=True)
        feeds = {name: array for name, array in pairs if array is not None}
        model = _model(op, sources, names, constants=False)
        # Infinities and NaN are values like others, and no reason to warn.
        with np.errstate(all="ignore"):
            found = ReferenceEvaluator(model, new_ops=list(CORRECTED)).run(None, feeds)
    except Exception as error:  # noqa: BLE001  whatever the reference raises, the op could not be computed
        raise CnnirError(
            "opaque-evaluation", f"onnx's reference implementation cannot compute {op.kind}", got=error
        ) from None
    return [_unwrapped(value) for value in found]


def _unwrapped(value: Any) -> AnyArray:
    """A sequence as a list; an optional sequence, which the reference wraps once more, as the sequence that it is."""
    if isinstance(value, list):
        found = value[0] if len(value) == 1 and isinstance(value[0], list) else value
        return cast("AnyArray", found)
    return np.asarray(value)


class _Given:
    """An operand with its contents at hand."""

    def __init__(self, array: AnyArray) -> None:
        self.weight = Array.of(np.asarray(array)) if not isinstance(array, list) else None
        self.type: Type = self.weight.type if self.weight is not None else UnknownType()


def define(op: Opaque, sources: tuple[Source | None, ...], read: tuple[bool, ...]) -> Definition | str:
    """Read the node again: what kept it opaque may be known by now (a shape that was computed, say)."""
    if op.domain or op.captures or op.op_type not in readers:
        return op.reason
    operands = tuple(_operand(index, source) for index, source in enumerate(sources))
    if any(operand is None and source is not None for operand, source in zip(operands, sources, strict=True)):
        return op.reason
    outputs = [f"output_{index}" for index in range(op.num_outputs)]
    names = [operand.name if operand is not None else "" for operand in operands]
    read_names = frozenset(name for name, is_read in zip(outputs, read, strict=True) if is_read)
    source = NodeSource(node_of(op, names, outputs), op.version, operands, list(outputs), read_names)
    try:
        ours, chosen = read_node(source)
    except Unmapped as unmapped:
        return str(unmapped)
    places = {id(operand): index for index, operand in enumerate(operands)}
    found = tuple(None if operand is None else places[id(operand)] for operand in chosen)
    kept = {key: text for key, text in source.metadata.items() if key.startswith(OPERAND_NAME)}
    return Definition(ours, found, kept)


def _operand(index: int, source: Source | None) -> Operand | None:
    """A value of a graph as it is; an array at hand is as good as a weight."""
    if source is None or isinstance(source, Value):
        return source
    return Pending(f"operand_{index}", source.weight) if source.weight is not None else None


def settings(op: Opaque) -> Mapping[str, Setting]:
    """The attributes that are numbers, texts or lists of them."""
    found: dict[str, Setting] = {}
    for attribute in NodeProto.FromString(op.attributes).attribute:
        value = helper.get_attribute_value(attribute)
        several = list(value) if isinstance(value, Sequence) and not isinstance(value, bytes) else [value]
        texts = (item.decode(errors="replace") if isinstance(item, bytes) else item for item in several)
        items = tuple(item for item in texts if isinstance(item, int | float | str))
        if len(items) == len(several):
            found[attribute.name] = items[0] if several == [value] else items
    return found


@dataclass(frozen=True, slots=True)
class _Names:
    """Names in a model of one node: captured operands keep those that the subgraphs use, the others get free ones."""

    inputs: list[str]
    outputs: list[str]

    @classmethod
    def of(cls, op: Opaque, sources: Sequence[object | None]) -> "_Names":
        node = NodeProto.FromString(op.attributes)
        used, mark = body_names(node), ""
        while any(name.startswith((f"{mark}input_", f"{mark}output_")) for name in used):
            mark += "_"
        own = [f"{mark}input_{index}" if source is not None else "" for index, source in enumerate(sources)]
        captured = captured_names(node) if op.captures else ()
        outputs = [f"{mark}output_{index}" for index in range(op.num_outputs)]
        return cls([*own[: len(own) - len(captured)], *captured], outputs)


def _model(op: Opaque, sources: Sequence[Source | None], names: _Names, *, constants: bool = True) -> ModelProto:
    inputs, initializers = [], []
    for name, source in zip(names.inputs, sources, strict=True):
        if source is None:
            continue
        weight = source.weight
        if constants and weight is not None and _is_small(weight):
            initializers.append(tensor_from_weight(name, weight))
            continue
        inputs.append(value_info(name, source.type))
    outputs = [ValueInfoProto(name=name) for name in names.outputs]
    graph = helper.make_graph([node_of(op, names.inputs, names.outputs)], "opaque", inputs, outputs, initializers)
    # What bodies hold of other domains is not looked at, and yet the checker wants to hear of it.
    imports = {**dict.fromkeys(body_domains(NodeProto.FromString(op.attributes)), 1), op.domain: op.version}
    imports.setdefault("", op.version if op.domain == "" else onnx.defs.onnx_opset_version())
    opsets = [helper.make_opsetid(domain, version) for domain, version in imports.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=min(onnx.IR_VERSION, 10))


def _symbols(type_: Type) -> frozenset[str]:
    if not isinstance(type_, TensorType):
        return frozenset()
    return frozenset().union(*(symbols(dim) | {format_dim(dim)} for dim in type_.shape)) if type_.shape else frozenset()


def _without_new_symbols(type_: Type, known: set[str]) -> Type:
    """A name that inference made up says nothing, so the dim is unknown."""
    if not isinstance(type_, TensorType):
        return type_

    def kept(dim: Dim) -> Dim:
        return dim if symbols(dim) <= known else UNKNOWN

    return type_.with_shape(tuple(kept(dim) for dim in type_.shape))
