"""Random networks through ONNX and back, judged by ONNX Runtime."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnir.exporters.onnx import read, write
from cnnir.graph import Graph
from cnnir.text import digest
from cnnir.verify import verify
from cnnir.weights import AnyArray
from tests.measure import Sensitivity, farthest
from tests.models import random_input
from tests.random_graphs import random_graph

TOLERANCE = 1e-5
"""Of the largest element, where nothing cancels."""


def graph_of(seed: int) -> Graph:
    """The random graph of a seed."""
    return random_graph(np.random.default_rng(seed))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_round_trip(seed: int) -> None:
    """Written, checked in full, read back: the same graph, the same bytes again."""
    graph = graph_of(seed)
    model = write(graph)
    onnx.checker.check_model(model, full_check=True)
    again = read(model)
    verify(again)
    assert digest(again) == digest(graph)
    expected = weights(graph)
    found = weights(again)
    assert all(np.array_equal(found[name], array) for name, array in expected.items() if graph.value(name).uses)
    assert write(again).SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)


def weights(graph: Graph) -> dict[str, AnyArray]:
    """The contents of all weights."""
    return {value.name: value.weight.array() for value in graph.weights if value.weight is not None}


@pytest.mark.parametrize("seed", range(60))
def test_runtime_agrees(seed: int) -> None:
    """ONNX Runtime computes what we write as the interpreter does, with and without a plan."""
    graph = graph_of(seed)
    feed = random_input(graph, seed)
    found = graph.run(feed, plan=graph.plan())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    model = write(graph)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    expected = [np.asarray(array) for array in session.run(list(found), feed)]
    assert farthest(found, expected, TOLERANCE, Sensitivity.by_reference(model, feed)) is None


@pytest.mark.parametrize("opset", range(9, onnx.defs.onnx_opset_version() + 1))
def test_every_opset(opset: int) -> None:
    """The same networks in every opset from 9 to the newest."""
    for seed in range(12):
        graph = graph_of(seed)
        model = write(graph, opset=opset)
        onnx.checker.check_model(model, full_check=True)
        assert digest(read(model)) == digest(graph)
