"""What an op is: typed attributes, operands with roles, check, shape inference and cost.

An op is a frozen dataclass; its fields are its attributes. All that is intrinsic to it stands in its class. What a room
needs to know besides (NumPy kernel, ONNX mapping) stands in that room, registered for the class.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from cnnir import constraints
from cnnir.constraints import Constraint
from cnnir.dims import Dim, SymbolicDim, bind
from cnnir.errors import CnnirError
from cnnir.types import DType, TensorType, Type, UnknownType
from cnnir.weights import Weight


class Role(Enum):
    """What an operand is to its op; decides what counts as a parameter."""

    DATA = "data"
    WEIGHT = "weight"
    BIAS = "bias"
    STATISTIC = "statistic"
    """Running mean and variance: stored with the weights, but not a parameter."""
    SETTING = "setting"
    """A constant that steers the op (a shape, say): no parameter."""


@dataclass(frozen=True, slots=True)
class Operand:
    """One input of an op."""

    name: str
    role: Role = Role.DATA
    optional: bool = False
    variadic: bool = False
    """The last operand of an op may stand for one or more inputs."""


class Source(Protocol):
    """What an op sees of an input: its type, and the weight when it is a constant. `cnnir.graph.Value` is one."""

    @property
    def type(self) -> Type:
        """Type of the value."""
        ...

    @property
    def weight(self) -> Weight | None:
        """Contents when the value is a constant."""
        ...


class Inputs:
    """The inputs of one node as its op reads them; None where an optional operand is absent."""

    def __init__(self, op: "Op", sources: Sequence[Source | None]) -> None:
        self.op = op
        self._sources = tuple(sources)
        self.types_alone = True
        """False once the op has looked at more than types."""

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[Source | None]:
        self.types_alone = False
        return iter(self._sources)

    def has(self, index: int) -> bool:
        """True when the operand is present."""
        return index < len(self._sources) and self._sources[index] is not None

    def name(self, index: int) -> str:
        """Name of the operand, for messages."""
        return self.op.operand(index).name

    def weight(self, index: int) -> Weight | None:
        """The operand's contents when it is present and a constant."""
        self.types_alone = False
        source = self._sources[index] if index < len(self._sources) else None
        return source.weight if source is not None else None

    def type(self, index: int) -> Type:
        """The type of a present operand, whatever it is.

        Raises:
            CnnirError: ``operand-missing``.
        """
        source = self._sources[index] if index < len(self._sources) else None
        if source is None:
            raise CnnirError("operand-missing", f"operand {self.name(index)} is missing")
        return source.type

    def dtype(self, *indices: int) -> DType | None:
        """The first element type that is known among these operands, all operands when none is named."""
        for index in indices or range(len(self._sources)):
            source = self._sources[index] if index < len(self._sources) else None
            if (
                source is not None
                and isinstance(source.type, TensorType | UnknownType)
                and source.type.dtype is not None
            ):
                return source.type.dtype
        return None

    def tensor(self, index: int) -> TensorType:
        """The tensor type of a present operand.

        Raises:
            CnnirError: ``operand-missing``, or ``operand-type`` for a sequence where a tensor is needed.
        """
        found = self.type(index)
        if not isinstance(found, TensorType):
            raise CnnirError("operand-type", f"operand {self.name(index)} is no tensor", got=found)
        return found

    def tensors(self) -> list[TensorType]:
        """The types of all operands, which must all be present."""
        return [self.tensor(index) for index in range(len(self._sources))]

    def rank(self, index: int, least: int, most: int | None = None) -> TensorType:
        """The operand's type, its rank checked.

        Raises:
            CnnirError: ``rank`` when it is outside ``least .. most`` (open above when None).
        """
        found = self.tensor(index)
        if found.rank < least or (most is not None and found.rank > most):
            wanted = f"rank {least}" if least == most else f"rank {least} to {most if most is not None else 'any'}"
            raise CnnirError("rank", f"{self.name(index)} has the wrong rank", expected=wanted, got=found)
        return found


