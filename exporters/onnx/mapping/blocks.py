"""Channels laid out as blocks of pixels, and back."""

from typing import Any

from cnnir.exporters.onnx.mapping.base import Read, Source, Target, reads, require_opset, write_plain, writers
from cnnir.graph import Node
from cnnir.ops import DepthToSpace, SpaceToDepth

_ORDERED = {"DepthToSpace": 11, "SpaceToDepth": 28}
"""Since which opset the order of the channels can be said."""


@reads("DepthToSpace")
def read_depth_to_space(source: Source) -> Read:
    """Since opset 1."""
    mode: Any = source.attributes.text("mode", "DCR")
    return DepthToSpace(source.attributes.integer("blocksize"), mode), source.inputs


@reads("SpaceToDepth")
def read_space_to_depth(source: Source) -> Read:
    """Since opset 1."""
    mode: Any = source.attributes.text("mode", "DCR")
    return SpaceToDepth(source.attributes.integer("blocksize"), mode), source.inputs


@writers.rule(DepthToSpace, SpaceToDepth)
def write_blocks(target: Target, node: Node, op: DepthToSpace | SpaceToDepth) -> None:
    """The order that once was the only one is left out."""
    if op.mode != "DCR":
        require_opset(target, node, _ORDERED[op.kind])
    write_plain(target, node, op.kind, blocksize=op.blocksize, mode=None if op.mode == "DCR" else op.mode)
