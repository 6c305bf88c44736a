"""Saying a target shape without numbers for open dims: copied, inferred, or computed from the dims of what is reshaped.

A file in which sizes are open cannot hold them; what it can hold is how they are made. `copied_target` says a shape
in a Reshape's own terms (0 copies the dim at that place, -1 takes what is left). Where two dims or more are neither,
`formula` says each as arithmetic on the dims of the operand, which a runtime knows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cnnir.dims import UNKNOWN, Dim, FloorDiv, Shape, SymbolicDim, decide_at_least, is_known, product


@dataclass(frozen=True, slots=True)
class Axis:
    """The dim of the operand at an axis."""

    index: int


@dataclass(frozen=True, slots=True)
class Combined:
    """Formulas combined from the left by an op of ONNX's name."""

    op: Literal["Add", "Mul", "Div"]
    parts: tuple["Formula", ...]


Formula: TypeAlias = int | Axis | Combined


def copied_target(source: Shape, target: Sequence[Dim]) -> tuple[int, ...] | None:
    """A Reshape's target without symbols: dims copied from the same axis (0) and one that is inferred (-1).

    Args:
        source: The dims of what is reshaped.
        target: The wanted dims; a 0 copies, a -1 is inferred.

    Returns:
        None when more than one dim would have to be inferred.
    """
    found: list[int] = []
    for axis, dim in enumerate(target):
        if is_known(dim):
            found.append(dim)
        else:
            found.append(0 if axis < len(source) and dim == source[axis] != UNKNOWN else -1)
    return tuple(found) if found.count(-1) <= 1 else None


def formula(dim: Dim, source: Shape) -> Formula | None:
    """A dim as arithmetic on other dims.

    Args:
        dim: What is to be said.
        source: What may be used.

    Returns:
        A number, a dim of `source`, or sums, products and quotients of such; None when those do not say it.
    """
    if is_known(dim):
        return dim
    if not isinstance(dim, SymbolicDim):
        return None
    if dim in source:
        return Axis(source.index(dim))
    for first in range(len(source)):
        for last in range(first + 2, len(source) + 1):
            if product(source[first:last]) == dim:
                return Combined("Mul", tuple(Axis(axis) for axis in range(first, last)))
    return _polynomial(dim, source)


def _polynomial(dim: SymbolicDim, source: Shape) -> Formula | None:
    """Term by term, each a product of atoms."""
    terms: list[Formula] = []
    for monomial, coefficient in dim.terms:
        factors = [_atom(SymbolicDim([((atom,), 1)]), source) for atom in monomial]
        said = [factor for factor in factors if factor is not None]
        if len(said) < len(factors):
            return None
        scale: list[Formula] = [coefficient] if coefficient != 1 or not said else []
        terms.append(_combined("Mul", [*said, *scale]))
    return _combined("Add", terms)


def _atom(dim: SymbolicDim, source: Shape) -> Formula | None:
    """A symbol or a floor division; ONNX's Div truncates, so what is divided must not be negative."""
    if dim in source:
        return Axis(source.index(dim))
    (((atom,), _),) = dim.terms
    if not isinstance(atom, FloorDiv):
        return None
    if not (decide_at_least(atom.numerator, 0) and decide_at_least(atom.divisor, 1)):
        return None
    numerator, divisor = formula(atom.numerator, source), formula(atom.divisor, source)
    return None if numerator is None or divisor is None else Combined("Div", (numerator, divisor))


def _combined(op: Literal["Add", "Mul"], parts: Sequence[Formula]) -> Formula:
    return parts[0] if len(parts) == 1 else Combined(op, tuple(parts))
