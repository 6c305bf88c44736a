"""Which values share bytes: views always, elementwise results where nobody else needs the operand."""

import numpy as np
import pytest

from cnnir.builder import GraphBuilder
from cnnir.dims import UNKNOWN, symbol
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.ops import Add, Concat, Dropout, Flatten, Identity, MaxPool, Mul, Op, Relu, Reshape, Sigmoid, Sum, Transpose
from cnnir.passes.memory import known_bytes
from cnnir.reports.sharing import Sharing, share
from cnnir.types import DType, TensorType, Type, UnknownType
from cnnir.weights import Array, Fill
from tests.random_graphs import random_graph

FLAT = TensorType(DType.FLOAT32, (2, 6))


class Net:
    """A graph in the making, values by name."""

    def __init__(self, *inputs: str) -> None:
        self.graph = Graph("net")
        for name in inputs:
            self.graph.add_input(name, FLAT)

    def add(self, name: str, op: Op, *operands: str) -> "Net":
        self.graph.add_node(op, [self.graph.value(operand) for operand in operands], name=name)
        return self

    def share(self, *outputs: str, in_place: bool = True) -> Sharing:
        self.graph.set_outputs([self.graph.value(name) for name in outputs])
        return share(self.graph, in_place=in_place)


def groups(sharing: Sharing) -> list[list[str]]:
    return [[value.name for value in storage.values] for storage in sharing.storages]


def test_a_chain_is_one_storage_behind_its_input() -> None:
    net = Net("x").add("a", Relu(), "x").add("b", Sigmoid(), "a").add("c", Relu(), "b")
    assert groups(net.share("c")) == [["x"], ["a", "b", "c"]]
    assert groups(net.share("c", in_place=False)) == [["x"], ["a"], ["b"], ["c"]]


def test_an_input_is_never_written_over_nor_seen_through_a_view() -> None:
    net = Net("x").add("view", Reshape((12,)), "x").add("a", Relu(), "view").add("b", Relu(), "a")
    assert groups(net.share("b")) == [["x", "view"], ["a", "b"]]


def test_an_output_is_never_written_over_nor_through_a_view() -> None:
    net = Net("x").add("a", Relu(), "x").add("view", Reshape((12,)), "a").add("b", Relu(), "view").add("c", Relu(), "b")
    assert groups(net.share("c")) == [["x"], ["a", "view", "b", "c"]]
    assert groups(net.share("c", "a")) == [["x"], ["a", "view"], ["b", "c"]]
    assert groups(net.share("c", "view")) == [["x"], ["a", "view"], ["b", "c"]]
    assert groups(net.share("b")) == [["x"], ["a", "view", "b"], ["c"]]


def test_what_is_read_later_is_not_written_over() -> None:
    net = Net("x").add("a", Relu(), "x").add("b", Sigmoid(), "a").add("c", Add(), "a", "b")
    sharing = net.share("c")
    assert groups(sharing) == [["x"], ["a", "c"], ["b"]]
    assert [(new.name, old.name) for new, old in sharing.donations.items()] == [("c", "a")]


def test_what_a_view_shows_later_is_not_written_over() -> None:
    net = Net("x").add("a", Relu(), "x").add("view", Reshape((2, 6)), "a")
    net.add("b", Relu(), "a").add("c", Add(), "b", "view")
    assert groups(net.share("c")) == [["x"], ["a", "view"], ["b", "c"]]


def test_a_residual_sum_takes_over_the_branch() -> None:
    builder = GraphBuilder("residual")
    x = builder.relu(builder.conv(builder.input("image", (1, 2, 4, 4)), 2, kernel=1))
    graph = builder.build(builder.add(builder.conv(x, 2, kernel=1), x))
    sharing = share(graph)
    assert groups(sharing) == [["image"], ["conv1", "relu1"], ["conv2", "add1"]]


def test_an_operand_that_stands_twice_may_be_taken_over() -> None:
    net = Net("x").add("a", Relu(), "x").add("b", Mul(), "a", "a").add("c", Sum(), "b", "x", "b")
    assert groups(net.share("c")) == [["x"], ["a", "b", "c"]]


def test_an_operand_beside_a_view_of_itself_is_not() -> None:
    net = Net("x").add("a", Relu(), "x").add("view", Identity(), "a").add("b", Add(), "a", "view")
    assert groups(net.share("b")) == [["x"], ["a", "view"], ["b"]]


@pytest.mark.parametrize("op", [Transpose((0, 1)), Concat(1), MaxPool((1, 1), (1, 1), (0, 0, 0, 0))])
def test_ops_that_do_not_work_in_place_get_bytes_of_their_own(op: Op) -> None:
    graph = Graph("apart")
    rank = 4 if isinstance(op, MaxPool) else 2
    x = graph.add_input("x", TensorType(DType.FLOAT32, (2,) * rank))
    a = graph.add_node(Relu(), [x], name="a").output
    graph.set_outputs([graph.add_node(op, [a], name="b").output])
    assert groups(share(graph)) == [["x"], ["a"], ["b"]]


