"""From a graph to an ONNX model."""

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import (
    AttributeProto,
    ModelProto,
    NodeProto,
    StringStringEntryProto,
    TensorProto,
    ValueInfoProto,
    helper,
)

from cnnir.errors import CnnirError
from cnnir.exporters.onnx.bodies import body_names, captured_names, rename_captured, rename_inner
from cnnir.exporters.onnx.carried import put_back
from cnnir.exporters.onnx.conversion import changed_kind, converted
from cnnir.exporters.onnx.mapping import OPERAND_NAME, Unmapped, require_types, writers
from cnnir.exporters.onnx.opaque import node_of
from cnnir.exporters.onnx.tensors import header, raw_size, tensor_from_weight
from cnnir.exporters.onnx.types import CODES, value_info
from cnnir.graph import Graph, Node, Value
from cnnir.names import reserve, wishes
from cnnir.ops import Opaque
from cnnir.types import DType, Type
from cnnir.weights import AnyArray, Array, Fill, Weight

_LARGE = 1024
"""Bytes from which on a weight may be kept apart from its model."""

_LONGEST_LIST = 4096
"""Elements up to which a list of integers may say a shape, axes, or how many."""

_FILLED = (DType.FLOAT16, DType.FLOAT32, DType.FLOAT64, DType.BOOL)
"""Element types, beside the integers of a byte or more, that ConstantOfShape makes in every opset that has it."""


