"""Passes that promise to keep values, in random sequences on random networks."""

from collections import Counter

import numpy as np
import pytest

from cnnir.dims import is_known
from cnnir.passes import REGISTRY, Pass
from cnnir.types import TensorType
from tests.passes.sequences import KEEPING, drawn_pass, run_sequence
from tests.random_networks import random_network


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_outputs_stay(first: int) -> None:
    """Whatever the sequence, every graph on the way computes what the first one does, here and in ONNX Runtime."""
    outcomes = [run_sequence(seed) for seed in range(first, first + 20)]
    assert sum(outcome.changes for outcome in outcomes) > 0


def test_the_networks_are_varied() -> None:
    """What rewrites look for is there, alone and together."""
    seen = Counter[str]()
    for seed in range(200):
        network = random_network(np.random.default_rng(seed))
        graph = network.graph
        seen.update({node.op.kind for node in graph.nodes})
        (x,) = graph.inputs
        assert isinstance(x.type, TensorType)
        seen["open batch"] += not is_known(x.type.shape[0])
        seen["larger batch"] += network.shape[0] > 1
        seen["overridable"] += bool(network.overridable)
        seen["several outputs"] += len(graph.outputs) > 1
        seen["shared weights"] += any(len(value.users) > 1 for value in graph.weights)
        seen["channels last"] += graph.nodes[0].op.kind == "Transpose"
    wanted = (
        "Gemm", "MatMul", "Flatten", "Reshape", "Squeeze", "Softmax", "GlobalAveragePool", "BatchNormalization", "Mul",
        "Sub", "Div", "Concat", "Dropout", "open batch", "larger batch", "overridable", "several outputs",
        "shared weights", "channels last",
    )  # fmt: skip
    assert all(seen[what] >= 10 for what in wanted), seen


def test_every_pass_that_makes_the_promise_is_drawn() -> None:
    """Each has an honest text form and a docstring."""
    assert {"dead-code", "fc-to-conv", "fold", "infer-shapes"} <= set(KEEPING)
    rng = np.random.default_rng(0)
    drawn = [drawn_pass(rng) for _ in range(40 * len(KEEPING))]
    assert {one.name for one in drawn} == set(KEEPING)
    assert {str(one) for one in drawn} >= {"fold", "fold{constants=false}", "fc-to-conv{dense=true}"}
    for name in KEEPING:
        made: Pass = REGISTRY[name]()
        assert str(made) == name
        assert made.__doc__
