"""An op that cnnir does not define: carried through untouched, inferred and evaluated by its own library.

Whoever reads foreign ops (the ONNX room) registers the hooks; the core knows nothing of their formats.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from cnnir.errors import CnnirError
from cnnir.ops.base import Cost, Facts, Inputs, Op, Operand, Source
from cnnir.types import Type, UnknownType
from cnnir.weights import AnyArray

Setting: TypeAlias = int | float | str | tuple[int | float | str, ...]
"""An attribute of an opaque op."""


@dataclass(frozen=True)
class Opaque(Op):
    """Any other op of a model.

    Attributes:
        domain: Operator domain, empty for ONNX's own.
        op_type: Name in that domain.
        version: Version of the domain's operator set that gives the op its meaning.
        attributes: The attributes as the source file wrote them (a serialized ``NodeProto`` with nothing else set).
        present: For each output that the op defines, up to the last one in use: is it there? Only those are outputs.
        captures: How many operands at the end are values that the op's subgraphs take from outside.
        reason: Why it is opaque, for people.
    """

    domain: str
    op_type: str
    version: int
    attributes: bytes = b""
    present: tuple[bool, ...] = (True,)
    captures: int = 0
    reason: str = ""

    operands: ClassVar[tuple[Operand, ...]] = (Operand("input", optional=True, variadic=True),)

    @property
    def kind(self) -> str:
        return f"{self.domain}::{self.op_type}" if self.domain else self.op_type

    @property
    def num_outputs(self) -> int:
        return sum(self.present)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        return hooks().infer(self, tuple(inputs))

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        # An op may give its outputs a type whatever its inputs are (Shape, say): its own inference decides.
        return hooks().infer(self, tuple(inputs))

    def cost(self, inputs: Inputs, outputs: Sequence[Type]) -> Cost:
        return Cost(None, f"{self.kind} is not defined here, so nothing is known of what it computes")


@dataclass(frozen=True, slots=True)
class Definition:
    """What an opaque node turns out to say once more is known of its operands.

    Attributes:
        op: One of ours; it may have fewer outputs, the last ones are then not read.
        operands: For each operand of `op`, which of the node's it is; None where it is absent.
        metadata: What the node's writer needs to give back the same names.
    """

    op: Op
    operands: tuple[int | None, ...]
    metadata: Mapping[str, str]


def _no_settings(op: Opaque) -> Mapping[str, Setting]:
    return {}


@dataclass(frozen=True, slots=True)
class Hooks:
    """How opaque ops are inferred, evaluated and defined.

    Attributes:
        infer: Types of the present outputs, `UnknownType` where its library does not tell.
        evaluate: Values of the present outputs.
        define: Our op for one that was opaque when it was read, from its operands and from which of its outputs are
            read; or the reason why there is none.
        settings: The attributes of an op as plain numbers, texts and tuples of them; others are left out.
    """

    infer: Callable[[Opaque, tuple[Source | None, ...]], tuple[Type, ...]]
    evaluate: Callable[[Opaque, Sequence[AnyArray | None]], list[AnyArray]]
    define: Callable[[Opaque, tuple[Source | None, ...], tuple[bool, ...]], Definition | str]
    settings: Callable[[Opaque], Mapping[str, Setting]] = _no_settings


def _nothing_known(op: Opaque, sources: tuple[Source | None, ...]) -> tuple[Type, ...]:
    return tuple(UnknownType() for _ in range(op.num_outputs))


def _no_evaluation(op: Opaque, arrays: Sequence[AnyArray | None]) -> list[AnyArray]:
    raise CnnirError(
        "opaque-evaluation",
        f"nothing here can compute {op.kind}",
        hint="import cnnir.exporters.onnx, which evaluates ONNX's own ops",
    )


def _no_definition(op: Opaque, sources: tuple[Source | None, ...], read: tuple[bool, ...]) -> Definition | str:
    return op.reason


_registered = Hooks(_nothing_known, _no_evaluation, _no_definition)


def register_hooks(registered: Hooks) -> None:
    """Register who infers, evaluates and defines opaque ops; the last one registered serves."""
    global _registered  # noqa: PLW0603  one process, one registry
    _registered = registered


def hooks() -> Hooks:
    """The registered hooks."""
    return _registered
