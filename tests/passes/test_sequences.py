"""Passes that promise to keep values, in random sequences on random networks."""

import numpy as np
import onnx
import onnxruntime
import pytest

from cnnir.builder import GraphBuilder
from cnnir.exporters.onnx import write
from cnnir.graph import Graph, Value
from cnnir.ops import BatchNormalization
from cnnir.passes import REGISTRY, Pass, apply
from cnnir.types import TensorType
from cnnir.weights import AnyArray, Array
from tests.models import random_input
from tests.random_graphs import random_graph

KEEPING = [name for name, cls in sorted(REGISTRY.items()) if cls.preserves == "values"]


def network(rng: np.random.Generator) -> Graph:
    """A random network with layers that passes look for: normalised convolutions, a head of fully connected layers."""
    builder = GraphBuilder("network", seed=int(rng.integers(1000)))
    x = builder.input("x", (1, int(rng.integers(1, 4)), 8, 8))
    for _ in range(int(rng.integers(1, 4))):
        skip, kernel = x, int(rng.choice([1, 3]))
        x = builder.conv(x, int(rng.integers(2, 5)), kernel=kernel, padding=kernel // 2, bias=bool(rng.integers(2)))
        x = normalized(builder, x, rng) if rng.random() < 0.7 else x
        x = builder.relu(x) if rng.random() < 0.7 else x
        x = builder.add(x, skip) if x.type == skip.type and rng.random() < 0.6 else x
    x = builder.max_pool(x, 2) if rng.random() < 0.5 else builder.global_average_pool(x)
    x = builder.linear(builder.flatten(x), int(rng.integers(3, 8)))
    x = builder.linear(builder.relu(x), 4)
    return builder.build(builder.softmax(x))


def normalized(builder: GraphBuilder, x: Value, rng: np.random.Generator) -> Value:
    """A BatchNormalization with random statistics."""
    assert isinstance(x.type, TensorType)
    channels = int(str(x.type.shape[1]))
    vectors = [rng.normal(mean, 0.2, channels) for mean in (1, 0, 0)] + [rng.uniform(0.5, 2, channels)]
    graph = builder.graph
    weights = [
        graph.add_weight(graph.fresh_name("statistic"), Array.of(vector.astype(np.float32))) for vector in vectors
    ]
    return builder.op(BatchNormalization(), x, *weights)


def computed(graph: Graph, feed: dict[str, AnyArray]) -> list[AnyArray]:
    """The outputs by ONNX Runtime, of a model that the checker accepts in full."""
    model = write(graph)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(array) for array in session.run([value.name for value in graph.outputs], feed)]


@pytest.mark.parametrize("seed", range(24))
def test_outputs_stay(seed: int) -> None:
    """Whatever the sequence, every graph on the way computes what the first one does, here and in ONNX Runtime."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng) if seed % 2 else network(rng)
    feed = random_input(graph, seed)
    expected = computed(graph, feed)
    for name in rng.choice(KEEPING, size=int(rng.integers(2, 6))):
        graph = apply(graph, str(name), check="values").graph
        found = graph.run(feed)
        for value, array, ours in zip(graph.outputs, computed(graph, feed), expected, strict=True):
            scale = max(float(np.abs(ours).max()), 1e-6)
            assert array.shape == ours.shape
            assert np.abs(array - ours).max() <= 1e-4 * scale, name
            assert np.abs(found[value.name] - ours).max() <= 1e-4 * scale, name
    plan = graph.plan()
    planned = graph.run(feed, plan=plan)
    free = graph.run(feed)
    assert all(np.array_equal(planned[name], free[name]) for name in free)


def test_some_passes_keep_values() -> None:
    """Each has a name, an honest text form and a docstring."""
    assert {"dead-code", "fold", "infer-shapes"} <= set(KEEPING)
    for name in KEEPING:
        made: Pass = REGISTRY[name]()
        assert str(made) == name
        assert made.__doc__
