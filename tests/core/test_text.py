"""The text form: prints, reads back equal, and refuses what it cannot read, saying where."""

import dataclasses
import math
import re
import time
from contextlib import suppress
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from cnnir.dims import UNKNOWN, symbol
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.ops import (
    REGISTRY,
    Cast,
    Clip,
    Conv,
    Identity,
    LeakyRelu,
    MaxPool,
    Op,
    Opaque,
    Pad,
    Relu,
    Reshape,
    Resize,
    Softmax,
    Squeeze,
)
from cnnir.text import difference, digest, parse_graph, print_graph
from cnnir.types import DType, OptionalType, SequenceType, TensorType, Type, UnknownType
from cnnir.weights import Array, Fill, Reshaped, Seeded, Weight
from tests.random_graphs import random_graph

FLOATS = TensorType(DType.FLOAT32, (2, 3))


def given_weights(graph: Graph) -> dict[str, Weight]:
    return {value.name: value.weight for value in graph.weights if value.weight is not None}


def assert_round_trip(graph: Graph) -> Graph:
    text = print_graph(graph)
    again = parse_graph(text, given_weights(graph))
    assert difference(graph, again) is None
    assert print_graph(again) == text
    assert digest(again) == digest(graph)
    return again


def one_node(op: Op, *types: Type, **names: Any) -> Graph:
    graph = Graph("one")
    inputs = [graph.add_input(f"x{index}", type_) for index, type_ in enumerate(types)]
    graph.set_outputs(graph.add_node(op, inputs, **names).outputs)
    return graph


# Round trips


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_random_graphs_round_trip(seed: int, nodes: int) -> None:
    assert_round_trip(random_graph(np.random.default_rng(seed), nodes))


def test_the_text_is_as_documented() -> None:
    graph = Graph("tiny")
    x = graph.add_input("image", TensorType(DType.FLOAT32, (symbol("N"), 3, 32, 32)))
    w = graph.add_weight("w", Seeded(DType.FLOAT32, (8, 3, 3, 3), 0, 7, 0.1))
    conv = graph.add_node(Conv((1, 1), (1, 1, 1, 1), (1, 1)), [x, w], outputs=["map"])
    graph.set_outputs(graph.add_node(Relu(), [conv.output], name="activation", outputs=["y"]).outputs)
    assert print_graph(graph).splitlines() == [
        'graph "tiny" {',
        "  ir 10",
        '  opset "" 21',
        "  input %image: float32[N, 3, 32, 32]",
        "  weight %w: float32[8, 3, 3, 3] = seeded(0, 7, 0.1)",
        "  %map: float32[N, 8, 32, 32] = Conv(%image, %w) {strides=[1, 1], pads=[1, 1, 1, 1], dilations=[1, 1]}",
        "  %y: float32[N, 8, 32, 32] = Relu(%map) as %activation",
        "  output %y",
        "}",
    ]
    assert_round_trip(graph)


def test_provenance_and_metadata_round_trip() -> None:
    graph = one_node(Relu(), FLOATS, metadata={"doc": 'two\nlines, "quoted"', "é": ""})
    source = graph.provenance
    source.ir_version = 3
    source.opsets = {"": 9, "com.example": 2}
    source.fields = {"producer_name": "a tool", "doc_string": "l1\nl2\t\\"}
    source.metadata = {"license": "öffentlich"}
    source.listed = ("w", "a name", "x0")
    source.extras = {"functions": b"\x00\xff", "nothing": b""}
    graph.name = 'odd "name" \u2028'
    again = assert_round_trip(graph)
    assert dataclasses.asdict(again.provenance) == dataclasses.asdict(source)
    assert again.name == graph.name


@pytest.mark.parametrize(
    "name", ["gpu_0/data_0", "a b", "colon:", ":", "a:b", "%", '"', "\\", "é", "1", "a-b", "\n", "_", "-", "}"]
)
def test_any_name_round_trips(name: str) -> None:
    graph = Graph()
    x = graph.add_input(name, FLOATS)
    node = graph.add_node(Relu(), [x], name=name, outputs=[f"{name}y"])
    graph.set_outputs(node.outputs)
    again = assert_round_trip(graph)
    assert again.inputs[0].name == name
    assert again.nodes[0].name == name


