"""Reshapes in a network whose inputs take another size: which may stay, which follow, which are tied to the old one.

A Reshape names numbers, and a number does not say whether it is a size of the map or not. Wherever the elements still
fit, a wrong reading goes unseen: ``[C, 4, 8]`` named for a map of 4 x 8 takes one of 8 x 4 as well, and mixes its rows.
So a Reshape stays only when all that has changed goes into one dim of the target, and what is named beside it is made
of dims that have not changed:

- ``[1, 512, 7, 7]`` to ``(1, 25088)`` or ``(1, -1)``: 7 and 7 go into the one dim;
- ``[1, 7, 7, 24]`` to ``(1, -1, 4)``: so do they here, and the 4 is a part of the 24;
- ``[1, 116, 28, 28]`` to ``(1, 2, 58, 28, 28)``, a channel shuffle: the last two dims are the map's own. In row-major
  order they are the same for whatever stands before them, so at another size it names the other size.

A map whose height and width have changed without their product can hide in one dim. What is made of such a dim is
watched further on, up to a layer that mixes all of it. From a square map no rule can tell whether a target names height
and width or width and height; the former is taken.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from cnnir.dims import UNKNOWN, Dim, is_known
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Flatten, Gemm, Reshape
from cnnir.types import TensorType

_HINT = "it names sizes of the old input; say them with 0 or -1 in its target, or build the network at that size"


class ResizedReshapes:
    """What the Reshapes of a graph were made for; asked node by node, in their order, while types are derived anew."""

    def __init__(self, graph: Graph) -> None:
        """Note the sizes of a graph as it is before its inputs change."""
        self.shapes = {value.name: value.type.shape for value in graph.values if isinstance(value.type, TensorType)}
        self.regrouping = frozenset(node.name for node in graph.nodes if _regroups(node))
        self.hiding = set[Value]()

    def follow(self, node: Node) -> Reshape | None:
        """The op for the sizes that the node's operand has by now; None where it stays as it is."""
        if node.name not in self.regrouping or not isinstance(node.op, Reshape):
            return None
        sizes = _shape(node.operands[0])[-2:]
        if len(sizes) != 2 or UNKNOWN in sizes or sizes == node.op.shape[-2:]:
            return None
        return replace(node.op, shape=(*node.op.shape[:-2], *sizes))

    def check(self, node: Node) -> None:
        """Check a node whose types are derived.

        Raises:
            CnnirError: ``reshape-tied`` for a Reshape that is tied to the old sizes.
        """
        hidden = any(value in self.hiding for value in node.operands)
        if isinstance(node.op, Reshape):
            hidden = self._check(node, node.op, hidden=hidden)
        elif isinstance(node.op, Flatten):
            hidden = hidden or (self._changed(node.operands[0]) and not self._changed(node.output))
        if hidden and not isinstance(node.op, Gemm):
            self.hiding.update(node.outputs)

    def _changed(self, value: Value) -> bool:
        return self.shapes.get(value.name) != _shape(value)

    def _check(self, node: Node, op: Reshape, *, hidden: bool) -> bool:
        """Is a change hidden in what comes out?"""
        data = node.operands[0]
        before, after, target = self.shapes.get(data.name, ()), _shape(data), op.shape
        if node.name in self.regrouping:
            before, after, target = before[:-2], after[:-2], target[:-2]
        if len(before) != len(after) or (before == after and not hidden):
            return hidden
        known = [dim for dim in before if is_known(dim)]
        named = [dim for dim in target if is_known(dim)]
        if len(known) < len(before) or len(named) < len(target):
            return hidden  # open dims are formulas, which are right for all sizes
        absorber = _absorber(known, after, named, copies=not op.allowzero, hidden=hidden)
        if absorber is None:
            return hidden
        if absorber < 0:
            raise CnnirError(
                "reshape-tied", f"[{_list(target)}] was made for [{_list(before)}]", node=node.label,
                got=f"[{_list(after)}]", hint=_HINT,
            )  # fmt: skip
        old, new = self.shapes.get(node.output.name, ()), _shape(node.output)
        return hidden or (absorber < min(len(old), len(new)) and old[absorber] == new[absorber])


def _regroups(node: Node) -> bool:
    """Does it name a map's height and width last, and lay out anew what stands before them?"""
    if not isinstance(node.op, Reshape):
        return False
    shape, target = _shape(node.operands[0]), node.op.shape
    sizes = shape[-2:]
    return min(len(shape), len(target)) > 3 and target[-2:] == sizes and all(is_known(dim) and dim > 0 for dim in sizes)


def _absorber(
    before: Sequence[int], after: Sequence[Dim], target: Sequence[int], *, copies: bool, hidden: bool
) -> int | None:
    """The place in the target that takes up all that has changed; None where nothing is left to take, -1 for no place.

    Args:
        before: Dims of the operand that the target was made for.
        after: Its dims by now.
        target: What the Reshape names.
        copies: Whether a 0 copies the dim at its place.
        hidden: Whether any dim of the operand may have changed inside.
    """
    count = len(before)
    changed = [before[axis] != after[axis] for axis in range(count)]
    first = 0
    while first < min(count, len(target)):
        copied = copies and target[first] == 0
        if not copied and (target[first] != before[first] or changed[first]):
            break
        first += 1
    left = [axis for axis in range(first, count) if changed[axis]]
    if hidden and not left and first < count:
        left = [first, count - 1]
    if not left:
        return None
    leading, trailing = math.prod(before[first : left[0]]), math.prod(before[left[-1] + 1 :])
    rest = list(target[first:])
    for place in [rest.index(-1)] if -1 in rest else range(len(rest)):
        others = (math.prod(rest[:place]), math.prod(rest[place + 1 :]))
        if rest[place] != 0 and 0 not in others and leading % others[0] == 0 and trailing % others[1] == 0:
            return first + place
    return -1


def _shape(value: Value) -> tuple[Dim, ...]:
    return value.type.shape if isinstance(value.type, TensorType) else ()


def _list(dims: Sequence[Dim]) -> str:
    return ", ".join(map(str, dims))
