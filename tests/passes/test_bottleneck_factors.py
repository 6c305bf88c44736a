"""Factorisations of arrays: exact at full rank, honest about their error below it, which never rises with the rank."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnir.errors import CnnirError
from cnnir.passes.bottleneck import Decomposition, Metric, decompose
from cnnir.passes.bottleneck.factors import KINDS, Kind, full_ranks
from cnnir.weights import AnyArray

SHAPES: dict[Kind, tuple[tuple[int, ...], ...]] = {
    "svd": ((7, 5), (5, 7), (6, 4, 1, 1), (4, 3, 3, 3), (5, 4, 3), (3, 2, 2, 2, 2)),
    "tucker": ((6, 5, 3, 3), (2, 9, 2, 1), (9, 2, 1, 2), (5, 4, 3), (12, 10, 3, 3)),
    "separable": ((6, 5, 3, 3), (2, 7, 5, 2), (7, 2, 2, 5), (3, 3, 1, 3)),
}

CASES = [(kind, shape) for kind in KINDS for shape in SHAPES[kind]]


def rebuilt(kind: Kind, factors: tuple[AnyArray, ...], shape: tuple[int, ...]) -> AnyArray:
    """The weight that the factors make one after the other, by explicit sums."""
    flat = [factor.reshape(*factor.shape[:2], -1) for factor in factors]
    if kind == "svd":
        return np.asarray(np.einsum("rcp,krq->kcp", flat[0], flat[1])).reshape(shape)
    if kind == "tucker":
        return np.asarray(np.einsum("acx,bap,kby->kcp", *flat)).reshape(shape)
    return np.asarray(np.einsum("rchx,kryw->kchw", *factors))


def every_rank(decomposition: Decomposition) -> Iterator[tuple[int, ...]]:
    return product(*(range(1, top + 1) for top in decomposition.full))


def spd(rng: np.random.Generator, size: int) -> AnyArray:
    """A covariance with directions of very different weight."""
    root = rng.standard_normal((size, size)) * np.geomspace(1, 0.01, size)
    return root @ root.T


def metric_for(kind: Kind, weight: AnyArray, rng: np.random.Generator) -> Metric:
    filters, channels, *kernel = weight.shape
    if kind == "svd":
        matrix = weight.reshape(filters, -1)
        return Metric(np.zeros(channels), matrix @ spd(rng, matrix.shape[1]) @ matrix.T)
    return Metric(np.zeros(channels), spd(rng, channels * (kernel[0] if kind == "separable" else 1)))


@pytest.mark.parametrize(("kind", "shape"), CASES)
def test_the_error_is_that_of_the_factors_at_every_rank(kind: Kind, shape: tuple[int, ...]) -> None:
    weight = np.random.default_rng(1).standard_normal(shape)
    decomposition = decompose(kind, weight)
    assert decomposition.full == full_ranks(kind, shape)
    for ranks in every_rank(decomposition):
        lost = weight - rebuilt(kind, decomposition.factors(ranks), shape)
        measured = np.linalg.norm(lost) / np.linalg.norm(weight)
        assert decomposition.error(ranks) == pytest.approx(measured, abs=1e-7)
    assert decomposition.error(decomposition.full) < 1e-7


@pytest.mark.parametrize(("kind", "shape"), [case for case in CASES if case[0] != "tucker"])
def test_no_matrix_of_that_rank_is_nearer(kind: Kind, shape: tuple[int, ...]) -> None:
    """Eckart and Young: the error is what the smaller singular values make."""
    weight = np.random.default_rng(2).standard_normal(shape)
    matrix = weight.reshape(shape[0], -1)
    if kind == "separable":
        matrix = weight.transpose(1, 2, 0, 3).reshape(shape[1] * shape[2], -1)
    values = np.linalg.svd(matrix, compute_uv=False)
    decomposition = decompose(kind, weight)
    for (rank,) in every_rank(decomposition):
        expected = np.sqrt((values[rank:] ** 2).sum() / (values**2).sum())
        assert decomposition.error((rank,)) == pytest.approx(expected, abs=1e-7)


def test_refinement_beats_the_plain_bases() -> None:
    """Where the two bases depend on each other, alternating finds better ones than each mode's own singular vectors."""
    weight = np.random.default_rng(3).standard_normal((16, 16, 3, 3))
    inner, outer = (np.linalg.svd(weight.transpose(axes).reshape(16, -1))[0] for axes in ((1, 0, 2, 3), (0, 1, 2, 3)))
    plain = np.einsum("kchw,ca,kb->bahw", weight, inner[:, :4], outer[:, :4])
    error = np.sqrt(1 - np.square(plain).sum() / np.square(weight).sum())
    assert decompose("tucker", weight).error((4, 4)) < 0.98 * error


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_the_error_never_rises_with_the_rank(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    window = st.integers(1, 3)
    shape = (data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6)), data.draw(window), data.draw(window))
    numbers = st.one_of(st.integers(-2, 2).map(float), st.floats(-1e3, 1e3, width=32))
    count = int(np.prod(shape))
    weight = np.asarray(data.draw(st.lists(numbers, min_size=count, max_size=count))).reshape(shape)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    metric = metric_for(kind, weight, rng) if data.draw(st.booleans()) else None
    decomposition = decompose(kind, weight, metric)
    for ranks in every_rank(decomposition):
        assert 0 <= decomposition.error(ranks) <= 1 + 1e-9
        for axis in range(len(ranks)):
            fewer = tuple(rank - (index == axis) for index, rank in enumerate(ranks))
            if fewer[axis]:
                assert decomposition.error(ranks) <= decomposition.error(fewer) + 1e-9
    full = rebuilt(kind, decomposition.factors(decomposition.full), shape)
    assert np.allclose(full, weight, rtol=0, atol=1e-7 * max(1.0, np.abs(weight).max()))


