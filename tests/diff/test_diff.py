"""Comparing networks: equal ones are equal whatever their names, and an edit is named, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import cnnir
from cnnir.builder import GraphBuilder
from cnnir.compare import diff
from cnnir.dims import parse_dim
from cnnir.graph import Graph, Node
from cnnir.ops import Add, BatchNormalization, Conv, HardSwish, Mul, Relu, Sigmoid, Sub, Tanh
from cnnir.rewriter import Rewriter
from cnnir.types import DType, TensorType
from cnnir.weights import Array, Fill
from tests import models
from tests.random_graphs import random_graph


def renamed(graph: Graph) -> Graph:
    """A copy in which no node and no value inside bears its old name, nor one that sorts alike."""
    copy = graph.clone()
    rewriter = Rewriter(copy)
    kept = {*copy.inputs, *copy.outputs}
    for number, value in enumerate(copy.values):
        if value not in kept:
            rewriter.rename(value, f"value {len(copy.values) - number}")
    for number, node in enumerate(copy.nodes):
        rewriter.rename(node, f"node {len(copy) - number}")
    return copy


def reordered(graph: Graph, rng: np.random.Generator) -> Graph:
    """The same network in another executable order, made anew."""
    result = Graph(graph.name)
    result.provenance = graph.provenance.copy()
    twin = {value: result.add_input(value.name, value.type) for value in graph.inputs}
    twin |= {value: result.add_weight(value.name, value.weight) for value in graph.weights if value.weight is not None}
    left = list(graph.nodes)
    while left:
        ready = [node for node in left if all(value in twin for value in node.operands)]
        node = ready[int(rng.integers(len(ready)))]
        left.remove(node)
        operands = [twin[value] if value is not None else None for value in node.inputs]
        made = result.add_node(node.op, operands, name=node.name, outputs=[value.name for value in node.outputs])
        twin.update(zip(node.outputs, made.outputs, strict=True))
    result.set_outputs([twin[value] for value in graph.outputs])
    return result


# Equal


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_equal_to_itself(seed: int) -> None:
    """A clone, under other names, in another order: nothing differs and every node has its partner."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 14)
    other = renamed(reordered(graph, rng))
    for found in (diff(graph, graph.clone()), diff(graph, renamed(graph)), diff(graph, other), diff(other, graph)):
        assert found.equal
        assert found.matched == len(graph)
        assert not found.weights
        assert not found.retyped
        # What may lie in place of what depends on the order.
        assert {figure.name for figure in found.figures if figure.difference} <= {"activations", "planned arena"}


@pytest.mark.parametrize("name", ["squeezenet", "inception_v1", "shufflenet", "densenet121"])
def test_equal_after_a_round_trip(name: str, tmp_path: Path) -> None:
    """Written as ONNX, read back and renamed: other weight expressions, the same network."""
    graph = models.with_random_weights(cnnir.load(models.path(name)))
    cnnir.save(graph, tmp_path / "net.onnx")
    found = diff(graph, renamed(cnnir.load(tmp_path / "net.onnx")))
    assert found.equal
    assert found.matched == found.renamed == len(graph)
    assert all(figure.difference == 0 for figure in found.figures)


def test_contents_count_not_expressions() -> None:
    """A fill and an array of the same number are equal; one bit makes them differ."""
    graphs = []
    for array in (None, np.full((4, 3, 1, 1), 0.5, np.float32), np.full((4, 3, 1, 1), 0.5, np.float32)):
        graph = Graph("one")
        x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 3, 4, 4)))
        weight = Fill(DType.FLOAT32, (4, 3, 1, 1), np.float32(0.5)) if array is None else Array.of(array)
        conv = graph.add_node(Conv((1, 1), (0, 0, 0, 0), (1, 1)), [x, graph.add_weight("w", weight)], outputs=["y"])
        graph.set_outputs([conv.output])
        graphs.append(graph)
    contents = np.full((4, 3, 1, 1), 0.5, np.float32)
    contents[3, 2] = np.nextafter(np.float32(0.5), np.float32(1))
    graphs[2].weights[0].weight = Array.of(contents)
    assert diff(graphs[0], graphs[1]).equal
    found = diff(graphs[1], graphs[2])
    (change,) = found.weights
    assert not found.equal
    assert (change.elements, change.absolute) == (1, 2.0**-24)
    assert change.relative == 2.0**-23


# Edits


def flipped(graph: Graph, node: Node) -> None:
    """Another attribute: a convolution's auxiliary number stays, so only ops with a float of their own are taken."""
    Rewriter(graph).replace_node(node, BatchNormalization(epsilon=0.25))


def other_kind(graph: Graph, node: Node) -> None:
    Rewriter(graph).replace_node(node, HardSwish())


