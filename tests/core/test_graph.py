"""Building and reading graphs: names, operands, uses, clones, and what is said when something is not there."""

import numpy as np
import pytest

from cnnir.dims import symbol
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.ops import Add, Conv, Relu, Split
from cnnir.rewriter import Rewriter
from cnnir.text import difference, print_graph
from cnnir.types import DType, TensorType
from cnnir.verify import verify
from cnnir.weights import Fill
from tests.random_graphs import random_graph

IMAGE = TensorType(DType.FLOAT32, (1, 4, 8, 8))


def small() -> Graph:
    graph = Graph("small")
    x = graph.add_input("image", IMAGE)
    weight = graph.add_weight("conv.weight", Fill(DType.FLOAT32, (4, 4, 1, 1), np.float32(1)))
    conv = graph.add_node(Conv((1, 1), (0, 0, 0, 0), (1, 1), 1), [x, weight], name="conv", metadata={"a": "b"})
    relu = graph.add_node(Relu(), [conv.output], name="relu")
    graph.set_outputs([graph.add_node(Add(), [relu.output, relu.output], name="sum").output])
    return graph


def refusal(code: str, act: object) -> CnnirError:
    assert callable(act)
    with pytest.raises(CnnirError) as caught:
        act()
    assert caught.value.code == code
    return caught.value


# Reading


def test_the_parts_of_a_graph() -> None:
    graph = small()
    assert [value.name for value in graph.inputs] == ["image"]
    assert [value.name for value in graph.outputs] == ["sum"]
    assert [value.name for value in graph.weights] == ["conv.weight"]
    assert [node.name for node in graph.nodes] == ["conv", "relu", "sum"]
    assert [value.name for value in graph.values] == ["image", "conv.weight", "conv", "relu", "sum"]
    assert len(graph) == 3
    assert repr(graph) == "<Graph small: 3 nodes, 1 inputs, 1 outputs>"
    assert str(graph) == print_graph(graph)
    assert graph.constraints == ()


def test_uses_count_operands_and_users_count_nodes() -> None:
    graph = small()
    relu, total = graph.value("relu"), graph.node("sum")
    assert relu.uses == ((total, 0), (total, 1))
    assert relu.users == (total,)
    assert graph.value("sum").uses == ()
    assert graph.is_output(graph.value("sum"))
    assert not graph.is_output(relu)


def test_what_is_in_a_graph() -> None:
    graph, other = small(), small()
    assert graph.value("relu") in graph
    assert graph.node("relu") in graph
    assert other.value("relu") not in graph
    assert other.node("relu") not in graph
    assert "relu" not in graph


def test_values_and_nodes_introduce_themselves() -> None:
    graph = small()
    node = graph.node("conv")
    assert node.label == "conv (Conv)"
    assert repr(node) == "<Node conv (Conv)>"
    assert repr(node.output) == "<Value conv: float32[1, 4, 8, 8]>"
    assert node.metadata == {"a": "b"}
    assert (node.output.producer, node.output.index) == (node, 0)


def test_the_only_output() -> None:
    graph = small()
    split = graph.add_node(Split(1, (1, 3)), [graph.value("relu")])
    assert [value.index for value in split.outputs] == [0, 1]
    assert refusal("several-outputs", lambda: split.output).got == 2


def test_operands_are_the_inputs_that_are_there() -> None:
    graph = small()
    x, weight = graph.value("relu"), graph.value("conv.weight")
    node = graph.add_node(Conv((1, 1), (0, 0, 0, 0), (1, 1), 1), [x, weight, None])
    assert node.inputs == (x, weight, None)
    assert node.operands == (x, weight)
    assert x.uses[-1] == (node, 0)
    verify(graph)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [("rely", "did you mean relu?"), ("conv.weights", "did you mean conv.weight or conv?"), ("zzz", None), ("", None)],
)
def test_unknown_values_are_answered_with_similar_ones(wrong: str, hint: str | None) -> None:
    error = refusal("value-unknown", lambda: small().value(wrong))
    assert error.got == wrong
    assert error.hint == hint


