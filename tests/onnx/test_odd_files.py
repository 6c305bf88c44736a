"""Unusual models, as a user meets them: load, table, plan, run, simplify, save, reload, and ONNX Runtime behind it."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, helper, numpy_helper

import cnnir
from cnnir import CnnirError
from cnnir.exporters.onnx import read, write, writer
from cnnir.exporters.onnx.reader import _inlined
from cnnir.graph import Graph
from cnnir.text import digest
from cnnir.verify import verify
from tests.onnx.odd_models import BOOL, CASES, Feed, graph_of, info, model_of, node, numbers

UNPLANNED = {
    "nothing but an input": "plan-empty",
    "nothing but weights": "plan-empty",
    "unused inputs and weights": "dims-unbound",
    "a keras network in nhwc": "dims-unbound",
    "a paddle network": "dims-unbound",
    "text tensors": "size-unknown",
    "sequences and optionals inside": "size-unknown",
    "a sequence for an input": "size-unknown",
    "a classifier with a map for an output": "size-unknown",
    "a loop with a captured value and weight": "size-unknown",
}
"""Models that have no plan, and the code of the reason."""

UNCOMPUTED = {
    "a classifier with a map for an output": "ZipMap",
    "custom ops inside of a branch that is not taken": "Gelu",
}
"""Models with an op that NumPy does not compute here; the message names it."""

FOREIGN = ("nodes of one name", "a function of an older opset", "FLOAT4E2M1 weights")
"""Models that ONNX Runtime itself refuses as they are."""

NEVER = ("FLOAT4E2M1 weights",)
"""Those of them that it refuses in any form: it lacks an op."""


def runtime(path: Path, feed: Feed, names: list[str]) -> list[Any]:
    """What ONNX Runtime computes of a file."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return list(session.run(names, feed))


def assert_same(found: Any, expected: Any) -> None:
    """Equal up to rounding, in type and shape too; texts, sequences and maps part by part."""
    if isinstance(expected, list):
        assert isinstance(found, list)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
        return
    if isinstance(expected, dict):
        assert found == pytest.approx(expected)
        return
    ours, theirs = np.asarray(found), np.asarray(expected)
    assert ours.shape == theirs.shape
    if theirs.dtype == object:
        assert ours.tolist() == theirs.tolist()
        return
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def computed(name: str, graph: Graph, feed: Feed) -> dict[str, Any] | None:
    """The outputs, or None where an op cannot be computed here, which the message says."""
    if name not in UNCOMPUTED:
        return graph.run(feed)
    with pytest.raises(CnnirError, match=rf"{UNCOMPUTED[name]}.*\[opaque-evaluation\]"):
        graph.run(feed)
    return None


@pytest.mark.parametrize("name", CASES)
def test_from_file_to_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is loaded runs as the original, and so does what is saved of it: simplified or not, in one file or two."""
    monkeypatch.setattr(writer, "_LARGE", 1)  # weights of all kinds go to the other file, however small
    proto, feed = CASES[name]()
    names = [output.name for output in proto.graph.output]
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    graph = cnnir.load(tmp_path / "m.onnx")
    verify(graph)
    assert str(graph.table())
    found = computed(name, graph, feed)
    expected = [found[output] for output in names] if found is not None else None
    if name not in FOREIGN:
        original = runtime(tmp_path / "m.onnx", feed, names)
        expected = original if expected is None else expected
        assert_same(expected, original)
    planned(name, graph, feed, found)
    simplified = graph.apply("freeze-inputs,simplify", check="values").graph
    for index, (candidate, external) in enumerate(
        [(graph, None), (graph, True), (simplified, None), (simplified, True)]
    ):
        path = tmp_path / f"{index}.onnx"
        cnnir.save(candidate, path, external_data=external)
        onnx.checker.check_model(str(path), full_check=True)
        if name not in NEVER:
            assert_same(runtime(path, feed, names), expected)
        again = cnnir.load(path)
        assert digest(again) == digest(candidate)
        for weight in candidate.weights:
            theirs = again.value(weight.name).weight
            assert weight.weight is not None
            assert theirs is not None
            assert theirs.equals(weight.weight)


def planned(name: str, graph: Graph, feed: Feed, found: dict[str, Any] | None) -> None:
    """The plan holds and its run gives the same bits, or there is none, with a reason that is expected."""
    if name in UNPLANNED:
        with pytest.raises(CnnirError) as caught:
            graph.plan()
        assert caught.value.code == UNPLANNED[name]
        return
    plan = graph.plan()
    plan.check(graph)
    if found is not None:
        inside = graph.run(feed, plan=plan)
        assert all(np.array_equal(inside[output], found[output]) for output in found)


def test_an_output_twice() -> None:
    """It stays there twice, and a run gives it once under its name."""
    graph = graph_of([node("Relu", "x", "y")], [info("x", [2])], [info("y", [2]), info("y", [2])])
    found = read(model_of(graph))
    assert [value.name for value in found.outputs] == ["y", "y"]
    written = write(found)
    onnx.checker.check_model(written, full_check=True)
    assert [value.name for value in written.graph.output] == ["y", "y"]
    assert np.array_equal(found.run({"x": numbers(2)})["y"], np.maximum(numbers(2), 0))


def test_a_graph_without_a_name() -> None:
    """The format's checker wants one, so the file gets one."""
    proto = model_of(graph_of([node("Relu", "x", "y")], [info("x", [2])], [info("y", [2])]))
    proto.graph.name = ""
    graph = read(proto)
    assert graph.name == ""
    assert write(graph).graph.name == "graph"
    onnx.checker.check_model(write(graph), full_check=True)


