"""Factorisations of weights, as pure functions on arrays.

A weight is ``[K, C, *kernel]``; a fully connected one is ``[K, C]``. Every factorisation here rests on orthonormal
bases that do not depend on the rank: a rank takes their first columns. So the bases are made once for all ranks, the
error of a rank is what the columns behind it hold, it never rises with the rank, and the full rank reproduces the
weight. Three kinds:

- **svd**: the matrix ``[K, C * kernel]``. A K-filter layer becomes one with the same window and r filters, then a
  1x1 (Zhang et al., "Accelerating Very Deep Convolutional Networks for Classification and Detection", 2016).
- **tucker**: Tucker-2 over the two channel axes: 1x1, the window, 1x1 (Kim et al., "Compression of Deep Convolutional
  Neural Networks for Fast and Low Power Mobile Applications", 2016).
- **separable**: the matrix ``[C * height, K * width]``: a vertical window, then a horizontal one (Jaderberg et al.,
  "Speeding up Convolutional Neural Networks with Low Rank Expansions", 2014, scheme 2).

Computations are in double precision.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cnnir.errors import CnnirError

Kind: TypeAlias = Literal["svd", "tucker", "separable"]
KINDS: tuple[Kind, ...] = ("svd", "tucker", "separable")

Doubles: TypeAlias = NDArray[np.float64]
Ranks: TypeAlias = tuple[int, ...]
"""One rank for svd and separable; for tucker those of the input and of the output channels."""

REFINED_AT = (0.125, 0.25, 0.5, 0.75)
"""Shares of the full rank at which Tucker bases are refined; the best of all bases serves each rank."""

SWEEPS = 3
"""Alternations of the refinement at each of these ranks; later ones change little."""

RIDGE = 1e-6
"""Share of the mean variance that is added to every direction, so that one without samples is not thrown away."""

_BLOCK = 1 << 22
"""Elements that are brought to double precision at once."""


@dataclass(frozen=True, eq=False)
class Metric:
    """What samples say about the directions in which a layer's error counts.

    Attributes:
        mean: ``[C]``, the mean of each input channel.
        covariance: For svd that of the layer's own outputs, ``[K, K]`` (with weight W and input covariance S it is
            ``W S W'``, and the error of a basis is the variance that it leaves out); for tucker that of the input
            channels, ``[C, C]``; for separable that of the vertical windows, ``[C * height, C * height]``.
    """

    mean: Doubles
    covariance: Doubles


@dataclass(frozen=True)
class Decomposition(ABC):
    """A weight in bases of which every rank takes the first columns.

    Attributes:
        squares: Squared relative error at each rank: entry ``[r - 1]``, or ``[r_in - 1, r_out - 1]`` for tucker.
            Relative to the weight's norm; with a metric, to the norm that the metric makes of it.
        total: That norm, squared.
    """

    squares: Doubles
    total: float

    @property
    def full(self) -> Ranks:
        """The ranks at which nothing is lost."""
        return self.squares.shape

    def error(self, ranks: Ranks) -> float:
        """Relative error at these ranks.

        Raises:
            CnnirError: ``rank-range``.
        """
        return math.sqrt(float(self.squares[self._index(ranks)]))

    @abstractmethod
    def factors(self, ranks: Ranks) -> tuple[Doubles, ...]:
        """The factors' weights, ``[filters, channels, *kernel]`` each, in the order in which they are applied.

        Raises:
            CnnirError: ``rank-range``.
        """

    def _index(self, ranks: Ranks) -> tuple[int, ...]:
        within = len(ranks) == len(self.full) and all(1 <= r <= top for r, top in zip(ranks, self.full, strict=False))
        if not within:
            raise CnnirError("rank-range", "ranks outside of what the weight has", expected=self.full, got=ranks)
        return tuple(rank - 1 for rank in ranks)


def full_ranks(kind: Kind, shape: tuple[int, ...]) -> Ranks:
    """The ranks at which a weight of this shape is reproduced.

    Raises:
        CnnirError: ``factor-kind`` where the kind does not apply.
    """
    filters, channels, *kernel = shape
    cells = math.prod(kernel)
    if kind == "svd":
        return (min(filters, channels * cells),)
    if kind == "tucker":
        return (min(channels, filters * cells), min(filters, channels * cells))
    if len(kernel) != 2:
        raise CnnirError("factor-kind", "only a window over two axes falls into a vertical and a horizontal one")
    return (min(channels * kernel[0], filters * kernel[1]),)


def decompose(kind: Kind, weight: NDArray[Any], metric: Metric | None = None, *, refine: bool = True) -> Decomposition:
    """Decompose a weight for all ranks at once.

    Args:
        kind: Which factorisation.
        weight: ``[K, C, *kernel]``.
        metric: Weighs the errors by what samples say; a plain norm when None.
        refine: Whether Tucker bases are refined, which takes most of the time; the full rank gains nothing by it.

    Raises:
        CnnirError: ``factor-kind`` where the kind does not apply, ``weight-contents`` or ``samples-contents`` for
            infinities or NaN.
    """
    if not np.isfinite(weight).all():
        raise CnnirError("weight-contents", "a weight with infinities or NaN has no factors")
    if metric is not None and not (np.isfinite(metric.mean).all() and np.isfinite(metric.covariance).all()):
        raise CnnirError("samples-contents", "the samples make infinities or NaN here")
    weighed = _decompose(kind, weight, metric, refine=refine)
    return weighed if metric is None else _Weighed(weighed.squares, weighed.total, kind, weight, weighed)


def _decompose(kind: Kind, weight: NDArray[Any], metric: Metric | None, *, refine: bool) -> Decomposition:
    full = full_ranks(kind, weight.shape)
    if kind == "svd":
        return _svd(weight, full[0], metric)
    return _tucker(weight, full, metric, refine=refine) if kind == "tucker" else _separable(weight, full[0], metric)


@dataclass(frozen=True)
class _Weighed(Decomposition):
    """Bases by a metric, but for the full rank: there nothing is lost, and the weight's own bases lose no digits."""

    kind: Kind
    weight: NDArray[Any]
    weighed: Decomposition

    def factors(self, ranks: Ranks) -> tuple[Doubles, ...]:
        self._index(ranks)
        full = ranks == self.full
        return (_decompose(self.kind, self.weight, None, refine=False) if full else self.weighed).factors(ranks)