@pytest.mark.parametrize(("wrong", "hint"), [("con", "did you mean conv?"), ("image", None)])
def test_unknown_nodes_are_answered_with_similar_ones(wrong: str, hint: str | None) -> None:
    """An input's name is no node's."""
    assert refusal("node-unknown", lambda: small().node(wrong)).hint == hint


# Names


def test_fresh_names() -> None:
    graph = small()
    assert graph.fresh_name("new") == "new"
    assert graph.fresh_name("relu") == "relu_1"
    graph.add_node(Relu(), [graph.value("relu")], outputs=["relu_1"], name="other")
    assert graph.fresh_name("relu") == "relu_2"
    # Values and nodes have names of their own.
    assert graph.fresh_name("image", node=True) == "image"
    assert graph.fresh_name("other", node=True) == "other_1"
    assert graph.fresh_name("other") == "other"


def test_nodes_and_outputs_get_names() -> None:
    graph = small()
    x = graph.value("image")
    assert [value.name for value in graph.add_node(Relu(), [x], name="relu").outputs] == ["relu_1"]
    assert graph.nodes[-1].name == "relu_1"
    assert graph.add_node(Relu(), [x]).name == "relu_2"
    assert graph.add_node(Relu(), [x], outputs=["given"]).name == "given"
    split = graph.add_node(Split(1, (2, 2)), [x], name="cut")
    assert [value.name for value in split.outputs] == ["cut_0", "cut_1"]
    verify(graph)


def test_two_values_of_one_name_are_refused() -> None:
    graph = small()
    before = print_graph(graph)
    x = graph.value("image")
    for act in (
        lambda: graph.add_input("relu", IMAGE),
        lambda: graph.add_weight("image", Fill(DType.FLOAT32, (1,), np.float32(0))),
        lambda: graph.add_node(Relu(), [x], outputs=["image"]),
        lambda: graph.add_node(Split(1, (2, 2)), [x], outputs=["a", "a"]),
        lambda: graph.add_node(Split(1, (2, 2)), [x], outputs=["a", "conv"]),
    ):
        refusal("name-taken", act)
        assert print_graph(graph) == before
        verify(graph)


# Making


def test_nothing_is_left_of_a_node_that_cannot_be_made() -> None:
    graph, other = small(), small()
    before = print_graph(graph)
    x = graph.value("image")
    narrow = graph.value("conv.weight")
    for code, act in (
        ("value-foreign", lambda: graph.add_node(Relu(), [other.value("image")])),
        ("value-foreign", lambda: graph.add_node(Relu(), [Value("image", IMAGE)])),
        ("output-count", lambda: graph.add_node(Relu(), [x], outputs=["a", "b"])),
        ("output-count", lambda: graph.add_node(Relu(), [x], outputs=[])),
        ("operand-count", lambda: graph.add_node(Relu(), [])),
        ("operand-count", lambda: graph.add_node(Relu(), [x, x])),
        ("operand-missing", lambda: graph.add_node(Add(), [x, None])),
        ("value-foreign", lambda: graph.set_outputs([x, other.value("sum")])),
    ):
        error = refusal(code, act)
        assert "\n" not in str(error)
        assert print_graph(graph) == before
        assert x.users == (graph.node("conv"),)
        assert narrow.users == (graph.node("conv"),)
        verify(graph)


def test_inference_names_the_node_that_is_refused() -> None:
    graph = small()
    five = graph.add_weight("five", Fill(DType.FLOAT32, (4, 5, 1, 1), np.float32(1)))
    with pytest.raises(CnnirError, match=r"second \(Conv\).*4.*5"):
        graph.add_node(Conv((1, 1), (0, 0, 0, 0), (1, 1), 1), [graph.value("image"), five], name="second")
    assert five.uses == ()


