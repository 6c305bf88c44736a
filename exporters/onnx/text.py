"""Texts of a file, which have to be UTF-8.

Protocol buffers of the second kind do not see to it: where a text is no UTF-8, the library gives bytes instead.
"""

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import Message
from onnx import ModelProto, NodeProto

from cnnir.errors import CnnirError

_HINT = "the file is damaged, or was written with another encoding"


def decoded(data: bytes, what: str) -> str:
    """The text in these bytes.

    Raises:
        CnnirError: ``model-text``.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise CnnirError("model-text", f"{what} is no UTF-8 text", got=data[:40], hint=_HINT) from None


def require_text(model: ModelProto) -> None:
    """Every text of the model that is read here is one.

    Raises:
        CnnirError: ``model-text`` naming the node, or the part of the model.
    """
    graph = model.graph
    for node in graph.node:
        _require_node(node)
    for tensor in graph.initializer:
        _require((tensor.name, tensor.doc_string), "an initializer")
    _require((graph.name, graph.doc_string), "the graph")
    _require((model.producer_name, model.producer_version, model.domain, model.doc_string), "the model")
    parts: Iterable[Message] = (
        *graph.input, *graph.output, *graph.value_info, *graph.metadata_props, *model.metadata_props,
        *model.opset_import, *(sparse.values for sparse in graph.sparse_initializer),
        *(entry for tensor in graph.initializer for entry in (*tensor.external_data, *tensor.metadata_props)),
    )  # fmt: skip
    for part in parts:
        _require_deep(part, type(part).DESCRIPTOR.name)


def _require_node(node: NodeProto) -> None:
    texts = (node.name, node.op_type, node.domain, node.overload, node.doc_string, *node.input, *node.output)
    _require(texts, f"{node.name!r} ({node.op_type})")
    for attribute in node.attribute:
        _require((attribute.name, attribute.doc_string), f"{node.name} ({node.op_type})")
        if attribute.HasField("g") or attribute.graphs:
            _require_deep(attribute, f"{node.name} ({node.op_type})")
    for entry in node.metadata_props:
        _require((entry.key, entry.value), f"{node.name} ({node.op_type})")


def _require(texts: Iterable[Any], where: str) -> None:
    for text in texts:
        if isinstance(text, bytes):
            raise CnnirError("model-text", "a text is no UTF-8", node=where, got=text[:40], hint=_HINT)


def _require_deep(message: Message, where: str) -> None:
    for field, value in message.ListFields():
        parts: Any = (value,) if isinstance(value, str | bytes | Message) else value
        if field.type == field.TYPE_STRING:
            _require(parts, where)
        elif field.type == field.TYPE_MESSAGE:
            for part in parts:
                _require_deep(part, where)
