"""Layers as VGG-19 has them: full rank keeps the outputs, and the error never rises with the rank, for every method.

The whole network, with its three fully connected layers, is `python -m benchmarks.bottleneck`.
"""

from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest

from cnnir.builder import GraphBuilder
from cnnir.graph import Graph
from cnnir.passes.bottleneck import decompose
from cnnir.passes.bottleneck.factors import KINDS, Kind
from cnnir.passes.bottleneck.ranks import by_number, by_ratio
from tests import models
from tests.passes.test_bottleneck import distance, error_of

FILTERS = (64, 64, 128, 128, 256, 256, 512, 512)
"""Of 3x3 convolutions: with the channels before them, all eight shapes of weights that the sixteen of VGG-19 have."""

POOLED = (1, 3, 5)
"""Behind which of them."""


@cache
def vgg19() -> Graph:
    """One convolution of each shape that the sixteen have, on a small image; the fully connected layers narrower."""
    builder = GraphBuilder("vgg19")
    x = builder.input("image", (1, 3, 8, 8))
    for index, filters in enumerate(FILTERS):
        x = builder.relu(builder.conv(x, filters, kernel=3, padding=1))
        x = builder.max_pool(x, 2) if index in POOLED else x
    x = builder.flatten(x)
    for features in (256, 256):
        x = builder.relu(builder.linear(x, features))
    return models.with_random_weights(builder.build(builder.linear(x, 100)))


@pytest.mark.parametrize(("mode", "layers"), [("svd", 11), ("tucker", 8), ("separable", 8)])
def test_full_rank_keeps_the_outputs(mode: str, layers: int) -> None:
    result = vgg19().apply("bottleneck", mode=mode, ratio=1.0, measure=False)
    assert result.metrics["layers factorised"] == layers
    assert distance(vgg19(), result.graph) < 1e-4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(64, 64, 3, 3), (128, 64, 3, 3), (64, 3, 3, 3), (96, 40, 1, 1)])
@pytest.mark.parametrize("low", [False, True])
def test_the_error_never_rises_with_the_rank(kind: Kind, shape: tuple[int, ...], low: bool) -> None:
    """Exactly so: at every rank, or pair of ranks, and at every step of multiples of eight."""
    rng = np.random.default_rng(2)
    weight = rng.standard_normal(shape)
    if low:  # of a low rank with a little noise, where the bases of neighbouring ranks differ most
        weight = 0.01 * weight + np.einsum("ka,ac...->kc...", rng.standard_normal((shape[0], 5)), weight[:5])
    squares = decompose(kind, weight.astype(np.float32)).squares
    for axis in range(squares.ndim):
        assert (np.diff(squares, axis=axis) <= 0).all()
    assert squares.reshape(-1)[-1] < 1e-14
    made = decompose(kind, weight)
    for multiple in (1, 8):
        numbers = [by_number(made.full, rank, multiple) for rank in range(1, max(made.full) + 1)]
        shares = [by_ratio(made.full, ratio, multiple) for ratio in np.linspace(0.01, 1, 40)]
        for ranks in (numbers, shares):
            errors = [made.error(one) for one in ranks]
            assert all(more <= less for less, more in pairwise(errors))
            odd = [rank for one in ranks for rank, top in zip(one, made.full, strict=True) if rank != top]
            assert not any(rank % multiple for rank in odd)


@pytest.mark.parametrize("kind", ["svd", "tucker", "separable"])
def test_the_factors_err_by_no_more_at_a_higher_rank(kind: Kind) -> None:
    """Of the factors themselves, multiplied out again: every pair of ranks, the refined bases among them."""
    weight = np.random.default_rng(4).standard_normal((14, 10, 3, 3))
    made = decompose(kind, weight)
    spelled = {"svd": "rchw,krxy->kchw", "separable": "rchx,kryw->kchw", "tucker": "acxy,bahw,kbxy->kchw"}[kind]
    errors = np.empty(made.full)
    for ranks in product(*(range(1, top + 1) for top in made.full)):
        lost = weight - np.einsum(spelled, *made.factors(ranks), optimize=True)
        errors[tuple(rank - 1 for rank in ranks)] = np.linalg.norm(lost)
    for axis in range(errors.ndim):
        assert (np.diff(errors, axis=axis) <= 1e-12 * np.linalg.norm(weight)).all()


@pytest.mark.parametrize("mode", ["svd", "tucker", "separable", "auto"])
def test_the_journal_never_tells_of_a_rising_error(mode: str) -> None:
    builder = GraphBuilder("one")
    graph = builder.build(builder.conv(builder.input("x", (1, 24, 5, 5)), 40, kernel=3, padding=1))
    errors = [
        error_of(graph.apply("bottleneck", mode=mode, rank=rank, multiple=8, measure=False).changes[0].what)
        for rank in range(1, 41, 3)
    ]
    assert all(more <= less for less, more in pairwise(errors))
    assert errors[0] > errors[-1]
