"""Shapes derived anew: for symbols bound, for other inputs, and from nothing."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnir import zoo
from cnnir.builder import GraphBuilder
from cnnir.dims import symbol
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.ops import Add, Relu, Reshape
from cnnir.passes import InferShapes, bind, graph_symbols, resize_inputs
from cnnir.text import difference, print_graph
from cnnir.types import DType, TensorType, UnknownType
from cnnir.verify import verify
from tests.random_graphs import random_graph


def stack(height: int | str, width: int | str = 64, *, padding: int = 1, layers: int = 5) -> Graph:
    """Convolutions of stride 2, one behind the other, and the mean of what is left."""
    builder = GraphBuilder("stack")
    x = builder.input("image", (1, 1, height, width))
    for _ in range(layers):
        x = builder.relu(builder.conv(x, 1, kernel=3, stride=2, padding=padding))
    return builder.build(x, builder.global_average_pool(x))


def classifier(height: int) -> Graph:
    """A fully connected layer behind a pooled convolution: its weight fits one size of image."""
    builder = GraphBuilder("classifier")
    x = builder.max_pool(builder.conv(builder.input("image", (1, 3, height, 8)), 4, kernel=3, padding=1))
    return builder.build(builder.linear(builder.flatten(x), 10))


def refusal(code: str, act: object) -> CnnirError:
    assert callable(act)
    with pytest.raises(CnnirError) as caught:
        act()
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    return caught.value


# infer-shapes


@pytest.mark.parametrize("seed", range(10))
def test_inferring_anew_finds_what_was_there(seed: int) -> None:
    graph = random_graph(np.random.default_rng(seed), 12)
    result = graph.apply(InferShapes())
    assert not result.modified
    assert difference(result.graph, graph) is None


def test_wrong_types_are_mended_and_noted() -> None:
    graph = stack(64)
    right = print_graph(graph)
    for value in graph.values:
        if value.producer is not None:
            value.type = TensorType(DType.FLOAT16, (7,))
    result = graph.apply("infer-shapes")
    assert print_graph(result.graph) == right
    assert len(result.changes) == len(graph)
    assert str(result.changes[0]) == "conv1 (Conv): conv1: float16[7] becomes float32[1, 1, 32, 32]"
    assert str(graph.nodes[0].output.type) == "float16[7]"


def test_a_contradiction_is_named() -> None:
    graph = stack(64)
    graph.inputs[0].type = TensorType(DType.FLOAT32, (1, 2, 64, 64))
    error = refusal("conv-channels", lambda: graph.apply("infer-shapes"))
    assert error.node == "conv1 (Conv)"


# Symbols


def test_a_stack_of_stride_2_shows_the_formula() -> None:
    graph = stack("H", "W")
    assert str(graph.outputs[0].type) == "float32[1, 1, (H + 31)//32, (W + 31)//32]"
    assert graph_symbols(graph) == ("H", "W")


def test_binding_gives_what_the_concrete_graph_is() -> None:
    graph = stack("H", "W")
    for height in range(1, 130):
        bound, concrete = graph.bind(H=height, W=64), stack(height, 64)
        assert difference(bound, concrete) is None
        assert str(bound.outputs[0].type) == f"float32[1, 1, {(height + 31) // 32}, 2]"
        verify(bound)


def test_binding_refuses_exactly_what_the_concrete_graph_refuses() -> None:
    """Without padding each layer needs three rows of the one before; the first that has fewer is named."""
    graph = stack("H", padding=0, layers=3)
    assert [str(constraint) for constraint in graph.constraints] == ["H >= 15"]
    taken = []
    for height in range(1, 80):
        try:
            concrete = stack(height, padding=0, layers=3)
        except CnnirError as error:
            refused = refusal("constraint", lambda: graph.bind(H=height))  # noqa: B023  called at once
            assert f"H={height}" in str(refused)
            assert refused.node is not None
            assert error.node is not None  # noqa: PT017  refused in both ways
        else:
            taken.append(height)
            assert difference(graph.bind(H=height), concrete) is None
    assert taken == list(range(15, 80))


def test_a_bound_that_is_too_small_names_the_node() -> None:
    builder = GraphBuilder("window")
    x = builder.input("image", (1, 1, "H", 40))
    graph = builder.build(builder.conv(x, 1, kernel=(32, 1), name="tall"))
    error = refusal("constraint", lambda: graph.bind(H=31))
    assert error.node == "tall (Conv)"
    assert error.expected == "H >= 32"
    assert error.got == "H=31"
    assert str(graph.bind(H=32).outputs[0].type) == "float32[1, 1, 1, 40]"


def test_sums_of_symbols_must_agree() -> None:
    graph = Graph()
    left = graph.add_input("left", TensorType(DType.FLOAT32, (1, symbol("A") + 2)))
    right = graph.add_input("right", TensorType(DType.FLOAT32, (1, symbol("B") * 2)))
    graph.set_outputs([graph.add_node(Add(), [left, right], name="sum").output])
    assert str(bind(graph, {"A": 4, "B": 3}).outputs[0].type) == "float32[1, 6]"
    with pytest.raises(CnnirError, match=r"sum \(Add\)"):
        bind(graph, {"A": 4, "B": 4})


def test_symbols_bound_one_after_the_other() -> None:
    graph = stack("H", "W")
    once = graph.bind(H=100, W=37)
    assert difference(graph.bind(H=100).bind(W=37), once) is None
    assert difference(graph.bind(W=37).bind(H=100), once) is None
    assert graph_symbols(graph.bind(W=37)) == ("H",)
    assert graph_symbols(once) == ()
    assert difference(graph.bind(), graph) is None


def test_symbolic_attributes_are_bound_too() -> None:
    graph = Graph()
    x = graph.add_input("x", TensorType(DType.FLOAT32, (symbol("N"), 6)))
    node = graph.add_node(Reshape((symbol("N"), 2, 3)), [x], name="reshape")
    graph.set_outputs(node.outputs)
    bound = graph.bind(N=5)
    assert bound.node("reshape").op == Reshape((5, 2, 3))
    assert node.op == Reshape((symbol("N"), 2, 3))


def test_binding_refusals() -> None:
    graph = stack("H", "W")
    before = print_graph(graph)
    assert refusal("symbol-unknown", lambda: graph.bind(N=1)).hint == "symbolic dims: H, W"
    assert refusal("symbol-unknown", lambda: stack(8).bind(H=1)).hint == "the graph has no symbolic dims"
    for number in (0, -1):
        assert refusal("constraint", lambda: graph.bind(H=number)).got == number  # noqa: B023  called at once
    assert print_graph(graph) == before


# Other inputs


@pytest.mark.parametrize(("height", "width"), [(1, 1), (33, 64), (224, 7)])
def test_resizing_gives_what_the_concrete_graph_is(height: int, width: int) -> None:
    graph = stack(64)
    before = print_graph(graph)
    assert difference(graph.resize({"image": (1, 1, height, width)}), stack(height, width)) is None
    assert print_graph(graph) == before


def test_resizing_to_symbols_and_back() -> None:
    symbolic = stack(64).resize({"image": ("N", 1, "2*H", "W")})
    assert str(symbolic.outputs[1].type) == "float32[N, 1, 1, 1]"
    assert graph_symbols(symbolic) == ("N", "H", "W")
    assert difference(symbolic.resize({"image": (1, 1, 64, 64)}), stack(64)) is None
    assert difference(symbolic.bind(N=1, H=32, W=64), stack(64)) is None


def test_a_classifier_says_which_layer_is_tied_to_the_size() -> None:
    graph = classifier(8)
    before = print_graph(graph)
    error = refusal("gemm-features", lambda: graph.resize({"image": (1, 3, 16, 16)}))
    assert error.node == "fc1 (Gemm)"
    assert print_graph(graph) == before
    verify(graph)


def test_the_layer_that_is_tied_to_the_size_says_so_when_the_size_is_bound() -> None:
    """Symbolic maps may fit the weight or not: it is a condition, and the layer's own."""
    symbolic = classifier(8).resize({"image": (1, 3, "H", 8)})
    assert [constraint.node for constraint in symbolic.constraints if constraint.kind == "=="] == ["fc1 (Gemm)"]
    for height in range(1, 24):
        if height in {8, 9}:
            assert difference(symbolic.bind(H=height), classifier(8).resize({"image": (1, 3, height, 8)})) is None
        else:
            error = refusal("constraint", lambda: symbolic.bind(H=height))  # noqa: B023  called at once
            assert error.node == ("fc1 (Gemm)" if height > 1 else "pool1 (MaxPool)")


