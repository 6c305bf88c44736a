"""What a way to compute a node takes, and the table of rules that list the ways."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from cnnir.algorithms.base import Call, workspaces
from cnnir.ops.base import Op
from cnnir.ops.rules import RuleTable

KERNEL = "kernel"
"""The op's kernel as it is today; as `cnnir.plan.KERNEL` has it."""

Kind: TypeAlias = Literal["product", "block", "vector", "transform", "element", "function", "copy", "call"]
"""What time is spent on, each in a unit of its own:

- ``product``: multiply-accumulates in products of matrices; ``block``: in products of blocks of these;
  ``transform``: in products with matrices of a few rows, which stay in the cache;
- ``vector``: bytes of the matrix in a product of a matrix and a vector, which is bound by memory;
- ``element``: elements through a simple call (an addition, a maximum); ``function``: through an exponential or a power;
- ``copy``: bytes written by a copy, or read once more than the products themselves do;
- ``call``: calls of NumPy.
"""

KINDS: tuple[Kind, ...] = ("product", "block", "vector", "transform", "element", "function", "copy", "call")

Work: TypeAlias = tuple[tuple[Kind, int], ...]
"""(kind, amount), a kind once at most."""


@dataclass(frozen=True, slots=True)
class Way:
    """One algorithm with its parameters, on one node.

    Attributes:
        algorithm: Its name, for `cnnir.plan.Step.algorithm`.
        scratch: Bytes beside operands and results.
        work: What time is spent on; None where that is not estimated.
        parameters: (name, number), what the algorithm leaves open.
        weight_bytes: What the weights take in the form that the algorithm needs, kept from run to run; 0 for their own.
        error: Largest error of a result over the largest result, where it exceeds that of plain sums; 0 where not.
        runs: Whether the interpreter has it.
    """

    algorithm: str
    scratch: int
    work: Work | None
    parameters: tuple[tuple[str, int], ...] = ()
    weight_bytes: int = 0
    error: float = 0.0
    runs: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """What a node takes cannot be told."""

    reason: str


Ways: TypeAlias = Callable[[Any, Call], Iterable[Way]]
"""``rule(op, call)``: the ways to compute the call, that of today's kernel among them."""

alternatives: RuleTable[Ways] = RuleTable("rule of the algorithms")


def ways(op: Op, call: Call) -> tuple[Way, ...] | Unknown:
    """All ways to compute a call.

    Returns:
        At least the way of today's kernel; unknown where the workspace of that is.
    """
    if workspaces.find(type(op)) is None:
        return Unknown(workspaces.exemption(type(op)) or f"the workspace of {op.kind} is not known")
    rule = alternatives.find(type(op))
    # Narrow floats are computed in float32: today by a copy of all operands, in no other way yet.
    if rule is None or any(tensor.narrow for tensor in (*call.present, *call.outputs)):
        return (kernel(op, call, None),)
    # What is no matrix in memory is made one, once for all runs; the kernels do so in every run.
    made = sum(tensor.bytes for tensor in call.present if tensor.repeated or tensor.strided)
    return tuple(way if way.runs or way.weight_bytes else replace(way, weight_bytes=made) for way in rule(op, call))


def kernel(op: Op, call: Call, work: Work | None) -> Way:
    """Today's kernel."""
    return Way(KERNEL, workspaces[type(op)](op, call), work, runs=True)


def strips(rows: int) -> Iterator[int]:
    """Numbers of rows that may be done at a time: the powers of two, and all of them."""
    count = 1
    while count < rows:
        yield count
        count *= 2
    if rows:
        yield rows