@pytest.mark.parametrize(("kind", "shape"), CASES)
def test_a_metric_makes_the_error_smaller_where_it_looks(kind: Kind, shape: tuple[int, ...]) -> None:
    """Judged by the outputs for inputs drawn with the covariance that the metric was made from."""
    rng = np.random.default_rng(4)
    weight = rng.standard_normal(shape)
    filters, channels, *kernel = shape
    cells = int(np.prod(kernel))
    root = rng.standard_normal((channels, channels)) * np.geomspace(1, 0.01, channels)
    patches = np.einsum("cd,dpn->cpn", root, rng.standard_normal((channels, cells, 4000)))
    outputs = weight.reshape(filters, -1) @ patches.reshape(channels * cells, -1)
    within: dict[Kind, AnyArray] = {"svd": np.cov(outputs), "tucker": root @ root.T}
    covariance: AnyArray = within[kind] if kind != "separable" else np.kron(root @ root.T, np.eye(kernel[0]))
    plain, aware = (
        decompose(kind, weight),
        decompose(kind, weight, Metric(np.zeros(channels), covariance)),
    )
    ranks = tuple(max(1, top // 2) for top in plain.full)
    errors = [
        np.linalg.norm(
            (rebuilt(kind, one.factors(ranks), shape) - weight).reshape(filters, -1) @ patches.reshape(-1, 4000)
        )
        for one in (plain, aware)
    ]
    # Bases that are complete on one side leave nothing to choose; elsewhere the metric has to pay.
    assert errors[1] <= errors[0] * 1.001
    if min(plain.full) > 3:
        assert errors[1] < 0.9 * errors[0]


def test_a_weight_of_zeros_has_no_error() -> None:
    for kind in KINDS:
        decomposition = decompose(kind, np.zeros((4, 3, 3, 3), np.float32))
        lowest = (1,) * len(decomposition.full)
        assert decomposition.error(lowest) == 0
        assert not rebuilt(kind, decomposition.factors(lowest), (4, 3, 3, 3)).any()


def test_what_has_no_factors_is_refused() -> None:
    with pytest.raises(CnnirError, match="rank-range"):
        decompose("svd", np.ones((4, 3))).error((4,))
    with pytest.raises(CnnirError, match="rank-range"):
        decompose("tucker", np.ones((4, 3, 3, 3))).factors((3,))
    with pytest.raises(CnnirError, match="factor-kind"):
        decompose("separable", np.ones((4, 3, 3)))
    with pytest.raises(CnnirError, match="weight-contents"):
        decompose("svd", np.full((4, 3), np.nan))
