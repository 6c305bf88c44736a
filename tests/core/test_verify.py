"""Every way of breaking a graph's books is found, and the message shows where."""

from collections.abc import Callable

import numpy as np
import pytest

from cnnir.dims import symbol
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Add, Conv, Relu, Split
from cnnir.rewriter import Rewriter
from cnnir.types import DType, TensorType
from cnnir.verify import verify
from cnnir.weights import Fill
from tests.random_graphs import random_graph

IMAGE = TensorType(DType.FLOAT32, (1, 4, 8, 8))


def chain() -> Graph:
    """A weight, a convolution in the middle of a chain of fifteen nodes, a branch and a node with two outputs."""
    graph = Graph("chain")
    x = graph.add_input("x", IMAGE)
    weight = graph.add_weight("w", Fill(DType.FLOAT32, (4, 4, 1, 1), np.float32(1)))
    for index in range(12):
        op, operands = (Conv((1, 1), (0, 0, 0, 0), (1, 1), 1), [x, weight]) if index == 6 else (Relu(), [x])
        x = graph.add_node(op, operands, name=f"n{index}").output
    left, right = graph.add_node(Split(1, (2, 2)), [x], name="split").outputs
    graph.add_node(Relu(), [x], name="dead")
    graph.set_outputs([graph.add_node(Add(), [left, right], name="sum").output])
    return graph


def symbolic() -> Graph:
    graph = Graph("symbolic")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 4, symbol("H"), 8)))
    weight = graph.add_weight("w", Fill(DType.FLOAT32, (4, 4, 3, 3), np.float32(1)))
    node = graph.add_node(Conv((1, 1), (0, 0, 0, 0), (1, 1), 1), [x, weight], name="conv")
    graph.set_outputs(node.outputs)
    return graph


def refusal(graph: Graph) -> CnnirError:
    with pytest.raises(CnnirError) as caught:
        verify(graph)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("seed", range(20))
def test_sound_graphs_pass(seed: int) -> None:
    graph = random_graph(np.random.default_rng(seed), 15)
    verify(graph)
    verify(graph.clone())


def test_small_graphs_pass() -> None:
    verify(Graph())
    verify(symbolic())
    verify(chain())


# Use lists


def lost_use(graph: Graph) -> None:
    graph.value("n3")._uses.clear()


def surplus_use(graph: Graph) -> None:
    graph.value("n3")._uses[graph.node("sum"), 0] = None


def use_by_a_stranger(graph: Graph) -> None:
    graph.value("n3")._uses[Node("stranger", Relu(), (), {}), 0] = None


def use_at_another_index(graph: Graph) -> None:
    graph.value("w")._uses = {(graph.node("n6"), 0): None}


# Names and tables


def value_renamed_by_hand(graph: Graph) -> None:
    graph.value("n3").name = "other"


def node_renamed_by_hand(graph: Graph) -> None:
    graph.node("n3").name = "other"


def node_out_of_the_table(graph: Graph) -> None:
    del graph._nodes["n3"]


def node_out_of_the_list(graph: Graph) -> None:
    graph._unlink(graph.node("dead"))


def node_of_another_graph_in_the_table(graph: Graph) -> None:
    graph._nodes["n3"] = chain().node("n3")


# Values


def output_out_of_the_table(graph: Graph) -> None:
    del graph._values["dead"]


def operand_out_of_the_table(graph: Graph) -> None:
    del graph._values["n3"]


def weight_out_of_the_table(graph: Graph) -> None:
    del graph._values["w"]


def input_out_of_the_table(graph: Graph) -> None:
    del graph._values["x"]


def input_of_another_graph(graph: Graph) -> None:
    graph._inputs.append(Value("y", IMAGE))


def output_of_another_graph(graph: Graph) -> None:
    graph._outputs[0] = chain().value("sum")


def operand_of_another_graph(graph: Graph) -> None:
    graph.node("n3").inputs = chain().node("n3").inputs


def value_from_nowhere(graph: Graph) -> None:
    graph._values["stray"] = Value("stray", IMAGE)


def input_forgotten(graph: Graph) -> None:
    graph._inputs.clear()


def input_twice(graph: Graph) -> None:
    graph._inputs *= 2


def input_with_a_weight(graph: Graph) -> None:
    graph._inputs.append(graph.value("w"))


def made_and_an_input(graph: Graph) -> None:
    graph._inputs.append(graph.value("n3"))


# Producers


def producer_gone(graph: Graph) -> None:
    gone = Node("gone", Relu(), (), {})
    gone.outputs = (graph.value("n3"),)
    graph.value("n3").producer = gone


def producer_forgotten(graph: Graph) -> None:
    graph.value("n3").producer = None


def producer_of_another_output(graph: Graph) -> None:
    graph.value("n3").producer = graph.node("n4")


def outputs_exchanged(graph: Graph) -> None:
    node = graph.node("split")
    node.outputs = node.outputs[::-1]


def index_wrong(graph: Graph) -> None:
    graph.value("n3").index = 1


def index_negative(graph: Graph) -> None:
    graph.value("n3").index = -1


def second_value_of_a_node(graph: Graph) -> None:
    graph._values["twin"] = Value("twin", IMAGE, producer=graph.node("n3"))


def output_dropped(graph: Graph) -> None:
    node = graph.node("dead")
    del graph._values["dead"]
    node.outputs = ()


# Order


def cycle(graph: Graph) -> None:
    node = graph.node("n3")
    node.inputs = (graph.value("n5"),)
    graph.value("n5")._uses[node, 0] = None
    del graph.value("n2")._uses[node, 0]


def own_output(graph: Graph) -> None:
    node = graph.node("n3")
    node.inputs = node.outputs


def moved_to_the_end(graph: Graph) -> None:
    node = graph.node("n3")
    graph._unlink(node)
    graph._link(node, None)


