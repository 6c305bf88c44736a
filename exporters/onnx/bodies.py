"""Subgraphs of control-flow nodes: which names they use, which of them from outside, and renaming those."""

from collections.abc import Iterator, Mapping

from onnx import GraphProto, NodeProto

STANDARD = ("", "ai.onnx")
"""The two names of ONNX's own domain."""


def captured_names(node: NodeProto) -> tuple[str, ...]:
    """Names that the node's subgraphs read from the graph around it, in the order of their first reading."""
    found: dict[str, None] = {}
    for body in bodies(node):
        found.update(dict.fromkeys(_free_names(body)))
    return tuple(found)


def body_names(node: NodeProto) -> set[str]:
    """Every name of a value in the node's subgraphs, captured or made there."""
    found: set[str] = set()
    for body in bodies(node):
        found.update(value.name for value in (*body.input, *body.output))
        found.update(tensor.name for tensor in body.initializer)
        found.update(sparse.values.name for sparse in body.sparse_initializer)
        for child in body.node:
            found.update(child.input, child.output, body_names(child))
    return found


def body_domains(node: NodeProto) -> set[str]:
    """Domains, other than ONNX's own, of the nodes in the node's subgraphs."""
    children = [child for body in bodies(node) for child in body.node]
    found = {child.domain for child in children if child.domain not in STANDARD}
    return found.union(*(body_domains(child) for child in children))


def rename_captured(node: NodeProto, names: Mapping[str, str]) -> None:
    """Rename what the node's subgraphs read from outside, in place."""
    for body in bodies(node):
        inner = {old: new for old, new in names.items() if old in set(_free_names(body))}
        if not any(old != new for old, new in inner.items()):
            continue
        for child in body.node:
            for index, name in enumerate(child.input):
                if name in inner:
                    child.input[index] = inner[name]
            rename_captured(child, inner)
        for output in body.output:
            output.name = inner.get(output.name, output.name)


def rename_inner(node: NodeProto, names: Mapping[str, str]) -> None:
    """Rename what the node's subgraphs make themselves, in place; none of the names may be captured."""
    for body in bodies(node):
        for value in (*body.input, *body.output, *body.value_info):
            value.name = names.get(value.name, value.name)
        for tensor in (*body.initializer, *(sparse.values for sparse in body.sparse_initializer)):
            tensor.name = names.get(tensor.name, tensor.name)
        for child in body.node:
            for part in (child.input, child.output):
                part[:] = [names.get(name, name) for name in part]
            rename_inner(child, names)


def bodies(node: NodeProto) -> Iterator[GraphProto]:
    """The node's subgraphs."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _free_names(body: GraphProto) -> Iterator[str]:
    own = {value.name for value in body.input} | {tensor.name for tensor in body.initializer}
    own |= {sparse.values.name for sparse in body.sparse_initializer}
    for node in body.node:
        yield from (name for name in (*node.input, *captured_names(node)) if name and name not in own)
        own.update(node.output)
    yield from (output.name for output in body.output if output.name not in own)
