"""From an ONNX model to a graph."""

import contextlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import onnx
from onnx import ModelProto, NodeProto, TypeProto
from onnx.inliner import inline_local_functions

from cnnir.errors import CnnirError
from cnnir.exporters.onnx.bodies import STANDARD, captured_names
from cnnir.exporters.onnx.carried import taken_along
from cnnir.exporters.onnx.conversion import OLDEST_OPSET
from cnnir.exporters.onnx.external import Place, external_tensors
from cnnir.exporters.onnx.folded import FOLDED, folded_weight
from cnnir.exporters.onnx.mapping import Operand, Pending, Source, Unmapped, read_node
from cnnir.exporters.onnx.order import executable_order
from cnnir.exporters.onnx.tensors import tensor_from_weight, weight_from_sparse, weight_from_tensor
from cnnir.exporters.onnx.text import require_text
from cnnir.exporters.onnx.types import type_from_proto
from cnnir.graph import Graph, Node, Provenance, Value
from cnnir.ops import Op, Opaque
from cnnir.types import SequenceType, TensorType, Type, UnknownType
from cnnir.weights import Weight

_RENAME = "every value of a graph has a name of its own; rename one of the two"
_CONVERT = "load(path, opset=17), or export --opset 17 --convert, converts it"
_DEFINE = "a node, an input or an initializer has to bear this name"

_NO_WEIGHTS: Mapping[str, Weight] = MappingProxyType({})


def read(model: ModelProto, folder: Path | Place | None = None, weights: Mapping[str, Weight] = _NO_WEIGHTS) -> Graph:
    """The graph of a model.

    Args:
        model: Left as it is.
        folder: Where external data lies; None when the model has none.
        weights: Taken in the place of the initializers of these names.

    Raises:
        CnnirError: ``opset``, ``graph-cycle``, ``name-taken``, ``value-undefined``, ``type-unknown``,
            ``external-data``, or from the inference of a node that contradicts itself.
    """
    graph = as_written(model, folder, weights)
    note_opaque(graph)
    return graph


def as_written(
    model: ModelProto, folder: Path | Place | None = None, weights: Mapping[str, Weight] = _NO_WEIGHTS
) -> Graph:
    """The graph of a model without notes on its opaque nodes; see `read`."""
    if not model.opset_import:
        raise CnnirError(
            "model-syntax", "the model does not say which opset it is written in", got="no opset_import",
            hint="export it again, or add an opset_import",
        )  # fmt: skip
    require_text(model)
    if model.functions:
        model = _inlined(model)
    place = Place(folder, folder) if isinstance(folder, Path) else folder
    return _Reader(model, place, weights).graph


def note_opaque(graph: Graph) -> None:
    """Note how many nodes are opaque, and why."""
    reasons = Counter(f"{node.op.kind}: {node.op.reason}" for node in graph.nodes if isinstance(node.op, Opaque))
    graph.notes += [f"{count} opaque {line}" for line, count in reasons.items()]


def _inlined(model: ModelProto) -> ModelProto:
    """The model with its local functions put in place; those that cannot be are carried along with their calls."""
    # What the inliner and the version converter raise is not documented.
    with contextlib.suppress(Exception):
        return inline_local_functions(model, convert_version=True)
    with contextlib.suppress(Exception):
        return inline_local_functions(model)
    return model