# Matrices


@dataclass(frozen=True)
class _Matrix(Decomposition):
    """``matrix = left @ right``, a basis on one side and the projection onto it on the other."""

    kind: Kind
    shape: tuple[int, ...]
    matrix: NDArray[Any]
    basis: Doubles
    """Columns of length rows (`on_rows`) or columns."""
    on_rows: bool
    unscale: Doubles | None = None
    """Takes the metric out of the left factor again."""

    def factors(self, ranks: Ranks) -> tuple[Doubles, ...]:
        self._index(ranks)
        (rank,) = ranks
        chosen = self.basis[:, :rank]
        left, right = (chosen, chosen.T @ self.matrix) if self.on_rows else (self.matrix @ chosen, chosen.T)
        if self.unscale is not None:
            left = self.unscale @ left
        filters, channels, *kernel = self.shape
        if self.kind == "svd":
            return right.reshape(rank, channels, *kernel), left.reshape(filters, rank, *(1 for _ in kernel))
        height, width = kernel
        vertical = left.reshape(channels, height, rank).transpose(2, 0, 1)[..., None]
        horizontal = right.reshape(rank, filters, width).transpose(1, 0, 2)[:, :, None, :]
        return vertical, horizontal


def _svd(weight: NDArray[Any], full: int, metric: Metric | None) -> Decomposition:
    matrix = weight.reshape(weight.shape[0], -1)
    if metric is None:
        basis, on_rows, (squares, total) = _principal(matrix, full)
        return _Matrix(squares, total, "svd", weight.shape, matrix, basis, on_rows)
    own = _gram(matrix)
    ridge = RIDGE * _mean_variance(metric.covariance) / max(_mean_variance(own), np.finfo(np.float64).tiny)
    energies, basis = _eigen(metric.covariance + ridge * own)
    squares, total = _tails(np.maximum(energies, 0.0), full)
    return _Matrix(squares, total, "svd", weight.shape, matrix, basis, on_rows=True)


