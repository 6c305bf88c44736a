"""A network that computes in float16: activations too, with Casts where it meets what does not.

Node by node: one that can reads float16 operands and makes float16 values, with a Cast back behind it; a Cast that
would undo another one is left out, so that Casts remain at the borders alone. What stays as it is: foreign ops, nodes
with a weight that float16 cannot hold, and ops that do not take it. How large activations get is not known here: what
is beyond 65504 becomes infinite, and what a runtime sums in float16 loses more than one rounding.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Cast, Clip, Op, Opaque, Pad
from cnnir.passes.base import Journal
from cnnir.passes.precision.rounding import LARGEST, WIDE, Rounding, Tally, fixed, half_weight, rounding
from cnnir.rewriter import Rewriter
from cnnir.types import DType, TensorType, UnknownType


@dataclass(frozen=True, slots=True)
class _Made:
    """A value that is computed in float16 now.

    Attributes:
        name: What it was called.
        half: The float16 value.
        back: The same, cast back.
    """

    name: str
    half: Value
    back: Value


class HalfNetwork:
    """Brings one graph to float16."""

    def __init__(self, graph: Graph, journal: Journal, tally: Tally) -> None:
        self.graph, self.journal, self.tally = graph, journal, tally
        self.rewriter = Rewriter(graph)
        self.halves: dict[Value, Value] = {}
        """The float16 value for each that has one."""
        self.rounding: dict[Value, Rounding] = {}
        """Of each weight that may be float16."""

    def convert(self, *, half_interface: bool) -> None:
        """Convert what can be, and tell of the rest.

        Args:
            half_interface: Whether inputs and outputs become float16 as well.
        """
        self._judge_weights()
        nodes, made, count = self.graph.nodes, list[_Made](), 0
        for node in nodes:
            if isinstance(node.op, Cast):
                self._pass_by(node)
            elif any(_is_wide(value) for value in node.operands) and (new := self._convert(node)) is not None:
                made += new
                count += 1
        if half_interface:
            self._half_outputs(made)
            self._half_inputs()
        self._tidy(made)
        if count:
            self.journal.change(f"{count} of {len(nodes)} nodes compute in float16")
            self.journal.count("nodes halved", count)

    def _judge_weights(self) -> None:
        for value in self.graph.weights:
            uses = [(node, index) for node, index in value.uses if not isinstance(node.op, (Opaque, Cast))]
            if not _is_wide(value) or not uses:
                continue
            reason = fixed(self.graph, value)
            if not reason:
                found = rounding(value, uses, computed=True)
                reason = found.reason
                if not reason:
                    self.rounding[value] = found
            if reason:
                what = f"weight {value.name} stays {value.type}, and what reads it computes in it"
                self.journal.refuse(f"{what}: {reason}", value.users)

    # Nodes

    def _pass_by(self, cast: Node) -> None:
        """A Cast of the network itself: it may read float16, and what it makes of float16 has its twin already."""
        (source,) = cast.operands
        half = self.halves.get(source, source)
        if half is not source:
            self.rewriter.set_operand(cast, 0, half)
        if _dtype(half) is DType.FLOAT16 and _is_wide(cast.output):
            self.halves[cast.output] = half

    def _convert(self, node: Node) -> list[_Made] | None:
        """Let the node compute in float16; None when it does not, which is noted."""
        held = [v for v in node.operands if v.weight is not None and _is_wide(v) and v not in self.rounding]
        if held:  # noted with the weight
            return None
        try:
            twin = self._twin(node)
        except CnnirError as error:
            self.journal.refuse(f"computes in {_wide_names(node)} as before: {error}", [node])
            return None
        made = list[_Made]()
        for old, new in zip(node.outputs, twin.outputs, strict=True):
            back = new
            if _is_wide(old):
                back = self.rewriter.insert(Cast(_dtype(old) or DType.FLOAT32), [new], before=node).output
                self.halves[back] = new
            made.append(_Made(old.name, new, back))
            self.rewriter.replace_uses(old, back)
        name = node.name
        self.rewriter.erase(node)
        self.rewriter.rename(twin, name)
        return made

    def _twin(self, node: Node) -> Node:
        """The node's float16 twin in front of it.

        Raises:
            CnnirError: where there can be none.
        """
        op = _half_op(node.op)
        operands = [
            self._half(value, node) if value is not None and _is_wide(value) else value for value in node.inputs
        ]
        names = [self.graph.fresh_name(f"{value.name}_half") for value in node.outputs]
        twin = self.rewriter.insert(op, operands, before=node, outputs=names, metadata=node.metadata)
        wanted = [
            TensorType(DType.FLOAT16, value.type.shape)
            if isinstance(value.type, TensorType) and _is_wide(value)
            else value.type
            for value in node.outputs
        ]
        if wanted != [value.type for value in twin.outputs] or not all(isinstance(one, TensorType) for one in wanted):
            self.rewriter.erase(twin)
            raise CnnirError("half-type", "what it would make has not the same shape")
        return twin

    def _half(self, value: Value, reader: Node) -> Value:
        """The float16 twin of a value, made where there is none yet, in front of its first reader."""
        if value not in self.halves:
            name = self.graph.fresh_name(f"{value.name}_half")
            if value.weight is not None:
                self.halves[value] = self.graph.add_weight(name, half_weight(value.weight))
            else:
                cast = self.rewriter.insert(Cast(DType.FLOAT16), [value], before=reader, outputs=[name])
                self.halves[value] = cast.output
        return self.halves[value]

    # The interface

    def _half_outputs(self, made: Sequence[_Made]) -> None:
        halves, new = {one.back: one.half for one in made}, dict[Value, Value]()
        for value in dict.fromkeys(self.graph.outputs):
            if not _is_wide(value) or value.producer is None:
                continue
            if value in halves:
                new[value] = halves[value]
                continue
            name = value.name
            self.rewriter.rename(value, self.graph.fresh_name(f"{name}_before_cast"))
            new[value] = self.rewriter.insert(Cast(DType.FLOAT16), [value], outputs=[name]).output
        self.rewriter.set_outputs([new.get(value, value) for value in self.graph.outputs])

    def _half_inputs(self) -> None:
        """Readers that stay as they are get a Cast; those that read a Cast to float16 read the input itself."""
        outputs = self.graph.outputs
        for value in self.graph.inputs:
            type_ = value.type
            if not _is_wide(value) or not isinstance(type_, TensorType):
                continue
            half = self.halves.get(value)
            cast = half.producer if half is not None else None
            if any(user is not cast for user in value.users):
                back = self.rewriter.insert(Cast(type_.dtype), [value], before=self.graph.nodes[0])
                self.rewriter.replace_uses(value, back.output, keep=[cast] if cast is not None else [])
                self.rewriter.set_outputs(outputs)
            self.rewriter.set_type(value, TensorType(DType.FLOAT16, type_.shape))
            if half is not None and cast is not None:
                self.rewriter.replace_uses(half, value)
                self.rewriter.erase(cast)

    # Order in the house

    def _tidy(self, made: Sequence[_Made]) -> None:
        """Remove the Casts and weights that nobody reads; what is left takes the old names."""
        for one in made:
            if one.back is not one.half and self._is_unread(one.back) and one.back.producer is not None:
                self.rewriter.erase(one.back.producer)
            self.rewriter.rename(one.back if self.graph.is_output(one.back) else one.half, one.name)
        for value, half in self.halves.items():
            weight = value.weight
            if self._is_unread(half) and half in self.graph and value not in self.graph.inputs:
                self._remove(half)
            elif weight is not None and self._is_unread(value):
                name = value.name
                self.rewriter.erase_weight(value)
                self.rewriter.rename(half, name)
                self.tally.add(name, weight, self.rounding[value])

    def _is_unread(self, value: Value) -> bool:
        return not value.uses and not self.graph.is_output(value)

    def _remove(self, half: Value) -> None:
        """A twin that was made for a node that could not take it after all."""
        if half.weight is not None:
            self.rewriter.erase_weight(half)
        elif half.producer is not None and isinstance(half.producer.op, Cast):
            self.rewriter.erase(half.producer)


def _half_op(op: Op) -> Op:
    """The op for float16.

    Raises:
        CnnirError: where it holds a number that float16 does not.
    """
    if isinstance(op, Clip):  # a bound that no number reaches does not bind
        low, high = (bound if bound is not None and abs(bound) <= LARGEST else None for bound in (op.low, op.high))
        return Clip(low, high)
    if isinstance(op, Pad) and LARGEST < abs(op.value) < math.inf:
        raise CnnirError("half-range", "it pads with a number that float16 does not hold", got=op.value)
    if isinstance(op, Opaque):
        raise CnnirError("half-opaque", "nobody here knows whether it takes float16")
    return op


def _dtype(value: Value) -> DType | None:
    return value.type.dtype if isinstance(value.type, TensorType | UnknownType) else None


def _is_wide(value: Value) -> bool:
    return _dtype(value) in WIDE


def _wide_names(node: Node) -> str:
    found = dict.fromkeys(dtype.value for value in node.operands if (dtype := _dtype(value)) in WIDE and dtype)
    return " and ".join(found)
