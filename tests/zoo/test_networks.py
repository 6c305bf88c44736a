"""Every network of the zoo: its figures, its plan, its values, its options."""

from decimal import Decimal
from pathlib import Path

import pytest

from cnnir import zoo
from cnnir.graph import Graph
from cnnir.types import TensorType
from cnnir.verify import verify
from tests.zoo.figures import FIGURES
from tests.zoo.judge import difference

TOLERANCE = 1e-4
"""Relative to the largest element."""

every_network = pytest.mark.parametrize("name", zoo.NETWORKS)


def small(name: str, **options: object) -> Graph:
    """The network with the options that make it quick to run."""
    return zoo.build(name, **{**FIGURES[name].small, **options})


def test_every_network_has_figures() -> None:
    """No network without a figure from elsewhere, and no figure without a network."""
    assert set(FIGURES) == set(zoo.NETWORKS)


@every_network
def test_figures(name: str) -> None:
    """Parameters are exactly the published ones; so are MACs, to the digits that were given."""
    known, totals = FIGURES[name], zoo.build(name).table().totals
    assert totals.params == known.params
    assert known.macs is None or totals.macs == known.macs
    if known.gigamacs is not None:
        published = Decimal(known.gigamacs)
        assert (Decimal(str(totals.macs)) / 10**9).quantize(published) == published


@every_network
def test_plan(name: str) -> None:
    """The graph keeps its invariants, and its plan is proved."""
    graph = zoo.build(name)
    verify(graph)
    plan = graph.plan()
    plan.check(graph)
    assert plan.lower_bound <= plan.arena_bytes
    assert graph.name == name


@every_network
def test_values(name: str, tmp_path: Path) -> None:
    """NumPy, inside the planned arena, computes what ONNX Runtime computes from the exported file."""
    assert difference(small(name), tmp_path, planned=True) < TOLERANCE


@every_network
def test_options(name: str) -> None:
    """Batch, an open batch too, and classes reach the output; the seed decides the weights."""
    options = zoo.NETWORKS[name].options
    chosen = {"classes": 7} if "classes" in options else {}
    assert _shape(small(name, batch=3, **chosen))[0] == "3"
    assert _shape(small(name, batch="N", **chosen))[0] == "N"
    assert not chosen or _shape(small(name, **chosen))[:2] == ["1", "7"]
    first, again, other = (_weight(small(name, seed=seed)) for seed in (0, 0, 1))
    assert first == again
    assert first != other


@every_network
def test_height_and_width(name: str) -> None:
    """A size is one number or two."""
    size = zoo.NETWORKS[name].options["size"]
    assert isinstance(size, int)
    image = zoo.build(name, size=(size, size)).inputs[0].type
    assert image == zoo.build(name).inputs[0].type
    assert isinstance(image, TensorType)
    assert image.shape[2:] == (size, size)


def _shape(graph: Graph) -> list[str]:
    (output,) = graph.outputs
    assert isinstance(output.type, TensorType)
    return [str(dim) for dim in output.type.shape]


def _weight(graph: Graph) -> bytes:
    """The contents of the first weight that is drawn."""
    drawn = (value.weight for value in graph.weights if value.weight is not None and value.name.endswith(".weight"))
    return next(drawn).array().tobytes()
