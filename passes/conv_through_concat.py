"""A convolution of a concatenation as the sum of convolutions of its parts: what is joined never has to be there.

``conv(concat(a, b)) = conv_a(a) + conv_b(b)`` for a concatenation of channels, since a convolution adds what each
channel gives: the first part takes the weight's first channels and the bias, the others take their own channels. There
are as many multiplications as before. The sums are rounded in another order, so results differ by float error.

Alone it saves nothing where parts are large and live together anyway; with steps that chain convolutions each part is
added block by block while it is made, and neither the parts nor the whole are stored.
"""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.dims import is_known
from cnnir.graph import Graph, Node
from cnnir.ops import Add, Concat, Conv
from cnnir.passes.base import Journal, Pass
from cnnir.rewriter import Rewriter
from cnnir.types import TensorType

CHANNELS = 1
"""The axis of channels, in ONNX's layout, of maps and of a convolution's weight."""

SINGLE = 32
"""Bits: sums of parts in a narrower type would be rounded to it one by one."""


@dataclass(frozen=True)
class ConvThroughConcat(Pass):
    """Convolve the parts of a concatenation of channels and add, where nothing else reads the whole."""

    name: ClassVar[str] = "conv-through-concat"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter = Rewriter(graph)
        for node in graph.nodes:
            joined = node.operands[0].producer if isinstance(node.op, Conv) else None
            if joined is None or not isinstance(joined.op, Concat):
                continue
            reason = _refusal(graph, node, joined)
            if reason is not None:
                journal.refuse(reason, [node, joined])
                continue
            journal.at(node)
            _split(rewriter, node, joined)
            journal.change(f"adds up the {len(joined.operands)} parts of {joined.label}", [node])
            journal.count("convolutions")
            rewriter.erase(joined)


def _split(rewriter: Rewriter, node: Node, joined: Node) -> None:
    """A convolution for each part, in front of the node, which becomes the last of their sums."""
    graph, weight = rewriter.graph, node.operands[1]
    assert weight.weight is not None  # noqa: S101  or it would have been refused
    rest = (slice(None),) * (len(weight.weight.type.shape) - 2)
    results, end = [], 0
    for number, (part, depth) in enumerate(zip(joined.operands, _depths(joined), strict=True)):
        begin, end = end, end + depth
        own = weight.weight.sliced((slice(None), slice(begin, end), *rest))
        added = graph.add_weight(graph.fresh_name(f"{weight.name}_{number}"), own)
        bias = node.operands[2:] if number == 0 else ()
        made = rewriter.insert(node.op, [part, added, *bias], before=node, name=f"{node.name}_{number}")
        results.append(made.output)
    total = results[0]
    for number, result in enumerate(results[1:-1], 1):
        total = rewriter.insert(Add(), [total, result], before=node, name=f"{node.name}_sum_{number}").output
    rewriter.replace_node(node, Add(), [total, results[-1]])


def _depths(joined: Node) -> list[int]:
    """Channels of each part, those that are known."""
    dims = [value.type.shape[CHANNELS] for value in joined.operands if isinstance(value.type, TensorType)]
    return [dim for dim in dims if is_known(dim)]


def _refusal(graph: Graph, node: Node, joined: Node) -> str | None:
    """Why the convolution cannot be taken apart."""
    assert isinstance(node.op, Conv)  # noqa: S101  the caller's branch
    if not isinstance(joined.op, Concat) or joined.op.axis != CHANNELS:
        return "what is joined are no channels"
    if len(joined.output.uses) > 1 or graph.is_output(joined.output):
        return "somebody else reads the whole"
    if len(joined.operands) == 1 or any(value.weight is not None for value in joined.operands):
        return "a part is a weight, or the whole"
    if node.op.group != 1:
        return "the convolution works in groups"
    if len(_depths(joined)) != len(joined.operands):
        return "a part has an unknown number of channels"
    weight = node.operands[1]
    if weight.weight is None or graph.may_be_given(weight):
        return "the weight is computed, or a caller may give another one"
    bits = weight.weight.type.dtype.bits
    if bits is None or bits < SINGLE:
        return "sums of parts would be rounded to a narrow type one by one"
    return None