@pytest.mark.parametrize(
    "type_",
    [
        TensorType(DType.INT64, ()),
        TensorType(DType.FLOAT16, (0, 1, UNKNOWN)),
        TensorType(DType.BOOL, (symbol("N"), (symbol("H") + 31) // 32, symbol("H") * symbol("W") - 3)),
        TensorType(DType.STRING, (symbol("batch, size]"),)),
        SequenceType(TensorType(DType.FLOAT32, (symbol("N"),))),
        OptionalType(SequenceType(UnknownType())),
        UnknownType(),
        UnknownType(DType.FLOAT32),
        UnknownType(None, b"\x01\xab"),
        UnknownType(DType.INT4, b"\x00"),
        *[TensorType(dtype, (2,)) for dtype in DType],
    ],
    ids=str,
)
def test_any_type_round_trips(type_: Type) -> None:
    graph = Graph()
    x = graph.add_input("x", type_)
    graph.set_outputs([x, x])
    assert assert_round_trip(graph).inputs[0].type == type_


@pytest.mark.parametrize(
    ("op", "types"),
    [
        (LeakyRelu(-0.0), [FLOATS]),
        (LeakyRelu(math.nan), [FLOATS]),
        (LeakyRelu(1), [FLOATS]),
        (LeakyRelu(float(np.float32(0.1))), [FLOATS]),
        (LeakyRelu(np.float64(0.3)), [FLOATS]),
        (Clip(-math.inf, 1e300), [FLOATS]),
        (Clip(None, 5e-324), [FLOATS]),
        (Cast(DType.BFLOAT16), [FLOATS]),
        (Softmax((0, 1)), [FLOATS]),
        (Squeeze(()), [FLOATS]),
        (Squeeze(), [FLOATS]),
        (Reshape((symbol("N"), 6)), [TensorType(DType.FLOAT32, (symbol("N"), 2, 3))]),
        (Resize(scales=(1.0, 2.5)), [FLOATS]),
        (Resize(sizes=(symbol("H") // 2, 7), mode="linear"), [FLOATS]),
        (Pad((0, 0, 1, 1), value=-0.0), [FLOATS]),
        (Pad((0, 0, 1, 1), value=7), [TensorType(DType.INT64, (1, 1))]),
        (Pad((0, 0, 1, 1), value=True), [TensorType(DType.BOOL, (1, 1))]),
        (MaxPool((2,), (1,), (0, 0), with_indices=True), [TensorType(DType.FLOAT32, (1, 1, 4))]),
        (Opaque("com.example", "Mystery", 3, b"\x00\x01", (True, False, True), 1, 'a "reason"'), [FLOATS, FLOATS]),
    ],
    ids=str,
)
def test_fields_of_every_kind_round_trip(op: Op, types: list[Type]) -> None:
    again = assert_round_trip(one_node(op, *types)).nodes[0].op
    # The text tells -0.0 from 0.0 and finds nan equal to itself.
    assert repr(again) == repr(op).replace("np.float64(0.3)", "0.3").replace("alpha=1)", "alpha=1.0)")


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_op_class_has_a_text_form(name: str) -> None:
    """Asked for a field that it lacks, the reader names those that it has; a field without a text form would raise."""
    with pytest.raises(CnnirError) as caught:
        parse_graph(
            f'graph "g" {{ input %x: float32[2] %y: float32[2] = {name}(%x, %x, %x, %x, %x, %x) {{nothing=1}} }}'
        )
    assert caught.value.code == "text-syntax"
    for field in dataclasses.fields(REGISTRY[name]):
        assert field.name in str(caught.value.expected)


def test_absent_operands_and_nodes_without_outputs() -> None:
    graph = Graph()
    x = graph.add_input("x", FLOATS)
    graph.add_node(Opaque("", "Print", 1, present=(False,)), [None, x, None], name="a sink")
    again = assert_round_trip(graph)
    assert [value and value.name for value in again.nodes[0].inputs] == [None, "x", None]
    assert again.nodes[0].outputs == ()


def test_constraints_are_derived_again() -> None:
    graph = one_node(
        Conv((1,), (0, 0), (1,)), TensorType(DType.FLOAT32, (1, 1, symbol("L"))), FLOATS.with_shape((1, 1, 9))
    )
    again = assert_round_trip(graph)
    assert [str(constraint) for constraint in again.constraints] == ["L >= 9"]


def test_a_declared_type_is_taken_over_where_inference_knows_nothing() -> None:
    graph = one_node(Opaque("", "Mystery", 1), FLOATS, outputs=["y"])
    graph.value("y").type = TensorType(DType.INT32, (5,))
    graph.add_node(Identity(), [graph.value("y")], outputs=["z"])
    assert graph.value("z").type == TensorType(DType.INT32, (5,))
    again = assert_round_trip(graph)
    assert again.value("y").type == again.value("z").type == TensorType(DType.INT32, (5,))


# Weights


@pytest.mark.parametrize(
    "weight",
    [
        Fill(DType.FLOAT32, (1000, 1000), np.float32(-0.0)),
        Fill(DType.FLOAT32, (2,), np.float32(math.nan)),
        Fill(DType.INT64, (), np.int64(-1)),
        Fill(DType.BOOL, (3,), np.ones((), bool)[()]),
        Fill(DType.BFLOAT16, (3,), DType.BFLOAT16.numpy.type(1.5)),
        Fill(DType.INT4, (3,), DType.INT4.numpy.type(-7)),
        Fill(DType.COMPLEX128, (0,), np.complex128(1 + 2j)),
        Seeded(DType.FLOAT32, (4, 4), 3, 2**40, 1e-7),
        Seeded(DType.FLOAT64, (4,), 0, 0, np.float64(0.5)),
    ],
)
def test_a_weight_with_a_reference_needs_no_contents(weight: Weight) -> None:
    graph = Graph()
    graph.add_weight("w", weight)
    (again,) = parse_graph(print_graph(graph)).weights
    assert again.weight is not None
    assert again.weight.equals(weight)


@pytest.mark.parametrize(
    "weight",
    [
        Array.of(np.arange(6).reshape(2, 3)),
        Array.of(np.array(["a", "b"], dtype=object)),
        Fill(DType.STRING, (2,), "a"),
        Reshaped(DType.INT64, (3, 2), Array.of(np.arange(6))),
    ],
)
def test_other_weights_are_given_by_name(weight: Weight) -> None:
    graph = Graph()
    graph.add_weight("w", weight)
    text = print_graph(graph)
    assert text.count(" = given\n") == 1
    assert parse_graph(text, {"w": weight}).value("w").weight is weight
    with pytest.raises(CnnirError) as caught:
        parse_graph(text, {"other": weight})
    assert (caught.value.code, caught.value.node) == ("weight-missing", "w")


def test_a_given_weight_must_have_the_type_in_the_text() -> None:
    text = 'graph "g" { weight %w: float32[2] = given }'
    with pytest.raises(CnnirError) as caught:
        parse_graph(text, {"w": Fill(DType.FLOAT32, (3,), np.float32(0))})
    assert (caught.value.code, caught.value.node) == ("type-mismatch", "w")
    assert str(caught.value.expected) == "float32[2]"


# What does not read

X = "input %x: float32[2, 3] "


@pytest.mark.parametrize(
    ("body", "code", "column", "expected"),
    [
        ("bogus", "text-syntax", 1, "input"),
        (X + "input %y float32[1]", "text-syntax", 34, ":"),
        ("input x: float32[1]", "text-syntax", 7, "name"),
        ("input %x: float99[1]", "text-syntax", 11, "element type"),
        ("input %x: float32[1 2]", "text-syntax", 19, "the end"),
        ("input %x: float32[1, ]", "text-syntax", 22, "dim"),
        ("input %x: float32[N - ]", "text-syntax", 19, "number"),
        ("input %x: float32[-1]", "text-syntax", 19, "not negative"),
        ('input %x: unknown("0")', "text-syntax", 19, "hexadecimal"),
        ("input %x: sequence(float32[1]", "text-syntax", None, ")"),
        ("weight %w: sequence(float32[1]) = given", "text-syntax", 8, "tensor"),
        ("weight %w: float32[N] = given", "dims-unbound", 8, ""),
        ("weight %w: float32[1] = taken", "text-syntax", 25, "given"),
        ("weight %w: float32[1] = fill(0x00)", "text-syntax", 30, "float32"),
        ("weight %w: float32[1] = fill(1.0)", "text-syntax", 30, "float32"),
        ("weight %w: float32[1] = seeded(1.5, 2, 0.1)", "text-syntax", 32, "whole number"),
        ("weight %w: float32[1] = seeded(1, 2, big)", "text-syntax", 38, "number"),
        ("output %x", "value-unknown", 8, ""),
        ('extra "a" "0g"', "text-syntax", 11, "hexadecimal"),
        ('field "\\q" ""', "text-syntax", 7, "JSON"),
        ('field "never closed', "text-syntax", 7, "double quotes"),
        ("ir 1.5", "text-syntax", 4, "whole number"),
        (X + "%y: float32[2, 3] = Nothing(%x)", "op-unknown", 45, ""),
        (X + "%y: float32[2, 3] = Relu(%z)", "value-unknown", 50, ""),
        (X + "%y: float32[2, 3] = Relu(%x %x)", "text-syntax", 53, ")"),
        (X + "%x: float32[2, 3] = Relu(%x) as %n", "name-taken", None, ""),
        (X + "%y: float32[2, 3] = Relu(%x) %z: float32[2, 3] = Relu(%x) as %y", "name-taken", 54, ""),
        (X + "%y: float32[2, 3] = LeakyRelu(%x) {beta=1}", "text-syntax", 60, "alpha"),
        (X + "%y: float32[2, 3] = LeakyRelu(%x) {alpha=1, alpha=1}", "text-syntax", 69, "no other"),
        (X + '%y: float32[2, 3] = LeakyRelu(%x) {alpha="1"}', "text-syntax", 66, "number"),
        (X + "%y: float32[2, 3] = Softmax(%x)", "text-syntax", None, "axes"),
        (X + "%y: float32[2, 3] = Softmax(%x) {axes=1}", "text-syntax", 63, "["),
        (X + "%y: float32[2, 3] = Softmax(%x) {axes=[true]}", "text-syntax", 64, "whole number"),
        (X + "%y: float32[2, 3] = Cast(%x) {to=float}", "text-syntax", 58, "element type"),
        (X + "%y: float32[2, 3], %z: float32[2, 3] = Relu(%x)", "output-count", None, "1"),
        (X + "%y: float32[2, 4] = Relu(%x)", "type-mismatch", None, "float32[2, 3]"),
        (X + '= Opaque(%x) {domain="", op_type="P", version=1, present=[]}', "text-syntax", None, "name"),
        ('%y: unknown = Opaque() {domain="", op_type="P", version=1} with {"k" "v"}', "text-syntax", 70, ":"),
    ],
)
def test_what_does_not_read_is_refused_with_its_place(body: str, code: str, column: int | None, expected: str) -> None:
    with pytest.raises(CnnirError) as caught:
        parse_graph(f'graph "g" {{\n{body}\n}}')
    assert caught.value.code == code
    assert expected in str(caught.value.expected or "")
    if column is not None:
        assert caught.value.node == f"line 2, column {column}"


@pytest.mark.parametrize(
    "text", ["", "graph", "digraph {}", 'graph "g"', 'graph "g" {', 'graph "g" {} {}', "\x00", "}"]
)
def test_what_is_no_graph_is_refused(text: str) -> None:
    with pytest.raises(CnnirError, match="text-syntax"):
        parse_graph(text)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 40), st.data())
def test_a_damaged_text_reads_or_is_refused_but_never_breaks(seed: int, data: st.DataObject) -> None:
    graph = random_graph(np.random.default_rng(seed), 4)
    text = print_graph(graph)
    start = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 6))
    damage = data.draw(st.text(st.sampled_from('%"{}[]()=:,-_?\\ 0x9aN\n\x00é'), max_size=3))
    # Any other exception than this one fails the test.
    with suppress(CnnirError):
        parse_graph(text[:start] + damage + text[start + length :], given_weights(graph))


def test_comments_and_spacing_mean_nothing() -> None:
    graph = one_node(Softmax((1,)), FLOATS, outputs=["y"])
    loose = re.sub(r"([\[\](){},=:])", r" \1 # a comment, with ] and }\n ", print_graph(graph))
    assert difference(graph, parse_graph(loose)) is None


# Digest


def two_layers(order: tuple[str, str] = ("v", "w"), scale: float = 1.0, **changes: Any) -> Graph:
    graph = Graph(changes.get("name", "g"))
    made: dict[str, Value] = {
        name: graph.add_weight(name, Seeded(DType.FLOAT32, (1, 1, 1), 0, 0, scale)) for name in order
    }
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 1, changes.get("length", 4))))
    conv = Conv((changes.get("stride", 1),), (0, 0), (1,))
    y = graph.add_node(conv, [x, made["v"]], outputs=["y"], metadata=changes.get("metadata")).output
    z = graph.add_node(conv, [y, made[changes.get("second", "w")]], name=changes.get("node"), outputs=["z"]).output
    graph.set_outputs([z, y] if changes.get("both") else [z])
    graph.provenance.fields.update(changes.get("fields", {}))
    return graph