def _separable(weight: NDArray[Any], full: int, metric: Metric | None) -> Decomposition:
    filters, channels, height, width = weight.shape
    matrix = weight.transpose(1, 2, 0, 3).reshape(channels * height, filters * width)
    unscale = None
    if metric is not None:
        scale, unscale = _roots(metric.covariance)
        matrix = scale @ matrix
    basis, on_rows, (squares, total) = _principal(matrix, full)
    return _Matrix(squares, total, "separable", weight.shape, matrix, basis, on_rows, unscale)


def _principal(matrix: NDArray[Any], full: int) -> tuple[Doubles, bool, tuple[Doubles, float]]:
    """Singular vectors on the smaller side, whether those are the rows, and the errors of all ranks as `_tails` gives.

    They come from the Gram matrix, whose rounding costs small singular values their accuracy; the errors do not rest on
    them but on what the projection onto this very basis leaves out.
    """
    on_rows = matrix.shape[0] <= matrix.shape[1]
    wide = matrix if on_rows else matrix.T
    _, basis = _eigen(_gram(wide))
    energies = np.zeros(wide.shape[0])
    for block in _blocks(wide):
        energies += np.square(basis.T @ block).sum(axis=1)
    return basis, on_rows, _tails(energies, full)


def _tails(energies: Doubles, full: int) -> tuple[Doubles, float]:
    """Share of the energies behind each rank, exactly zero at the full one; and their sum."""
    total = float(energies[:full].sum())
    behind = np.append(np.cumsum(energies[1:full][::-1])[::-1], 0.0)
    return (behind / total if total > 0 else behind), total


# Tucker-2


@dataclass(frozen=True)
class _Tucker(Decomposition):
    """``weight = core x_out outer x_in inner``, for several pairs of bases."""

    shape: tuple[int, ...]
    tensor: Doubles
    """``[K, C, cells]``, the metric in it."""
    bases: tuple[tuple[Doubles, Doubles, Doubles], ...]
    """(inner, outer, squared errors)."""
    unscale: Doubles | None = None

    def factors(self, ranks: Ranks) -> tuple[Doubles, ...]:
        index = self._index(ranks)
        inner, outer, _ = min(self.bases, key=lambda pair: float(pair[2][index]))
        inside, outside = ranks
        inner, outer = inner[:, :inside], outer[:, :outside]
        filters, channels, *kernel = self.shape
        core = np.einsum("kb,kcp,ca->bap", outer, self.tensor, inner, optimize=True)
        reduce = inner.T if self.unscale is None else inner.T @ self.unscale
        ones = [1 for _ in kernel]
        return (
            reduce.reshape(inside, channels, *ones),
            core.reshape(outside, inside, *kernel),
            outer.reshape(filters, outside, *ones),
        )


def _tucker(weight: NDArray[Any], full: Ranks, metric: Metric | None, *, refine: bool) -> Decomposition:
    filters, channels = weight.shape[:2]
    tensor = np.asarray(weight, np.float64).reshape(filters, channels, -1)
    unscale = None
    if metric is not None:
        scale, unscale = _roots(metric.covariance)
        tensor = np.einsum("kcp,cd->kdp", tensor, scale, optimize=True)
    inner, outer = _inner_basis(tensor), _outer_basis(tensor)
    pairs = [(inner, outer)]
    # The refined bases belong to ranks that are fixed beforehand: each pair's error falls with the rank, and so does
    # the least of them. Refining at the rank asked for would sometimes end in a worse optimum at a higher one.
    shares = REFINED_AT if refine else ()
    anchors = dict.fromkeys(tuple(max(1, math.ceil(share * top)) for top in full) for share in shares)
    pairs += [_refined(tensor, inner, ranks) for ranks in anchors]
    bases = tuple((inside, outside, _surface(tensor, inside, outside, full)) for inside, outside in pairs)
    least = np.minimum.reduce([squares for _, _, squares in bases])
    return _Tucker(least, float(np.square(tensor).sum()), weight.shape, tensor, bases, unscale)


