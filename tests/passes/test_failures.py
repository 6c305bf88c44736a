"""A pass that raises leaves the graph unchanged, and the message names the pass, the node and what that reads."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from cnnir.builder import GraphBuilder
from cnnir.cli import main
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import save
from cnnir.graph import Graph, Node
from cnnir.ops import Add, Concat, Relu, Sigmoid
from cnnir.passes import REGISTRY, DeadCode, Journal, Match, NotApplicable, Pass, apply, node, registry, rule, value
from cnnir.passes.base import Preserves
from cnnir.rewriter import Rewriter
from cnnir.text import digest
from cnnir.types import DType, TensorType
from cnnir.verify import verify


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "REGISTRY", dict(REGISTRY))


def network() -> Graph:
    """Two branches that meet in a sum, and a node that nobody reads."""
    builder = GraphBuilder("network")
    x = builder.input("x", (1, 2, 4, 4))
    left = builder.relu(builder.conv(x, 2, kernel=1, name="conv"), name="left")
    right = builder.sigmoid(x, name="right")
    builder.tanh(left, name="dead")
    return builder.build(builder.relu(builder.add(left, right, name="sum"), name="last"))


def failed(graph: Graph, what: "Pass | str | list[Pass]") -> CnnirError:
    """The error of a pass; the graph is what it was."""
    before = digest(graph)
    with pytest.raises(CnnirError) as caught:
        apply(graph, what)
    assert digest(graph) == before
    verify(graph)
    assert "\n" not in str(caught.value)
    return caught.value


@dataclass(frozen=True)
class Free(Pass):
    """A pass that changes much, and fails at the sum."""

    name: ClassVar[str] = "free"
    preserves: ClassVar[Preserves] = "interface"
    how: str = "crash"
    told: bool = False

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter = Rewriter(graph)
        for one in graph.nodes:
            if self.told:
                journal.at(one)
            if isinstance(one.op, Relu):
                rewriter.replace_node(one, Sigmoid())
            if isinstance(one.op, Add):
                rewriter.remove_unused()
                self.fail(rewriter, one)

    def fail(self, rewriter: Rewriter, at: Node) -> None:
        """In one of several ways."""
        if self.how == "crash":
            raise ZeroDivisionError
        if self.how == "erase":
            rewriter.replace_uses(at.output, at.operands[0])
            rewriter.erase(at)
            raise KeyError("gone")
        if self.how == "error":
            raise CnnirError("trial", "it was asked for")
        if self.how == "insert":
            rewriter.insert(Concat(7), at.operands, before=at, name="new")


SUM = "sum (Add)"
BEHIND = "behind left (Sigmoid), right (Sigmoid)"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("crash", f"{SUM}: ZeroDivisionError (in pass free, {BEHIND}); this is a fault of the pass [pass-failed]"),
        ("erase", f"{SUM}: KeyError: 'gone' (in pass free, {BEHIND}); this is a fault of the pass [pass-failed]"),
        ("error", f"{SUM}: it was asked for (in pass free, {BEHIND}) [trial]"),
    ],
)
def test_a_pass_that_says_where_it_is(how: str, message: str) -> None:
    assert str(failed(network(), Free(how, told=True))) == message


@pytest.mark.parametrize("how", ["crash", "error", "insert"])
def test_a_pass_that_does_not_say_where_it_is(how: str) -> None:
    """The node is found in the variables of its functions."""
    error = failed(network(), Free(how))
    assert f"(in pass free, last seen at {SUM}, {BEHIND})" in error.message
    assert error.node == {"insert": "new (Concat)"}.get(how)


def test_an_erased_node_is_told_as_it_was() -> None:
    """What it read is known from the graph that the pass was given."""
    assert f"last seen at {SUM}, behind left (Relu), right (Sigmoid)" in str(failed(network(), Free("erase")))


def test_the_cause_is_kept() -> None:
    """For whoever debugs the pass."""
    assert isinstance(failed(network(), Free()).__cause__, ZeroDivisionError)
    assert failed(network(), Free("error")).__cause__ is None


def test_a_pipeline_says_which_of_its_passes_failed() -> None:
    assert "(in pass free, stage 2 of 3, " in str(failed(network(), [DeadCode(), Free(told=True), DeadCode()]))


def test_what_reads_an_input_is_behind_that() -> None:
    """An input of the graph is told as one, weights are not told."""

    def spoil(found: Match, rewriter: Rewriter) -> str:
        """Fail at the convolution's neighbour."""
        raise ValueError("no")

    rule("spoil", node(Sigmoid, value("x")))(spoil)
    assert str(failed(network(), "spoil")).startswith("right (Sigmoid): ValueError: no (in pass spoil, behind input x)")


