"""Fewer nodes, the same values: each simplification on a network that has it, and where it would be wrong."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import onnxruntime
import pytest

import cnnir
from cnnir import Graph, GraphBuilder
from cnnir.cli import main
from cnnir.exporters.onnx import read, write
from cnnir.graph import Value
from cnnir.ops import (
    Cast,
    Clip,
    Concat,
    Conv,
    Div,
    Dropout,
    Erf,
    Flatten,
    HardSigmoid,
    Identity,
    Pad,
    ReduceMean,
    Reshape,
    Resize,
    Slice,
    Squeeze,
    Sub,
    Sum,
    Transpose,
    Unsqueeze,
)
from cnnir.types import DType
from cnnir.weights import Array, Fill
from tests import models

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/cnnir.simplify-1.schema.json").read_text())

Body = Callable[[GraphBuilder, Value], Value]

IMAGE = (2, 4, 6, 8)


def network(body: Body, *, batch: int | str = 2) -> Graph:
    """A network on one image, ``x`` in and ``y`` out."""
    builder = GraphBuilder("net", seed=5)
    x = builder.input("x", (batch, *IMAGE[1:]))
    return builder.build(builder.op(Identity(), body(builder, x), name="y"))


def weight(builder: GraphBuilder, array: object, name: str = "c") -> Value:
    """A constant."""
    return builder.graph.add_weight(name, Array.of(np.asarray(array, np.float32)))


def check_values(before: Graph, after: Graph) -> None:
    """NumPy and ONNX Runtime compute of the one what they compute of the other."""
    image = np.random.default_rng(1).normal(0, 3, IMAGE).astype(np.float32)
    for name, expected in before.run({"x": image}).items():
        np.testing.assert_allclose(after.run({"x": image})[name], expected, rtol=1e-5, atol=1e-5)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    found = [
        onnxruntime.InferenceSession(write(graph).SerializeToString(), options).run(None, {"x": image})
        for graph in (before, after)
    ]
    np.testing.assert_allclose(np.asarray(found[1][0]), np.asarray(found[0][0]), rtol=1e-5, atol=1e-5)


def kinds(graph: Graph) -> list[str]:
    """Kinds of the nodes; the Identity that names the output left out."""
    return [node.op.kind for node in graph.nodes if node.op != Identity()]


NOTHING: dict[str, Body] = {
    "identity": lambda b, x: b.op(Identity(), b.relu(x)),
    "dropout": lambda b, x: b.op(Dropout(), b.relu(x)),
    "cast": lambda b, x: b.op(Cast(to=DType.FLOAT32), b.relu(x)),
    "transpose": lambda b, x: b.op(Transpose((0, 1, 2, 3)), b.relu(x)),
    "reshape": lambda b, x: b.op(Reshape(IMAGE), b.relu(x)),
    "pad": lambda b, x: b.op(Pad(pads=(0,) * 8), b.relu(x)),
    "slice": lambda b, x: b.op(Slice(starts=(0,), ends=(6,), axes=(2,), steps=(1,)), b.relu(x)),
    "resize": lambda b, x: b.op(Resize(scales=(1.0, 1.0, 1.0, 1.0), coordinates="asymmetric"), b.relu(x)),
    "concat of one": lambda b, x: b.op(Concat(axis=1), b.relu(x)),
    "sum of one": lambda b, x: b.op(Sum(), b.relu(x)),
    "max pool of one": lambda b, x: b.max_pool(b.relu(x), 1),
    "average pool of one": lambda b, x: b.average_pool(b.relu(x), 1),
    "relu twice": lambda b, x: b.relu(b.relu(x)),
    "clip twice": lambda b, x: b.relu6(b.op(Clip(0.0, 6.0), b.op(Clip(), b.relu(x)))),
    "plus zero": lambda b, x: b.add(weight(b, np.zeros((4, 1, 1))), b.relu(x)),
    "times one": lambda b, x: b.mul(b.relu(x), weight(b, 1.0)),
    "minus zero": lambda b, x: b.op(Sub(), b.relu(x), weight(b, [0.0])),
    "by one": lambda b, x: b.op(Div(), b.relu(x), weight(b, np.ones((1, 1, 6, 1)))),
    "plus a fill of zero": lambda b, x: b.add(
        b.relu(x), b.graph.add_weight("c", Fill(DType.FLOAT32, IMAGE, np.float32(0)))
    ),
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_computes_nothing(name: str) -> None:
    """It goes, and with it nothing else."""
    before = network(NOTHING[name])
    after = before.apply("remove-identities").graph
    expected = ["Relu", "Clip"] if name == "clip twice" else ["Relu"]
    assert kinds(after) == expected
    assert [value.name for value in after.outputs] == ["y"]
    check_values(before, after)


SOMETHING: dict[str, Body] = {
    "a cast to half": lambda b, x: b.op(Cast(to=DType.FLOAT32), b.op(Cast(to=DType.FLOAT16), x)),
    "a mirrored slice": lambda b, x: b.op(Slice(starts=(-1,), ends=(-99,), axes=(2,), steps=(-1,)), x),
    "zero minus": lambda b, x: b.op(Sub(), weight(b, [0.0]), x),
    "one by": lambda b, x: b.op(Div(), weight(b, [1.0]), x),
    "a sum that enlarges": lambda b, x: b.add(b.global_average_pool(x), weight(b, np.zeros((1, 1, 6, 8)))),
    "nearly one": lambda b, x: b.mul(x, weight(b, [1.0, 1, 1, 1, 1, 1, 1, 1.5])),
    "a leaky relu twice": lambda b, x: b.leaky_relu(b.leaky_relu(x, 0.5), 0.5),
    "other bounds": lambda b, x: b.op(Clip(0.0, 3.0), b.relu6(x)),
    "a stride": lambda b, x: b.max_pool(x, 1, 2),
}


@pytest.mark.parametrize("name", SOMETHING)
def test_what_computes_something(name: str) -> None:
    """It stays."""
    before = network(SOMETHING[name])
    after = before.apply("simplify").graph
    assert kinds(after) == kinds(before)
    check_values(before, after)


def test_interface_names_stay() -> None:
    """An output keeps its name; where input and output would be one value, the node stays."""
    builder = GraphBuilder("net")
    x = builder.input("x", IMAGE)
    graph = builder.build(builder.op(Dropout(), x, name="y"), builder.op(Dropout(), builder.relu(x), name="z"))
    result = graph.apply("remove-identities")
    assert [value.name for value in result.graph.outputs] == ["y", "z"]
    assert kinds(result.graph) == ["Dropout", "Relu"]
    assert "is an output, and x has a name of its own" in result.refusals[0].reason


VIEWS: dict[str, tuple[Body, str]] = {
    "flatten a squeeze": (lambda b, x: b.flatten(b.op(Unsqueeze((2,)), x)), "Reshape"),
    "there and back": (lambda b, x: b.op(Squeeze((1,)), b.op(Unsqueeze((1,)), x)), "Reshape"),
    "three": (lambda b, x: b.reshape(b.reshape(b.reshape(x, (2, 24, 8)), (48, 8)), (2, 8, 24)), "Reshape"),
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("batch", [2, "N"])
def test_views_of_views(name: str, batch: int | str) -> None:
    """One Reshape, for an open batch too where it can be said."""
    body, kind = VIEWS[name]
    if batch == "N" and name == "three":
        pytest.skip("it is made for one batch")
    before = network(body, batch=batch)
    after = before.apply("merge-views").graph
    assert kinds(after) == [kind]
    check_values(before, after)


def test_views_that_others_read() -> None:
    """A view with two readers stays, and one between other nodes."""
    before = network(lambda b, x: b.add(b.reshape(v := b.flatten(x), IMAGE), b.relu(b.reshape(b.tanh(v), IMAGE))))
    assert kinds(before.apply("merge-views").graph) == kinds(before)


def test_concats() -> None:
    """A Concat inside of one along the same axis is a part of it; along another axis it stays."""

    def body(b: GraphBuilder, x: Value) -> Value:
        inner = b.concat(b.relu(x), b.tanh(x))
        other = b.concat(x, x, axis=2)
        return b.concat(b.max_pool(inner, 1), b.concat(inner, x), b.max_pool(other, (2, 1), (2, 1)))

    before = network(body)
    after = before.apply("merge-concats").graph
    assert Counter(kinds(before))["Concat"] - Counter(kinds(after))["Concat"] == 1
    check_values(before, after)


PADS: dict[str, tuple[Body, bool]] = {
    "conv": (lambda b, x: b.conv(b.pad(x, (1, 2, 3, 0)), 3, kernel=3, padding=1), True),
    "average": (lambda b, x: b.average_pool(b.pad(x, 1), 3, 2), True),
    "average that counts": (lambda b, x: b.average_pool(b.pad(x, 1), 3, 1, 1, count_padding=True), True),
    "average that does not count": (lambda b, x: b.average_pool(b.pad(x, 1), 3, 1, 1), False),
    "average with a cut window": (lambda b, x: b.average_pool(b.pad(x, 1), 3, 2, ceil_mode=True), False),
    "average in padding alone": (lambda b, x: b.average_pool(b.pad(x, 2), 2, 1), False),
    "maximum of what is positive": (lambda b, x: b.max_pool(b.pad(b.relu(x), 1), 3, 1), True),
    "maximum of anything": (lambda b, x: b.max_pool(b.pad(x, 1), 3, 1), False),
    "maximum, lowest": (
        lambda b, x: b.max_pool(b.op(Pad(pads=(0, 0, 1, 1, 0, 0, 1, 1), value=float("-inf")), x), 3, 1), True,
    ),
    "ones": (lambda b, x: b.conv(b.op(Pad(pads=(0, 0, 1, 1, 0, 0, 1, 1), value=1.0), x), 3, kernel=3), False),
    "mirrored": (lambda b, x: b.conv(b.op(Pad(pads=(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect"), x), 3, kernel=3), False),
    "channels": (lambda b, x: b.conv(b.op(Pad(pads=(0, 1, 0, 0, 0, 0, 0, 0)), x), 3, kernel=3), False),
    "cropped": (lambda b, x: b.conv(b.op(Pad(pads=(0, 0, -1, 0, 0, 0, 0, 0)), x), 3, kernel=3), False),
    "no window": (lambda b, x: b.relu(b.pad(x, 1)), False),
}  # fmt: skip


@pytest.mark.parametrize("name", PADS)
def test_pads(name: str) -> None:
    """Into the window where that is the same, else it stays and says why."""
    body, folds = PADS[name]
    before = network(body)
    result = before.apply("fold-pads")
    assert ("Pad" not in kinds(result.graph)) == folds
    assert bool(result.refusals) != folds
    check_values(before, result.graph)


def test_a_pad_that_two_read() -> None:
    """Each takes it that can; for the other it stays."""
    before = network(lambda b, x: b.concat(b.conv(p := b.pad(x, 1), 3, kernel=3), b.max_pool(p, 3, 1)))
    result = before.apply("fold-pads")
    assert kinds(result.graph) == ["Pad", "Conv", "MaxPool", "Concat"]
    assert isinstance(result.graph.nodes[1].op, Conv)
    assert result.graph.nodes[1].op.pads == (1, 1, 1, 1)
    check_values(before, result.graph)


def nhwc(b: GraphBuilder, x: Value) -> Value:
    return b.transpose(x, (0, 2, 3, 1))


def nchw(b: GraphBuilder, x: Value) -> Value:
    return b.transpose(x, (0, 3, 1, 2))


TRANSPOSES: dict[str, tuple[Body, int]] = {
    "back": (lambda b, x: nchw(b, nhwc(b, x)), 0),
    "one of two": (lambda b, x: nhwc(b, nhwc(b, x)), 1),
    "behind relu": (lambda b, x: nchw(b, b.relu(nhwc(b, x))), 0),
    "bias": (lambda b, x: nchw(b, b.add(nhwc(b, x), weight(b, [1.0, 2, 3, 4]))), 0),
    "number": (lambda b, x: nchw(b, b.mul(weight(b, 2.0), nhwc(b, x))), 0),
    "two branches": (lambda b, x: nchw(b, b.add(nhwc(b, b.relu(x)), b.tanh(nhwc(b, x)))), 0),
    "concat": (lambda b, x: nchw(b, b.concat(nhwc(b, b.relu(x)), nhwc(b, x), axis=3)), 0),
    "convolutions": (
        lambda b, x: b.conv(
            nchw(b, b.relu6(b.add(nhwc(b, b.conv(x, 4, kernel=1)), weight(b, [1, 2, 3, 4])))), 2, kernel=3
        ),
        0,
    ),
    "softmax between": (lambda b, x: nchw(b, b.softmax(nhwc(b, x), axis=3)), 2),
    "no partner": (lambda b, x: b.relu(nhwc(b, x)), 1),
}


@pytest.mark.parametrize("name", TRANSPOSES)
def test_transposes(name: str) -> None:
    """They meet and go; where they cannot meet, nothing moves."""
    body, left = TRANSPOSES[name]
    before = network(body)
    after = before.apply("cancel-transposes").graph
    assert kinds(after).count("Transpose") == left
    if left == kinds(before).count("Transpose"):
        assert kinds(after) == kinds(before)
    check_values(before, after)


SCALARS: dict[str, tuple[Body, list[str]]] = {
    "factors": (
        lambda b, x: b.mul(weight(b, 2.0), b.mul(b.relu(x), weight(b, [[[3.0]], [[4.0]], [[5.0]], [[6.0]]], "d"))),
        ["Relu", "Mul"],
    ),
    "three": (lambda b, x: b.mul(b.mul(b.mul(x, weight(b, 2.0)), weight(b, 3.0, "d")), weight(b, 4.0, "e")), ["Mul"]),
    "summands": (lambda b, x: b.add(b.add(x, weight(b, 2.0)), weight(b, 3.0, "d")), ["Add"]),
    "a factor and a summand": (lambda b, x: b.add(b.mul(x, weight(b, 2.0)), weight(b, 3.0, "d")), ["Mul", "Add"]),
    "too large": (lambda b, x: b.mul(b.mul(x, weight(b, 1e30)), weight(b, 1e30, "d")), ["Mul", "Mul"]),
    "too small": (lambda b, x: b.mul(b.mul(x, weight(b, 1e-30)), weight(b, 1e-30, "d")), ["Mul", "Mul"]),
    "a row and a column": (
        lambda b, x: b.mul(b.mul(x, weight(b, np.full((6, 1), 2.0))), weight(b, np.full((1, 8), 3.0), "d")),
        ["Mul", "Mul"],
    ),
    "read between": (
        lambda b, x: b.add(y := b.mul(x, weight(b, 2.0)), b.mul(y, weight(b, 3.0, "d"))),
        ["Mul", "Mul", "Add"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCALARS)
def test_constants_in_a_row(name: str) -> None:
    """One constant where the element type holds it and it is no larger than both."""
    body, expected = SCALARS[name]
    before = network(body)
    result = before.apply("merge-scalars")
    assert kinds(result.graph) == expected
    if name.startswith("too"):
        assert "does not hold the constant" in result.refusals[0].reason
    else:
        check_values(before, result.graph)


def test_common_subexpressions() -> None:
    """The same op on the same operands is computed once; constants are told by their contents."""

    def body(b: GraphBuilder, x: Value) -> Value:
        one = b.mul(b.relu(x), weight(b, [2.0], "two"))
        two = b.mul(b.relu(x), weight(b, [2.0], "two_too"))
        three = b.mul(b.relu(x), weight(b, [3.0], "three"))
        return b.add(b.add(one, two), b.add(three, b.tanh(x)))

    before = network(body)
    after = before.apply("common-subexpressions").graph
    assert Counter(kinds(after)) == {"Relu": 1, "Mul": 2, "Add": 3, "Tanh": 1}
    check_values(before, after)


def ramp(b: GraphBuilder, x: Value) -> Value:
    """``min(max(x + 3, 0), 6)``."""
    return b.relu6(b.add(x, weight(b, 3.0, "three")))


def share(b: GraphBuilder, x: Value) -> Value:
    """``1 + erf(x / sqrt(2))``."""
    return b.add(b.op(Erf(), b.op(Div(), x, weight(b, np.sqrt(2), "root"))), weight(b, 1.0, "one"))


COMPOSED: dict[str, tuple[Body, list[str]]] = {
    "hard swish of a gate": (lambda b, x: b.mul(x, b.hard_sigmoid(x)), ["HardSwish"]),
    "hard swish of a ramp": (lambda b, x: b.op(Div(), b.mul(x, ramp(b, x)), weight(b, 6.0)), ["HardSwish"]),
    "hard swish, gate first": (lambda b, x: b.mul(b.op(Div(), ramp(b, x), weight(b, 6.0)), x), ["HardSwish"]),
    "hard swish by a product": (lambda b, x: b.mul(b.mul(x, ramp(b, x)), weight(b, 1 / 6)), ["HardSwish"]),
    "hard sigmoid": (lambda b, x: b.op(Div(), ramp(b, x), weight(b, 6.0)), ["HardSigmoid"]),
    "gelu": (lambda b, x: b.mul(b.mul(x, share(b, x)), weight(b, 0.5)), ["Gelu"]),
    "gelu, half first": (lambda b, x: b.mul(b.mul(x, weight(b, 0.5)), share(b, x)), ["Gelu"]),
    "global pooling": (lambda b, x: b.op(ReduceMean(axes=(2, 3), keepdims=True), x), ["GlobalAveragePool"]),
    "another gate": (lambda b, x: b.mul(x, b.op(HardSigmoid(alpha=0.2), x)), ["HardSigmoid", "Mul"]),
    "another operand": (lambda b, x: b.mul(b.relu(x), b.hard_sigmoid(x)), ["Relu", "HardSigmoid", "Mul"]),
    "another number": (
        lambda b, x: b.op(Div(), b.relu6(b.add(x, weight(b, 3.1, "three"))), weight(b, 6.0)), ["Add", "Clip", "Div"],
    ),
    "swish before opset 24": (lambda b, x: b.swish(x), ["Sigmoid", "Mul"]),
    "a mean of rows": (lambda b, x: b.op(ReduceMean(axes=(3,), keepdims=True), x), ["ReduceMean"]),
    "read by others": (
        lambda b, x: b.add(g := b.hard_sigmoid(x), b.mul(x, g)), ["HardSigmoid", "Mul", "Add"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPOSED)
def test_composed(name: str) -> None:
    """What was taken apart is put together; what only looks like it stays."""
    body, expected = COMPOSED[name]
    before = network(body)
    result = before.apply("compose-ops")
    assert kinds(result.graph) == expected
    check_values(before, result.graph)
    assert bool(result.refusals) == (name in ("swish before opset 24", "read by others"))


def test_an_old_opset_keeps_its_parts() -> None:
    """The file's own opset has to know the whole."""
    graph = network(COMPOSED["hard swish of a gate"][0])
    graph.provenance.opsets[""] = 13
    result = graph.apply("compose-ops")
    assert kinds(result.graph) == ["HardSigmoid", "Mul"]
    assert "which opset 14 has and 13 has not" in result.refusals[0].reason


