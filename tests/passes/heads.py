"""Heads of all kinds for the tests of fc-to-conv, and their judge: ONNX Runtime on what is exported."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import onnx
import onnxruntime

from cnnir.builder import GraphBuilder
from cnnir.dims import bind as bind_dim
from cnnir.exporters.onnx import write
from cnnir.graph import Graph, Value
from cnnir.ops import (
    Flatten,
    Gemm,
    GlobalAveragePool,
    Op,
    ReduceMean,
)
from cnnir.passes import PassResult
from cnnir.types import TensorType
from cnnir.weights import AnyArray, Array

TOLERANCE = 1e-4
"""Relative to the largest element."""


def runtime(graph: Graph, feeds: Sequence[Mapping[str, AnyArray]], outputs: Sequence[str]) -> list[list[AnyArray]]:
    """What ONNX Runtime computes of the exported graph for each feed; values asked for are made outputs."""
    model = write(graph)
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs if name not in known)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    data = model.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return [[np.asarray(array) for array in session.run(list(outputs), dict(feed))] for feed in feeds]


def assert_close(found: AnyArray, expected: AnyArray) -> None:
    """Equal up to the tolerance, relative to the largest element."""
    assert found.shape == expected.shape
    assert np.isfinite(expected).all()
    assert np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max()


def shape(value: Value) -> tuple[int, ...]:
    """The shape of a value whose dims are all known."""
    assert isinstance(value.type, TensorType)
    return tuple(int(str(dim)) for dim in value.type.shape)


def image(graph: Graph, height: int, width: int, seed: int = 0) -> dict[str, AnyArray]:
    """A random image of that size for the only input."""
    (value,) = graph.inputs
    assert isinstance(value.type, TensorType)
    batch, channels = (int(str(dim)) for dim in value.type.shape[:2])
    drawn = np.random.default_rng(seed).standard_normal((batch, channels, height, width))
    return {value.name: drawn.astype(np.float32)}


def map_size(graph: Graph, height: int, width: int) -> tuple[int, ...]:
    """What the formula in the output's type says."""
    (value,) = graph.outputs
    assert isinstance(value.type, TensorType)
    return tuple(int(str(bind_dim(dim, {"H": height, "W": width}))) for dim in value.type.shape)


SIZE = (6, 7)
"""Native height and width of the networks below."""


class Head:
    """A convolution's map ``[2, 3, 4, 5]`` and what comes behind it."""

    def __init__(self, *, batch: int = 2) -> None:
        self.builder = GraphBuilder("head")
        x = self.builder.input("image", (batch, 2, 6, 7))
        self.map = self.builder.relu(self.builder.conv(x, 3, kernel=3, name="conv"))
        self.features = 3 * 4 * 5
        self._seed = 0

    def weight(self, *sizes: int, positive: bool = False) -> Value:
        """A random weight."""
        self._seed += 1
        drawn = np.random.default_rng(self._seed).standard_normal(sizes).astype(np.float32)
        return self.builder.graph.add_weight(f"w{self._seed}", Array.of(np.abs(drawn) + 0.5 if positive else drawn))

    def op(self, op: Op, *inputs: Value | None, name: str | None = None) -> Value:
        """A node."""
        return self.builder.op(op, *inputs, name=name)

    def flat(self) -> Value:
        """The flattened map."""
        return self.op(Flatten(1), self.map)

    def fc(self, x: Value, outputs: int = 4, features: int | None = None) -> Value:
        """A fully connected layer."""
        weight = self.weight(outputs, self.features if features is None else features)
        return self.op(Gemm(trans_b=True), x, weight, self.weight(outputs))


Make: TypeAlias = Callable[[Head], list[Value]]


def built(make: Callable[[Head], list[Value]]) -> Graph:
    """The network with that head."""
    head = Head()
    return head.builder.build(*make(head))


def refused(result: PassResult, words: str, node: str) -> bool:
    """True when there is such a refusal."""
    return any(words in refusal.reason and node in refusal.nodes for refusal in result.refusals)


def kept(before: Graph, feed: Mapping[str, AnyArray] | None = None) -> Graph:
    """The network rewritten at its native size: same interface, same outputs, nothing of the old head left."""
    result = before.apply("fc-to-conv", dense=True)
    after = result.graph
    assert result.modified
    assert not result.refusals
    assert not any(isinstance(node.op, Gemm | GlobalAveragePool | ReduceMean | Flatten) for node in after.nodes)
    names = [value.name for value in before.outputs]
    assert [(value.name, str(value.type)) for value in after.outputs] == [
        (value.name, str(value.type)) for value in before.outputs
    ]
    feed = image(before, *SIZE) if feed is None else feed
    (expected,), (found,) = runtime(before, [feed], names), runtime(after, [feed], names)
    ours = after.run(feed)
    for name, wanted, got in zip(names, expected, found, strict=True):
        assert_close(got, wanted)
        assert_close(ours[name], wanted)
    return after


def crops_equal(before: Graph) -> None:
    """Without padding every position of the map is a crop's score, to the last rounding."""
    dense = before.apply("fc-to-conv", dense=True, keep_interface=False).graph
    (height, width), positions = SIZE, (4, 3)
    feed = image(before, height + positions[0] - 1, width + positions[1] - 1)
    ((name, whole),) = feed.items()
    crops = [(row, column) for row in range(positions[0]) for column in range(positions[1])]
    names = [value.name for value in before.outputs]
    cropped = runtime(before, [{name: whole[:, :, r : r + height, c : c + width]} for r, c in crops], names)
    (maps,) = runtime(dense, [feed], names)
    for index, found in enumerate(maps):
        assert found.shape[2:] == positions
        for (row, column), scores in zip(crops, cropped, strict=True):
            wanted = scores[index].reshape(found.shape[:2])
            assert np.abs(found[:, :, row, column] - wanted).max() <= 1e-5 * max(1, np.abs(wanted).max())