def test_resizing_refusals() -> None:
    graph = stack(64)
    assert refusal("input-unknown", lambda: graph.resize({"picture": (1,)})).hint == "inputs: image"
    refusal("rank", lambda: graph.resize({"image": (1, 1, 64)}))
    refusal("dim-negative", lambda: graph.resize({"image": (1, 1, -64, 64)}))
    refusal("conv-channels", lambda: graph.resize({"image": (1, 3, 64, 64)}))
    graph.inputs[0].type = UnknownType()
    refusal("operand-type", lambda: resize_inputs(graph, {"image": (1, 1, 64, 64)}))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_a_symbolic_batch_binds_back(seed: int, nodes: int) -> None:
    """Networks without a fixed reshape take any batch; where one is fixed, the node is named."""
    graph = random_graph(np.random.default_rng(seed), nodes)
    (x,) = graph.inputs
    assert isinstance(x.type, TensorType)
    batch, *rest = (int(str(dim)) for dim in x.type.shape)
    try:
        symbolic = graph.resize({"x": ("N", *rest)})
    except CnnirError as error:
        assert error.node is not None  # noqa: PT017  one of two ways
        return
    verify(symbolic)
    try:
        again = symbolic.bind(N=batch)
    except CnnirError as error:
        pytest.fail(f"the size it came with is refused: {error}")
    assert difference(again, graph) is None