class _Reader:
    def __init__(self, model: ModelProto, place: Place | None, given: Mapping[str, Weight]) -> None:
        self.proto = model.graph
        self.place = place
        self.given = given
        self.graph = Graph(model.graph.name)
        self.opsets = _opsets(model)
        self.weights: dict[str, Weight] = {}
        self.values: dict[str, Value] = {}
        self.declared: dict[str, TypeProto] = {
            info.name: info.type for info in (*self.proto.value_info, *self.proto.output) if info.HasField("type")
        }
        self.stale: list[str] = []
        self.renamed: list[str] = []
        self.listed: list[str] = []
        self._provenance(model)
        self._interface(model.ir_version)
        nodes = [self._whole(node) for node in executable_order(self.proto, self.graph.notes)]
        self.read_names = frozenset(
            [name for node in nodes for name in (*node.input, *captured_names(node))]
            + [output.name for output in self.proto.output]
        )
        for node in nodes:
            self._node(node)
        self.graph.provenance.listed = tuple(name for name in self.listed if name in self.values)
        self.graph.set_outputs(self._value(output.name, "an output of the graph") for output in self.proto.output)
        self._notes()

    # Model and interface

    def _provenance(self, model: ModelProto) -> None:
        newest = onnx.defs.onnx_opset_version()
        if not OLDEST_OPSET <= (opset := self.opsets.get("", OLDEST_OPSET)) <= newest:
            old = opset < OLDEST_OPSET
            raise CnnirError(
                "opset", f"the model's opset is {'too old' if old else 'newer than the installed onnx knows'}",
                node="ai.onnx", expected=f"{OLDEST_OPSET} to {newest}", got=opset,
                hint=_CONVERT if old else "install a newer onnx; what its ops mean is not known here",
            )  # fmt: skip
        fields = ("producer_name", "producer_version", "domain", "doc_string")
        found = {name: str(getattr(model, name)) for name in fields if getattr(model, name)}
        if model.model_version:
            found["model_version"] = str(model.model_version)
        if model.graph.doc_string:
            found["graph_doc_string"] = model.graph.doc_string
        self.graph.provenance = Provenance(
            ir_version=model.ir_version,
            opsets=dict(self.opsets),
            fields=found,
            metadata={entry.key: entry.value for entry in model.metadata_props},
            extras=taken_along(model),
        )

    def _interface(self, ir_version: int) -> None:
        for tensor in self.proto.initializer:
            given = self.given.get(tensor.name)
            self._new_weight(tensor.name, given if given is not None else weight_from_tensor(tensor, self.place))
        for sparse in self.proto.sparse_initializer:
            self._new_weight(sparse.values.name, weight_from_sparse(sparse, self.place))
        for info in self.proto.input:
            if info.name in self.weights:
                # Before IR 4 the format demands that all are listed: that says nothing.
                self.listed += [info.name] if ir_version >= 4 else []
                continue
            if not info.name or info.name in self.values:
                raise CnnirError("name-taken", "two inputs of one name, or one without", got=info.name, hint=_RENAME)
            self.values[info.name] = self.graph.add_input(info.name, type_from_proto(info.type, info.name))

    def _new_weight(self, name: str, weight: Weight) -> None:
        if name in self.weights or name in self.values:
            raise CnnirError("name-taken", "a second value of one name", node=name, got=name, hint=_RENAME)
        self.weights[name] = weight

    def _value(self, name: str, reader: str) -> Value:
        """The value of that name; a weight enters the graph when it is first asked for."""
        value = self.values.get(name)
        if value is None:
            weight = self.weights.get(name)
            if weight is None:
                raise CnnirError(
                    "value-undefined", f"{name!r} is read but nothing defines it", node=reader, hint=_DEFINE
                )
            value = self.values[name] = self.graph.add_weight(name, weight)
        return value

    # Nodes

    def _whole(self, proto: NodeProto) -> NodeProto:
        """The node with all its tensors in it: what is carried along has to mean the same in another folder."""
        if (proto.op_type == "Constant" and proto.domain in STANDARD) or not any(external_tensors(proto)):
            return proto
        whole = NodeProto()
        whole.CopyFrom(proto)
        for tensor in external_tensors(whole):
            tensor.CopyFrom(tensor_from_weight(tensor.name, weight_from_tensor(tensor, self.place)))
        return whole

    def _node(self, proto: NodeProto) -> None:
        label = f"{proto.name or (proto.output[0] if proto.output else '?')} ({proto.op_type})"
        try:
            self._check_names(proto)
            weight = self._folded(proto)
            if weight is not None:
                self.weights[proto.output[0]] = weight
                return
            op, operands, outputs, metadata = self._mapped(proto, label)
        except CnnirError as error:
            raise error.at(label) from None
        node = self.graph.add_node(
            op, [self._operand(operand, label) for operand in operands], name=proto.name or None, outputs=outputs,
            metadata=metadata,
        )  # fmt: skip
        if proto.name and node.name != proto.name:
            self.renamed.append(proto.name)
        for value in node.outputs:
            self.values[value.name] = value
            self._declare(node, value)

    def _check_names(self, proto: NodeProto) -> None:
        for name in filter(None, proto.output):
            if name in self.values or name in self.weights:
                raise CnnirError("name-taken", "a second value of one name", got=name, hint=_RENAME)
        for name in filter(None, proto.input):
            if name not in self.values and name not in self.weights:
                raise CnnirError("value-undefined", f"{name!r} is read but nothing defines it", hint=_DEFINE)

    def _operand(self, operand: Operand | None, label: str) -> Value | None:
        return self._value(operand.name, label) if operand is not None else None

    def _mapped(self, proto: NodeProto, label: str) -> tuple[Op, list[Operand | None], list[str], dict[str, str]]:
        outputs = list(proto.output)
        while outputs and not outputs[-1]:
            outputs.pop()
        kept = _kept_metadata(proto)
        domain = _domain(proto.domain)
        reason = "its domain is not known here"
        if domain == "":
            source = self._source_node(proto, list(outputs))
            try:
                op, operands = read_node(source)
            except Unmapped as unmapped:
                reason = str(unmapped)
            else:
                return op, list(operands), source.outputs, {**kept, **source.metadata}
        if domain not in self.opsets:
            raise CnnirError("opset", f"no opset is declared for the domain {domain!r}", node=label)
        captured = captured_names(proto)
        bare = NodeProto(attribute=proto.attribute, overload=proto.overload)
        opaque = Opaque(
            domain, proto.op_type, self.opsets[domain], bare.SerializeToString(deterministic=True),
            tuple(bool(name) for name in outputs), len(captured), reason,
        )  # fmt: skip
        own = [self._source(name) for name in (*proto.input, *captured)]
        return opaque, own, [name for name in outputs if name], kept

    def _sources(self, proto: NodeProto) -> tuple[Operand | None, ...]:
        found = [self._source(name) for name in proto.input]
        while found and found[-1] is None:
            found.pop()
        return tuple(found)

    def _source(self, name: str) -> Operand | None:
        if not name:
            return None
        if name in self.values:
            return self.values[name]
        return Pending(name, self.weights[name]) if name in self.weights else self._value(name, name)

    def _declare(self, node: Node, value: Value) -> None:
        """Use what the file says of a type that inference does not give; note where it says something else."""
        proto = self.declared.get(value.name)
        if isinstance(value.type, UnknownType):
            if proto is not None:
                value.type = type_from_proto(proto, value.name)
            known = all(not isinstance(operand.type, UnknownType) for operand in node.operands)
            if isinstance(node.op, Opaque) and known and value.type == UnknownType():
                raise CnnirError(
                    "type-unknown", f"neither ONNX nor the file gives output {value.name} a type", node=node.label,
                    hint="add its type to the model's value_info",
                )  # fmt: skip
        elif proto is not None and _contradicts(type_from_proto(proto, value.name), value.type):
            self.stale.append(value.name)

    def _folded(self, proto: NodeProto) -> Weight | None:
        """The weight that a node makes of nothing but weights, where that takes no computation."""
        if proto.domain not in STANDARD or proto.op_type not in FOLDED or len([*filter(None, proto.output)]) != 1:
            return None
        if not proto.output[0] or any(name not in self.weights for name in proto.input if name):
            return None
        if not set(self.listed).isdisjoint(proto.input):
            return None  # who gives another weight in its place wants another result
        return folded_weight(self._source_node(proto, list(proto.output)), self.place)

    def _source_node(self, proto: NodeProto, outputs: list[str]) -> Source:
        if "" not in self.opsets:
            raise CnnirError(
                "opset", "the model does not say which version of ONNX's own opset it uses", got=self.opsets,
                hint="add it to the model's opset_import",
            )  # fmt: skip
        return Source(proto, self.opsets[""], self._sources(proto), outputs, self.read_names)

    def _note(self, sentence: str, names: list[str]) -> None:
        self.graph.notes.append(f"{sentence}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}")

    def _notes(self) -> None:
        if self.stale:
            self._note(f"declared types of {len(self.stale)} values contradict inference and are left out", self.stale)
        if self.listed:
            self._note("inputs with a default value are taken as constants", self.listed)
        gone = [name for name in self.listed if name not in self.values]
        if gone:
            self._note("no inputs any more, since they steer a node or nothing reads them", gone)
        unread = [tensor.name for tensor in self.proto.initializer if tensor.name not in self.read_names]
        if unread:
            self._note(f"{len(unread)} weights that nothing reads are left out", unread)
        if self.renamed:
            self._note(f"{len(self.renamed)} nodes bear the name of another and got a number", self.renamed)


