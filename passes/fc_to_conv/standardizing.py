"""Layer normalisation in a head: over the channels of each position, between two transposes to channels-last."""

from dataclasses import replace

from cnnir.graph import Node, Value
from cnnir.ops import LayerNormalization, Transpose
from cnnir.passes.fc_to_conv.editor import Editor
from cnnir.passes.fc_to_conv.parameters import constant
from cnnir.passes.fc_to_conv.rules import Fit, Layouts, data, rules, words
from cnnir.passes.fc_to_conv.unfit import Unfit

_TO_LAST, _TO_FIRST = Transpose((0, 2, 3, 1)), Transpose((0, 3, 1, 2))


@rules.rule(LayerNormalization)
def layer_normalization(op: LayerNormalization, node: Node, layouts: Layouts) -> Fit:
    """Over the channels alone; means and deviations that are given out have no map."""
    value, layout = data(node, layouts)
    letters = layout.over(range(op.axis, len(layout.axes)))
    if op.statistics:
        raise Unfit("it gives out its mean", node)
    if layout.axes[-1] != "C" or letters != "C":
        raise Unfit(f"it normalises over {words(letters)} and not over the channels", node)
    if any(constant(parameter) is None for parameter in node.operands[1:]):
        raise Unfit("its parameters are computed", node)
    over = replace(op, axis=3)

    def make(editor: Editor) -> Value:
        turned = editor.insert(_TO_LAST, [editor.map(value)], node)
        return editor.insert(_TO_FIRST, [editor.insert(over, [turned, *node.inputs[1:]], node)], node)

    return Fit(layout, make)