class Writer:
    """A `Target` of the mapping.

    Attributes:
        apart: With ``keep_apart``, the large weights, by name: the model has their types and not their contents.
        origins: For each node of the model the graph's node that it says, or says a part of, by names.
    """

    def __init__(
        self,
        graph: Graph,
        opset: int | None = None,
        ir_version: int | None = None,
        *,
        keep_apart: bool = False,
        convert: bool = False,
    ) -> None:
        self.graph = graph
        self.keep_apart, self.convert = keep_apart, convert
        self.apart: dict[str, Weight] = {}
        self.origins: dict[str, str] = {}
        self.source_opset = graph.provenance.opsets.get("", onnx.defs.onnx_opset_version())
        self.opsets = dict(graph.provenance.opsets)
        self.opsets.setdefault("", onnx.defs.onnx_opset_version())
        self.opset = self.opsets[""] if opset is None else opset
        if not 7 <= self.opset <= onnx.defs.onnx_opset_version():
            raise CnnirError(
                "opset", "no such opset", expected=f"7 to {onnx.defs.onnx_opset_version()}", got=self.opset
            )
        self.opsets[""] = self.opset
        self.ir_version = self._ir_version(ir_version, raised=opset is not None)
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}
        self.shared: dict[Hashable, str] = {}
        self.taken = {value.name for value in graph.values}
        for node in graph.nodes:
            if isinstance(node.op, Opaque):
                self.taken |= body_names(NodeProto.FromString(node.op.attributes))
        self.node_names = {node.name for node in graph.nodes}
        self.written: set[str] = set()
        self.declared: dict[str, Type] = {}

    def _ir_version(self, wanted: int | None, *, raised: bool) -> int:
        """The graph's own; where the opset is raised, at least the one that came with it; or the one that is wanted.

        Raises:
            CnnirError: ``ir-version`` for one that is not known, or too old for the opset.
        """
        own = self.graph.provenance.ir_version
        if raised:
            opsets = [helper.make_opsetid("", self.opset)]
            own = max(own, helper.find_min_ir_version_for(opsets, ignore_unknown=True))
        if wanted is None:
            return own
        # A file may claim less than its opset needs, as many old ones do; asked for, that is refused.
        needed = helper.find_min_ir_version_for([helper.make_opsetid("", self.opset)], ignore_unknown=True)
        least = min(own, needed)
        if not least <= wanted <= onnx.IR_VERSION:
            raise CnnirError(
                "ir-version", f"no version of the format that holds opset {self.opset}", got=wanted,
                expected=f"{least} to {onnx.IR_VERSION}",
            )  # fmt: skip
        return wanted

    def model(self) -> ModelProto:
        for value in _in_order_of_use(self.graph):
            self._weight(value)
        for node in self.graph.nodes:
            before = len(self.nodes)
            self._node(node)
            self.origins.update((proto.name, node.name) for proto in self.nodes[before:])
        source = self.graph.provenance
        body = helper.make_graph(
            # The format wants a name; a graph without one is refused by its checker.
            self.nodes,
            self.graph.name or "graph",
            self._inputs(),
            [value_info(value.name, value.type) for value in self.graph.outputs],
        )
        body.initializer.extend(self.initializers.values())
        for value in (value for node in self.graph.nodes for value in node.outputs):
            self.declare(value.name, value.type)
        for value in self.graph.outputs:
            self.declared.pop(value.name, None)
        infos = (value_info(name, type_) for name, type_ in self.declared.items())
        body.value_info.extend(info for info in infos if info.HasField("type"))
        model = ModelProto(ir_version=self.ir_version, graph=body)
        model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in self.opsets.items())
        for name, text in source.fields.items():
            if name == "graph_doc_string":
                model.graph.doc_string = text
            else:
                setattr(model, name, int(text) if name == "model_version" else text)
        model.metadata_props.extend(
            StringStringEntryProto(key=key, value=text) for key, text in source.metadata.items()
        )
        put_back(model, source.extras)
        return model

    # What the mapping writes to

    @property
    def graph_inputs(self) -> Sequence[Value]:
        return self.graph.inputs

    def name(self, value: Value | None) -> str:
        return "" if value is None else value.name

    def constant(self, node: Node, key: str, contents: AnyArray) -> str:
        wish = node.metadata.get(OPERAND_NAME + key, f"{node.name}.{key}")
        for name in wishes(wish):
            tensor = tensor_from_weight(name, Array.of(contents))
            known = self.initializers.get(name)
            # One constant may serve several nodes, as it did in the file that it came from.
            if (known is None and name not in self.taken) or known == tensor:
                self.taken.add(name)
                self.initializers[name] = tensor
                return name
        raise AssertionError  # the wishes have no end

    def temporary(self, node: Node, key: str, type_: Type) -> str:
        name = reserve(f"{node.name}.{key}", self.taken)
        self.declare(name, type_)
        return name

    def once(self, key: Hashable, make: Callable[[], str]) -> str:
        if key not in self.shared:
            self.shared[key] = make()
        return self.shared[key]

    def declare(self, name: str, type_: Type) -> None:
        self.declared[name] = type_

    def emit(self, node: Node, op_type: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        kept = list(inputs)
        while kept and not kept[-1]:
            kept.pop()
        # What takes several nodes to say: the first bears the name, runtimes refuse a second of the same.
        own = node.name if node.name not in self.written else reserve(node.name, self.node_names)
        self.written.add(own)
        self._append(node, _proto(op_type, kept, outputs, own, attributes))

    def assist(
        self, node: Node, op_type: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any
    ) -> None:
        name = reserve(f"{node.name}.{op_type.lower()}", self.node_names)
        self.nodes.append(_proto(op_type, inputs, outputs, name, attributes))

    def _append(self, node: Node, proto: NodeProto) -> None:
        for key, text in node.metadata.items():
            if key == "onnx.doc_string":
                proto.doc_string = text
            elif key.startswith("onnx."):
                proto.metadata_props.add(key=key.removeprefix("onnx."), value=text)
        self.nodes.append(proto)

    # Parts

    def _node(self, node: Node) -> None:
        if isinstance(node.op, Opaque):
            self._opaque(node, node.op)
            return
        if self.opset != self.graph.provenance.opsets.get(""):
            require_types(node, self.opset)
        try:
            writers[type(node.op)](self, node, node.op)
        except Unmapped as unmapped:
            raise CnnirError("onnx-form", str(unmapped), node=node.label) from None

    def _opaque(self, node: Node, op: Opaque) -> None:
        target = self.opsets.get(op.domain, op.version)
        if op.domain and target != op.version:
            raise CnnirError(
                "opset", "a domain whose ops are not defined here has another version", node=node.label,
                expected=f"{op.domain} {op.version}", got=target,
            )  # fmt: skip
        self.opsets.setdefault(op.domain, op.version)
        names = [self.name(value) for value in node.inputs]
        proto = node_of(op, names, [value.name for value in node.outputs], node.name)
        if op.captures:
            captured = captured_names(proto)
            renamed = dict(zip(captured, names[-op.captures :], strict=True))
            hidden = body_names(proto).difference(captured).intersection(renamed.values())
            rename_inner(proto, {name: reserve(name, self.taken) for name in sorted(hidden)})
            rename_captured(proto, renamed)
        written_in = self.source_opset if op.domain else op.version
        changed = changed_kind(proto, written_in, self.opset)
        if changed is None:
            self._append(node, proto)
        elif self.convert:
            self._converted(node, proto, written_in)
        else:
            kept = f" ({changed} inside of it)" if changed != op.kind else ""
            raise CnnirError(
                "opset", f"an op that is not defined here changed its meaning between the opsets{kept}",
                node=node.label, expected=f"opset {written_in}", got=self.opset,
                hint="export with the model's own opset, or let onnx's converter try: load(path, opset=N), --convert",
            )  # fmt: skip

    def _converted(self, node: Node, proto: NodeProto, written_in: int) -> None:
        """The nodes that onnx's converter makes of one, under names of their own."""
        part = converted(proto, node, written_in, self.opset, self.opsets)
        outer = {*proto.input, *captured_names(proto), *proto.output}
        made = [name for child in part.node for name in child.output if name] + [one.name for one in part.initializer]
        names = {name: reserve(name, self.taken) for name in dict.fromkeys(made) if name not in outer}
        known = body_names(proto)
        for tensor in part.initializer:
            if tensor.name not in outer:
                tensor.name = names[tensor.name]
                self.initializers[tensor.name] = tensor
        for child in part.node:
            for place in (child.input, child.output):
                place[:] = [names.get(name, name) for name in place]
            inner = sorted(body_names(child) - known - outer - names.keys())
            rename_inner(child, {name: reserve(name, self.taken) for name in inner})
            rename_captured(child, names)
            if child.op_type == proto.op_type and child.domain == proto.domain:
                child.name = node.name
                self._append(node, child)
            else:
                child.name = reserve(f"{node.name}.{child.op_type.lower()}", self.node_names)
                self.nodes.append(child)

    def _weight(self, value: Value) -> None:
        weight = value.weight
        if isinstance(weight, Fill) and self.opset >= 9 and (weight.dtype in _FILLED or _plain_integer(weight.dtype)):
            shape = reserve(f"{value.name}.shape", self.taken)
            self.initializers[shape] = tensor_from_weight(shape, Array.of(np.asarray(weight.shape, np.int64)))
            element = TensorProto(data_type=CODES[weight.dtype], dims=[1])
            element.raw_data = np.asarray([weight.value], weight.dtype.numpy).tobytes()
            proto = NodeProto(op_type="ConstantOfShape", input=[shape], output=[value.name])
            proto.name = reserve(value.name, self.node_names)
            proto.attribute.append(helper.make_attribute("value", element))
            self.nodes.append(proto)
            self.declare(value.name, value.type)
        elif weight is not None and self.keep_apart and _may_lie_apart(weight):
            self.apart[value.name] = weight
            self.initializers[value.name] = header(value.name, weight)
        elif weight is not None:
            self.initializers[value.name] = tensor_from_weight(value.name, weight)

    def _inputs(self) -> list[ValueInfoProto]:
        inputs = [value_info(value.name, value.type) for value in self.graph.inputs]
        # Before IR 4 every initializer is an input as well; later, those that the caller may override are.
        listed = self.initializers if self.ir_version < 4 else [
            name for name in self.graph.provenance.listed if name in self.initializers
        ]  # fmt: skip
        return inputs + [
            helper.make_tensor_value_info(name, self.initializers[name].data_type, list(self.initializers[name].dims))
            for name in listed
        ]


def _in_order_of_use(graph: Graph) -> Iterator[Value]:
    """The weights in the order in which a reader of the file meets them, whenever a pass has made them."""
    read = [value for node in graph.nodes for value in node.operands]
    for value in dict.fromkeys([*read, *graph.outputs, *graph.weights]):
        if value.weight is not None:
            yield value


def _proto(
    op_type: str, inputs: Sequence[str], outputs: Sequence[str], name: str, attributes: Mapping[str, Any]
) -> NodeProto:
    proto = NodeProto(op_type=op_type, input=inputs, output=outputs, name=name)
    for key, value in attributes.items():
        if value is not None:
            empty = AttributeProto.INTS if value == () else None
            proto.attribute.append(helper.make_attribute(key, value, attr_type=empty))
    return proto


def _may_lie_apart(weight: Weight) -> bool:
    """False for small weights, and for lists of integers: what says shapes has to be at hand for who infers them."""
    is_list = weight.dtype.is_integer and len(weight.shape) <= 1 and math.prod(weight.shape) <= _LONGEST_LIST
    return not is_list and (raw_size(weight) or 0) >= _LARGE


def _plain_integer(dtype: DType) -> bool:
    return dtype.is_integer and dtype.bits is not None and dtype.bits >= 8
