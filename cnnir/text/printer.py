"""The canonical text form: prints a graph so that it reads back equal, weights by reference."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping

from cnnir.graph import Graph, Node, Value
from cnnir.ops.base import Op
from cnnir.types import DType

_PLAIN = re.compile(r"[A-Za-z0-9_./:\-]*[A-Za-z0-9_./\-]")

GIVEN = "given"
"""Stands for contents that the text does not tell; the reader is given them by name."""


def print_graph(graph: Graph) -> str:
    """The graph as text; `cnnir.text.parse_graph` reads it back."""
    lines = [f"graph {json.dumps(graph.name)} {{"]
    lines += [f"  {line}" for line in _provenance(graph)]
    lines += [f"  input {_definition(value)}" for value in graph.inputs]
    lines += [f"  weight {_definition(value)} = {_reference(value)}" for value in graph.weights]
    lines += [f"  {_node(node)}" for node in graph.nodes]
    lines += [f"  output {print_name(value.name)}" for value in graph.outputs]
    return "\n".join([*lines, "}", ""])


def digest(graph: Graph) -> str:
    """SHA-256 of what a plan rests on: names, types, ops, order and interface; not the contents of weights."""
    lines = [f"input {_definition(value)}" for value in graph.inputs]
    lines += [f"weight {_definition(value)}" for value in graph.weights]
    lines += [_node(node) for node in graph.nodes]
    lines += [f"output {print_name(value.name)}" for value in graph.outputs]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def print_name(name: str) -> str:
    """A value's or node's name: ``%conv1`` or ``%"a name"``."""
    return f"%{name}" if _PLAIN.fullmatch(name) else f"%{json.dumps(name)}"


def _definition(value: Value) -> str:
    return f"{print_name(value.name)}: {value.type}"


def _reference(value: Value) -> str:
    return (value.weight.reference() if value.weight is not None else None) or GIVEN


def _provenance(graph: Graph) -> list[str]:
    source = graph.provenance
    lines = [f"ir {source.ir_version}"]
    lines += [f"opset {json.dumps(domain)} {version}" for domain, version in source.opsets.items()]
    lines += [f"field {json.dumps(name)} {json.dumps(text)}" for name, text in source.fields.items()]
    lines += [f"metadata {json.dumps(key)} {json.dumps(text)}" for key, text in source.metadata.items()]
    lines += [f"listed {print_name(name)}" for name in source.listed]
    lines += [f"extra {json.dumps(name)} {json.dumps(data.hex())}" for name, data in source.extras.items()]
    return lines


def _node(node: Node) -> str:
    outputs = ", ".join(map(_definition, node.outputs))
    inputs = ", ".join("_" if value is None else print_name(value.name) for value in node.inputs)
    text = f"{outputs} = {type(node.op).__name__}({inputs}){print_attributes(node.op)}".lstrip()
    if not node.outputs or node.name != node.outputs[0].name:
        text += f" as {print_name(node.name)}"
    return text + _metadata(node.metadata)


def _metadata(metadata: Mapping[str, str]) -> str:
    return f" with {json.dumps(dict(metadata), sort_keys=True)}" if metadata else ""


def print_attributes(op: Op) -> str:
    """The op's fields that are not at their default, in braces; nothing when all are."""
    shown = []
    for field in dataclasses.fields(op):
        value = getattr(op, field.name)
        # 1 == True == 1.0 in Python, so the types are compared as well.
        if type(value) is not type(field.default) or value != field.default:
            shown.append(f"{field.name}={_attribute(value)}")
    return f" {{{', '.join(shown)}}}" if shown else ""


def _attribute(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_attribute, value))}]"
    if isinstance(value, DType):
        return value.value
    if value is None or isinstance(value, bool | str):
        return json.dumps(value)
    if isinstance(value, bytes):
        return json.dumps(value.hex())
    if isinstance(value, float):
        return repr(value)
    return str(value)