def test_a_view_of_nothing_known_stays_declared() -> None:
    graph = Graph()
    x = graph.add_input("x", UnknownType())
    node = graph.add_node(Relu(), [x], name="relu")
    node.output.type = TensorType(DType.FLOAT32, (2, 3))
    graph.set_outputs(node.outputs)
    verify(graph)
    assert difference(graph.apply("infer-shapes").graph, graph) is None
    # What was declared was declared for the old inputs.
    graph.add_input("y", TensorType(DType.FLOAT32, (1,)))
    assert isinstance(graph.resize({"y": (2,)}).node("relu").output.type, UnknownType)


def test_sizes_are_whole_numbers() -> None:
    """Bound and resized by ints, NumPy's too; by nothing that only looks like one."""
    builder = GraphBuilder("free")
    graph = builder.build(builder.relu(builder.input("x", ("N", 4))))
    three: Any = np.int64(3)
    assert str(graph.bind(N=three).value("x").type) == "float32[3, 4]"
    assert graph.bind(N=3).plan().bindings == {"N": 3}
    wrong: Any
    for wrong in (2.5, "3", True, None):
        with pytest.raises(CnnirError, match="dim-number"):
            graph.bind(N=wrong)
    for wrong in ((2.5, 4), (None, 4)):
        with pytest.raises(CnnirError, match="dim-number"):
            graph.resize({"x": wrong})


def test_a_dim_of_any_name() -> None:
    """Also one that Python has a use for."""
    builder = GraphBuilder("self")
    graph = builder.build(builder.relu(builder.input("x", ("self", 4))))
    assert str(graph.bind(self=2).value("x").type) == "float32[2, 4]"


def test_regrouped_channels_follow_the_size() -> None:
    """A channel shuffle names height and width: at another size it is that of the network made at that size."""
    small = zoo.build("shufflenet_v2{size=64x96,classes=10}")
    resized = zoo.build("shufflenet_v2{classes=10}").resize({"data": (1, 3, 64, 96)})
    assert print_graph(resized) == print_graph(small)


def test_other_reshapes_do_not_follow() -> None:
    """One that takes height and width apart is tied to its size."""
    builder = GraphBuilder("patches")
    x = builder.image(4, (8, 8), name="x")
    graph = builder.build(builder.reshape(x, (1, 4, 2, 4, 2, 4), name="patches"))
    with pytest.raises(CnnirError, match=r"patches \(Reshape\)"):
        graph.resize({"x": (1, 4, 16, 16)})
