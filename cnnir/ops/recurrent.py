"""Recurrent layers: a state that goes from one element of a sequence to the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from cnnir.dims import Dim, Shape
from cnnir.errors import CnnirError
from cnnir.ops.base import Cost, Facts, Inputs, Op, Operand, Role, require_floats, require_same_dtype, single
from cnnir.types import DType, TensorType, Type, UnknownType

Direction: TypeAlias = Literal["forward", "reverse", "bidirectional"]

TAKEN: dict[str, tuple[float | None, float | None]] = {
    "Relu": (None, None), "Tanh": (None, None), "Sigmoid": (None, None), "Affine": (1.0, 0.0),
    "LeakyRelu": (0.01, None), "ThresholdedRelu": (1.0, None), "ScaledTanh": (1.0, 1.0), "HardSigmoid": (0.2, 0.5),
    "Elu": (1.0, None), "Softsign": (None, None), "Softplus": (None, None),
}  # fmt: skip
"""The activations, with what alpha and beta are where they are not given; None for one that is not taken."""

_UNSAID = ("Affine", "ScaledTanh")
"""Activations of which no operator of ONNX says what alpha and beta are by default, and runtimes differ."""


@dataclass(frozen=True)
class Recurrent(Op):
    """Base of the recurrent layers.

    Class attributes:
        gates: How many rows of weights each neuron has.
        activated: How many activations each direction has.
    """

    hidden_size: int
    direction: Direction = "forward"
    batch_first: bool = False
    """The batch is the first axis of all that has one, in place of the sequence or the direction."""
    activations: tuple[str, ...] = ()
    """Of each direction one behind the other; none for the op's own."""
    alphas: tuple[float, ...] = ()
    """One for each activation, whether it takes it or not; none where all are the default."""
    betas: tuple[float, ...] = ()
    """Likewise."""
    clip: float = 0.0
    """What goes into an activation is cut to this size; 0 for no limit."""
    gives: tuple[str, ...] = ("Y", "Y_h")
    """Which outputs there are: the states at all steps (Y), the last state (Y_h), the last cell (Y_c)."""

    gates: ClassVar[int] = 1
    activated: ClassVar[int] = 1
    singles: ClassVar[tuple[str, ...]] = ("clip",)
    operands: ClassVar[tuple[Operand, ...]] = (
        Operand("X"),
        Operand("W", Role.WEIGHT),
        Operand("R", Role.WEIGHT),
        Operand("B", Role.BIAS, optional=True),
        Operand("sequence_lens", optional=True),
        Operand("initial_h", optional=True),
    )
    results: ClassVar[tuple[str, ...]] = ("Y", "Y_h")
    own: ClassVar[tuple[str, ...]] = ("Tanh",)
    """The activations of a direction where none are given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        names = self.activations or self.own * self.directions
        for place, what in enumerate(("alphas", "betas")):
            # Where no activation takes one, there is none: a file cannot say it.
            taken = [name in TAKEN and TAKEN[name][place] is not None for name in names]
            numbers = tuple(map(single, getattr(self, what))) if any(taken) else ()
            object.__setattr__(self, what, numbers)

    @property
    def num_outputs(self) -> int:
        return len(self.gives)

    @property
    def directions(self) -> int:
        """How often the sequence is gone through."""
        return 2 if self.direction == "bidirectional" else 1

    def functions(self, direction: int) -> list[tuple[str, float, float]]:
        """The activations of a direction, each with its alpha and beta."""
        count = self.activated * self.directions
        names = self.activations or self.own * self.directions
        defaults = [TAKEN[name] for name in names]
        alphas = self.alphas or [alpha or 0.0 for alpha, _ in defaults]
        betas = self.betas or [beta or 0.0 for _, beta in defaults]
        found = list(zip(names, alphas, betas, strict=True))[:count]
        return found[direction * self.activated : (direction + 1) * self.activated]

    def check(self, inputs: Inputs) -> None:
        self._check_attributes()
        inputs.rank(0, 3, 3)
        require_floats(inputs)
        require_same_dtype(inputs, 0, 1, 2, *(place for place in (3, 5, 6, 7) if inputs.has(place)))
        for place, rank in ((1, 3), (2, 3), (3, 2), (4, 1), (5, 3), (6, 3), (7, 2)):
            if inputs.has(place):
                inputs.rank(place, rank, rank)
        if inputs.has(4) and inputs.tensor(4).dtype is not DType.INT32:
            got = inputs.tensor(4).dtype.value
            raise CnnirError("operand-dtype", "sequence_lens are no lengths", expected="int32", got=got)

    def _check_attributes(self) -> None:
        if self.direction not in ("forward", "reverse", "bidirectional"):
            wanted = "forward, reverse or bidirectional"
            raise CnnirError("recurrent-direction", "no such direction", expected=wanted, got=self.direction)
        if self.hidden_size < 1:
            message = "a layer has at least one neuron"
            raise CnnirError("recurrent-size", message, expected="at least 1", got=self.hidden_size)
        if not self.clip >= 0:
            raise CnnirError("recurrent-clip", "a clip is a size", expected="0 for none, or more", got=self.clip)
        count = self.activated * self.directions
        for values in (self.activations, self.alphas, self.betas):
            if values and len(values) != count:
                raise CnnirError("activation-count", "not so many activations", expected=count, got=len(values))
        for name in self.activations:
            if name not in TAKEN:
                raise CnnirError("activation-mode", f"activation {name} is not defined here")
            if name in _UNSAID and not (self.alphas and self.betas):
                raise CnnirError("activation-mode", f"activation {name} without alpha and beta is not defined here")
        if not self.gives or [name for name in self.results if name in self.gives] != list(self.gives):
            wanted = " or ".join(self.results)
            raise CnnirError("recurrent-outputs", "no such outputs", expected=wanted, got=list(self.gives))

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data, (steps, batch, features) = inputs.tensor(0), self._sizes(inputs)
        size, ways = self.hidden_size, self.directions
        state: Shape = (batch, ways, size) if self.batch_first else (ways, batch, size)
        wanted: dict[int, Shape] = {
            1: (ways, self.gates * size, features), 2: (ways, self.gates * size, size),
            3: (ways, 2 * self.gates * size), 4: (batch,), 5: state, 6: state, 7: (ways, 3 * size),
        }  # fmt: skip
        for place, shape in wanted.items():
            for axis, dim in enumerate(inputs.tensor(place).shape if inputs.has(place) else ()):
                message = f"{inputs.name(place)} does not fit on axis {axis}"
                facts.require_equal(dim, shape[axis], "recurrent-shape", message)
        every: Shape = (batch, steps, ways, size) if self.batch_first else (steps, ways, batch, size)
        return tuple(data.with_shape(every if name == "Y" else state) for name in self.gives)

    def _sizes(self, inputs: Inputs) -> tuple[Dim, Dim, Dim]:
        """Steps, batch and features."""
        first, second, features = inputs.tensor(0).shape
        return (second, first, features) if self.batch_first else (first, second, features)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype(0, 1, 2)),) * self.num_outputs

    def cost(self, inputs: Inputs, outputs: Sequence[Type]) -> Cost:
        """``steps * batch * directions * gates * hidden * (features + hidden)``: the products with W and R.

        All steps are counted; sequences that `sequence_lens` makes shorter take fewer. Peepholes and gates work element
        by element.
        """
        if not isinstance(inputs.type(0), TensorType):
            return Cost(None, "the type of the input is not known")
        steps, batch, features = self._sizes(inputs)
        size = self.hidden_size
        return Cost(steps * batch * (self.directions * self.gates * size) * (features + size))


@dataclass(frozen=True)
class RNN(Recurrent):
    """``H = f(X W + H R + Wb + Rb)``: Elman, "Finding Structure in Time" (1990).

    ONNX operator specification: RNN.
    """


@dataclass(frozen=True)
class GRU(Recurrent):
    """``H = (1 - z) h + z H`` with update gate z, reset gate r and hidden gate h.

    Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation" (2014).
    ONNX operator specification: GRU.
    """

    linear_before_reset: bool = False
    """The reset gate works on the product with R and its bias, in place of on the state."""

    gates: ClassVar[int] = 3
    activated: ClassVar[int] = 2
    own: ClassVar[tuple[str, ...]] = ("Sigmoid", "Tanh")


@dataclass(frozen=True)
class LSTM(Recurrent):
    """``C = f C + i c``, ``H = o h(C)`` with input, output and forget gates i, o, f, and the cell gate c.

    Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997); with peepholes (P) Gers and Schmidhuber, "Recurrent
    Nets that Time and Count" (2000). ONNX operator specification: LSTM.
    """

    gives: tuple[str, ...] = ("Y", "Y_h", "Y_c")
    input_forget: bool = False
    """The forget gate is what the input gate leaves: ``f = 1 - i``."""

    gates: ClassVar[int] = 4
    activated: ClassVar[int] = 3
    operands: ClassVar[tuple[Operand, ...]] = (
        *Recurrent.operands,
        Operand("initial_c", optional=True),
        Operand("P", Role.WEIGHT, optional=True),
    )
    results: ClassVar[tuple[str, ...]] = ("Y", "Y_h", "Y_c")
    own: ClassVar[tuple[str, ...]] = ("Sigmoid", "Tanh", "Tanh")