def _opsets(model: ModelProto) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in model.opset_import:
        domain = _domain(entry.domain)
        if found.setdefault(domain, entry.version) != entry.version:
            raise CnnirError(
                "opset",
                "two versions of one operator set",
                node=domain or "ai.onnx",
                got=[found[domain], entry.version],
            )
    return found


def _domain(domain: str) -> str:
    return "" if domain in STANDARD else domain


def _kept_metadata(proto: NodeProto) -> dict[str, str]:
    kept = {f"onnx.{entry.key}": entry.value for entry in proto.metadata_props}
    if proto.doc_string:
        kept["onnx.doc_string"] = proto.doc_string
    return kept


def _contradicts(declared: Type, inferred: Type) -> bool:
    """True when both say a number and the numbers differ, or ranks or element types do."""
    if isinstance(declared, UnknownType):
        return declared.dtype is not None and isinstance(inferred, TensorType) and declared.dtype is not inferred.dtype
    if isinstance(declared, TensorType) and isinstance(inferred, TensorType):
        pairs = zip(declared.shape, inferred.shape, strict=False)
        return (
            declared.dtype is not inferred.dtype
            or declared.rank != inferred.rank
            or any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in pairs)
        )
    return isinstance(declared, SequenceType) != isinstance(inferred, SequenceType)
