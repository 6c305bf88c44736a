"""Random edits of random networks: what is told is what was done, in both directions and in any order of the nodes."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest

from cnnir.compare import GraphDiff, diff
from cnnir.graph import Graph, Node
from cnnir.ops import BatchNormalization, HardSwish, Identity, LeakyRelu, Relu, Sigmoid, Tanh
from cnnir.rewriter import Rewriter
from cnnir.weights import Array
from tests.diff.test_diff import renamed, reordered
from tests.random_graphs import random_graph

UNARY = (Relu, Sigmoid, Tanh, HardSwish, LeakyRelu)
Edit: TypeAlias = Callable[[Graph, np.random.Generator], str | None]


def pick(nodes: list[Node], rng: np.random.Generator) -> Node | None:
    """One of them."""
    return nodes[int(rng.integers(len(nodes)))] if nodes else None


def inserted(graph: Graph, rng: np.random.Generator) -> str | None:
    """An activation between a node and all its readers."""
    node = pick([n for n in graph.nodes if n.outputs[0].uses and not graph.is_output(n.outputs[0])], rng)
    if node is None:
        return None
    op = [HardSwish(), LeakyRelu(), Relu(), Tanh()][int(rng.integers(4))]
    new = Rewriter(graph).insert(op, [node.outputs[0]], after=node, name=f"inserted {len(graph)}")
    Rewriter(graph).replace_uses(node.outputs[0], new.output)
    return new.label


def deleted(graph: Graph, rng: np.random.Generator) -> str | None:
    """An activation or Identity between nodes."""
    fitting = [n for n in graph.nodes if isinstance(n.op, (*UNARY, Identity)) and n.output.uses]
    node = pick([n for n in fitting if not graph.is_output(n.output)], rng)
    if node is None:
        return None
    Rewriter(graph).replace_uses(node.output, node.operands[0])
    Rewriter(graph).erase(node)
    return node.label


def retuned(graph: Graph, rng: np.random.Generator) -> str | None:
    """Another attribute."""
    node = pick([n for n in graph.nodes if n.op == BatchNormalization()], rng)
    if node is not None:
        Rewriter(graph).replace_node(node, BatchNormalization(epsilon=float(rng.random())))
    return None if node is None else node.label


def trained(graph: Graph, rng: np.random.Generator) -> str | None:
    """Other contents of a weight, for one reader."""
    node = pick([n for n in graph.nodes if any(v.weight is not None for v in n.operands)], rng)
    if node is None:
        return None
    index, value = next((i, v) for i, v in enumerate(node.operands) if v.weight is not None)
    assert value.weight is not None
    contents = value.weight.array() + np.float32(rng.random() + 0.5)
    Rewriter(graph).set_operand(node, index, graph.add_weight(graph.fresh_name("trained"), Array.of(contents)))
    return node.label


def exchanged(graph: Graph, rng: np.random.Generator) -> str | None:
    """Another op in the same place."""
    node = pick([n for n in graph.nodes if isinstance(n.op, UNARY)], rng)
    if node is not None:
        others = [op for op in (Relu(), Sigmoid(), Tanh(), HardSwish()) if type(op) is not type(node.op)]
        Rewriter(graph).replace_node(node, others[int(rng.integers(3))])
    return None if node is None else node.label


EDITS: tuple[Edit, ...] = (inserted, deleted, retuned, trained, exchanged)


def edited(seed: int, count: int) -> tuple[Graph, Graph, list[tuple[Edit, str]]]:
    """A network, what so many edits make of it, and what they were done to."""
    rng = np.random.default_rng([seed, count])
    graph = random_graph(rng, 16)
    other = graph.clone()
    done = list[tuple[Edit, str]]()
    while len(done) < count:
        edit = EDITS[int(rng.integers(len(EDITS)))]
        label = edit(other, rng)
        if label is not None:
            done.append((edit, label))
    return graph, other, done


def told(found: GraphDiff) -> int:
    """Number of edits that are told."""
    changes = [len(one.operands) + len(one.weights) + bool(one.fields) for one in found.changed]
    return len(found.added) + len(found.removed) + len(found.interface) + sum(changes)


def signature(found: GraphDiff, *, turned: bool = False) -> tuple[list[str], list[str], list[tuple[str, str, int]]]:
    """What is told, in either direction."""
    sides = (found.removed, found.added) if turned else (found.added, found.removed)
    changed = [(one.other, one.node) if turned else (one.node, one.other) for one in found.changed]
    sizes = [len(one.fields) + len(one.operands) + len(one.weights) for one in found.changed]
    added, removed = map(sorted, sides)
    return added, removed, sorted((*pair, size) for pair, size in zip(changed, sizes, strict=True))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_no_more_is_told_than_was_done(seed: int, count: int) -> None:
    """Under other names, in another order; and both directions tell the same."""
    graph, other, _ = edited(seed, count)
    rng = np.random.default_rng(seed)
    twin = renamed(reordered(other, rng))
    found = diff(graph, twin)
    assert told(found) <= count
    assert signature(found) == signature(diff(twin, graph), turned=True)
    assert signature(found) == signature(diff(reordered(graph, rng), reordered(twin, rng)))


@pytest.mark.parametrize("seed", range(20))
def test_edits_of_a_kind_are_named(seed: int) -> None:
    """Where names are kept: the very nodes that were put in, taken out and changed."""
    graph, other, done = edited(seed, 2)
    found = diff(graph, other)
    assert told(found) <= len(done)
    if told(found) < len(done):  # two edits that one explains: a node put in beside one that was exchanged
        return
    changed = {one.other for one in found.changed}
    before = {node.name for node in graph.nodes}
    for edit, label in done:
        if edit is inserted:
            assert label in found.added or label not in {node.label for node in other.nodes}
        elif edit is deleted and label.split(" (")[0] in before:
            assert label in found.removed
        elif edit in (retuned, trained):
            assert label in changed


def dead(order: tuple[int, ...]) -> Graph:
    """Three activations that nobody reads, in this order."""
    graph = random_graph(np.random.default_rng(0), 6)
    ops = [Relu(), HardSwish(), LeakyRelu()]
    for number in order:
        graph.add_node(ops[number], [graph.inputs[0]], name=f"dead {number}", outputs=[f"dead {number}"])
    return graph


def test_dead_nodes() -> None:
    """Their order is nobody's business: with one of them changed, that one is told."""
    other = dead((0, 1, 2))
    Rewriter(other).replace_node(other.node("dead 1"), Tanh())
    results = {repr(signature(diff(dead(order), renamed(other)))) for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0))}
    assert len(results) == 1
    assert diff(dead((0, 1, 2)), renamed(dead((2, 0, 1)))).equal
    (change,) = diff(dead((2, 1, 0)), other).changed
    assert change.node == "dead 1 (HardSwish)"