def other_weight(graph: Graph, node: Node) -> None:
    value = next(value for value in node.operands if value.weight is not None)
    assert value.weight is not None
    new = graph.add_weight(graph.fresh_name("new"), Array.of(value.weight.array() + np.float32(0.125)))
    Rewriter(graph).set_operand(node, node.inputs.index(value), new)


EDITS: list[tuple[Callable[[Graph, Node], None], Callable[[Node], bool]]] = [
    (flipped, lambda node: isinstance(node.op, BatchNormalization)),
    (other_kind, lambda node: isinstance(node.op, (Relu, Sigmoid, Tanh))),
    (other_weight, lambda node: isinstance(node.op, Conv)),
]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), picks=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 99)), max_size=4))
def test_changed_nodes_are_named_exactly(seed: int, picks: list[tuple[int, int]]) -> None:
    """Any number of changes, at most one of kind: those nodes and no others, whatever stands between."""
    graph = random_graph(np.random.default_rng(seed), 16)
    other = graph.clone()
    edited = dict[str, None]()
    kinds = [kind for kind, _ in picks]
    assume(kinds.count(1) <= 1)  # two of them side by side may as well be one removed and one added
    for kind, pick in picks:
        edit, takes = EDITS[kind]
        fitting = [node for node in other.nodes if takes(node) and node.name not in edited]
        if fitting:
            node = fitting[pick % len(fitting)]
            edit(other, node)
            edited[node.name] = None
    assume(edited)
    found = diff(graph, other)
    assert {graph.node(name).label for name in edited} == {change.node for change in found.changed}
    assert {other.node(name).label for name in edited} == {change.other for change in found.changed}
    assert (found.added, found.removed, found.interface) == ((), (), ())
    assert not found.equal


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), pick=st.integers(0, 99))
def test_one_change_under_other_names(seed: int, pick: int) -> None:
    """One node changed in a network where nothing is called as before: one node is named, with its old name."""
    graph = random_graph(np.random.default_rng(seed), 16)
    fitting = [node.name for node in graph.nodes if isinstance(node.op, (Conv, BatchNormalization))]
    assume(fitting)
    other = graph.clone()
    node = other.node(fitting[pick % len(fitting)])
    (other_weight if isinstance(node.op, Conv) else flipped)(other, node)
    found = diff(graph, renamed(other))
    assert len(found.changed) == 1
    assert not found.added
    assert not found.removed
    changed = graph.node(found.changed[0].node.split(" (")[0])
    assert changed.op.kind == node.op.kind
    assert len(found.changed[0].weights) + len(found.changed[0].fields) == 1


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), pick=st.integers(0, 999))
def test_an_added_node_is_named_and_a_removed_one(seed: int, pick: int) -> None:
    """A node put between two: added one way round, removed the other, and its readers are no changes."""
    graph = random_graph(np.random.default_rng(seed), 14)
    other = graph.clone()
    values = [value for node in other.nodes for value in node.outputs if value.uses and not other.is_output(value)]
    assume(values)
    value = values[pick % len(values)]
    new = Rewriter(other).insert(HardSwish(), [value], after=value.producer, name="squash")
    Rewriter(other).replace_uses(value, new.output)
    found = diff(graph, other)
    assert (found.added, found.removed, found.changed, found.interface) == (("squash (HardSwish)",), (), (), ())
    back = diff(renamed(other), graph)
    assert (len(back.removed), back.added, back.changed) == (1, (), ())
    assert back.removed[0].endswith("(HardSwish)")


def residual(kind: str = "") -> Graph:
    """A small network, with one thing about it changed."""
    builder = GraphBuilder("residual")
    x = builder.input("x", ("N", 3, 8, 8) if kind == "open" else (2 if kind == "batch" else 1, 3, 8, 8))
    a = builder.conv(x, 4, kernel=3, padding=1, name="a")
    b = builder.conv(builder.relu(a, name="r"), 6 if kind == "wide" else 4, kernel=3, padding=1, name="b")
    if kind == "wide":
        b = builder.conv(b, 4, kernel=1, name="narrow")
    total = builder.add(*((b, b) if kind == "rewired" else (b, a)), name="total")
    out = builder.relu(total, name="out")
    return builder.build(*((out, total) if kind == "more" else (out,)))


def test_rewiring_is_told_with_the_operand() -> None:
    """The node reads something else, though nothing was added or removed."""
    (change,) = diff(residual(), residual("rewired")).changed
    assert change.node == "total (Add)"
    assert [(item.before, item.after) for item in change.operands] == [("a", "b")]


