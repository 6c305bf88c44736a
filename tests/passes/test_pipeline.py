"""Pipelines as text, and passes that work on clones."""

from dataclasses import dataclass
from typing import ClassVar

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.ops import Relu, Sigmoid
from cnnir.passes import REGISTRY, DeadCode, InferShapes, Journal, Pass, Pipeline, apply, make_pass, register
from cnnir.passes.base import Preserves
from cnnir.rewriter import Rewriter
from cnnir.text import difference, print_graph
from cnnir.types import DType, TensorType
from cnnir.verify import verify
from cnnir.weights import Fill
from tests.random_graphs import random_graph


@dataclass(frozen=True)
class Trial(Pass):
    """A pass with an option of every type, which fails where it is asked to."""

    name: ClassVar[str] = "trial"
    preserves: ClassVar[Preserves] = "interface"
    limit: int = 3
    rate: float = 0.5
    deep: bool = False
    mode: str = "fast"
    fail: str = ""

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter = Rewriter(graph)
        for node in graph.nodes:
            if isinstance(node.op, Relu):
                journal.change("made smooth", [node])
                rewriter.replace_node(node, Sigmoid())
                journal.count("made smooth")
            else:
                journal.refuse("no Relu", [node])
        if self.fail == "error":
            raise CnnirError("trial-failed", "it was asked for")
        if self.fail == "crash":
            raise ZeroDivisionError
        if self.fail == "spoil":
            graph.nodes[0].inputs[0]._uses.clear()  # type: ignore[union-attr]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY, "trial", Trial)


def network() -> Graph:
    graph = Graph("network")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (2, 3)))
    relu = graph.add_node(Relu(), [x], name="relu")
    graph.add_node(Relu(), relu.outputs, name="dead")
    graph.add_weight("spare", Fill(DType.FLOAT32, (3,), np.float32(0)))
    graph.set_outputs(graph.add_node(Sigmoid(), relu.outputs, name="sigmoid").outputs)
    return graph


def refusal(code: str, text: str) -> CnnirError:
    with pytest.raises(CnnirError) as caught:
        Pipeline.parse(text)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    return caught.value


# Text


@pytest.mark.parametrize(
    ("text", "stages"),
    [
        ("dead-code", (DeadCode(),)),
        ("infer-shapes,dead-code", (InferShapes(), DeadCode())),
        ("dead-code,dead-code", (DeadCode(), DeadCode())),
        ("trial", (Trial(),)),
        ("trial{limit=4}", (Trial(limit=4),)),
        ("trial{limit=-4,rate=1e-05,deep=true,mode=slow}", (Trial(-4, 1e-5, deep=True, mode="slow"),)),
        ("trial{mode=12},dead-code", (Trial(mode="12"), DeadCode())),
        ("trial{mode=true}", (Trial(mode="true"),)),
    ],
)
def test_text_reads_back_as_it_is_printed(text: str, stages: tuple[Pass, ...]) -> None:
    pipeline = Pipeline.parse(text)
    assert pipeline == Pipeline(stages)
    assert str(pipeline) == text


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("  infer-shapes ,  dead-code ", "infer-shapes,dead-code"),
        ("trial{}", "trial"),
        ("trial { deep , limit = 7 }", "trial{limit=7,deep=true}"),
        ("trial{deep=false,limit=3,rate=0.5}", "trial"),
        ("trial{rate=2}", "trial{rate=2.0}"),
    ],
)
def test_there_is_more_than_one_way_to_write_it(text: str, same: str) -> None:
    assert Pipeline.parse(text) == Pipeline.parse(same)
    assert str(Pipeline.parse(text)) == same


words = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.+", min_size=1, max_size=8)

trials = st.builds(Trial, st.integers(), st.floats(allow_nan=False), st.booleans(), words)


