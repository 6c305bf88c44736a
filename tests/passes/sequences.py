"""A random network through a random sequence of passes that promise to keep values, each step judged.

The passes are all of the registry that make the promise, a new one among them from the day it is registered. Every
graph on the way is exported, and ONNX Runtime has to compute of it what it computes of the first one: for the batch of
the file and another one where that is open, and with other weights where callers may give them.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints

import numpy as np
import onnx
import onnxruntime

from cnnir.exporters.onnx import write
from cnnir.graph import Graph
from cnnir.passes import REGISTRY, Pass, Pipeline, apply
from cnnir.passes.sizes.shape_inference import graph_symbols
from cnnir.text import digest
from cnnir.weights import AnyArray
from tests.measure import Sensitivity, farthest
from tests.random_graphs import random_graph
from tests.random_networks import Network, random_network

KEEPING = tuple(name for name, cls in sorted(REGISTRY.items()) if cls.preserves == "values")

TOLERANCE = 1e-4
"""Of the largest element, where nothing cancels."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one sequence did.

    Attributes:
        stages: The passes, as text.
        changes: How many changes they made.
    """

    stages: tuple[str, ...]
    changes: int


def run_sequence(seed: int, longest: int = 5) -> Outcome:
    """One sequence on one network, both drawn from the seed.

    Raises:
        AssertionError: naming the passes so far, where something is not as promised.
    """
    rng = np.random.default_rng(seed)
    network = drawn_network(rng)
    graph = network.graph
    feeds = drawn_feeds(network, rng)
    expected = [computed(graph, feed) for feed in feeds]
    first = write(graph)
    sensitivities = [Sensitivity.by_reference(first, feed) for feed in feeds]
    names = [value.name for value in graph.outputs]
    done: list[str] = []
    changes = 0
    for _ in range(int(rng.integers(1, longest + 1))):
        stage = drawn_pass(rng)
        done.append(str(stage))
        told = f"seed {seed}: {','.join(done)}"
        before = digest(graph)
        try:
            result = apply(graph, stage, check="values")
        except Exception as error:
            raise AssertionError(f"{told}: {error}") from error
        assert digest(graph) == before, told
        assert result.check is not None, f"{told}: {result.unchecked}"
        assert result.check.equal, told
        changes += len(result.changes)
        graph = result.graph
        assert Pipeline.parse(str(stage)).stages == (stage,)
        for feed, arrays, sensitivity in zip(feeds, expected, sensitivities, strict=True):
            try:
                found = computed(graph, feed)
            except Exception as error:
                raise AssertionError(f"{told}: ONNX Runtime: {error}") from error
            assert_close(dict(zip(names, found, strict=True)), arrays, sensitivity, told)
            if not feed.keys() & set(network.overridable):
                own = graph.run(feed)
                interpreted = {name: own[value.name] for name, value in zip(names, graph.outputs, strict=True)}
                assert_close(interpreted, arrays, sensitivity, f"{told}, interpreted")
    if not graph_symbols(graph):
        planned, free = graph.run(feeds[0], plan=graph.plan()), graph.run(feeds[0])
        assert all(np.array_equal(planned[name], free[name]) for name in free), f"seed {seed}: planned run"
    return Outcome(tuple(done), changes)


def drawn_network(rng: np.random.Generator) -> Network:
    """Mostly one with heads, now and then a DAG of everything."""
    if rng.random() < 0.75:
        return random_network(rng)
    graph = random_graph(rng)
    (value,) = graph.inputs
    return Network(graph, tuple(int(str(dim)) for dim in value.type.shape), ())  # type: ignore[union-attr]


def drawn_feeds(network: Network, rng: np.random.Generator) -> list[dict[str, AnyArray]]:
    """An image; of another batch where that is open; with other weights where those may be given."""
    batches = [network.shape[0], *([network.shape[0] + 1] if graph_symbols(network.graph) else [])]
    feeds: list[dict[str, AnyArray]] = [
        {"x": rng.standard_normal((batch, *network.shape[1:])).astype(np.float32)} for batch in batches
    ]
    if network.overridable:
        others: dict[str, AnyArray] = {}
        for name in network.overridable:
            weight = network.graph.value(name).weight
            assert weight is not None
            others[name] = np.asarray(weight.array() * rng.uniform(0.5, 1.5), np.float32)
        feeds.append({**feeds[0], **others})
    return feeds


def drawn_pass(rng: np.random.Generator) -> Pass:
    """A pass that promises to keep values, with options of its own: flags at random, the rest as they are."""
    while True:
        cls = REGISTRY[str(rng.choice(KEEPING))]
        kinds = get_type_hints(cls)
        options: dict[str, Any] = {
            item.name: bool(rng.integers(2)) for item in dataclasses.fields(cls)
            if kinds[item.name] is bool and rng.random() < 0.5
        }  # fmt: skip
        made = cls(**options)
        if made.preserves == "values":  # an option may take the promise back
            return made


def computed(graph: Graph, feed: Mapping[str, AnyArray]) -> list[AnyArray]:
    """The outputs by ONNX Runtime, of a model that the checker accepts in full."""
    model = write(graph)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(array) for array in session.run([value.name for value in graph.outputs], dict(feed))]


def assert_close(
    found: Mapping[str, AnyArray], expected: Sequence[AnyArray], sensitivity: Sensitivity, told: str
) -> None:
    """Equal within the measure, in the same shapes and element types, and finite."""
    assert all(np.isfinite(array).all() for array in found.values()), told
    wrong = farthest(found, expected, TOLERANCE, sensitivity)
    assert wrong is None, f"{told}: {wrong}"
