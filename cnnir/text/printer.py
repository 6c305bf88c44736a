"""The canonical text form: prints a graph so that it reads back equal, weights by reference."""

import hashlib
import json
from collections.abc import Mapping

from cnnir.graph import Graph, Node, Value
from cnnir.ops.base import Op
from cnnir.text.fields import print_fields
from cnnir.text.tokens import print_name
from cnnir.types import Type

GIVEN = "given"
"""Stands for contents that the text does not tell; the reader is given them by name."""


class _TypeTexts(dict[Type, str]):
    """The texts of types, made once each: a network has many values and few types."""

    def __missing__(self, key: Type) -> str:
        self[key] = text = str(key)
        return text


def print_graph(graph: Graph) -> str:
    """The graph as text; `cnnir.text.parse_graph` reads it back."""
    types = _TypeTexts()
    lines = [f"graph {json.dumps(graph.name)} {{"]
    lines += [f"  {line}" for line in _provenance(graph)]
    lines += [f"  input {_definition(value, types)}" for value in graph.inputs]
    lines += [f"  weight {_definition(value, types)} = {_reference(value)}" for value in graph.weights]
    lines += [f"  {_node(node, types)}{_metadata(node.metadata)}" for node in graph.nodes]
    lines += [f"  output {print_name(value.name)}" for value in graph.outputs]
    return "\n".join([*lines, "}", ""])


def digest(graph: Graph) -> str:
    """SHA-256, in hexadecimal, of what a plan rests on: names, types, ops, order and interface.

    The contents and the order of the weights, provenance and metadata are not part of it.
    """
    types = _TypeTexts()
    lines = [f"input {_definition(value, types)}" for value in graph.inputs]
    lines += sorted(f"weight {_definition(value, types)}" for value in graph.weights)
    lines += [_node(node, types) for node in graph.nodes]
    lines += [f"output {print_name(value.name)}" for value in graph.outputs]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def print_op(op: Op) -> str:
    """An op's class and those of its fields that are not at their default."""
    return f"{type(op).__name__}{print_fields(op)}"


def _definition(value: Value, types: _TypeTexts) -> str:
    return f"{print_name(value.name)}: {types[value.type]}"


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


def _node(node: Node, types: _TypeTexts) -> str:
    outputs = ", ".join([_definition(value, types) for value in node.outputs])
    inputs = ", ".join(["_" if value is None else print_name(value.name) for value in node.inputs])
    text = f"{outputs} = {type(node.op).__name__}({inputs}){print_fields(node.op)}".lstrip()
    if not node.outputs or node.name != node.outputs[0].name:
        text += f" as {print_name(node.name)}"
    return text


def _metadata(metadata: Mapping[str, str]) -> str:
    return f" with {json.dumps(dict(metadata), sort_keys=True)}" if metadata else ""