def _refined(tensor: Doubles, inner: Doubles, ranks: Ranks) -> tuple[Doubles, Doubles]:
    """Higher-order orthogonal iteration: each basis is made the best one for the other in turn.

    De Lathauwer, De Moor and Vandewalle, "On the Best Rank-1 and Rank-(R1, R2, ..., RN) Approximation of Higher-Order
    Tensors" (2000), alg. 4.2, for two of the modes.
    """
    inside, outside = ranks
    outer = inner
    for _ in range(SWEEPS):
        outer = _outer_basis(np.einsum("kcp,ca->kap", tensor, inner[:, :inside], optimize=True))
        inner = _inner_basis(np.einsum("kcp,kb->bcp", tensor, outer[:, :outside], optimize=True))
    return inner, outer


def _inner_basis(tensor: Doubles) -> Doubles:
    return _eigen(_gram(tensor.transpose(1, 0, 2).reshape(tensor.shape[1], -1)))[1]


def _outer_basis(tensor: Doubles) -> Doubles:
    return _eigen(_gram(tensor.reshape(tensor.shape[0], -1)))[1]


def _surface(tensor: Doubles, inner: Doubles, outer: Doubles, full: Ranks) -> Doubles:
    """Squared relative errors at all pairs of ranks: the energy of the core outside of the corner that is kept."""
    core = np.einsum("kb,kcp,ca->abp", outer, tensor, inner, optimize=True)
    energies = np.square(core).sum(axis=2)
    total = energies.sum()
    inside = np.cumsum(energies[::-1], axis=0)[::-1]
    behind_inside = np.append(inside[1:].sum(axis=1), 0.0)
    outside = np.cumsum(energies[:, ::-1], axis=1)[:, ::-1]
    behind_outside = np.cumsum(np.concatenate([outside[:, 1:], np.zeros((len(outside), 1))], axis=1), axis=0)
    tails = behind_inside[:, None] + behind_outside
    shares: Doubles = tails / total if total > 0 else tails
    # More of a basis holds no less: only the rounding of the two sums could say otherwise.
    shares = np.minimum.accumulate(np.minimum.accumulate(shares, axis=0), axis=1)
    return shares[: full[0], : full[1]]


# Linear algebra


def _blocks(matrix: NDArray[Any]) -> list[Doubles]:
    """The matrix in blocks of columns; views where it is in double precision already."""
    step = max(1, _BLOCK // max(matrix.shape[0], 1))
    starts = range(0, matrix.shape[1], step)
    return [np.asarray(matrix[:, start : start + step], np.float64) for start in starts]


def _gram(matrix: NDArray[Any]) -> Doubles:
    """``M M'``."""
    result = np.zeros((matrix.shape[0], matrix.shape[0]))
    for block in _blocks(matrix):
        result += block @ block.T
    return result


def _eigen(symmetric: Doubles) -> tuple[Doubles, Doubles]:
    """Eigenvalues from the largest down, and the eigenvectors as columns."""
    values, vectors = np.linalg.eigh(symmetric)
    return values[::-1], vectors[:, ::-1]


def _mean_variance(covariance: Doubles) -> float:
    return float(np.trace(covariance)) / max(len(covariance), 1)


def _roots(covariance: Doubles) -> tuple[Doubles, Doubles]:
    """The symmetric square root of a covariance with a ridge, and its inverse."""
    values, vectors = _eigen(covariance)
    ridge = RIDGE * _mean_variance(covariance)
    roots = np.sqrt(np.maximum(values, 0.0) + (ridge if ridge > 0 else 1.0))
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T
