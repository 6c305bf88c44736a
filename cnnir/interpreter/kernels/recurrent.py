"""Recurrent layers: all products with the inputs at once, then one step after the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from cnnir.errors import CnnirError
from cnnir.interpreter.kernels.base import in_float32, kernels, optional, present
from cnnir.ops import GRU, LSTM, RNN
from cnnir.ops.recurrent import Recurrent
from cnnir.weights import AnyArray

_FUNCTIONS: Mapping[str, Callable[[AnyArray, float, float], Any]] = {
    "Relu": lambda x, _alpha, _beta: np.maximum(x, 0),
    "Tanh": lambda x, _alpha, _beta: np.tanh(x),
    "Sigmoid": lambda x, _alpha, _beta: 0.5 * np.tanh(0.5 * x) + 0.5,  # which never overflows
    "Affine": lambda x, alpha, beta: alpha * x + beta,
    "LeakyRelu": lambda x, alpha, _beta: np.where(x < 0, alpha * x, x),
    "ThresholdedRelu": lambda x, alpha, _beta: np.where(x >= alpha, x, 0),
    "ScaledTanh": lambda x, alpha, beta: alpha * np.tanh(beta * x),
    "HardSigmoid": lambda x, alpha, beta: np.clip(alpha * x + beta, 0, 1),
    "Elu": lambda x, alpha, _beta: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x),
    "Softsign": lambda x, _alpha, _beta: x / (1 + np.abs(x)),
    "Softplus": lambda x, _alpha, _beta: np.logaddexp(x, 0),
}

State: TypeAlias = tuple[AnyArray, AnyArray]
"""The hidden state and the cell, [batch, hidden] each."""


@dataclass(frozen=True)
class _Way:
    """One direction: its weights, transposed for products from the left, and its activations."""

    op: Recurrent
    inner: AnyArray
    outer: AnyArray
    bias: AnyArray
    inner_bias: AnyArray
    peepholes: AnyArray
    number: int

    def activate(self, place: int, x: AnyArray) -> AnyArray:
        """The activation at that place of what is cut to the clip."""
        name, alpha, beta = self.op.functions(self.number)[place]
        found = _FUNCTIONS[name](np.clip(x, -self.op.clip, self.op.clip) if self.op.clip else x, alpha, beta)
        return np.asarray(found, x.dtype)

    def parts(self, rows: AnyArray) -> list[AnyArray]:
        """Gate by gate."""
        return np.split(rows, rows.shape[-1] // self.op.hidden_size, axis=-1)


def _rnn(way: _Way, given: AnyArray, state: State) -> State:
    hidden, cell = state
    return way.activate(0, given + hidden @ way.inner + way.inner_bias), cell


def _gru(way: _Way, given: AnyArray, state: State) -> State:
    hidden, cell = state
    (z_given, r_given, h_given), (z_inner, r_inner, h_inner) = way.parts(given), way.parts(way.inner)
    z_bias, r_bias, h_bias = way.parts(way.inner_bias)
    update = way.activate(0, z_given + hidden @ z_inner + z_bias)
    reset = way.activate(0, r_given + hidden @ r_inner + r_bias)
    if isinstance(way.op, GRU) and way.op.linear_before_reset:
        new = way.activate(1, h_given + reset * (hidden @ h_inner + h_bias))
    else:
        new = way.activate(1, h_given + (reset * hidden) @ h_inner + h_bias)
    return (1 - update) * new + update * hidden, cell


def _lstm(way: _Way, given: AnyArray, state: State) -> State:
    hidden, cell = state
    into, out, keep, new = way.parts(given + hidden @ way.inner + way.inner_bias)
    into_cell, out_cell, keep_cell = way.parts(way.peepholes)
    into = way.activate(0, into + into_cell * cell)
    coupled = isinstance(way.op, LSTM) and way.op.input_forget
    keep = 1 - into if coupled else way.activate(0, keep + keep_cell * cell)
    cell = keep * cell + into * way.activate(1, new)
    return way.activate(0, out + out_cell * cell) * way.activate(2, cell), cell


_STEPS: Mapping[type[Recurrent], Callable[[_Way, AnyArray, State], State]] = {RNN: _rnn, GRU: _gru, LSTM: _lstm}


@kernels.rule(*_STEPS)
@in_float32
def recurrent(op: Recurrent, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Each direction on its own; where a sequence has ended its state stays, and what is given out is 0."""
    data = present(inputs, 0)
    data = data.swapaxes(0, 1) if op.batch_first else data
    steps, batch, _ = data.shape
    lengths = _lengths(optional(inputs, 4), steps, batch)
    found: dict[str, list[AnyArray]] = {"Y": [], "Y_h": [], "Y_c": []}
    for number in range(op.directions):
        way = _way(op, inputs, number)
        start = _start(op, inputs, number, 5, batch), _start(op, inputs, number, 6, batch)
        order = _order(steps, lengths, backward=op.direction == "reverse" or number == 1)
        given = np.take_along_axis(data, order, axis=0) @ way.outer + way.bias
        every, (hidden, cell) = _run(way, given, start, lengths)
        found["Y"].append(np.take_along_axis(every, order, axis=0))
        found["Y_h"].append(hidden)
        found["Y_c"].append(cell)
    for out, name in zip(outputs, op.gives, strict=True):
        stacked = np.stack(found[name], axis=1 if name == "Y" else 0)
        if op.batch_first:
            stacked = stacked.transpose(2, 0, 1, 3) if name == "Y" else stacked.swapaxes(0, 1)
        np.copyto(out, stacked)