class Facts:
    """Conditions met while inferring one node: decided ones pass or raise, undecided ones become constraints."""

    def __init__(self, node: str | None = None) -> None:
        self.node = node
        self.constraints: list[Constraint] = []

    def require_at_least(self, dim: Dim, least: Dim, code: str, message: str, hint: str | None = None) -> None:
        """``dim >= least``.

        Raises:
            CnnirError: `code` when it cannot hold.
        """
        self._settle(
            constraints.at_least(dim, least, message, self.node), code, message, f"at least {least}", dim, hint
        )

    def require_equal(
        self, dim: Dim, other: Dim, code: str, message: str, hint: str | None = None, *, open_reason: str | None = None
    ) -> None:
        """``dim == other``, where `other` is what was expected.

        Args:
            dim: What was found.
            other: What was expected.
            code: Of the error.
            message: What is wrong when they differ.
            hint: What to do then.
            open_reason: What the constraint says where it is not decided; `message` when None.

        Raises:
            CnnirError: `code` when it cannot hold.
        """
        outcome = constraints.equal(dim, other, open_reason or message, self.node)
        self._settle(outcome, code, message, str(other), dim, hint)

    def _settle(
        self, outcome: "bool | Constraint | None", code: str, message: str, expected: str, got: Dim, hint: str | None
    ) -> None:
        if outcome is False:
            raise CnnirError(code, message, expected=expected, got=got, hint=hint)
        if isinstance(outcome, Constraint):
            self.constraints.append(outcome)
        # True holds always. None: an explicitly unknown dim; it can never be bound, so no plan will ever rest on it.


@dataclass(frozen=True, slots=True)
class Cost:
    """What one execution takes.

    Attributes:
        macs: Multiply-accumulates of convolutions and matrix products, None when not known.
        reason: Why it is not known.
    """

    macs: Dim | None = 0
    reason: str = ""


def single(value: float) -> float:
    """The nearest number of single precision."""
    return float(np.float32(value))


@dataclass(frozen=True)
class Op:
    """Base of all ops. A subclass is a frozen dataclass whose fields are the attributes.

    Class attributes:
        operands: The inputs in ONNX's order.
        results: Names of the outputs.
        in_place: A kernel may write the output over an operand of the same type: every element is read before its
            place is written. So are the elementwise ops.
        view: The output's bytes are the first input's, in the same order: nothing has to be computed.
        singles: Fields of single precision, as ONNX holds them: rounded when the op is made, so that what is written
            and read back is the same op, and every runtime computes with the same number.
    """

    operands: ClassVar[tuple[Operand, ...]] = (Operand("X"),)
    results: ClassVar[tuple[str, ...]] = ("Y",)
    in_place: ClassVar[bool] = False
    view: ClassVar[bool] = False
    singles: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name in self.singles:
            object.__setattr__(self, name, single(getattr(self, name)))

    @property
    def kind(self) -> str:
        """The op's name in ONNX spelling."""
        return type(self).__name__

    @property
    def num_outputs(self) -> int:
        """How many outputs a node with this op has."""
        return len(self.results)

    def operand(self, index: int) -> Operand:
        """The operand that an input stands for."""
        return self.operands[min(index, len(self.operands) - 1)]

    def check(self, inputs: Inputs) -> None:
        """Check attributes and operands against each other, as far as the dims are known.

        Raises:
            CnnirError: with what is wrong; the caller adds the node.
        """

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        """Types of the outputs, from checked inputs.

        Raises:
            CnnirError: when there is no output that the inputs could give.
        """
        raise NotImplementedError(type(self).__name__)

    def cost(self, inputs: Inputs, outputs: Sequence[Type]) -> Cost:
        """Multiply-accumulates; none for ops that neither convolve nor multiply matrices."""
        return Cost()

    def bound(self, values: Mapping[str, Dim]) -> Self:
        """The op with symbolic attributes (a Reshape's target, say) bound."""
        changed: dict[str, Any] = {}
        for item in fields(self):
            old = getattr(self, item.name)
            if isinstance(old, tuple) and any(isinstance(dim, SymbolicDim) for dim in old):
                changed[item.name] = tuple(None if dim is None else bind(dim, values) for dim in old)
        return replace(self, **changed) if changed else self

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        """Types of the outputs when some input's type is not known.

        The element type may be known all the same: by default it is that of the first operand.
        """
        return (UnknownType(inputs.dtype(0)),) * self.num_outputs