def test_only_an_operand_of_the_same_type_is_taken_over() -> None:
    graph = Graph("broadcast")
    wide, row = graph.add_input("wide", FLAT), graph.add_input("row", TensorType(DType.FLOAT32, (6,)))
    small = graph.add_node(Relu(), [row], name="small").output
    total = graph.add_node(Add(), [small, wide], name="sum").output
    graph.set_outputs([total])
    assert groups(share(graph)) == [["wide"], ["row"], ["small"], ["sum"]]


def test_weights_take_no_storage_and_give_none() -> None:
    graph = Graph("weights")
    x = graph.add_input("x", FLAT)
    weight = graph.add_weight("w", Fill(DType.FLOAT32, (2, 6), np.float32(1)))
    flat = graph.add_node(Reshape((2, 6)), [weight], name="flat").output
    graph.set_outputs([graph.add_node(Add(), [weight, x], name="sum").output, flat])
    sharing = share(graph)
    assert groups(sharing) == [["x"], ["flat"], ["sum"]]
    assert weight not in sharing.storage_of
    assert not sharing.views


@pytest.mark.parametrize("op", [Reshape((12,)), Flatten(0), Identity(), Dropout()])
def test_views_lie_where_their_operand_lies(op: Op) -> None:
    net = Net("x").add("a", Relu(), "x").add("v", op, "a").add("w", Identity(), "v")
    sharing = net.share("w", in_place=False)
    assert groups(sharing) == [["x"], ["a", "v", "w"]]
    assert {value.name for value in sharing.views} == {"v", "w"}
    assert sharing.opens(net.graph.value("a"))
    assert not sharing.opens(net.graph.value("v"))


def test_another_order_shares_in_another_way() -> None:
    net = Net("x").add("a", Relu(), "x").add("b", Sigmoid(), "a").add("c", Relu(), "a")
    net.graph.set_outputs([net.graph.value("b"), net.graph.value("c")])
    a, b, c = net.graph.nodes
    assert groups(share(net.graph)) == [["x"], ["a", "c"], ["b"]]
    assert groups(share(net.graph, [a, c, b])) == [["x"], ["a", "b"], ["c"]]


def test_symbolic_types_are_shared_when_they_are_equal() -> None:
    graph = Graph("symbolic")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (symbol("N"), 6)))
    a = graph.add_node(Relu(), [x], name="a").output
    graph.set_outputs([graph.add_node(Relu(), [a], name="b").output])
    assert groups(share(graph)) == [["x"], ["a", "b"]]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("in_place", [True, False])
def test_rules_on_random_networks(seed: int, in_place: bool) -> None:
    graph = random_graph(np.random.default_rng(seed), 16)
    sharing = share(graph, in_place=in_place)
    position = {node: index for index, node in enumerate(sharing.order)}
    stored = [value for value in graph.values if value.weight is None]
    assert set(sharing.storage_of) == set(stored)
    assert sorted(value.name for storage in sharing.storages for value in storage.values) == sorted(
        value.name for value in stored
    )
    assert in_place or not sharing.donations
    for new, old in sharing.donations.items():
        node = new.producer
        assert node is not None
        assert node.op.in_place
        assert new.type == old.type
        assert old in node.operands
        # Nothing in these bytes is an input, an output, or read behind the node that writes over them.
        shared = sharing.storages[sharing.storage_of[old]].values
        for value in shared[: shared.index(new)]:
            assert value.producer is not None
            assert not graph.is_output(value)
            assert all(position[user] <= position[node] for user in value.users)
    for value in sharing.views:
        assert value.producer is not None
        assert value.producer.op.view
        assert sharing.storage_of[value] == sharing.storage_of[value.producer.operands[0]]


# Sizes


def only(type_: Type) -> Value:
    return Graph().add_input("x", type_)


def test_known_bytes() -> None:
    assert known_bytes(only(FLAT)) == 48
    assert known_bytes(only(TensorType(DType.FLOAT16, ()))) == 2
    assert known_bytes(only(TensorType(DType.BOOL, (0, 5)))) == 0
    weight = Graph().add_weight("w", Array.of(np.zeros((2, 2))))
    assert known_bytes(weight) == 32


@pytest.mark.parametrize(
    ("type_", "code"),
    [
        (TensorType(DType.FLOAT32, (symbol("N"), 2)), "dims-unbound"),
        (TensorType(DType.FLOAT32, (UNKNOWN, 2)), "size-unknown"),
        (TensorType(DType.STRING, (2,)), "size-unknown"),
        (TensorType(DType.INT4, (2,)), "size-unknown"),
        (UnknownType(), "size-unknown"),
    ],
)
def test_what_has_no_size_is_refused_by_name(type_: Type, code: str) -> None:
    with pytest.raises(CnnirError) as caught:
        known_bytes(only(type_))
    assert caught.value.code == code
    assert caught.value.node == "x"
    assert "x" in caught.value.message
