"""The pass: heads found, rewritten at the native size, and the image's size opened if that is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cnnir.graph import Graph, Node, Value
from cnnir.ops import Gemm, Identity, MatMul, Opaque, Reshape, Squeeze, Transpose
from cnnir.passes.base import Journal, Pass, Preserves
from cnnir.passes.fc_to_conv.editor import Editor
from cnnir.passes.fc_to_conv.heads import Findings, Head, find_heads, fitted_pools
from cnnir.passes.fc_to_conv.layout import LETTERS, Layout, map_layout
from cnnir.passes.fc_to_conv.parameters import constant, named_first
from cnnir.passes.fc_to_conv.sizes import image_axes, open_sizes, tensor
from cnnir.passes.fc_to_conv.unfit import Unfit
from cnnir.passes.fc_to_conv.whole import whole_image_nodes


@dataclass(frozen=True)
class FcToConv(Pass):
    """Fully connected layers as convolutions, so that the network takes images of any size.

    Attributes:
        dense: Global pooling becomes a fixed window of the native size at stride 1, so that it scores positions too.
        keep_interface: Inputs and outputs keep their types; if not, height and width of the input become symbolic and
            the outputs are score maps ``[N, K, H', W']``. What looks at the whole image and is left is refused by name.
    """

    name: ClassVar[str] = "fc-to-conv"
    preserves: ClassVar[Preserves] = "values"

    dense: bool = False
    keep_interface: bool = True

    def __post_init__(self) -> None:
        if not self.keep_interface:
            # An option decides what this pass preserves, and the class stands for its default.
            object.__setattr__(self, "preserves", "nothing")

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        heads = self._heads(graph, journal)
        if self.keep_interface:
            self._convert(graph, heads, journal)
            return
        # Whether some node is tied to the native size shows when its input is not: tried on a copy first.
        trial = graph.clone()
        self._convert(trial, self._heads(trial, Journal()), Journal())
        refusal = open_sizes(trial)
        if refusal is not None:
            journal.refusals.append(refusal)
            return
        self._convert(graph, heads, journal)
        open_sizes(graph)
        images = [value for value in graph.inputs if image_axes(value) is not None]
        conditions = ", ".join(str(one) for one in graph.constraints) or "no condition"
        for value in images:
            journal.change(f"input {value.name} becomes {value.type}, with {conditions}")
        for value in graph.outputs:
            journal.change(f"output {value.name} becomes the map {value.type}")
        for node, reason in whole_image_nodes(graph):
            journal.refuse(reason, [node])

    def _heads(self, graph: Graph, journal: Journal) -> list[Head]:
        """The heads that can be rewritten; what cannot is refused."""
        found = find_heads(graph, dense=self.dense)
        taken = []
        for head in found.heads:
            head.unfit += _given(graph, head)
            if not head.matters(graph, to_outputs=not self.keep_interface):
                continue
            for unfit in head.unfit:
                blocked = [node for node, fit in head.fits.items() if fit.kind in ("fc", "pool")]
                journal.refuse(unfit.reason, dict.fromkeys([*blocked, unfit.node]))
            if not head.unfit and head.pools and not self.dense:
                reason = "global pooling gives one score for any size of image; dense=true scores each position"
                journal.refuse(reason, head.pools)
            elif not head.unfit:
                taken.append(head)
        if not self.dense and (fitted := fitted_pools(graph)):
            reason = "its window is fitted to the native map; dense=true makes it a fixed window at stride 1"
            journal.refuse(reason, fitted)
        _refuse_strays(graph, found, journal)
        return taken

    def _convert(self, graph: Graph, heads: Sequence[Head], journal: Journal) -> None:
        editor = Editor(graph)
        fits = {node: fit for head in heads for node, fit in head.fits.items()}
        nodes = [node for node in graph.nodes if node in fits]
        for node in nodes:
            fit = fits[node]
            if fit.change:
                journal.change(fit.change, [node])
            if fit.kind in ("fc", "pool"):
                journal.count(f"{fit.kind} layers")
            editor.maps[node.outputs[0]] = fit.make(editor)
        outputs: list[Value] = []
        for index, value in enumerate(graph.outputs):
            if value in graph.outputs[:index]:
                outputs.append(outputs[graph.outputs.index(value)])
            elif value in editor.maps and value.producer is not None:
                outputs.append(self._output(editor, value, value.producer, fits[value.producer].layout, outputs))
            else:
                outputs.append(value)
        editor.finish(nodes, outputs)

    def _output(self, editor: Editor, value: Value, node: Node, layout: Layout, taken: Sequence[Value]) -> Value:
        """What the graph gives instead of an output."""
        found = _restored(editor, value, node, layout) if self.keep_interface else editor.map(value)
        others = (*taken, *editor.graph.inputs, *editor.graph.outputs)
        return editor.insert(Identity(), [found], node) if any(other is found for other in others) else found


def _restored(editor: Editor, value: Value, node: Node, layout: Layout) -> Value:
    """The map in the shape that the output had."""
    found = editor.map(value)
    shape = tensor(value).shape
    order = layout.letters + "".join(letter for letter in LETTERS if letter not in layout.letters)
    if [letter for letter in LETTERS if letter in layout.letters] != list(layout.letters):
        found = editor.insert(Transpose(tuple(LETTERS.index(letter) for letter in order)), [found], node)
    elif layout.is_map:
        return found
    elif layout.axes == ("N", "C"):
        return editor.insert(Squeeze(axes=(2, 3)), [found], node)
    kept = (0, *shape[1:]) if layout.axes[:1] == ("N",) and order[0] == "N" else shape
    return editor.insert(Reshape(kept), [found], node)


def _given(graph: Graph, head: Head) -> list[Unfit]:
    """A weight that a caller may give is part of the interface: the node that reads it stays, and its head with it."""
    return [
        Unfit(f"callers may give {value.name} as an input", node)
        for node in head.fits
        for value in map(named_first, node.operands)
        if graph.may_be_given(value)
    ]


def _refuse_strays(graph: Graph, found: Findings, journal: Journal) -> None:
    """Fully connected layers that no map leads to, or not any more."""
    seen = {node for head in found.heads for node in head.nodes}
    for node in graph.nodes:
        if not isinstance(node.op, Gemm | MatMul) or node in seen or constant(node.operands[0]) is not None:
            continue
        if constant(node.operands[1]) is None:
            continue
        unfit = found.blocked.get(node.operands[0]) or _opaque(node.operands[0])
        if unfit is None:
            journal.refuse("its input does not come from a map", [node])
        else:
            journal.refuse(f"its input comes from {unfit.node.label}: {unfit.reason}", [node, unfit.node])


def _opaque(value: Value) -> Unfit | None:
    """The opaque node between a map and a value, where nothing is known of what it makes."""
    while value.producer is not None and map_layout(value) is None:
        node = value.producer
        if isinstance(node.op, Opaque):
            return Unfit(f"{node.op.reason}; the pass fold may work it out", node)
        if not node.operands:
            return None
        value = node.operands[0]
    return None