_inferred: dict[tuple[Op, tuple[Type | None, ...]], tuple[tuple[Type, ...], tuple[Constraint, ...]]] = {}
"""Types of the outputs, and constraints, for an op on types that came before: networks repeat themselves, and reading,
editing and verifying infer the same nodes again and again."""

_MOST_INFERRED = 1 << 14


def infer(op: Op, sources: Sequence[Source | None], node: str | None = None) -> tuple[tuple[Type, ...], Facts]:
    """Check the op on these inputs and infer its outputs: the one way in for every caller.

    Returns:
        The types of the outputs, and the constraints that they rest on.

    Raises:
        CnnirError: naming `node`.
    """
    facts = Facts(node)
    types = tuple(None if source is None else source.type for source in sources)
    inputs = Inputs(op, sources)
    try:
        known = _inferred.get((op, types))
    except TypeError:  # a list where the op has a tuple, say: it is worked out each time
        known, inputs.types_alone = None, False
    if known is not None:
        found, conditions = known
        facts.constraints = [replace(condition, node=node) for condition in conditions]
        return found, facts
    try:
        _check_arity(op, inputs)
        if any(isinstance(type_, UnknownType) for type_ in types):
            return op.infer_unknown(inputs), facts
        op.check(inputs)
        found = op.infer(inputs, facts)
    except CnnirError as error:
        raise (error.at(node) if node is not None else error) from None
    if inputs.types_alone:
        if len(_inferred) >= _MOST_INFERRED:
            _inferred.clear()
        _inferred[op, types] = found, tuple(facts.constraints)
    return found, facts


def _check_arity(op: Op, inputs: Inputs) -> None:
    required = sum(not operand.optional for operand in op.operands)
    variadic = bool(op.operands) and op.operands[-1].variadic
    if len(inputs) < required or (len(inputs) > len(op.operands) and not variadic):
        most = "more" if variadic else len(op.operands)
        wanted = str(required) if required == most else f"{required} to {most}"
        raise CnnirError("operand-count", "wrong number of inputs", expected=wanted, got=len(inputs))
    for index in range(len(inputs)):
        if not inputs.has(index) and not op.operand(index).optional:
            raise CnnirError("operand-missing", f"operand {op.operand(index).name} is missing")


def require_same_dtype(inputs: Inputs, *indices: int) -> DType:
    """The common element type of the present operands among `indices`.

    Raises:
        CnnirError: ``dtype-mismatch`` when they differ.
    """
    first = inputs.tensor(indices[0]).dtype
    for index in indices[1:]:
        if inputs.has(index) and inputs.tensor(index).dtype is not first:
            raise CnnirError(
                "dtype-mismatch",
                f"{inputs.name(index)} has another element type than {inputs.name(indices[0])}",
                expected=first.value,
                got=inputs.tensor(index).dtype.value,
            )
    return first


def normalize_axis(axis: int, rank: int) -> int:
    """The axis counted from the front.

    Raises:
        CnnirError: ``axis`` when it is outside ``-rank .. rank - 1``.
    """
    if not -rank <= axis < rank:
        wanted = f"-{rank} to {rank - 1}" if rank else "none, for the tensor is a scalar"
        raise CnnirError("axis", "axis outside the tensor's rank", expected=wanted, got=axis)
    return axis % rank


def require_front_axes(axes: Sequence[int], rank: int) -> None:
    """The axes stand in ascending order, each once, counted from the front.

    Raises:
        CnnirError: ``axis``.
    """
    if list(axes) != sorted({normalize_axis(axis, rank) for axis in axes}):
        raise CnnirError("axis", "axes must be counted from the front and ascend", got=list(axes))


def require_floats(inputs: Inputs, index: int = 0) -> None:
    """The operand holds real floating-point numbers.

    Raises:
        CnnirError: ``operand-dtype``.
    """
    dtype = inputs.tensor(index).dtype
    if not dtype.is_float:
        raise CnnirError(
            "operand-dtype", f"{inputs.name(index)} has no element type to compute with", expected="floats",
            got=dtype.value,
        )  # fmt: skip


def require_numbers(inputs: Inputs, index: int = 0) -> None:
    """The operand holds integers or real floating-point numbers.

    Raises:
        CnnirError: ``operand-dtype``.
    """
    if not inputs.tensor(index).dtype.is_integer:
        require_floats(inputs, index)
