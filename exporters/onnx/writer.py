"""From a graph to an ONNX model."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import (
    AttributeProto,
    ModelProto,
    NodeProto,
    StringStringEntryProto,
    TensorAnnotation,
    TensorProto,
    TrainingInfoProto,
    ValueInfoProto,
    helper,
)

from cnnir.errors import CnnirError
from cnnir.exporters.onnx.bodies import captured_names, rename_captured
from cnnir.exporters.onnx.mapping import OPERAND_NAME, Unmapped, require_types, writers
from cnnir.exporters.onnx.opaque import node_of
from cnnir.exporters.onnx.tensors import tensor_from_weight
from cnnir.exporters.onnx.types import CODES, type_to_proto
from cnnir.files import write_files
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Opaque
from cnnir.types import DType, Type
from cnnir.weights import AnyArray, Fill, Weight

INLINE_LIMIT = 1_500_000_000
"""Bytes of weights up to which a model is one file; protobuf cannot hold 2 GiB."""

_FILLED = (DType.FLOAT16, DType.FLOAT32, DType.FLOAT64, DType.BOOL)
"""Element types, beside the integers of a byte or more, that ConstantOfShape makes in every opset that has it."""


def save(
    graph: Graph,
    path: str | Path,
    *,
    opset: int | None = None,
    ir_version: int | None = None,
    external: bool | None = None,
) -> None:
    """Write a graph as an ONNX file, beside the target first and then renamed.

    Args:
        graph: To be written.
        path: Of the model; external data goes to the same name with ``.data`` added.
        opset: Version of ONNX's own operator set; the graph's when None.
        ir_version: Version of the format; the graph's when None.
        external: Whether weights go to a file of their own; by their size when None.

    Raises:
        CnnirError: from `write`, or ``file-write``.
    """
    target = Path(path)
    model = write(graph, opset=opset, ir_version=ir_version)
    large = sum(len(tensor.raw_data) for tensor in model.graph.initializer) > INLINE_LIMIT
    if not (large if external is None else external):
        write_files({target: model.SerializeToString(deterministic=True)})
        return
    data = bytearray()
    for tensor in model.graph.initializer:
        if tensor.HasField("raw_data"):
            _externalize(tensor, f"{target.name}.data", data)
    write_files(
        {target.with_name(f"{target.name}.data"): bytes(data), target: model.SerializeToString(deterministic=True)}
    )


def _externalize(tensor: TensorProto, location: str, data: bytearray) -> None:
    # Mapped memory wants page boundaries only on some systems; 64 bytes are enough for every element type.
    data.extend(bytes(-len(data) % 64))
    offset, length = len(data), len(tensor.raw_data)
    data.extend(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)


def write(graph: Graph, *, opset: int | None = None, ir_version: int | None = None) -> ModelProto:
    """The ONNX model of a graph: names, opset and format version kept, a type for every tensor.

    Raises:
        CnnirError: ``opset`` when an op cannot be said in that version, ``onnx-form`` when it cannot be said at all.
    """
    return _Writer(graph, opset, ir_version).model()


class _Writer:
    """A `Target` of the mapping."""

    def __init__(self, graph: Graph, opset: int | None, ir_version: int | None) -> None:
        self.graph = graph
        self.opsets = dict(graph.provenance.opsets)
        self.opsets.setdefault("", onnx.defs.onnx_opset_version())
        self.opset = self.opsets[""] if opset is None else opset
        if not 7 <= self.opset <= onnx.defs.onnx_opset_version():
            raise CnnirError(
                "opset", "no such opset", expected=f"7 to {onnx.defs.onnx_opset_version()}", got=self.opset
            )
        self.opsets[""] = self.opset
        self.ir_version = ir_version if ir_version is not None else self._ir_version(raised=opset is not None)
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}
        self.taken = {value.name for value in graph.values}
        self.node_names = {node.name for node in graph.nodes}
        self.written: set[str] = set()
        self.declared: dict[str, Type] = {}

    def _ir_version(self, *, raised: bool) -> int:
        """The graph's own; where the opset is raised, at least the one that came with it."""
        if not raised:
            return self.graph.provenance.ir_version
        needed = helper.find_min_ir_version_for([helper.make_opsetid("", self.opset)], ignore_unknown=True)
        return max(self.graph.provenance.ir_version, needed)

    def model(self) -> ModelProto:
        for value in self.graph.weights:
            self._weight(value)
        for node in self.graph.nodes:
            self._node(node)
        source = self.graph.provenance
        body = helper.make_graph(
            self.nodes, self.graph.name, self._inputs(), [_info(value.name, value.type) for value in self.graph.outputs]
        )
        body.initializer.extend(self.initializers.values())
        for value in (value for node in self.graph.nodes for value in node.outputs):
            self.declare(value.name, value.type)
        for value in self.graph.outputs:
            self.declared.pop(value.name, None)
        infos = (_info(name, type_) for name, type_ in self.declared.items())
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
        for name, data in source.extras.items():
            _restore(model, name, data)
        return model

    # What the mapping writes to

    def name(self, value: Value | None) -> str:
        return "" if value is None else value.name

    def constant(self, node: Node, key: str, contents: AnyArray) -> str:
        wish = node.metadata.get(OPERAND_NAME + key, f"{node.name}.{key}")
        number, name = 0, wish
        while True:
            tensor = tensor_from_weight(name, _array(contents))
            known = self.initializers.get(name)
            # One constant may serve several nodes, as it did in the file that it came from.
            if (known is None and name not in self.taken) or known == tensor:
                self.initializers[name] = tensor
                return name
            number += 1
            name = f"{wish}_{number}"

    def temporary(self, node: Node, key: str, type_: Type) -> str:
        name, number = f"{node.name}.{key}", 0
        while name in self.taken or name in self.initializers:
            number += 1
            name = f"{node.name}.{key}_{number}"
        self.taken.add(name)
        self.declare(name, type_)
        return name

    def declare(self, name: str, type_: Type) -> None:
        self.declared[name] = type_

    def emit(self, node: Node, op_type: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        kept = list(inputs)
        while kept and not kept[-1]:
            kept.pop()
        # What takes several nodes to say: the first bears the name, runtimes refuse a second of the same.
        own = node.name if node.name not in self.written else self._node_name(node.name)
        self.written.add(own)
        proto = NodeProto(op_type=op_type, input=kept, output=outputs, name=own)
        for name, value in attributes.items():
            if value is not None:
                empty = AttributeProto.INTS if value == () else None
                proto.attribute.append(helper.make_attribute(name, value, attr_type=empty))
        self._append(node, proto)

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
        if target != op.version and not _same_meaning(op, target):
            raise CnnirError(
                "opset", "an op that is not defined here changed its meaning between the opsets", node=node.label,
                expected=f"opset {op.version}", got=target, hint="export with the model's own opset",
            )  # fmt: skip
        self.opsets.setdefault(op.domain, op.version)
        names = [self.name(value) for value in node.inputs]
        proto = node_of(op, names, [value.name for value in node.outputs], node.name)
        if op.captures:
            rename_captured(proto, dict(zip(captured_names(proto), names[-op.captures :], strict=True)))
        self._append(node, proto)

    def _weight(self, value: Value) -> None:
        weight = value.weight
        if isinstance(weight, Fill) and self.opset >= 9 and (weight.dtype in _FILLED or _plain_integer(weight.dtype)):
            shape = self._free(f"{value.name}.shape")
            self.initializers[shape] = tensor_from_weight(shape, _array(np.asarray(weight.shape, np.int64)))
            element = TensorProto(data_type=CODES[weight.dtype], dims=[1])
            element.raw_data = np.asarray([weight.value], weight.dtype.numpy).tobytes()
            proto = NodeProto(op_type="ConstantOfShape", input=[shape], output=[value.name])
            proto.name = self._node_name(value.name)
            proto.attribute.append(helper.make_attribute("value", element))
            self.nodes.append(proto)
            self.declare(value.name, value.type)
        elif weight is not None:
            self.initializers[value.name] = tensor_from_weight(value.name, weight)

    def _free(self, wish: str) -> str:
        name, number = wish, 0
        while name in self.taken or name in self.initializers:
            number += 1
            name = f"{wish}_{number}"
        return name

    def _node_name(self, wish: str) -> str:
        """The wished name, or one like it, for a node that the graph does not have."""
        name, number = wish, 0
        while name in self.node_names:
            number += 1
            name = f"{wish}_{number}"
        self.node_names.add(name)
        return name

    def _inputs(self) -> list[ValueInfoProto]:
        inputs = [_info(value.name, value.type) for value in self.graph.inputs]
        # Before IR 4 every initializer is an input as well; later, those that the caller may override are.
        listed = self.initializers if self.ir_version < 4 else [
            name for name in self.graph.provenance.listed if name in self.initializers
        ]  # fmt: skip
        return inputs + [
            helper.make_tensor_value_info(name, self.initializers[name].data_type, list(self.initializers[name].dims))
            for name in listed
        ]


def _array(contents: AnyArray) -> Weight:
    from cnnir.weights import Array  # noqa: PLC0415

    return Array.of(contents)


def _plain_integer(dtype: DType) -> bool:
    return dtype.is_integer and dtype.bits is not None and dtype.bits >= 8


def _info(name: str, type_: Type) -> ValueInfoProto:
    proto = type_to_proto(type_)
    return ValueInfoProto(name=name, type=proto) if proto is not None else ValueInfoProto(name=name)


def _same_meaning(op: Opaque, version: int) -> bool:
    with contextlib.suppress(onnx.defs.SchemaError):
        old = onnx.defs.get_schema(op.op_type, op.version, op.domain)
        new = onnx.defs.get_schema(op.op_type, version, op.domain)
        return bool(old.since_version == new.since_version)
    return False


_EXTRAS: Mapping[str, type[Any]] = {
    "training_info": TrainingInfoProto,
    "quantization_annotation": TensorAnnotation,
    "graph_metadata": StringStringEntryProto,
}


def _restore(model: ModelProto, name: str, data: bytes) -> None:
    """Put back a part of the model that has no meaning here."""
    kind = name.rsplit(".", maxsplit=1)[0]
    if kind == "configuration":
        model.configuration.add().ParseFromString(data)
        return
    part = _EXTRAS[kind].FromString(data)
    target: Any = {
        "training_info": model.training_info,
        "quantization_annotation": model.graph.quantization_annotation,
        "graph_metadata": model.graph.metadata_props,
    }[kind]
    target.append(part)
