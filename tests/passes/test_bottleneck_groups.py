"""Convolutions in groups: each group falls into factors of its own, judged by ONNX Runtime."""

from itertools import product

import numpy as np
import pytest

from cnnir.analysis import costs
from cnnir.graph import Graph
from cnnir.ops import Conv
from cnnir.passes.bottleneck import Bottleneck, batched, data_aware
from cnnir.passes.bottleneck.factors import KINDS, Kind
from cnnir.passes.bottleneck.grouped import decompose_groups
from cnnir.types import DType, TensorType
from cnnir.weights import Seeded
from tests.passes.test_bottleneck import distance, error_of
from tests.passes.test_bottleneck_data import images, output_error
from tests.passes.test_bottleneck_factors import every_rank, rebuilt


def layer(groups: int, shape: tuple[int, ...], *, bias: bool = True, batch: int = 2) -> Graph:
    """One strided, padded convolution in groups; its weight is ``[K, C / groups, *kernel]``."""
    graph = Graph("grouped")
    x = graph.add_input("image", TensorType(DType.FLOAT32, (batch, shape[1] * groups, 12, 13)))
    operands = [x, graph.add_weight("w", Seeded(DType.FLOAT32, shape, 1, 2, 0.3))]
    if bias:
        operands.append(graph.add_weight("b", Seeded(DType.FLOAT32, shape[:1], 1, 3, 0.3)))
    conv = Conv((2, 1), (1, 0, 2, 1), (1, 2), groups)
    graph.set_outputs([graph.add_node(conv, operands, name="layer", outputs=["y"]).output])
    return graph


CASES = [(3, (12, 5, 3, 3)), (2, (6, 7, 2, 3)), (4, (8, 1, 3, 3))]


@pytest.mark.parametrize(("groups", "shape"), CASES)
@pytest.mark.parametrize("mode", ["svd", "tucker", "separable"])
def test_full_rank_keeps_the_outputs(mode: str, groups: int, shape: tuple[int, ...]) -> None:
    graph = layer(groups, shape)
    result = graph.apply("bottleneck", mode=mode, ratio=1.0)
    convs = [node.op for node in result.graph.nodes if isinstance(node.op, Conv)]
    assert len(convs) == (3 if mode == "tucker" else 2)
    assert all(conv.group == groups for conv in convs)
    assert distance(graph, result.graph) < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_the_error_is_that_of_all_groups_together(kind: Kind) -> None:
    """Groups of very different size: what is lost of a small one hardly counts."""
    rng = np.random.default_rng(7)
    weight = rng.standard_normal((8, 3, 3, 3)) * np.repeat([1.0, 0.01], 4)[:, None, None, None]
    made = decompose_groups(kind, weight, 2)
    for ranks in every_rank(made):
        factors = made.factors(ranks)
        parts = [
            rebuilt(kind, tuple(np.split(factor, 2)[index] for factor in factors), (4, 3, 3, 3)) for index in range(2)
        ]
        measured = np.linalg.norm(np.concatenate(parts) - weight) / np.linalg.norm(weight)
        assert made.error(ranks) == pytest.approx(float(measured), abs=1e-7)
    top = made.full
    for ranks in product(*(range(2, size + 1) for size in top)):
        assert made.error(ranks) <= made.error(tuple(rank - 1 for rank in ranks))


@pytest.mark.parametrize("mode", ["svd", "tucker", "separable"])
def test_costs_in_the_journal_are_those_of_the_graph(mode: str) -> None:
    graph = layer(3, (12, 5, 3, 3))
    for rank in (1, 3):
        result = graph.apply("bottleneck", mode=mode, rank=rank)
        text = result.changes[0].what
        params = int(text.split("params ")[1].split(" -> ")[1].split(", MACs")[0].replace(",", ""))
        macs = int(text.split("MACs ")[1].split(" -> ")[1].split(", w")[0].replace(",", ""))
        found = costs(result.graph)
        assert (params + 12, macs) == (found.params, found.macs)
        assert 0 < error_of(text) < 1


@pytest.mark.parametrize("mode", ["svd", "tucker", "separable"])
def test_samples_make_the_error_smaller(mode: str) -> None:
    graph = layer(2, (12, 6, 3, 3), bias=False, batch=4)
    seen, held_out = (
        [{"image": feed["image"][..., :12, :13]} for feed in batched("image", images(seed, 32, 12, 16), 4)]
        for seed in (1, 2)
    )
    options = Bottleneck(mode=mode, rank=2)
    plain, aware = graph.apply(options).graph, data_aware(graph, seen, options).graph
    assert output_error(graph, aware, held_out) < 0.8 * output_error(graph, plain, held_out)
    assert distance(graph, data_aware(graph, seen, Bottleneck(mode=mode, ratio=1.0)).graph) < 1e-4


def test_depthwise_convolutions_fall_into_rows_and_columns() -> None:
    graph = layer(6, (6, 1, 3, 3))
    result = graph.apply("bottleneck", ratio=1.0)
    assert [node.name for node in result.graph.nodes] == ["layer_vertical", "layer"]
    assert distance(graph, result.graph) < 1e-4
    halved = graph.apply("bottleneck", macs=0.8)
    assert "separable of rank 1" in halved.changes[1].what
    for mode in ("svd", "tucker"):
        refused = graph.apply("bottleneck", mode=mode, rank=1)
        assert "mode=separable" in refused.refusals[0].reason
        assert not refused.modified