@given(st.lists(st.one_of(trials, st.just(DeadCode()), st.just(InferShapes())), min_size=1, max_size=4))
def test_every_pipeline_round_trips(stages: list[Pass]) -> None:
    pipeline = Pipeline(tuple(stages))
    assert Pipeline.parse(str(pipeline)) == pipeline


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("   ", 1),
        (",", 1),
        ("dead-code,", 11),
        ("dead-code, ", 11),
        ("dead-code,,infer-shapes", 11),
        ("dead-code,Infer", 11),
        ("dead-code infer-shapes", 1),
        ("dead-code{", 1),
        ("dead-code,trial{limit=4", 11),
        ("dead-code,trial{limit={4}}", 11),
        ("dead-code;infer-shapes", 1),
    ],
)
def test_what_is_no_pipeline_is_refused_at_its_column(text: str, column: int) -> None:
    assert f"column {column}" in str(refusal("pipeline-syntax", text))


def test_unknown_passes_and_options() -> None:
    assert "dead-code" in str(refusal("pass-unknown", "dead-coda"))
    assert "no options" in str(refusal("option-unknown", "dead-code{limit=1}"))
    error = refusal("option-unknown", "dead-code,trial{limits=1}")
    assert (error.node, error.got) == ("trial", "limits")
    assert "limit" in str(error.expected)


@pytest.mark.parametrize(
    "options",
    ["limit=four", "limit=1.5", "limit", "limit=", "limit=true", "rate=fast", "rate", "deep=1", "deep=yes", "mode"],
)
def test_options_have_types(options: str) -> None:
    error = refusal("option-value", f"trial{{{options}}}")
    assert error.node == "trial"
    assert options.partition("=")[0] in error.message


def test_options_are_given_once_and_by_name() -> None:
    for options in ("limit=1,limit=1", "=1", ",", "limit=1,,deep"):
        assert refusal("pipeline-syntax", f"trial{{{options}}}").node == "trial"


@dataclass(frozen=True)
class Needy(Pass):
    """A pass with options that must be given, one of them called by a word of Python's."""

    name: ClassVar[str] = "needy"
    from_: str
    limit: int
    deep: bool = False

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        """Nothing to do."""


def test_options_without_default_must_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY, "needy", Needy)
    error = refusal("option-missing", "needy")
    assert str(error) == "needy: option from and limit must be given; write needy{from=...,limit=...} [option-missing]"
    assert "option limit must" in str(refusal("option-missing", "needy{from=a}"))
    with pytest.raises(CnnirError, match=r"option from must .*\[option-missing\]"):
        network().apply("needy", limit=3)
    pipeline = Pipeline.parse("needy{from=a,limit=3}")
    assert pipeline == Pipeline((Needy("a", 3),))
    assert str(pipeline) == "needy{from=a,limit=3}"


def test_options_that_text_cannot_express_are_refused_when_registered() -> None:
    @dataclass(frozen=True)
    class Listed(Pass):
        """A pass whose option is a list."""

        name: ClassVar[str] = "listed"
        sizes: tuple[int, ...] = ()

        def rewrite(self, graph: Graph, journal: Journal) -> None:
            """Nothing to do."""

    with pytest.raises(CnnirError, match=r"listed: option sizes .*got tuple\[int, \.\.\.\].*\[option-type\]"):
        register(Listed)
    assert "listed" not in REGISTRY


@pytest.mark.parametrize("name", ["Not-Kebab", "two words", "", None, "ends-", "a,b"])
def test_names_that_text_cannot_express_are_refused_when_registered(name: str | None) -> None:
    cls = type("Named", (Trial,), {"name": name})
    with pytest.raises(CnnirError, match="pass-name"):
        register(cls)


def test_make_pass_takes_text_and_values() -> None:
    assert make_pass("trial", {"limit": "4", "deep": "true"}) == make_pass("trial", {"limit": 4, "deep": True})
    for wrong in ({"limit": True}, {"limit": None}, {"mode": 3}, {"rate": "nothing"}):
        with pytest.raises(CnnirError, match="option-value"):
            make_pass("trial", wrong)


