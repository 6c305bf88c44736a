"""Shape arithmetic around a Reshape, as exporters write it for an open batch, judged by ONNX Runtime at two batches."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from cnnir.exporters.onnx import read, write
from cnnir.graph import Graph
from cnnir.ops import Conv, Opaque, Reshape
from cnnir.types import TensorType
from cnnir.verify import verify
from cnnir.weights import AnyArray

INT64, FLOAT = TensorProto.INT64, TensorProto.FLOAT
BATCHES = (1, 3)


class Chain:
    """Nodes from a map ``r`` of ``[N, 4, 6, 5]`` to the target of a Reshape."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, AnyArray] = {}

    def int64(self, *items: int) -> str:
        """A constant vector."""
        return self.constant(np.array(items, np.int64))

    def scalar(self, item: int) -> str:
        """A constant number."""
        return self.constant(np.array(item, np.int64))

    def constant(self, array: AnyArray) -> str:
        """Any constant."""
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output."""
        return self.several(op, *inputs, count=1, **attributes)[0]

    def several(self, op: str, *inputs: str, count: int, **attributes: Any) -> list[str]:
        """A node."""
        outputs = [f"v{len(self.nodes)}_{index}" for index in range(count)]
        self.nodes.append(helper.make_node(op, inputs, outputs, **attributes))
        return outputs

    def size(self, axis: int) -> str:
        """One dim of the map as a number, by Shape and Gather."""
        return self.node("Gather", self.node("Shape", "r"), self.scalar(axis), axis=0)

    def vector(self, number: str) -> str:
        """The number as a vector."""
        return self.node("Unsqueeze", number, self.int64(0))

    def row(self, *vectors: str) -> str:
        """Vectors one behind the other."""
        return self.node("Concat", *vectors, axis=0)


def size_and_rest(c: Chain) -> str:
    return c.row(c.vector(c.size(0)), c.int64(-1))


def size_from_the_back(c: Chain) -> str:
    return c.row(c.vector(c.size(-4)), c.int64(-1))


def all_but_the_batch(c: Chain) -> str:
    features = c.node("Mul", c.node("Mul", c.size(1), c.size(2)), c.size(3))
    return c.row(c.vector(c.size(0)), c.vector(features))


def product_of_a_slice(c: Chain) -> str:
    rest = c.node("Slice", c.node("Shape", "r"), c.int64(1), c.int64(2**63 - 1), c.int64(0))
    features = c.node("ReduceProd", rest, keepdims=1)
    return c.row(c.node("Shape", "r", start=0, end=1), features)


def sliced(c: Chain) -> str:
    first = c.node("Slice", c.node("Shape", "r"), c.int64(0), c.int64(1), c.int64(0), c.int64(1))
    return c.row(first, c.int64(-1))


def squeezed(c: Chain) -> str:
    first = c.node("Slice", c.node("Shape", "r"), c.int64(0), c.int64(1), c.int64(0))
    return c.row(c.vector(c.node("Squeeze", first, c.int64(0))), c.int64(-1))


def cast(c: Chain) -> str:
    narrow = c.node("Cast", c.node("Shape", "r"), to=TensorProto.INT32)
    first = c.node("Gather", narrow, c.int64(0), axis=0)
    return c.row(c.node("Cast", first, to=INT64), c.int64(-1))


def size_of_all(c: Chain) -> str:
    features = c.node("Div", c.node("Size", "r"), c.size(0))
    return c.row(c.int64(-1), c.vector(features))


def split(c: Chain) -> str:
    parts = c.several("Split", c.node("Shape", "r"), c.int64(1, 3), axis=0, count=2)
    return c.row(parts[0], c.int64(-1))


def there_and_back(c: Chain) -> str:
    sum_ = c.node("Sub", c.node("Add", c.size(0), c.size(1)), c.scalar(4))
    least = c.node("Max", sum_, c.scalar(1))
    return c.row(c.vector(c.node("Min", least, c.node("Mul", sum_, c.scalar(2)))), c.int64(-1))


def chosen(c: Chain) -> str:
    wanted = c.row(c.vector(c.size(0)), c.int64(-1))
    open_ = c.node("Equal", wanted, c.int64(-1, -1))
    return c.node("Where", open_, c.int64(7, 120), wanted)


def chosen_by_one_element(c: Chain) -> str:
    """Whether the first element holds is open, the others are decided: which is which may not get lost."""
    fits = c.node("Equal", c.node("Shape", "r"), c.int64(1, 4, 7, 5))
    features = c.node("Where", c.node("Gather", fits, c.int64(2), axis=0), c.int64(60), c.int64(120))
    return c.row(c.vector(c.size(0)), features)


def not_decided(c: Chain) -> str:
    largest = c.node("Max", c.size(0), c.scalar(120))
    return c.row(c.vector(c.size(0)), c.vector(largest))


def regrouped(c: Chain) -> str:
    return c.row(
        c.vector(c.size(0)),
        c.int64(2),
        c.vector(c.node("Div", c.size(1), c.scalar(2))),
        c.vector(c.size(2)),
        c.int64(-1),
    )


def turned_round(c: Chain) -> str:
    turned = c.node("Slice", c.row(c.int64(-1), c.vector(c.size(0))), c.int64(1), c.int64(-3), c.int64(0), c.int64(-1))
    return c.node("Reshape", c.node("Identity", turned), c.int64(2))


CHAINS: dict[Callable[[Chain], str], str] = {
    **dict.fromkeys(
        (size_and_rest, size_from_the_back, all_but_the_batch, product_of_a_slice, sliced, squeezed, cast, size_of_all),
        "float32[N, 120]",
    ),
    **dict.fromkeys(
        (split, there_and_back, chosen, chosen_by_one_element, turned_round, not_decided), "float32[N, 120]"
    ),
    regrouped: "float32[N, 2, 2, 6, 5]",
}
"""Shape arithmetic, and what the Reshape then gives."""


def model(make: Callable[[Chain], str], image: Sequence[int | str], *, head: bool = False) -> Graph:
    """A convolution, the chain, the Reshape to what it computes, and perhaps a fully connected layer."""
    chain = Chain()
    target = make(chain)
    rng = np.random.default_rng(0)
    weights = {"k": rng.standard_normal((4, 2, 3, 3)).astype(np.float32)}
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["m"]),
        helper.make_node("Relu", ["m"], ["r"]),
        *chain.nodes,
        helper.make_node("Reshape", ["r", target], ["f"], name="view"),
    ]
    if head:
        weights["w"] = rng.standard_normal((5, 120)).astype(np.float32)
        nodes.append(helper.make_node("Gemm", ["f", "w"], ["y"], name="fc", transB=1))
    graph = helper.make_graph(
        nodes, "exported",
        [helper.make_tensor_value_info("x", FLOAT, image)],
        [helper.make_tensor_value_info(nodes[-1].output[0], FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in {**chain.constants, **weights}.items()],
    )  # fmt: skip
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return read(proto)


def runtime(graph: Graph, image: AnyArray) -> AnyArray:
    """What ONNX Runtime computes of the exported graph."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    data = write(graph).SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": image})[0])


