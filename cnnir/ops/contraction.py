"""Sums of products in Einstein's notation."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cnnir.dims import Dim, product
from cnnir.errors import CnnirError
from cnnir.ops.base import Cost, Facts, Inputs, Op, Operand, require_same_dtype
from cnnir.ops.broadcasting import broadcast
from cnnir.ops.elements import NUMBERS
from cnnir.types import Type, UnknownType

_TERM = re.compile(r"([A-Za-z]*)(\.\.\.)?([A-Za-z]*)")

Labels = tuple[str | int, ...]
"""Of the axes of a tensor: a letter, or a number below 0 for an axis of the ellipsis, -1 for the last one."""


@dataclass(frozen=True)
class Einsum(Op):
    """Products of elements whose axes have the same letter, summed over the letters that the result has not.

    NumPy's ``einsum``. ONNX operator specification: Einsum.
    """

    equation: str

    operands: ClassVar[tuple[Operand, ...]] = (Operand("Inputs", variadic=True),)
    results: ClassVar[tuple[str, ...]] = ("Output",)

    def labels(self, ranks: Sequence[int]) -> tuple[list[Labels], Labels]:
        """What the axes of the operands and of the result are called.

        Args:
            ranks: Of the operands.

        Raises:
            CnnirError: ``einsum`` for an equation that cannot be read, or that does not fit these ranks.
        """
        left, arrow, right = self.equation.replace(" ", "").partition("->")
        terms = left.split(",")
        if len(terms) != len(ranks):
            raise self._error("the equation has not one term an operand", expected=len(ranks), got=len(terms))
        read = [self._labels(term, rank) for term, rank in zip(terms, ranks, strict=True)]
        dots = [sum(isinstance(label, int) for label in labels) for labels in read]
        used = {dot for term, dot in zip(terms, dots, strict=True) if "..." in term}
        if len(used) > 1:
            raise self._error("the ellipsis stands for several numbers of axes", got=sorted(used))
        width = max(used, default=0)
        if arrow:
            result = self._labels(right, None, width)
            if width and "..." not in right:
                raise self._error("the result lacks the ellipsis of the operands", got=self.equation)
        else:
            counts = Counter(letter for labels in read for letter in labels if isinstance(letter, str))
            result = (*range(-width, 0), *sorted(letter for letter, count in counts.items() if count == 1))
        letters = [label for label in result if isinstance(label, str)]
        strange = set(letters) - {label for labels in read for label in labels}
        if strange or len(set(letters)) != len(letters):
            raise self._error("the result has a letter twice, or one that no operand has", got=self.equation)
        return read, result

    def _labels(self, term: str, rank: int | None, width: int = 0) -> Labels:
        found = _TERM.fullmatch(term)
        if found is None:
            raise self._error("a term has letters, and dots in one place", got=self.equation)
        before, dots, after = found.groups()
        if rank is not None:
            width = rank - len(before) - len(after)
            if width < 0 or (width and not dots):
                raise self._error(f"term {term} does not fit an operand of rank {rank}", got=self.equation)
        return (*before, *(range(-width, 0) if dots else ()), *after)

    @staticmethod
    def _error(message: str, expected: object = None, got: object = None) -> CnnirError:
        return CnnirError("einsum", message, expected=expected, got=got)

    def check(self, inputs: Inputs) -> None:
        require_same_dtype(inputs, *range(len(inputs)))
        NUMBERS.require(inputs)
        self.labels([tensor.rank for tensor in inputs.tensors()])

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        tensors = inputs.tensors()
        read, result = self.labels([tensor.rank for tensor in tensors])
        sizes = _sizes(read, [tensor.shape for tensor in tensors], facts)
        return (tensors[0].with_shape(tuple(sizes.get(label, 1) for label in result)),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype()),)

    def cost(self, inputs: Inputs, outputs: Sequence[Type]) -> Cost:
        """As the definition has it: for each value of all letters, a product with each operand but the first.

        Where there are more than two operands, summing two of them first may take fewer.
        """
        tensors = inputs.tensors()
        read, _ = self.labels([tensor.rank for tensor in tensors])
        sizes = _sizes(read, [tensor.shape for tensor in tensors], Facts())
        return Cost(product(sizes.values()) * (len(tensors) - 1))


def _sizes(read: Sequence[Labels], shapes: Sequence[tuple[Dim, ...]], facts: Facts) -> dict[str | int, Dim]:
    """The size of each label: a size of 1 goes with any other, but for one letter twice in a term."""
    sizes: dict[str | int, Dim] = {}
    for labels, shape in zip(read, shapes, strict=True):
        own: dict[str | int, Dim] = {}
        for label, dim in zip(labels, shape, strict=True):
            if label in own:
                facts.require_equal(dim, own[label], "einsum-size", f"two axes called {label} differ")
            own[label] = dim
        for label, dim in own.items():
            (sizes[label],) = broadcast([(sizes.get(label, 1),), (dim,)], facts)
    return sizes
