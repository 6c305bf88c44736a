"""Other opsets by onnx's version converter: whole models from before ours, and single nodes that cnnir only carries.

A node is converted in a model of its own, so that nothing else of the network has to be known to the converter, and
texts, metadata, sparse and external weights stay what they are.
"""

import contextlib
import math
from collections.abc import Iterator, Mapping

import onnx
from onnx import GraphProto, ModelProto, NodeProto, helper, shape_inference, version_converter

from cnnir.errors import CnnirError
from cnnir.exporters.onnx.bodies import STANDARD, bodies
from cnnir.exporters.onnx.tensors import tensor_from_weight
from cnnir.exporters.onnx.types import value_info
from cnnir.graph import Node

OLDEST_OPSET = 7
"""Before it, arithmetic broadcasts by attributes that no exporter writes any more."""

_MODERN = 9
"""The opset to which models from before our oldest one are converted."""

_SMALL = 4096
"""Elements up to which a constant operand is shown to the converter: it may have to become an attribute."""

_UNKNOWN_CHANGES = {"Scan": 9}
"""Ops that mean something else from an opset on, which the converter does not know and lets pass: Scan had a batch."""


def changed_kind(node: NodeProto, old: int, new: int) -> str | None:
    """The kind of the first of ONNX's own ops, in the node or in its bodies, that is another one in the new opset."""
    if old != new and node.domain in STANDARD and not _same_meaning(node.op_type, old, new):
        return node.op_type
    children = (child for body in bodies(node) for child in body.node)
    return next((kind for child in children if (kind := changed_kind(child, old, new))), None)


def _same_meaning(op_type: str, old: int, new: int) -> bool:
    with contextlib.suppress(onnx.defs.SchemaError):
        return bool(
            onnx.defs.get_schema(op_type, old, "").since_version == onnx.defs.get_schema(op_type, new, "").since_version
        )
    return False


def converted(proto: NodeProto, node: Node, old: int, new: int, opsets: Mapping[str, int]) -> GraphProto:
    """What a node is in another opset.

    Args:
        proto: The node; its names are those of the graph's values.
        node: The same in the graph, which gives types and constants.
        old: The opset that it is written in.
        new: The opset wanted.
        opsets: Versions of the other domains.

    Returns:
        Nodes and initializers; operands that are constants may stand among the initializers, too.

    Raises:
        CnnirError: ``opset``.
    """
    for op_type, change in _UNKNOWN_CHANGES.items():
        if (old < change) != (new < change) and any(one.op_type == op_type for one in _all_nodes_of(proto)):
            raise _not_converted(node, old, new, f"{op_type} is another op since opset {change}")
    for one in _all_nodes_of(proto):
        if one.domain not in STANDARD and (kind := changed_kind(one, old, new)) is not None:
            # The converter does not look into them.
            raise _not_converted(node, old, new, f"{kind} inside of an op of another domain, {one.op_type}")
    inputs, initializers = [], []
    for value in dict.fromkeys(node.operands):
        if value.weight is not None and math.prod(value.weight.shape) <= _SMALL:
            initializers.append(tensor_from_weight(value.name, value.weight))
        else:
            inputs.append(value_info(value.name, value.type))
    outputs = [value_info(value.name, value.type) for value in node.outputs]
    graph = helper.make_graph([proto], "part", inputs, outputs, initializers)
    imports = [helper.make_opsetid("", old)]
    imports += [helper.make_opsetid(domain, version) for domain, version in opsets.items() if domain]
    model = helper.make_model(graph, opset_imports=imports, ir_version=onnx.IR_VERSION)
    try:
        # Inference in strict mode: the converter lets some pass whose operands mean something else by now.
        found = shape_inference.infer_shapes(
            version_converter.convert_version(model, new), check_type=True, strict_mode=True
        ).graph
    except Exception as error:  # noqa: BLE001  what it raises is not documented
        raise _not_converted(node, old, new, str(error).rpartition(" failed: ")[2]) from None
    everything = (one for child in found.node for one in _all_nodes_of(child))
    missing = next((one.op_type for one in everything if not _exists(one, new)), None)
    if missing is not None:
        raise _not_converted(node, old, new, f"there is no {missing} in it")
    return found


def _not_converted(node: Node, old: int, new: int, why: str) -> CnnirError:
    message = f"onnx's version converter cannot bring it from opset {old} to {new}"
    return CnnirError("opset", message, node=node.label, got=why, hint="keep the model's own opset")


def _all_nodes_of(node: NodeProto) -> Iterator[NodeProto]:
    """The node, and those of its bodies."""
    yield node
    for body in bodies(node):
        for child in body.node:
            yield from _all_nodes_of(child)


def _exists(node: NodeProto, opset: int) -> bool:
    if node.domain not in STANDARD:
        return True
    with contextlib.suppress(onnx.defs.SchemaError):
        return not onnx.defs.get_schema(node.op_type, opset, "").deprecated
    return False


def modernized(model: ModelProto) -> ModelProto:
    """The model itself, or, from before our oldest opset, what onnx's converter makes of it.

    Raises:
        CnnirError: ``opset``.
    """
    versions = [entry.version for entry in model.opset_import if entry.domain in STANDARD]
    if not versions or max(versions) >= OLDEST_OPSET:
        return model
    try:
        found = version_converter.convert_version(_broadcasting_from_the_right(model), _MODERN)
        # In strict mode, to find shapes that are no longer those that the model declares.
        shape_inference.infer_shapes(found, check_type=True, strict_mode=True)
    except Exception as error:  # noqa: BLE001  what it raises is not documented
        raise CnnirError("opset", "onnx's version converter cannot convert the model", got=error) from None
    return found


_WITH_AN_AXIS = ("Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Greater", "Less", "Equal")
"""Ops whose second operand had its place told by ``axis`` before opset 7."""


def _broadcasting_from_the_right(model: ModelProto) -> ModelProto:
    """The model with operands that stood at an axis filled up with ones behind it, as opset 7 broadcasts.

    The converter leaves the slopes of PRelu as they are, and puts one axis too many behind the others.
    """
    found = ModelProto()
    found.CopyFrom(model)
    inferred = shape_inference.infer_shapes(model).graph
    infos = (*model.graph.input, *model.graph.output, *inferred.value_info)
    ranks = {info.name: len(info.type.tensor_type.shape.dim) for info in infos}
    ranks |= {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    nodes: list[NodeProto] = []
    for index, node in enumerate(found.graph.node):
        first = _first_axis(node)
        if first is not None:
            behind = ranks[node.input[0]] - first - ranks[node.input[1]]
            axes = list(range(ranks[node.input[1]], ranks[node.input[1]] + behind))
            if axes:
                name = f"{node.input[1]}/behind the axis of {index}"
                nodes.append(helper.make_node("Unsqueeze", [node.input[1]], [name], axes=axes))
                node.input[1] = name
            kept = [attribute for attribute in node.attribute if attribute.name != "axis"]
            del node.attribute[:]
            node.attribute.extend(kept)
        nodes.append(node)
    del found.graph.node[:]
    found.graph.node.extend(nodes)
    return found


def _first_axis(node: NodeProto) -> int | None:
    """The axis at which a node's second operand begins; None where it ends with the last one."""
    if node.op_type == "PRelu":
        return 1
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), -1)
    return axis if node.op_type in _WITH_AN_AXIS and axis >= 0 else None
