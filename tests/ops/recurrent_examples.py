"""Shape rules of recurrent layers by example, for `test_op_shapes`."""

from collections.abc import Sequence
from typing import Any

from cnnir.ops import GRU, LSTM, RNN, Op
from cnnir.ops.recurrent import Recurrent
from cnnir.types import DType
from tests.ops.sources import Given, ShapeText, tensor

LAYERS: tuple[type[Recurrent], ...] = (RNN, GRU, LSTM)
DATA = tensor(7, 2, 5)
NOWHERE: Any = "nowhere"


def weights(op: type[Recurrent], ways: int = 1) -> list[Given]:
    """W and R of three neurons over five features."""
    return [tensor(ways, op.gates * 3, 5), tensor(ways, op.gates * 3, 3)]


LENGTHS = tensor(2, dtype=DType.INT32)

RIGHT: list[tuple[Op, Sequence[Given | None], Sequence[ShapeText]]] = [
    *((op(3, gives=("Y", "Y_h")), [DATA, *weights(op)], [(7, 1, 2, 3), (1, 2, 3)]) for op in LAYERS),
    *((op(3, "bidirectional", gives=("Y_h",)), [DATA, *weights(op, 2)], [(2, 2, 3)]) for op in LAYERS),
    *((op(3, batch_first=True), [tensor(2, 7, 5), *weights(op)], [(2, 7, 1, 3), *[(2, 1, 3)] * (len(op.results) - 1)])
      for op in LAYERS),
    *((op(3, "reverse", gives=("Y",)), [DATA, *weights(op), tensor(1, op.gates * 6), LENGTHS, tensor(1, 2, 3)],
       [(7, 1, 2, 3)]) for op in LAYERS),
    (LSTM(3), [DATA, *weights(LSTM), None, None, None, tensor(1, 2, 3), tensor(1, 9)],
     [(7, 1, 2, 3), *[(1, 2, 3)] * 2]),
]  # fmt: skip

WRONG: list[tuple[Op, Sequence[Given | None], str, Sequence[str]]] = [
    *((op(4), [DATA, *weights(op)], "recurrent-shape", ["W", "axis 1"]) for op in LAYERS),
    *((op(3, "bidirectional"), [DATA, *weights(op)], "recurrent-shape", ["W", "axis 0", "expected 2", "got 1"])
      for op in LAYERS),
    *((op(3), [tensor(7, 5), *weights(op)], "rank", ["expected rank 3"]) for op in LAYERS),
    *((op(3), [DATA, *weights(op), None, tensor(2)], "operand-dtype", ["expected int32"]) for op in LAYERS),
    *((op(3, NOWHERE), [DATA, *weights(op)], "recurrent-direction", ["got nowhere"]) for op in LAYERS),
    *((op(0), [DATA, *weights(op)], "recurrent-size", ["at least 1", "got 0"]) for op in LAYERS),
    *((op(3, clip=-0.5), [DATA, *weights(op)], "recurrent-clip", ["got -0.5"]) for op in LAYERS),
    *((op(3, gives=()), [DATA, *weights(op)], "recurrent-outputs", ["got []"]) for op in LAYERS),
    *((op(3, gives=("Y_h", "Y")), [DATA, *weights(op)], "recurrent-outputs", ["expected Y or Y_h"]) for op in LAYERS),
    *((op(3, activations=("Tanh",) * 9), [DATA, *weights(op)], "activation-count", ["got 9"]) for op in LAYERS),
    (RNN(3, activations=("Cubic",)), [DATA, *weights(RNN)], "activation-mode", ["Cubic"]),
    (RNN(3, activations=("Affine",)), [DATA, *weights(RNN)], "activation-mode", ["without alpha and beta"]),
]  # fmt: skip