def _run(way: _Way, given: AnyArray, state: State, lengths: AnyArray) -> tuple[AnyArray, State]:
    """The states at all steps, and the last one of each sequence."""
    every = np.zeros((*given.shape[:2], way.op.hidden_size), given.dtype)
    for step, rows in enumerate(given):
        running = (step < lengths)[:, None]
        new = _STEPS[type(way.op)](way, rows, state)
        state = np.where(running, new[0], state[0]), np.where(running, new[1], state[1])
        every[step] = np.where(running, new[0], 0)
    return every, state


def _lengths(given: AnyArray | None, steps: int, batch: int) -> AnyArray:
    """How many steps each sequence has.

    Raises:
        CnnirError: ``sequence-length`` for more steps than there are.
    """
    lengths = np.full(batch, steps) if given is None else given
    outside = (lengths < 0) | (lengths > steps)
    if outside.any():
        message = "a sequence has another length than the input has steps"
        raise CnnirError("sequence-length", message, expected=f"0 to {steps}", got=int(lengths[outside][0]))
    return lengths


def _order(steps: int, lengths: AnyArray, *, backward: bool) -> AnyArray:
    """Which step of a sequence is gone through at each step, [steps, batch, 1]; the same order leads back."""
    at = np.broadcast_to(np.arange(steps)[:, None], (steps, len(lengths)))
    turned = np.where(at < lengths, lengths - 1 - at, at) if backward else at
    return turned[:, :, None]


def _way(op: Recurrent, inputs: Sequence[AnyArray | None], number: int) -> _Way:
    weight, inner = present(inputs, 1)[number], present(inputs, 2)[number]
    bias, peepholes = optional(inputs, 3), optional(inputs, 7)
    rows = op.gates * op.hidden_size
    both = np.zeros(2 * rows, weight.dtype) if bias is None else bias[number]
    watched = np.zeros(3 * op.hidden_size, weight.dtype) if peepholes is None else peepholes[number]
    return _Way(op, inner.T, weight.T, both[:rows], both[rows:], watched, number)


def _start(op: Recurrent, inputs: Sequence[AnyArray | None], number: int, place: int, batch: int) -> AnyArray:
    """The state before the first step."""
    given = optional(inputs, place)
    if given is None:
        return np.zeros((batch, op.hidden_size), present(inputs, 1).dtype)
    return given[:, number] if op.batch_first else given[number]