def test_a_node_stands_where_it_is_put() -> None:
    graph = small()
    graph.add_node(Relu(), [graph.value("image")], name="early", before=graph.node("conv"))
    graph.add_node(Relu(), [graph.value("conv")], name="between", before=graph.node("sum"))
    assert [node.name for node in graph.nodes] == ["early", "conv", "relu", "between", "sum"]
    verify(graph)


def test_nodes_are_a_picture_of_the_moment() -> None:
    graph = small()
    for node in graph.nodes:
        graph.add_node(Relu(), node.outputs)
    assert len(graph) == 6


def test_a_value_may_be_an_output_twice() -> None:
    graph = small()
    relu = graph.value("relu")
    graph.set_outputs([relu, relu, graph.value("image")])
    assert graph.outputs == (relu, relu, graph.value("image"))
    verify(graph)
    assert difference(graph, graph.clone()) is None


# Clones


@pytest.mark.parametrize("seed", range(5))
def test_a_clone_is_equal_and_shares_nothing_that_can_change(seed: int) -> None:
    graph = random_graph(np.random.default_rng(seed), 12)
    graph.notes.append("a note")
    graph.provenance.metadata["a"] = "b"
    graph.provenance.opsets["ai.test"] = 1
    graph.provenance.extras["blob"] = b"1"
    graph.provenance.fields["doc"] = "text"
    copy = graph.clone()
    assert difference(graph, copy) is None
    assert print_graph(copy) == print_graph(graph)
    assert not set(copy.values) & set(graph.values)
    assert not set(copy.nodes) & set(graph.nodes)
    assert [v.weight for v in copy.weights] == [v.weight for v in graph.weights]
    assert all(mine.weight is yours.weight for mine, yours in zip(copy.weights, graph.weights, strict=True))
    assert copy.notes == graph.notes
    assert copy.provenance == graph.provenance
    verify(copy)


def test_changes_of_a_clone_stay_in_it() -> None:
    graph = small()
    before = print_graph(graph)
    copy = graph.clone()
    rewriter = Rewriter(copy)
    rewriter.replace_uses(copy.value("relu"), copy.value("conv"))
    rewriter.remove_unused()
    rewriter.rename(copy.node("conv"), "other")
    rewriter.set_type(copy.value("image"), TensorType(DType.FLOAT32, (2, 4, 9, 9)))
    copy.name = "copy"
    copy.notes.append("changed")
    copy.provenance.metadata["key"] = "value"
    copy.provenance.opsets[""] = 1
    copy.provenance.fields["key"] = "value"
    copy.provenance.extras["key"] = b"value"
    copy.node("other").metadata["a"] = "c"
    assert print_graph(graph) == before
    assert graph.notes == []
    assert graph.provenance == Graph().provenance
    assert graph.node("conv").metadata == {"a": "b"}
    verify(graph)
    verify(copy)


def test_a_clone_keeps_constraints() -> None:
    graph = Graph()
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 4, symbol("H"), 8)))
    weight = graph.add_weight("w", Fill(DType.FLOAT32, (4, 4, 3, 3), np.float32(1)))
    graph.set_outputs(graph.add_node(Conv((1, 1), (0, 0, 0, 0), (1, 1), 1), [x, weight], name="conv").outputs)
    assert [str(constraint) for constraint in graph.constraints] == ["H >= 3"]
    assert graph.clone().constraints == graph.constraints


def test_values_need_names() -> None:
    """An empty name stands for an absent operand in files, so no value may bear it."""
    graph = Graph()
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1,)))
    for act in (
        lambda: graph.add_input("", x.type),
        lambda: graph.add_node(Relu(), [x], outputs=[""]),
    ):
        with pytest.raises(CnnirError, match="name-empty"):
            act()
    assert [value.name for value in graph.values] == ["x"]
    assert len(graph) == 0