def image(*sizes: int) -> AnyArray:
    return np.random.default_rng(1).standard_normal(sizes).astype(np.float32)


def same(before: Graph, after: Graph, pixels: AnyArray) -> None:
    """ONNX Runtime sees no difference, and neither does the interpreter."""
    expected = runtime(before, pixels)
    assert np.abs(runtime(after, pixels) - expected).max() <= 1e-5 * np.abs(expected).max()
    (ours,) = after.run({"x": pixels}).values()
    assert ours.shape == expected.shape
    assert np.abs(ours - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("make", CHAINS)
def test_an_open_batch(make: Callable[[Chain], str]) -> None:
    """Nothing is opaque, nothing of the arithmetic is left, and the batch is still open."""
    before = model(make, ("N", 2, 8, 7))
    assert any(isinstance(node.op, Opaque) for node in before.nodes)
    result = before.apply("fold")
    verify(result.graph)
    assert [node.op.kind for node in result.graph.nodes] == ["Conv", "Relu", "Reshape"]
    assert {value.name for value in result.graph.weights} == {"k"}
    assert not result.refusals
    assert str(result.graph.outputs[0].type) == CHAINS[make]
    for batch in BATCHES:
        same(before, result.graph, image(batch, 2, 8, 7))
    assert str(result.graph.bind(N=2).outputs[0].type) == CHAINS[make].replace("N", "2")


@pytest.mark.parametrize("make", [make for make in CHAINS if make is not regrouped])
def test_fully_connected_behind_it(make: Callable[[Chain], str]) -> None:
    """The head is found, and becomes a convolution for any batch."""
    before = model(make, ("N", 2, 8, 7), head=True)
    alone = before.apply("fc-to-conv")
    assert not alone.modified
    assert [one.reason.partition("; ")[2] for one in alone.refusals] == ["the pass fold may work it out"]
    result = before.apply("fold,fc-to-conv")
    assert not result.refusals
    assert [node.op.kind for node in result.graph.nodes] == ["Conv", "Relu", "Conv", "Squeeze"]
    assert str(result.graph.outputs[0].type) == "float32[N, 5]"
    for batch in BATCHES:
        same(before, result.graph, image(batch, 2, 8, 7))
    dense = before.apply("fold,fc-to-conv{keep_interface=false}").graph
    assert str(dense.outputs[0].type) == "float32[N, 5, H - 7, W - 6]"


def test_open_sizes() -> None:
    """One dim is copied, the one that remains is inferred: so the height and the width may be open as well."""
    before = model(all_but_the_batch, ("N", 2, "H", "W"))
    result = before.apply("fold")
    (node,) = [node for node in result.graph.nodes if isinstance(node.op, Reshape)]
    assert isinstance(node.op, Reshape)
    assert node.op.shape == (0, -1)
    assert isinstance(node.output.type, TensorType)
    assert str(node.output.type) == "float32[N, 4*H*W - 8*H - 8*W + 16]"
    for sizes in ((1, 2, 8, 7), (2, 2, 5, 11)):
        same(before, result.graph, image(*sizes))
    with_head = model(size_and_rest, ("N", 2, "H", "W"), head=True).apply("fold,fc-to-conv")
    assert any("set-size" in refusal.reason and "fc (Gemm)" in refusal.nodes for refusal in with_head.refusals)
    assert sum(isinstance(node.op, Conv) for node in with_head.graph.nodes) == 1


def test_several_open_dims() -> None:
    """Dims that are neither copied nor the only one to infer are named, and the file computes them."""

    def shuffled(c: Chain) -> str:
        return c.row(c.int64(2, 2), c.vector(c.size(0)), c.vector(c.size(3)), c.vector(c.size(2)))

    before = model(shuffled, ("N", 2, "H", "W"))
    result = before.apply("fold")
    assert not result.refusals
    node = result.graph.node("view")
    assert isinstance(node.op, Reshape)
    assert str(node.output.type) == "float32[2, 2, N, W - 2, H - 2]"
    for sizes in ((1, 2, 8, 7), (2, 2, 5, 11)):
        same(before, result.graph, image(*sizes))
    again = read(write(result.graph)).apply("fold").graph
    assert again.node("view").op == node.op


def test_what_cannot_be_said() -> None:
    """Two dims that are not copied, one of them not known: the node stays as it was, and is named."""

    def compared(c: Chain) -> str:
        largest = c.node("Max", c.size(2), c.scalar(3))
        return c.row(c.int64(2, 2), c.vector(c.size(0)), c.vector(c.size(3)), c.vector(largest))

    before = model(compared, ("N", 2, "H", "W"))
    result = before.apply("fold")
    assert any(isinstance(node.op, Opaque) and node.name == "view" for node in result.graph.nodes)
    (refusal,) = [refusal for refusal in result.refusals if "view (Reshape)" in refusal.nodes]
    assert "[2, 2, N, W - 2, ?] cannot be said" in refusal.reason
    named = {label for refusal in result.refusals for label in refusal.nodes}
    assert named == {node.label for node in result.graph.nodes if isinstance(node.op, Opaque)}
    for sizes in ((1, 2, 8, 7), (2, 2, 5, 11)):
        same(before, result.graph, image(*sizes))
    bound = before.bind(N=1, H=8, W=7).apply("fold")
    assert not bound.refusals
    assert not any(isinstance(node.op, Opaque) for node in bound.graph.nodes)


def test_what_is_not_decided() -> None:
    """A half of an open batch plus a half is the batch for even ones alone: the node stays."""

    def halves(c: Chain) -> str:
        half = c.node("Div", c.size(0), c.scalar(2))
        return c.row(c.vector(c.node("Add", half, half)), c.int64(-1))

    result = model(halves, ("N", 2, 8, 7)).apply("fold")
    (refusal,) = [refusal for refusal in result.refusals if "view (Reshape)" in refusal.nodes]
    assert "N//2" in refusal.reason
    assert isinstance(result.graph.node("view").op, Opaque)


def test_differences_stay_open() -> None:
    """What may be negative is not divided, and what is not ordered has no maximum."""

    def compared(c: Chain) -> str:
        largest = c.node("Max", c.size(0), c.scalar(2))
        return c.row(c.int64(-1), c.vector(largest))

    result = model(compared, ("N", 2, 8, 7)).apply("fold")
    (refusal,) = [refusal for refusal in result.refusals if "view (Reshape)" in refusal.nodes]
    assert "[-1, ?]" in refusal.reason


def test_known_dims_of_an_open_shape() -> None:
    """The channels are a number though the batch is not: what is computed from them is a constant."""

    def channels(c: Chain) -> str:
        c.nodes.append(helper.make_node("Cast", [c.size(1)], ["unused"], to=FLOAT))
        return c.row(c.int64(-1), c.vector(c.node("Mul", c.size(1), c.scalar(30))))

    result = model(channels, ("N", 2, 8, 7)).apply("fold")
    assert any("no size that it reads is open" in change.what for change in result.changes)
    assert str(result.graph.outputs[0].type) == "float32[N, 120]"


def test_nothing_to_compare() -> None:
    """A constant without elements, of several axes."""

    def nothing(c: Chain) -> str:
        empty = c.node("Equal", c.node("Shape", "r"), c.constant(np.zeros((0, 4), np.int64)))
        c.nodes.append(helper.make_node("Cast", [empty], ["unused"], to=FLOAT))
        return size_and_rest(c)

    result = model(nothing, ("N", 2, 8, 7)).apply("fold")
    assert str(result.graph.outputs[0].type) == "float32[N, 120]"
    same(model(nothing, ("N", 2, 8, 7)), result.graph, image(3, 2, 8, 7))


def test_numbers_that_overflow() -> None:
    """They are no sizes, and what becomes of them is left to who runs the network."""

    def wrapped(c: Chain) -> str:
        large = c.node("Mul", c.node("Shape", "r"), c.int64(2**62))
        c.nodes.append(helper.make_node("Cast", [c.node("Gather", large, c.scalar(2), axis=0)], ["unused"], to=FLOAT))
        return size_and_rest(c)

    result = model(wrapped, ("N", 2, 8, 7)).apply("fold")
    assert str(result.graph.outputs[0].type) == "float32[N, 120]"
    assert "Mul" in [node.op.kind for node in result.graph.nodes], "it is not worked out"
