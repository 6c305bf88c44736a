"""A network of the zoo in NumPy against its exported file in ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnxruntime

import cnnir
from cnnir.graph import Graph
from cnnir.weights import AnyArray
from tests.models import before_softmax, random_input, with_random_weights


def difference(graph: Graph, folder: Path, *, planned: bool = False) -> float:
    """How far NumPy and ONNX Runtime are apart, relative to the largest element of each output.

    Biases and the four parts of each batch normalisation are drawn from a seed, since zeros and identities would hide
    mistakes; what goes into a last Softmax is compared too, since behind it large differences look small.

    Args:
        graph: Of which both run a copy.
        folder: Where the exported file goes.
        planned: Whether NumPy runs in the planned arena.

    Raises:
        AssertionError: An output is the same everywhere, so that the comparison would tell nothing.
    """
    copy = with_random_weights(graph)
    copy.set_outputs(copy.value(name) for name in before_softmax(graph))
    path = folder / f"{graph.name}.onnx"
    cnnir.save(copy, path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = random_input(copy)
    names = [value.name for value in copy.outputs]
    expected = [np.asarray(array) for array in session.run(names, feed)]
    found = copy.run(feed, plan=copy.plan() if planned else None)
    assert all(float(np.ptp(array)) > 0 for array in expected), graph.name
    return max(_off(found[name], array) for name, array in zip(names, expected, strict=True))


def _off(found: AnyArray, expected: AnyArray) -> float:
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())