@pytest.mark.parametrize(
    "same",
    [
        {"order": ("w", "v")},
        {"scale": 2.0},
        {"name": "another"},
        {"metadata": {"doc": "text"}},
        {"fields": {"producer": "someone"}},
    ],
    ids=str,
)
def test_the_digest_does_not_hang_on_what_planning_never_sees(same: dict[str, Any]) -> None:
    assert digest(two_layers(**same)) == digest(two_layers())


@pytest.mark.parametrize(
    "other", [{"length": 5}, {"stride": 2}, {"node": "named"}, {"second": "v"}, {"both": True}], ids=str
)
def test_the_digest_hangs_on_what_planning_sees(other: dict[str, Any]) -> None:
    assert digest(two_layers(**other)) != digest(two_layers())


def test_the_digest_is_a_sha256() -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", digest(Graph()))


# Comparison


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"length": 5}, "float32[1, 1, 4]"),
        ({"stride": 2}, "strides=[2]"),
        ({"node": "named"}, "named"),
        ({"second": "v"}, "reads"),
        ({"both": True}, "outputs"),
        ({"scale": 2.0}, "contents"),
        ({"metadata": {"doc": "text"}}, "metadata"),
        ({"name": "another"}, "another"),
        ({"fields": {"producer": "someone"}}, "someone"),
    ],
    ids=str,
)
def test_the_first_difference_is_a_sentence(change: dict[str, Any], word: str) -> None:
    found = difference(two_layers(), two_layers(**change))
    assert found is not None
    assert word in found
    assert difference(two_layers(**change), two_layers(**change)) is None


def test_provenance_may_be_left_out_of_a_comparison() -> None:
    assert difference(two_layers(), two_layers(name="b", fields={"a": "b"}), provenance=False) is None


def test_missing_nodes_and_weights_are_differences() -> None:
    shorter, longer, heavier = two_layers(), two_layers(), two_layers()
    longer.add_node(Relu(), [longer.value("z")], outputs=["more"])
    heavier.add_weight("idle", Fill(DType.FLOAT32, (1,), np.float32(0)))
    for first, second, where in ((shorter, longer, "second"), (longer, shorter, "first")):
        assert f"more (Relu) is in the {where} graph only" in str(difference(first, second))
    assert difference(shorter, heavier) == "weight idle is in the second graph only"
    assert difference(heavier, shorter) == "weight idle is in the first graph only"


def test_printing_is_fast() -> None:
    """700 nodes in 15 ms of CPU; three times that are allowed for slow machines, and the best of some runs counts."""
    graph = random_graph(np.random.default_rng(0), 700)
    times = []
    for _ in range(7):
        start = time.process_time()
        print_graph(graph)
        times.append(time.process_time() - start)
    assert min(times) < 3 * 0.015