@pytest.mark.parametrize("kind", [CnnirError("odd", "that is odd"), RuntimeError("that is odd")])
def test_a_rule_is_told_with_the_node_that_it_was_at(kind: Exception) -> None:
    """The second place at which it fits; what was done at the first is undone."""

    def smooth(found: Match, rewriter: Rewriter) -> str:
        """Every ReLU but the last."""
        if rewriter.graph.is_output(found.root.output):
            raise kind
        rewriter.replace_node(found.root, Sigmoid())
        return "smooth"

    rule("smooth", node(Relu, value()), preserves="interface")(smooth)
    error = failed(network(), "dead-code,smooth")
    assert re.match(r"last \(Relu\): .*odd \(in pass smooth, stage 2 of 2, behind sum \(Add\)\)", str(error))


def test_an_edit_that_cannot_be_is_told_with_the_node() -> None:
    """The rewriter names the node as it would have been, the rule's place names it as it is."""

    def spoil(found: Match, rewriter: Rewriter) -> str:
        """Concatenate along an axis that is not there."""
        rewriter.replace_node(found.root, Concat(7))
        return "spoilt"

    rule("spoil", node(Add, value("x")))(spoil)
    error = failed(network(), "spoil")
    assert "(in pass spoil, at sum (Add), behind left (Relu), right (Sigmoid))" in str(error)


def test_a_pattern_that_raises_is_told_with_the_node() -> None:
    """A condition is part of the rule."""

    def raises(found: Node) -> bool:
        raise LookupError(found.name)

    def nothing(found: Match, rewriter: Rewriter) -> str:
        raise NotApplicable("never reached")

    rule("looks", node(Add, where=raises))(nothing)
    assert f"LookupError: sum (in pass looks, last seen at {SUM}, behind left (Relu), right" in str(
        failed(network(), "looks")
    )


@dataclass(frozen=True)
class Retype(Pass):
    """Promises to keep the interface, and makes another one."""

    name: ClassVar[str] = "retype"
    preserves: ClassVar[Preserves] = "interface"
    what: str = "size"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        if self.what == "batch":
            Rewriter(graph).set_type(graph.inputs[0], TensorType(DType.FLOAT32, (3, 2, 4, 4)))
        if self.what == "swap":
            graph.set_outputs([graph.value("left")])
        if self.what == "output":
            last = graph.node("last")
            wide = Rewriter(graph).insert(Concat(1), [last.output, last.output]).output
            graph.set_outputs([wide])
            Rewriter(graph).rename(last.output, "inner")
            Rewriter(graph).rename(wide, "last")


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("batch", "input x has another type than the pass promises (expected float32[1, 2, 4, 4], got float32[3, 2"),
        (
            "output",
            "output last has another type than the pass promises (expected float32[1, 2, 4, 4], got float32[1, 4",
        ),
        ("swap", "the pass has other outputs than it promises (expected ['last'], got ['left'])"),
    ],
)
def test_a_pass_keeps_the_interface_that_it_promises(what: str, told: str) -> None:
    error = failed(network(), Retype(what))
    assert str(error).startswith("retype: ")
    assert told in str(error)
    assert error.code == "pass-interface"


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, one line, and no file; the old one stays."""

    def smooth(found: Match, rewriter: Rewriter) -> str:
        """Fail with two lines."""
        raise RuntimeError("this\nis odd")

    rule("smooth", node(Add, value()))(smooth)
    save(network(), tmp_path / "in.onnx")
    (tmp_path / "out.onnx").write_bytes(b"old")
    arguments = [str(tmp_path / "in.onnx"), "-p", "dead-code,smooth", "-o", str(tmp_path / "out.onnx")]
    for extra in ([], ["--json"], ["--check", "values"]):
        code = main(["rewrite", *arguments, *extra])
        captured = capsys.readouterr()
        assert (code, captured.out) == (2, "")
        assert captured.err == (
            "cnnir: sum (Add): RuntimeError: this is odd (in pass smooth, stage 2 of 2, behind left (Relu), "
            "right (Sigmoid)); this is a fault of the pass [pass-failed]\n"
        )
        assert (tmp_path / "out.onnx").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.onnx", "out.onnx"]
