"""For each op how a random node of it is drawn. An op that is added needs one entry here: the tests say which.

An entry is a function of the sketch and the op's name, registered by `draws`. An op whose random nodes
`tests.interpreter` draws already needs no more than its name among `FROM_CASES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from onnx import numpy_helper

from cnnir.errors import CnnirError
from cnnir.exporters.onnx import write
from cnnir.ops import DEFINED
from tests.interpreter.drawing import AnyArray
from tests.interpreter.single_nodes import MAKERS
from tests.property.sketch import Operand, Sketch, Step

Drawing: TypeAlias = Callable[[Sketch, str], Step | None]


@dataclass(frozen=True)
class Entry:
    """How nodes of an op come about.

    Attributes:
        op_type: ONNX's name; ours where ONNX tells two ops apart by an attribute.
        since: The first opset that has it.
        draw: Makes a node; None where the opset lacks what was drawn.
        weight: How often it is drawn, beside the others.
    """

    op_type: str
    since: int
    draw: Drawing
    weight: int


ENTRIES: dict[str, Entry] = {}
"""By the names of the ops."""


def draws(since: int, *op_types: str, weight: int = 1) -> Callable[[Drawing], Drawing]:
    """Decorator: draws nodes of these ops, from this opset on."""

    def register(drawing: Drawing) -> Drawing:
        ENTRIES.update({name: Entry(name, since, drawing, weight) for name in op_types})
        return drawing

    return register


FROM_CASES = {
    "BitShift": 11, "BitwiseAnd": 18, "BitwiseNot": 18, "BitwiseOr": 18, "BitwiseXor": 18, "ConvInteger": 10,
    "CumProd": 26, "CumSum": 11, "DequantizeLinear": 10, "DynamicQuantizeLinear": 11, "Einsum": 12, "EyeLike": 9,
    "GatherElements": 11, "GatherND": 11, "GRU": 7, "LSTM": 7,
    "MatMulInteger": 10, "OneHot": 9, "QLinearConv": 10, "QLinearMatMul": 10,
    "QuantizeLinear": 10, "Range": 11, "RNN": 7, "ScatterElements": 11, "ScatterND": 11, "Shrink": 9, "TopK": 7,
    "TrainingBatchNormalization": 14, "Trilu": 14,
}  # fmt: skip
"""Ops that are drawn as the kernel tests draw them, and the opset from which on they are tried."""


def _from_case(sketch: Sketch, op_type: str) -> Step | None:
    """A case of the kernel tests, in the form of the sketch's opset, on values of the sketch where there are some."""
    (op_class,) = (op_class for op_class in DEFINED if op_class.__name__ == op_type)
    case = MAKERS[op_class](sketch.draw)
    try:
        model = write(case.graph(), opset=sketch.opset)
    except CnnirError:
        return None  # the opset has no form for it
    if len(model.graph.node) != 1:
        return None
    (node,) = model.graph.node
    known = {tensor.name: sketch.setting(array := numpy_helper.to_array(tensor), array.dtype)
             for tensor in model.graph.initializer}  # fmt: skip
    known.update({name: Operand(array) for name, array in case.feed().items()})
    first = node.input[0]  # the others are scales, zero points and weights that fit together
    known[first] = _as_operand(sketch, known[first].array)
    return Step(node, tuple(known[name] if name else None for name in node.input), sketch.opset, fixed=True)


def _as_operand(sketch: Sketch, array: AnyArray) -> Operand:
    """A value of the sketch of that shape and type, if there is one."""
    return sketch.some([array.dtype], (array.ndim, array.ndim), lambda x: x.shape == array.shape, lambda _: array)


for _name, _since in FROM_CASES.items():
    draws(_since, _name)(_from_case)