def custom_model() -> ModelProto:
    """Ops of two domains, with attributes of every kind, an operand and an output that are absent."""
    body = graph_of([node("Add", "x w", "b")], [], [info("b", [2])], {"w": numbers(2)}, "body")
    tensors = [numpy_helper.from_array(numbers(2)), numpy_helper.from_array(np.array(["text"], object))]
    places = numpy_helper.from_array(np.array([1]))
    custom = helper.make_node(
        "Custom", ["x", "", "big"], ["m", "", "k"], domain="acme", name="cust", i=1, f=0.5, s="größe", t=tensors[0],
        g=body, ints=[1, 2], floats=[0.5], strings=["a", "ü"], tensors=tensors, graphs=[body, body],
        tp=helper.make_tensor_type_proto(1, [2]), sp=helper.make_sparse_tensor(tensors[0], places, [4]),
    )  # fmt: skip
    custom.attribute[0].doc_string, custom.doc_string = "about an attribute", "about the node"
    custom.metadata_props.add(key="key", value="value")
    nodes = [custom, node("Relu", "m", "y"), node("Other", "k", "z", domain="zeta")]
    graph = graph_of(nodes, [info("x", [2])], [info("y", [2]), info("z", [2])], {"big": numbers(3000)})
    graph.value_info.extend([info("m", [2]), info("k", [2])])
    return model_of(graph, 17, 10, acme=3, zeta=7, unused=4)


def test_custom_ops_stay_as_they_are() -> None:
    """Attributes with subgraphs, tensors and texts, names, notes, and the versions of all domains; simplified, too."""
    proto = custom_model()
    graph = read(proto)
    for candidate in (graph, graph.apply("simplify").graph):
        written = write(candidate)
        nodes = {one.name: one for one in written.graph.node}
        assert nodes["cust"] == proto.graph.node[0]
        assert written.opset_import == proto.opset_import
        assert write(read(written)) == written
    with pytest.raises(CnnirError, match=r"cust \(acme::Custom\): .*\[opaque-evaluation\]"):
        graph.run({"x": numbers(2)})


def test_what_a_branch_of_another_domain_declares() -> None:
    """The type of a branch's output counts where nobody knows its op."""
    branches: dict[str, Any] = {
        f"{name}_branch": graph_of([node("Own", "x", name, domain="acme")], [], [info(name, [2])], None, name)
        for name in ("then", "else")
    }
    nodes = [helper.make_node("If", ["flag"], ["y"], name="if", **branches), node("Relu", "y", "z")]
    graph = graph_of(nodes, [info("x", [2]), info("flag", [], BOOL)], [info("z", [2])])
    assert str(read(model_of(graph, acme=1)).value("y").type) == "float32[2]"


def test_inlining_keeps_the_rest() -> None:
    """Notes, pairs, annotations and training of a model with functions; those of the functions' own nodes as well."""
    proto, _ = CASES["nested functions"]()
    proto.functions[0].node[0].metadata_props.add(key="inner", value="one")
    proto.graph.node[1].doc_string, proto.graph.node[1].name = "about", "negated"
    proto.graph.node[1].metadata_props.add(key="outer", value="two")
    proto.graph.quantization_annotation.add(tensor_name="x")
    proto.metadata_props.add(key="author", value="somebody")
    proto.graph.value_info.append(info("t", [2, 4]))
    proto.graph.value_info[0].doc_string = "a square"
    assert not _inlined(proto).functions
    written = write(read(proto))
    nodes = {one.name: one for one in written.graph.node}
    assert nodes["negated"].doc_string == "about"
    assert nodes["negated"].metadata_props == proto.graph.node[1].metadata_props
    assert sum(any(pair.key == "inner" for pair in one.metadata_props) for one in written.graph.node) == 4
    assert written.metadata_props == proto.metadata_props
    assert written.graph.quantization_annotation == proto.graph.quantization_annotation
    assert next(one for one in written.graph.value_info if one.name == "t").doc_string == "a square"
    assert [(entry.domain, entry.version) for entry in written.opset_import] == [("", 17), ("own", 1)]


def test_a_part_of_a_model_that_cannot_be_run_whole() -> None:
    """What stands before an op that nobody computes here is computed all the same."""
    proto, feed = CASES["a classifier with a map for an output"]()
    found = read(proto).run(feed, ["p"])
    np.testing.assert_allclose(found["p"].sum(axis=1), 1, rtol=1e-6)
