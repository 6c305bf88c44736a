"""Patterns, rules made of them, and where passes come from."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from cnnir.builder import GraphBuilder
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.ops import Add, Conv, Dropout, Identity, Mul, Relu, Sigmoid, Split
from cnnir.passes import (
    REGISTRY,
    Match,
    NotApplicable,
    Pass,
    Pattern,
    all_passes,
    apply,
    broken_passes,
    constant,
    either,
    find,
    find_pass,
    node,
    registry,
    rule,
    through,
    value,
)
from cnnir.rewriter import Rewriter
from cnnir.text import print_graph
from cnnir.types import DType, TensorType
from cnnir.weights import Array


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "REGISTRY", dict(REGISTRY))


def chain(*ops: type) -> Graph:
    """Elementwise ops in a row."""
    graph = Graph("chain")
    last = graph.add_input("x", TensorType(DType.FLOAT32, (1, 4)))
    for op in ops:
        last = graph.add_node(op(), [last]).output
    graph.set_outputs([last])
    return graph


def names(graph: Graph, pattern: Pattern) -> list[dict[str, str]]:
    """What each match calls by which name."""
    return [
        {key: found.name for key, found in one.nodes.items()} | {key: found.name for key, found in one.values.items()}
        for one in find(graph, pattern)
    ]


def residual() -> Graph:
    """A scaled convolution added to its input, the constant on the left."""
    builder = GraphBuilder("residual")
    x = builder.input("x", (1, 4, 5, 5))
    y = builder.conv(x, 4, kernel=3, padding=1, name="conv")
    graph = builder.graph
    factor = graph.add_weight("factor", Array.of(np.ones((4, 1, 1), np.float32)))
    scaled = graph.add_node(Mul(), [factor, y], name="mul").output
    return builder.build(builder.add(scaled, x, name="add"))


def test_operands_in_any_order_where_the_op_does_not_care() -> None:
    """Mul(constant, conv) is Mul(conv, constant)."""
    pattern = node(Mul, node(Conv, value("x"), constant("w"), name="conv"), constant("f"), name="mul")
    assert names(residual(), pattern) == [{"mul": "mul", "conv": "conv", "x": "x", "w": "conv.weight", "f": "factor"}]


def test_a_name_stands_for_one_value() -> None:
    """A residual block reads the same value at both ends."""
    graph = residual()
    block = node(Add, node(Mul, node(Conv, value("x")), constant()), value("x"), name="add")
    assert [found["add"] for found in names(graph, block)] == ["add"]
    other = Rewriter(graph).insert(Relu(), [graph.value("x")], before=graph.node("conv")).output
    Rewriter(graph).set_operand(graph.node("conv"), 0, other)
    assert not names(graph, block)


def diamond(*, shared: bool) -> Graph:
    """Two convolutions of one Split, or of two, added up; each with its own weight, one with a bias."""
    builder = GraphBuilder("diamond")
    x = builder.input("x", (1, 4, 5, 5))
    left, right = builder.split(x, (2, 2), name="first")
    if not shared:
        _, right = builder.split(x, (2, 2), name="second")
    left, right = builder.conv(left, 3, kernel=1, bias=False), builder.conv(right, 3, kernel=1)
    return builder.build(builder.add(left, right, name="add"))


def test_a_name_stands_for_one_node() -> None:
    """Through whichever output; a match that begins with another node is given up, not spoilt."""
    parts = node(Split, value("x"), name="split")
    block = node(Add, node(Conv, parts), node(Conv, parts), name="add")
    assert names(diamond(shared=True), block) == [{"add": "add", "split": "first", "x": "x"}]
    assert not names(diamond(shared=False), block)
    own = node(Add, node(Conv, node(Split, name="a")), node(Conv, node(Split, name="b")))
    assert [set(found.values()) for found in names(diamond(shared=False), own)] == [{"first", "second"}]


def test_a_name_stands_for_one_node_behind_alternatives() -> None:
    """What was tried first and failed leaves no name behind: the second way is found."""
    graph = diamond(shared=True)
    conv = node(Conv, value(), name="conv")
    twice = node(Add, either(conv, node(Conv, name="other")), conv, name="add")
    assert [found["conv"] != found["other"] for found in names(graph, twice)] == [True]
    assert not names(graph, node(Add, conv, conv))


def test_an_absent_operand_is_absent_wherever_its_name_stands() -> None:
    """One convolution has a bias, the other has none."""
    same = node(Conv, value(), constant(), constant("bias", optional=True))
    other = node(Conv, value(), constant(), constant("other", optional=True))
    assert not list(find(diamond(shared=True), node(Add, same, same)))
    (found,) = find(diamond(shared=True), node(Add, same, other))
    assert found.has("bias") != found.has("other")


def test_optional_operands() -> None:
    """A bias may be there or not."""
    pattern = node(Conv, value("x"), constant("w"), constant("b", optional=True))
    (found,) = find(residual(), pattern)
    assert found.has("b")
    graph = residual()
    conv = graph.node("conv")
    Rewriter(graph).replace_node(conv, conv.op, conv.inputs[:2])
    (found,) = find(graph, pattern)
    assert not found.has("b")
    with pytest.raises(CnnirError, match=r"pattern-name"):
        found.value("b")
    assert not list(find(graph, node(Conv, value(), constant(), constant())))


def test_alternatives_and_looking_through() -> None:
    """One thing said in several ways."""
    pattern = node((Relu, Sigmoid), through((Identity, Dropout), node(Relu, value("x"), name="inner")), name="outer")
    assert names(chain(Relu, Identity, Dropout, Relu), pattern)[0]["inner"] == "relu"
    assert len(names(chain(Relu, Sigmoid, Relu), pattern)) == 1
    first = either(node(Sigmoid, value("s")), node(Relu, value("r")))
    assert [set(found) for found in names(chain(Relu, Sigmoid), first)] == [{"r"}, {"s"}]


def test_conditions() -> None:
    """On nodes and on values."""
    wide = node(Conv, value(), constant(where=lambda found: found.weight is not None and found.weight.shape[2] > 1))
    assert len(list(find(residual(), wide))) == 1
    assert not list(find(residual(), node(Conv, where=lambda found: found.name == "other")))


def test_read_elsewhere() -> None:
    """What others read of the inside of a match."""
    graph = chain(Relu, Relu)
    pattern = node(Relu, node(Relu, value("x"), name="inner"), name="outer")
    (found,) = find(graph, pattern)
    assert not found.read_elsewhere(graph)
    inner = found.node("inner").output
    graph.add_node(Sigmoid(), [inner])
    assert found.read_elsewhere(graph) == (found.node("inner"),)


RELU_TWICE = node(Relu, node(Relu, value("x"), name="inner"), name="outer")


def relu_once(found: Match, rewriter: Rewriter) -> str:
    """Of two ReLUs in a row, the second does nothing."""
    outer, inner = found.node("outer"), found.node("inner")
    if rewriter.graph.is_output(outer.output):
        raise NotApplicable("its output is an output of the network")
    rewriter.replace_uses(outer.output, inner.output)
    rewriter.erase(outer)
    return f"as {inner.name}"


def test_a_rule_is_a_pass() -> None:
    """By name, to the end, with changes, refusals and a docstring; the graph that is given stays as it is."""
    cls = rule("relu-once", RELU_TWICE)(relu_once)
    assert (cls.name, cls.__doc__, str(cls())) == ("relu-once", relu_once.__doc__, "relu-once")
    graph = chain(Relu, Relu, Relu, Sigmoid, Relu, Relu)
    before = print_graph(graph)
    result = graph.apply("relu-once", check="values")
    assert [one.op.kind for one in result.graph.nodes] == ["Relu", "Sigmoid", "Relu", "Relu"]
    assert len(result.changes) == 2
    (refused,) = result.refusals
    assert "output of the network" in str(refused)
    assert print_graph(graph) == before


def test_a_rule_that_never_ends() -> None:
    """It is stopped, and said to be at fault."""

    def grow(found: Match, rewriter: Rewriter) -> str:
        """Another one in front."""
        root = found.root
        rewriter.set_operand(root, 0, rewriter.insert(Relu(), [root.inputs[0]], before=root).output)
        return "one more"

    rule("grow", node(Relu, value()))(grow)
    with pytest.raises(CnnirError, match="pass-diverges"):
        chain(Relu).apply("grow")


def test_a_pass_that_lies_is_found_out() -> None:
    """The check runs both graphs, and names the first value that differs."""

    def drop(found: Match, rewriter: Rewriter) -> str:
        """Leave a Sigmoid out."""
        rewriter.replace_node(found.root, Identity())
        return "gone"

    cls = rule("drop", node(Sigmoid, value()))(drop)
    graph = chain(Relu, Sigmoid, Relu)
    with pytest.raises(CnnirError, match=r"sigmoid: the pass drop changes .*\[pass-values\]"):
        graph.apply("drop", check="values")
    assert graph.apply("drop").modified
    honest = rule("drop-openly", node(Sigmoid, value()), preserves="interface")(drop)
    found = apply(graph, [honest()], check="values").check
    assert found is not None
    assert not found.equal
    assert cls.preserves == "values"


class Offered(Pass):
    """A pass of another package."""

    name = "offered"

    def rewrite(self, graph: Graph, journal: object) -> None:
        """Nothing to do."""


class Taken(Pass):
    """A pass of another package with the name of one of ours."""

    name = "fold"

    def rewrite(self, graph: Graph, journal: object) -> None:
        """Nothing to do."""


def test_passes_of_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points are loaded by name, listed, and refused with their package's name where they are broken."""
    good = EntryPoint("offered", f"{__name__}:Offered", registry.GROUP)
    broken = EntryPoint("broken", "no.such.module:Pass", registry.GROUP)
    other = EntryPoint("other", f"{__name__}:chain", registry.GROUP)

    def entries() -> Iterator[EntryPoint]:
        yield from (good, broken, other)

    monkeypatch.setattr(registry, "_entries", entries)
    assert find_pass("offered") is Offered
    for name in ("broken", "other"):
        with pytest.raises(CnnirError, match="pass-broken"):
            find_pass(name)
    with pytest.raises(CnnirError, match=r"offered.*\[pass-unknown\]"):
        find_pass("nothing")
    assert all_passes()["offered"] is Offered
    assert set(all_passes()) == {*REGISTRY, "offered"}
    found = broken_passes()
    assert list(found) == ["broken", "other"]
    assert "no.such.module" in found["broken"][0]


def test_a_package_cannot_take_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pass that bears it stays, and the other one is told of."""
    taken = EntryPoint("fold", f"{__name__}:Taken", registry.GROUP)
    monkeypatch.setattr(registry, "_entries", lambda: iter([taken]))
    fold = REGISTRY["fold"]
    assert find_pass("fold") is all_passes()["fold"] is fold
    (reason,) = broken_passes()["fold"]
    assert "pass-twice" in reason


def test_a_module_that_ends_the_program_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a package does when it is imported."""
    monkeypatch.setattr(EntryPoint, "load", lambda _: sys.exit("enough"))
    monkeypatch.setattr(registry, "_entries", lambda: iter([EntryPoint("ends", "a.b:C", registry.GROUP)]))
    assert "SystemExit: enough" in broken_passes()["ends"][0]


def test_one_name_one_pass() -> None:
    """A second pass of a name is refused."""
    rule("relu-once", RELU_TWICE)(relu_once)
    with pytest.raises(CnnirError, match="pass-twice"):
        rule("relu-once", RELU_TWICE)(relu_once)