def endless_list(graph: Graph) -> None:
    graph.node("n5")._next = graph.node("n2")


def endless_list_both_ways(graph: Graph) -> None:
    graph.node("sum")._next = graph.node("n0")
    graph.node("n0")._previous = graph.node("sum")


def list_broken_backwards(graph: Graph) -> None:
    graph.node("n5")._previous = graph.node("n1")


def list_with_another_end(graph: Graph) -> None:
    graph._last = graph.node("n5")


def list_without_end(graph: Graph) -> None:
    graph._last = None


# Types


def type_of_a_result(graph: Graph) -> None:
    graph.value("n3").type = TensorType(DType.FLOAT32, (1, 4, 8, 9))


def dtype_of_a_result(graph: Graph) -> None:
    graph.value("n3").type = TensorType(DType.FLOAT16, IMAGE.shape)


def type_of_a_weight(graph: Graph) -> None:
    graph.value("w").type = TensorType(DType.FLOAT32, (4, 4))


def contents_of_a_weight(graph: Graph) -> None:
    graph.value("w").weight = Fill(DType.FLOAT32, (4, 4, 1, 2), np.float32(1))


def more_outputs_than_the_op_has(graph: Graph) -> None:
    node = graph.node("n3")
    more = Value("more", IMAGE, producer=node, index=1)
    graph._values["more"] = more
    node.outputs = (*node.outputs, more)


def constraint_lost(graph: Graph) -> None:
    graph.node("conv").constraints = ()


BREAKS: list[tuple[Callable[[Graph], None], str]] = [
    (lost_use, "verify-uses"),
    (surplus_use, "verify-uses"),
    (use_by_a_stranger, "verify-uses"),
    (use_at_another_index, "verify-uses"),
    (value_renamed_by_hand, "verify-names"),
    (node_renamed_by_hand, "verify-names"),
    (input_twice, "verify-names"),
    (node_out_of_the_table, "verify-nodes"),
    (node_out_of_the_list, "verify-nodes"),
    (node_of_another_graph_in_the_table, "verify-nodes"),
    (endless_list, "verify-nodes"),
    (endless_list_both_ways, "verify-nodes"),
    (list_broken_backwards, "verify-nodes"),
    (list_with_another_end, "verify-nodes"),
    (list_without_end, "verify-nodes"),
    (output_out_of_the_table, "verify-foreign"),
    (operand_out_of_the_table, "verify-foreign"),
    (weight_out_of_the_table, "verify-foreign"),
    (input_out_of_the_table, "verify-foreign"),
    (input_of_another_graph, "verify-foreign"),
    (output_of_another_graph, "verify-foreign"),
    (operand_of_another_graph, "verify-foreign"),
    (value_from_nowhere, "verify-producer"),
    (input_forgotten, "verify-producer"),
    (input_with_a_weight, "verify-producer"),
    (made_and_an_input, "verify-producer"),
    (producer_gone, "verify-producer"),
    (producer_forgotten, "verify-producer"),
    (producer_of_another_output, "verify-producer"),
    (outputs_exchanged, "verify-producer"),
    (index_wrong, "verify-producer"),
    (index_negative, "verify-producer"),
    (second_value_of_a_node, "verify-producer"),
    (cycle, "verify-order"),
    (own_output, "verify-order"),
    (moved_to_the_end, "verify-order"),
    (type_of_a_result, "verify-types"),
    (dtype_of_a_result, "verify-types"),
    (type_of_a_weight, "verify-types"),
    (contents_of_a_weight, "verify-types"),
    (more_outputs_than_the_op_has, "verify-types"),
    (output_dropped, "verify-types"),
]


@pytest.mark.parametrize(("spoil", "code"), BREAKS)
def test_broken_books_are_found(spoil: Callable[[Graph], None], code: str) -> None:
    graph = chain()
    spoil(graph)
    assert refusal(graph).code == code


def test_lost_constraints_are_found() -> None:
    graph = symbolic()
    constraint_lost(graph)
    assert refusal(graph).code == "verify-constraints"


def test_an_op_that_does_not_take_its_operands_any_more() -> None:
    graph = chain()
    graph.node("n6").op = Conv((1, 1), (0, 0, 0, 0), (1, 1), 3)
    error = refusal(graph)
    assert error.node == "n6 (Conv)"
    assert not error.code.startswith("verify-")
    assert error.got is not None or error.expected is not None
    assert error.hint is not None
    assert "*n6*" in error.hint


def test_ten_nodes_around_the_culprit_are_shown() -> None:
    graph = chain()
    type_of_a_result(graph)
    graph.value("n3").type = IMAGE
    graph.value("n7").type = TensorType(DType.FLOAT32, (1,))
    error = refusal(graph)
    assert error.node == "n7 (Relu)"
    around = [f"n{index}" for index in range(2, 12)] + ["split"]
    around[5] = "*n7*"
    assert error.hint == f"around it: {' -> '.join(around)}"


@pytest.mark.parametrize(("name", "shown"), [("n0", "*n0* -> n1 -> n2 -> n3 -> n4 -> n5"), ("sum", "*sum*")])
def test_at_the_ends_there_are_fewer(name: str, shown: str) -> None:
    graph = chain()
    graph.node(name).outputs[0].type = TensorType(DType.FLOAT32, ())
    hint = refusal(graph).hint
    assert hint is not None
    assert shown in hint
    assert 6 <= len(hint.split(" -> ")) <= 11


def test_a_broken_clone_says_nothing_about_its_source() -> None:
    graph = chain()
    copy = graph.clone()
    lost_use(copy)
    verify(graph)
    Rewriter(graph).erase(graph.node("dead"))
    assert refusal(copy).code == "verify-uses"
