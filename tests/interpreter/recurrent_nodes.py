"""Random recurrent layers."""

import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cnnir.ops import GRU, LSTM, RNN, Op
from cnnir.ops.recurrent import TAKEN, Recurrent
from tests.interpreter.drawing import MAKERS, AnyArray, Case, Draw

JUDGED = tuple(name for name in TAKEN if name != "ThresholdedRelu")
"""Activations; that one jumps, so that rounding may decide."""


def _operands(draw: Draw, op: Recurrent, sizes: tuple[int, int, int], size: int) -> list[AnyArray | None]:
    """Weights that keep gates out of saturation, and now and then all that is optional."""
    steps, batch, features = sizes
    ways = op.directions
    state = (batch, ways, size) if op.batch_first else (ways, batch, size)
    lengths = np.asarray(draw.rng.integers(1, steps + 1, batch), np.int32)
    found: list[AnyArray | None] = [
        draw.tensor(*((batch, steps) if op.batch_first else (steps, batch)), features),
        draw.tensor(ways, op.gates * size, features, scale=0.5),
        draw.tensor(ways, op.gates * size, size, scale=0.5),
        draw.tensor(ways, 2 * op.gates * size) if draw.coin(0.7) else None,
        lengths if draw.coin(0.3) else None,
        draw.tensor(*state) if draw.coin(0.4) else None,
    ]
    if isinstance(op, LSTM):
        found.append(draw.tensor(*state) if draw.coin(0.4) else None)
        found.append(draw.tensor(ways, 3 * size) if draw.coin(0.4) else None)
    while found[-1] is None:
        found.pop()
    return found


def _outputs(draw: Draw, names: tuple[str, ...]) -> tuple[str, ...]:
    """All outputs, or some."""
    given = tuple(name for name in names if draw.coin(0.7))
    return given or names


def _recurrent(draw: Draw, op_class: type[Recurrent]) -> Case:
    """All directions; activations with and without factors; onnxruntime does not take the batch first."""
    size, sizes = draw.number(1, 4), (draw.number(1, 4), draw.number(1, 3), draw.number(1, 4))
    direction = draw.choose(["forward", "reverse", "bidirectional"])
    op = op_class(size, direction, draw.coin(0.2), gives=_outputs(draw, op_class.results))
    if draw.coin(0.4):
        count = op.activated * op.directions
        names = tuple(draw.choose(JUDGED) for _ in range(count))
        op = replace(op, activations=names)
        if draw.coin() or {"Affine", "ScaledTanh"} & set(names):
            alphas, betas = ([0.0 if TAKEN[name][place] is None else draw.choose([0.5, 0.25]) for name in names]
                             for place in (0, 1))  # fmt: skip
            op = replace(op, alphas=tuple(alphas), betas=tuple(betas))
    op = replace(op, clip=draw.choose([0.0, 0.0, 0.0, 0.5]))
    if isinstance(op, GRU):
        op = replace(op, linear_before_reset=draw.coin())
    if isinstance(op, LSTM):
        op = replace(op, input_forget=draw.coin(0.2))
    operands = tuple(_operands(draw, op, sizes, size))
    # What goes into the last activation, the cell, is not clipped there.
    portable = not op.batch_first and not (isinstance(op, LSTM) and op.clip)
    return Case(op, operands, frozenset({1, 2}) if draw.coin() else frozenset(), portable=portable)


for _class in (RNN, GRU, LSTM):
    MAKERS[_class] = functools.partial(_recurrent, op_class=_class)


def _scaled(op_class: type[Recurrent]) -> Callable[[int, int], Case]:
    def case(channels: int, size: int) -> Case:
        op = op_class(channels, "bidirectional")
        return Case(op, tuple(_operands(Draw(1), op, (3, size, channels), channels)[:3]))

    return case


SCALED: dict[type[Op], Callable[[int, int], Case]] = {op_class: _scaled(op_class) for op_class in (RNN, GRU, LSTM)}
"""Sequences of three steps, with so many features in a batch of that size."""