def test_swapped_operands_are_no_match() -> None:
    """a - b is not b - a: both operands are told."""
    graphs = []
    for order in (1, -1):
        graph = Graph("minus")
        parts = [graph.add_input(name, TensorType(DType.FLOAT32, (2,))) for name in "ab"]
        graph.set_outputs([graph.add_node(Sub(), parts[::order], outputs=["y"]).output])
        graphs.append(graph)
    (change,) = diff(graphs[0], graphs[1]).changed
    assert [(item.operand, item.before, item.after) for item in change.operands] == [("A", "a", "b"), ("B", "b", "a")]


def test_weights_of_other_shapes() -> None:
    """Said with both types and no invented figure."""
    found = diff(residual(), residual("wide"))
    assert found.added == ("narrow (Conv)",)
    assert not found.removed
    assert [change.node for change in found.changed] == ["b (Conv)"]
    weight = found.weights[0]
    assert (weight.type, weight.other_type) == ("float32[4, 4, 3, 3]", "float32[6, 4, 3, 3]")
    assert weight.absolute is None
    assert "shapes" in weight.reason


@pytest.mark.parametrize(("kind", "what"), [("batch", ["input retyped", "output retyped"]), ("more", ["output added"])])
def test_interfaces(kind: str, what: list[str]) -> None:
    """Inputs and outputs that are not the same, while all nodes are."""
    found = diff(residual(), residual(kind))
    assert [f"{change.kind} {change.what}" for change in found.interface] == what
    assert (found.added, found.removed, found.changed) == ((), (), ())
    assert not found.equal
    assert found.retyped == (5 if kind == "batch" else 0)


def test_renamed_inputs_and_outputs_are_told() -> None:
    """Names of the interface are part of it; the nodes are matched all the same."""
    other = residual()
    Rewriter(other).rename(other.inputs[0], "image")
    Rewriter(other).rename(other.outputs[0], "scores")
    found = diff(residual(), renamed(other), seed=0)
    assert [(change.name, change.other, change.what) for change in found.interface] == [
        ("x", "image", "renamed"),
        ("out", "scores", "renamed"),
    ]
    assert not found.changed
    assert found.numeric is not None
    assert [output.absolute for output in found.numeric.outputs] == [0.0]


def test_weights_that_callers_may_give_are_told() -> None:
    """They are inputs: those of one network alone, and those that another node reads."""

    def network(*offered: str, turned: bool = False) -> Graph:
        graph = Graph("offered")
        value = graph.add_input("x", TensorType(DType.FLOAT32, (1, 3)))
        for name, op in zip(("b", "a") if turned else ("a", "b"), (Add(), Mul()), strict=True):
            weight = graph.add_weight(name, Fill(DType.FLOAT32, (3,), np.float32(2)))
            value = graph.add_node(op, [value, weight]).output
        graph.set_outputs([value])
        graph.provenance.listed = offered
        return graph

    def told(before: Graph, after: Graph) -> list[str]:
        found = diff(before, after)
        assert found.equal is not bool(found.interface)
        return [f"{change.kind} {change.name or change.other} {change.what}" for change in found.interface]

    assert told(network("a"), network("a")) == []
    assert told(network("a"), network()) == ["input with a default a removed"]
    assert told(network(), network("b")) == ["input with a default b added"]
    assert told(network("a", "b"), network("a", "b", turned=True)) == [
        "input with a default a rewired",
        "input with a default b rewired",
    ]
    assert told(network(), network(turned=True)) == []
    assert "input with a default removed: a: float32[3]" in str(diff(network("a"), network()))


def test_moved_outputs() -> None:
    """A caller that counts outputs is told."""
    graph, other = residual("more"), residual("more")
    Rewriter(other).set_outputs(other.outputs[::-1])
    assert [change.what for change in diff(graph, other).interface] == ["moved", "moved"]


# Figures


def test_figures_stand_side_by_side() -> None:
    """The table's totals and the plan's arena, with the difference."""
    found = diff(residual(), residual("wide"))
    figures = {(figure.name, figure.unit): figure for figure in found.figures}
    assert figures["nodes", ""].difference == 1
    # b: 6 filters instead of 4 of 4 x 3 x 3 and a bias each; narrow: 4 filters of 6 and a bias each.
    assert figures["params", "elements"].difference == 2 * (4 * 9 + 1) + 4 * (6 + 1)
    assert figures["MACs", ""].difference == 64 * (2 * 4 * 9 + 4 * 6)
    assert figures["planned arena", "bytes"].before == residual().plan().arena_bytes