def test_every_pass_is_registered_under_its_name() -> None:
    for name, cls in REGISTRY.items():
        assert cls.name == name
        assert str(cls()) == name
        assert Pipeline.parse(name) == Pipeline((cls(),))


# Running


@pytest.mark.parametrize("what", ["trial", "trial,dead-code", Trial(), Pipeline((Trial(),)), [Trial(), DeadCode()]])
def test_apply_leaves_its_input_as_it_is(what: Pass | Pipeline | str | list[Pass]) -> None:
    graph = network()
    before, values = print_graph(graph), graph.values
    result = apply(graph, what)
    assert print_graph(graph) == before
    assert graph.values == values
    verify(graph)
    verify(result.graph)
    assert result.graph is not graph
    assert result.modified
    assert isinstance(result.graph.node("relu").op, Sigmoid)
    assert result.metrics["made smooth"] == 2
    assert str(result.changes[0]) == "relu (Relu): made smooth"
    assert [str(refused) for refused in result.refusals] == ["sigmoid (Sigmoid): no Relu"]


@pytest.mark.parametrize(("fail", "code"), [("error", "trial-failed"), ("spoil", "verify-uses")])
def test_a_pass_that_fails_is_named_and_has_done_nothing(fail: str, code: str) -> None:
    graph = network()
    before = print_graph(graph)
    with pytest.raises(CnnirError, match=r"\(in pass trial, stage 2 of 2") as caught:
        apply(graph, [DeadCode(), Trial(fail=fail)])
    assert caught.value.code == code
    assert print_graph(graph) == before
    verify(graph)


def test_options_go_with_a_name() -> None:
    graph = network()
    assert apply(graph, "trial", limit=7).modified
    for what in (Trial(), Pipeline((Trial(),)), [Trial()]):
        with pytest.raises(CnnirError, match="option-unknown"):
            apply(graph, what, limit=7)


def test_nothing_to_do_is_no_change() -> None:
    graph = apply(network(), DeadCode()).graph
    result = apply(graph, "infer-shapes,dead-code")
    assert not result.modified
    assert (result.changes, result.refusals, result.metrics) == ((), (), {})
    assert difference(result.graph, graph) is None


# Dead code


def test_dead_code() -> None:
    graph = network()
    graph.add_node(Sigmoid(), [graph.value("dead")], name="deader")
    graph.add_input("unread", TensorType(DType.FLOAT32, (1,)))
    result = graph.apply(DeadCode())
    assert [node.name for node in result.graph.nodes] == ["relu", "sigmoid"]
    assert [value.name for value in result.graph.inputs] == ["x", "unread"]
    assert result.graph.weights == ()
    assert result.metrics == {"nodes removed": 2, "weights removed": 1}
    assert [change.nodes for change in result.changes] == [("deader (Sigmoid)",), ("dead (Relu)",), ()]


def test_what_is_an_output_is_not_dead() -> None:
    graph = network()
    graph.set_outputs([graph.value("dead"), graph.value("spare")])
    result = graph.apply("dead-code").graph
    assert [node.name for node in result.nodes] == ["relu", "dead"]
    assert [value.name for value in result.weights] == ["spare"]


@pytest.mark.parametrize("seed", range(8))
def test_dead_code_keeps_values(seed: int) -> None:
    graph = random_graph(np.random.default_rng(seed), 15)
    graph.set_outputs(graph.outputs[-1:])
    result = graph.apply("dead-code")
    (x,) = graph.inputs
    assert isinstance(x.type, TensorType)
    feed = {"x": np.random.default_rng(0).standard_normal([int(str(dim)) for dim in x.type.shape]).astype(np.float32)}
    before, after = graph.run(feed), result.graph.run(feed)
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)
    assert not result.graph.apply("dead-code").modified