def test_two_outputs_of_one_content() -> None:
    """Both names stay, and the pass says so."""
    builder = GraphBuilder("net")
    x = builder.input("x", IMAGE)
    result = builder.build(builder.relu(x, name="y"), builder.relu(x, name="z")).apply("common-subexpressions")
    assert kinds(result.graph) == ["Relu", "Relu"]
    assert "its output has a name of its own" in result.refusals[0].reason


def test_all_together() -> None:
    """One pass makes room for the next."""

    def body(b: GraphBuilder, x: Value) -> Value:
        y = nchw(b, b.mul(nhwc(b, b.op(Dropout(), b.pad(x, 1))), weight(b, [1.0])))
        y = b.batch_norm(b.conv(y, 8, kernel=3, bias=False))
        return b.op(Flatten(axis=1), b.op(Squeeze((2, 3)), b.global_average_pool(b.relu(b.relu(y)))))

    before = network(body)
    result = before.apply("simplify", check="values")
    assert kinds(result.graph) == ["Conv", "Relu", "GlobalAveragePool", "Squeeze"]
    assert result.check is not None
    check_values(before, result.graph)


@pytest.mark.parametrize("name", ["resnet50", "shufflenet", "squeezenet", "inception_v2"])
def test_real_networks(name: str) -> None:
    """Fewer nodes, no refusal of a node that is gone, and a second time nothing is left to do."""
    graph = models.with_random_weights(cnnir.load(models.path(name)))
    result = graph.apply("simplify")
    assert len(result.graph) < len(graph)
    labels = {node.label for node in result.graph.nodes}
    assert all(labels.issuperset(refusal.nodes) for refusal in result.refusals)
    again = result.graph.apply("simplify")
    assert len(again.graph) == len(result.graph)
    feed = models.random_input(graph)
    expected, found = graph.run(feed), result.graph.run(feed)
    for output, array in expected.items():
        np.testing.assert_allclose(found[output], array, rtol=1e-3, atol=1e-5)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is written runs, the table tells what went, the JSON follows its schema."""
    out = tmp_path / "small.onnx"
    assert main(["simplify", str(models.path("squeezenet")), "--check", "values", "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "nodes" in printed.splitlines()[0]
    assert "values equal" in printed
    assert len(cnnir.load(out)) < len(cnnir.load(models.path("squeezenet")))
    assert main(["simplify", str(models.path("squeezenet")), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMA)
    assert found["nodes"][1] < found["nodes"][0]
    assert main(["simplify", str(models.path("squeezenet")), "-o", "-"]) == 2
    assert main(["simplify", str(models.path("resnet50")), "--all"]) == 0


def test_what_is_simplified_is_written_in_the_order_of_its_use() -> None:
    """The weights that folding has made stand where a reader meets them: export, load and export is the same file."""
    graph = models.with_random_weights(cnnir.load(models.path("resnet50"))).apply("simplify").graph
    first = write(graph)
    assert write(read(first)).SerializeToString(deterministic=True) == first.SerializeToString(deterministic=True)
