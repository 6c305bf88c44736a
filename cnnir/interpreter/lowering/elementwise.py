"""What is computed element by element, as calls on whatever part of a map is at hand: alone, or behind others.

A rule may be given the result in the place of any operand, or of several that are one. What it needs beside is one
array of the result's size at the most, which it takes from the site's workspace; see
`cnnir.algorithms.channels_last.epilogues`.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from cnnir.interpreter.kernels.base import present
from cnnir.interpreter.lowering.base import Call, Site, copy
from cnnir.interpreter.lowering.maps import bounded, channelwise, inner, lying
from cnnir.ops import (
    Add,
    BatchNormalization,
    Clip,
    Dropout,
    HardSigmoid,
    HardSwish,
    Identity,
    LeakyRelu,
    Mul,
    Relu,
    Sigmoid,
    Sub,
    Sum,
    Swish,
    Tanh,
)
from cnnir.ops.base import Op
from cnnir.ops.rules import RuleTable
from cnnir.weights import AnyArray

Elementwise: TypeAlias = Callable[[Any, Site, AnyArray], Iterator[Call]]
"""``rule(op, site, result)``: the operands of the site as far as the result goes."""

elementwise: RuleTable[Elementwise] = RuleTable("lowering element by element")


@elementwise.rule(Identity, Dropout)
def identity(op: Op, site: Site, result: AnyArray) -> Iterator[Call]:
    """A copy, where it is not there already."""
    source = present(site.operands, 0)
    if not _is_same(source, result):
        yield copy(result, source)


@elementwise.rule(Relu)
def relu(op: Relu, site: Site, result: AnyArray) -> Iterator[Call]:
    """``max(x, 0)``."""
    yield from bounded(np.maximum, present(site.operands, 0), 0, result, site)


@elementwise.rule(Clip)
def clip(op: Clip, site: Site, result: AnyArray) -> Iterator[Call]:
    """The lower bound first: where they cross the upper one wins."""
    source = present(site.operands, 0)
    for ufunc, bound in ((np.maximum, op.low), (np.minimum, op.high)):
        if bound is not None:
            yield from bounded(ufunc, source, bound, result, site)
            source = result
    if source is not result:
        yield copy(result, source)


@elementwise.rule(Tanh)
def tanh(op: Tanh, site: Site, result: AnyArray) -> Iterator[Call]:
    """Hyperbolic tangent."""
    yield partial(np.tanh, present(site.operands, 0), result)


@elementwise.rule(Sigmoid)
def sigmoid(op: Sigmoid, site: Site, result: AnyArray) -> Iterator[Call]:
    """``1 / (1 + exp(-x))``; where the exponential is infinite the result is 0, as it should be."""
    yield partial(np.negative, present(site.operands, 0), result)
    yield partial(np.exp, result, result)
    yield partial(np.add, result, result.dtype.type(1), result)
    yield partial(np.reciprocal, result, result)


@elementwise.rule(Swish)
def swish(op: Swish, site: Site, result: AnyArray) -> Iterator[Call]:
    """``x / (1 + exp(-alpha * x))``."""
    source, one = present(site.operands, 0), result.dtype.type(1)
    share = site.workspace.take(result.shape, result.dtype)
    yield partial(np.multiply, source, result.dtype.type(-op.alpha), share)
    yield partial(np.exp, share, share)
    yield partial(np.add, share, one, share)
    yield partial(np.divide, source, share, result)


@elementwise.rule(HardSigmoid)
def hard_sigmoid(op: HardSigmoid, site: Site, result: AnyArray) -> Iterator[Call]:
    """A straight line between 0 and 1."""
    number = result.dtype.type
    yield partial(np.multiply, present(site.operands, 0), number(op.alpha), result)
    yield partial(np.add, result, number(op.beta), result)
    yield from bounded(np.maximum, result, 0, result, site)
    yield from bounded(np.minimum, result, 1, result, site)


@elementwise.rule(HardSwish)
def hard_swish(op: HardSwish, site: Site, result: AnyArray) -> Iterator[Call]:
    """The operand times a straight line between 0 and 1."""
    source, number = present(site.operands, 0), result.dtype.type
    share = site.workspace.take(result.shape, result.dtype)
    yield partial(np.multiply, source, number(1 / 6), share)
    yield partial(np.add, share, number(0.5), share)
    yield from bounded(np.maximum, share, 0, share, site)
    yield from bounded(np.minimum, share, 1, share, site)
    yield partial(np.multiply, source, share, result)


@elementwise.rule(LeakyRelu)
def leaky_relu(op: LeakyRelu, site: Site, result: AnyArray) -> Iterator[Call]:
    """The larger of an element and of its part; the smaller, where the part is larger than the whole."""
    source = present(site.operands, 0)
    part = site.workspace.take(result.shape, result.dtype)
    yield partial(np.multiply, source, result.dtype.type(op.alpha), part)
    yield partial(np.maximum if op.alpha <= 1 else np.minimum, source, part, out=result)


@elementwise.rule(Add, Sum)
def add(op: Add | Sum, site: Site, result: AnyArray) -> Iterator[Call]:
    """All operands, from left to right; but first all in whose place the result lies, where one comes too late."""
    operands = tuple(present(site.operands, index) for index in range(len(site.operands)))
    own = [operand for operand in operands if _is_same(operand, result)]
    if any(_is_same(operand, result) for operand in operands[2:]):
        if len(own) > 1:
            yield partial(np.multiply, result, result.dtype.type(len(own)), result)
        site = replace(site, operands=(result, *(operand for operand in operands if not _is_same(operand, result))))
    if len(site.operands) > 1:
        yield from _folded(np.add, site, result)


def _is_same(operand: AnyArray, result: AnyArray) -> bool:
    """Whether an operand is the very bytes of the result."""
    place, other = operand.__array_interface__["data"], result.__array_interface__["data"]
    return place == other and operand.strides == result.strides and operand.shape == result.shape


@elementwise.rule(Mul)
def mul(op: Mul, site: Site, result: AnyArray) -> Iterator[Call]:
    """All operands, from left to right."""
    yield from _folded(np.multiply, site, result)


@elementwise.rule(Sub)
def sub(op: Sub, site: Site, result: AnyArray) -> Iterator[Call]:
    """The first less the second."""
    yield from _folded(np.subtract, site, result)


def _folded(ufunc: Any, site: Site, result: AnyArray) -> Iterator[Call]:
    first, *others = (present(site.operands, index) for index in range(len(site.operands)))
    if not others:
        yield copy(result, first)
    for number, other in enumerate(others):
        vector = _vector(other, result)
        if vector is not None and lying(first) == lying(result):
            yield from channelwise(ufunc, inner(first), vector, site, f"operand-{number}", inner(result))
        else:
            yield partial(ufunc, first, other, result)
        first = result


def _vector(operand: AnyArray, result: AnyArray) -> AnyArray | None:
    """What is one number a channel, as a vector; None for everything else, and where channels do not lie innermost."""
    if result.ndim != 4 or result.shape[1] == 1 or result.strides[1] != result.itemsize or operand.flags.writeable:
        return None
    shape = (*(1 for _ in range(4 - operand.ndim)), *operand.shape)
    return operand.reshape(-1) if shape == (1, result.shape[1], 1, 1) else None


@elementwise.rule(BatchNormalization)
def batch_normalization(op: BatchNormalization, site: Site, result: AnyArray) -> Iterator[Call]:
    """One scale and one shift a channel, made in float64 since there are few of them."""
    source = present(site.operands, 0)
    scale, bias, mean, variance = (np.asarray(present(site.operands, i), np.float64) for i in range(1, 5))
    factor = site.form("factor", lambda: (scale / np.sqrt(variance + op.epsilon)).astype(result.dtype))
    shift = site.form("shift", lambda: (bias - mean * scale / np.sqrt(variance + op.epsilon)).astype(result.dtype))
    if result.ndim == 4 and result.strides[1] == result.itemsize:
        yield from channelwise(np.multiply, inner(source), factor, site, "factors", inner(result))
        yield from channelwise(np.add, inner(result), shift, site, "shifts")
        return
    along = (1, -1, *(1 for _ in result.shape[2:]))
    yield partial(np.multiply, source, factor.reshape(along), result)
    yield partial(np.add, result, shift.reshape(along), result)


__all__ = ["Elementwise", "elementwise"]