def test_what_is_not_known_is_said(tmp_path: Path) -> None:
    """No MACs for a foreign op, no plan for open sizes; formulas where there are some."""
    found = diff(residual(), residual("open"))
    figures = {(figure.name, figure.unit): figure for figure in found.figures}
    arena = figures["planned arena", "bytes"]
    assert arena.after is None
    assert "dims-unbound" in arena.other_reason
    macs = residual().table().totals.macs
    assert macs is not None
    assert figures["MACs", ""].after == parse_dim("N") * macs
    assert figures["MACs", ""].difference is None
    node = helper.make_node("Cosh", ["x"], ["y"], name="erf1")
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    onnx.save(helper.make_model(helper.make_graph([node], "odd", values[:1], values[1:])), tmp_path / "odd.onnx")
    odd = cnnir.load(tmp_path / "odd.onnx")
    unknown = next(figure for figure in diff(odd, odd).figures if figure.name == "MACs")
    assert unknown.before is None
    assert "erf1" in unknown.reason
    assert "not known, MACs before: erf1" in str(diff(odd, odd))


# Numbers


def test_where_values_part() -> None:
    """The first value that differs is that of the changed node; errors are those of two runs."""
    graph = residual()
    other = graph.clone()
    other_weight(other, other.node("b"))
    feed = models.random_input(graph)
    found = diff(graph, renamed(other), feed).numeric
    assert found is not None
    assert found.first is not None
    assert found.first[0] == "b"
    before, after = graph.run(feed)["out"], other.run(feed)["out"]
    (output,) = found.outputs
    assert output.absolute == pytest.approx(np.abs(before - after).max(), rel=1e-6)
    assert output.relative == pytest.approx(np.abs(before - after).max() / np.abs(before).max(), rel=1e-6)


def test_what_cannot_be_run_is_said() -> None:
    """Another input shape, an input of one graph alone, a feed that lacks one: a reason, no figures."""
    graph = residual()
    for found in (
        diff(graph, residual("batch"), seed=0),
        diff(graph, graph, {}),
    ):
        assert found.numeric is not None
        assert found.numeric.reason
        assert not found.numeric.outputs
        assert "not run: " in str(found)


def test_open_sizes_are_bound() -> None:
    """Where the one leaves open what the other fixes, that; else a small number. It is said which."""
    for other, sizes in ((residual(), {"N": 1}), (residual("batch"), {"N": 2})):
        found = diff(residual("open"), other, seed=0)
        assert found.numeric is not None
        assert found.numeric.sizes == sizes
        assert [output.absolute for output in found.numeric.outputs] == [0.0]
        assert f"run at N={sizes['N']}" in str(found)
    both = diff(residual("open"), residual("open"), seed=0).numeric
    assert both is not None
    assert both.sizes["N"] >= 1
    assert [output.absolute for output in both.outputs] == [0.0]


# Real networks


def test_two_real_networks() -> None:
    """Nothing is paired that is not of one kind, or put in the place of another."""
    before, after = cnnir.load(models.path("bvlc_alexnet")), cnnir.load(models.path("zfnet512"))
    found = diff(before, after)
    assert not found.equal
    assert found.matched + len(found.removed) == len(before)
    assert found.matched + len(found.added) == len(after)
    params = next(figure for figure in found.figures if figure.name == "params")
    assert (params.before, params.after) == (before.table().totals.params, after.table().totals.params)


@pytest.mark.parametrize("name", ["resnet50", "densenet121"])
def test_folded_normalisations(name: str) -> None:
    """After `fold` and under other names: the nodes that went, the convolutions that took them over, and no more."""
    graph = models.with_random_weights(cnnir.load(models.path(name)))
    result = graph.apply("fold")
    found = diff(graph, renamed(result.graph), seed=0 if name == "resnet50" else None)
    kept = {node.name for node in result.graph.nodes}
    assert set(found.removed) == {node.label for node in graph.nodes if node.name not in kept}
    assert not found.added
    assert found.matched == len(result.graph)
    assert not found.interface
    if found.numeric is not None:
        assert [output.reason for output in found.numeric.outputs] == [""]
        assert all(output.relative is not None and output.relative < 1e-4 for output in found.numeric.outputs)


def test_other_weights_everywhere() -> None:
    """A network trained further, and renamed: every weight is compared with its own successor."""
    graph = cnnir.load(models.path("inception_v1"))
    first, second = models.with_random_weights(graph, 0), models.with_random_weights(graph, 1)
    found = diff(first, renamed(second))
    assert found.matched == len(graph)
    for weight in found.weights:
        assert weight.type == weight.other_type
        assert weight.relative is not None
        assert weight.relative > 0
    ours = {value.name: value.weight.array() for value in first.weights if value.weight is not None}
    theirs = {value.name: value.weight.array() for value in second.weights if value.weight is not None}
    changed = {name for name, array in ours.items() if not np.array_equal(array, theirs[name])}
    assert {weight.name for weight in found.weights} == changed
