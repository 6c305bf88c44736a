"""A plan goes into an ONNX file, comes back, and is refused where it is not the network's."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnnir
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import convert, read, read_plan, write
from cnnir.graph import Graph
from cnnir.ops import DEFINED, Add, Op, Relu, Reshape, Softmax
from cnnir.plan import MemoryPlan
from cnnir.rewriter import Rewriter
from cnnir.text import digest
from cnnir.types import DType, TensorType
from cnnir.weights import Array
from tests import models
from tests.interpreter.drawing import Case
from tests.interpreter.single_nodes import random_case
from tests.plan.samples import SAMPLES
from tests.random_graphs import random_graph

KEY = "cnnir.plan"
OPSETS = (9, 13, 17, 21)


def random_order(graph: Graph, seed: int) -> list[str]:
    """An executable order, drawn node by node from those that are ready."""
    generator = random.Random(seed)
    left, done = list(graph.nodes), set(graph.inputs) | set(graph.weights)
    order: list[str] = []
    while left:
        node = generator.choice([node for node in left if done.issuperset(node.operands)])
        left.remove(node)
        done |= set(node.outputs)
        order.append(node.name)
    return order


def with_text(model: onnx.ModelProto, text: str) -> onnx.ModelProto:
    """The model with another text in the place of its plan."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    (entry,) = (entry for entry in copy.metadata_props if entry.key == KEY)
    entry.value = text
    return copy


def two_branches() -> Graph:
    """Small, with two nodes that may run in either order."""
    graph = Graph("branches")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 4)))
    left = graph.add_node(Relu(), [x], name="left").output
    right = graph.add_node(Softmax((1,)), [x], name="right").output
    graph.set_outputs([graph.add_node(Add(), [left, right], name="sum").output])
    return graph


@pytest.mark.parametrize("name", ["squeezenet", "resnet50", "inception_v1", "shufflenet"])
def test_real_networks(name: str, tmp_path: Path) -> None:
    """The file's nodes stand in the plan's order, the plan comes back, and the file saved again is the same file."""
    graph = cnnir.load(models.path(name))
    plan = graph.plan(order=random_order(graph, 3))
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    cnnir.save(graph, first, plan=plan)
    found = read_plan(first)
    again = cnnir.load(first)
    assert found.order == plan.order == tuple(node.name for node in again.nodes)
    assert found == replace(plan, digest=digest(again))
    assert read_plan(again) == found
    cnnir.save(again, second)
    assert first.read_bytes() == second.read_bytes()


def test_onnxruntime_runs_the_file(tmp_path: Path) -> None:
    """With random weights: the file in ONNX Runtime, and the network in the arena of the plan that came with it."""
    graph = models.with_random_weights(cnnir.load(models.path("squeezenet")))
    path = tmp_path / "planned.onnx"
    cnnir.save(graph, path, plan=graph.plan(order=random_order(graph, 5)))
    again = cnnir.load(path)
    feed = models.random_input(again, 1)
    names = models.before_softmax(again)[-1:]
    ours = again.run(feed, plan=read_plan(path))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    theirs = session.run([again.outputs[0].name], feed)
    assert names
    np.testing.assert_allclose(ours[again.outputs[0].name], np.asarray(theirs[0]), rtol=1e-4)


@pytest.mark.parametrize("name", SAMPLES)
def test_plans_of_every_form(name: str) -> None:
    """Fused, joined, without copies, in strips: the plan comes back whole, and the run in it is that of the file."""
    graph, plan = SAMPLES[name]
    model = write(graph, plan=plan)
    again = read(model)
    found = read_plan(again)
    assert found == replace(plan, digest=digest(again))
    assert [node.name for node in again.nodes] == list(dict.fromkeys(plan.order))
    feed = models.random_input(again, 2)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    theirs = session.run([value.name for value in again.outputs], feed)
    for (output, ours), expected in zip(again.run(feed, plan=found).items(), theirs, strict=True):
        np.testing.assert_allclose(ours, np.asarray(expected), rtol=1e-4, atol=1e-5, err_msg=output)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_networks(seed: int) -> None:
    """In any order and with any sharing the plan belongs to what is read back, and lies where it lay."""
    graph = random_graph(np.random.default_rng(seed))
    plan = graph.plan(order=random_order(graph, seed), in_place=bool(seed % 2), alignment=4 << seed % 5)
    before = digest(graph)
    model = write(graph, plan=plan)
    assert digest(graph) == before
    onnx.checker.check_model(model, full_check=True)
    again = read(model)
    found = read_plan(again)
    assert found.storages == plan.storages
    assert found.bounds == plan.bounds
    assert {name: found.values[name] for name in plan.values} == plan.values
    assert write(again).SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)


@pytest.mark.parametrize("op_class", DEFINED, ids=lambda op: op.__name__)
def test_every_op(op_class: type[Op]) -> None:
    """Whatever nodes an opset says an op in, the plan holds for them."""
    for graph, opset in plannable(op_class):
        plan = graph.plan()
        model = write(graph, opset=opset, plan=plan)
        found = read_plan(read(model))
        assert found.arena_bytes == plan.arena_bytes
        assert len(found.steps) == len(plan.steps)
        assert set(found.order) <= {node.name for node in model.graph.node}


def plannable(op_class: type[Op]) -> Iterator[tuple[Graph, int]]:
    """Random networks of one node that have a size, each with an opset that can say it."""
    for seed in range(3):
        graph = random_case(op_class, seed).graph()
        try:
            graph.plan()
        except CnnirError as error:
            if error.code != "size-unknown":
                raise
            continue
        for opset in OPSETS:
            try:
                write(graph, opset=opset)
            except CnnirError as error:
                if error.code not in ("opset", "onnx-form"):
                    raise
                continue
            yield graph, opset


def test_a_node_that_is_said_in_several() -> None:
    """Its step has them all, what lies between is not stored, and no byte of the arena moves."""
    case = Case(Softmax((1, 2)), (np.random.default_rng(0).standard_normal((2, 3, 4), np.float32),))
    graph = case.graph()
    plan = graph.plan()
    again = read(write(graph, plan=plan))
    found = read_plan(again)
    np.testing.assert_allclose(again.run(case.feed(), plan=found)["node"], graph.run(case.feed())["node"], rtol=1e-6)
    (step,) = found.steps
    assert len(step.nodes) == 3
    assert (step.reads, step.writes) == (plan.steps[0].reads, plan.steps[0].writes)
    assert {name for name, value in found.values.items() if value.pieces is None} == found.values.keys() - plan.values
    assert found.storages == plan.storages


def test_a_plan_of_another_graph() -> None:
    """One line says so, and how to do it right; a network with free dims is not the one that was planned."""
    graph = two_branches()
    other = graph.clone()
    Rewriter(other).move(other.node("right"), before=other.node("left"))
    with pytest.raises(CnnirError) as caught:
        write(graph, plan=other.plan())
    assert (caught.value.code, "very graph" in str(caught.value)) == ("plan-graph", True)
    builder = cnnir.GraphBuilder("open")
    free = builder.build(builder.relu(builder.input("x", ("N", 4))))
    with pytest.raises(CnnirError) as caught:
        write(free, plan=free.bind(N=2).plan())
    assert caught.value.code == "plan-graph"


def test_a_plan_that_loading_would_not_follow() -> None:
    """A node that becomes a weight in the file is not there to be run; nothing is written."""
    graph = two_branches()
    flat = graph.add_weight("flat", Array.of(np.arange(4, dtype=np.float32)))
    shaped = graph.add_node(Reshape((1, 4)), [flat], name="shaped").output
    graph.set_outputs([graph.add_node(Add(), [graph.outputs[0], shaped], name="last").output])
    with pytest.raises(CnnirError) as caught:
        write(graph, plan=graph.plan())
    assert (caught.value.code, caught.value.node) == ("plan-export", "shaped")


def test_no_plan_and_spoilt_ones(tmp_path: Path) -> None:
    """Each is one line that names the file."""
    graph = two_branches()
    model = write(graph, plan=graph.plan())
    text = {entry.key: entry.value for entry in model.metadata_props}[KEY]
    plan = MemoryPlan.from_json(text)
    overlapping = replace(plan, storages=tuple(replace(storage, offset=0) for storage in plan.storages))
    spoilt = {
        "plan-syntax": text[:-1],
        "plan-graph": replace(plan, digest="0" * 64).to_json(),
        "plan-structure": overlapping.to_json(),
    }
    path = tmp_path / "spoilt.onnx"
    for code, contents in spoilt.items():
        path.write_bytes(with_text(model, contents).SerializeToString())
        with pytest.raises(CnnirError) as caught:
            read_plan(path)
        assert caught.value.code == code
        assert code == "plan-structure" or caught.value.node == str(path)
    path.write_bytes(write(graph).SerializeToString())
    with pytest.raises(CnnirError) as caught:
        read_plan(path)
    assert (caught.value.code, caught.value.node) == ("plan-missing", str(path))


def test_a_plan_goes_along_while_it_holds() -> None:
    """Other entries keep their places; after an edit the plan is no longer written, and a new one takes its place."""
    graph = two_branches()
    graph.provenance.metadata = {"author": "somebody", KEY: "of another age", "licence": "free"}
    model = write(graph, plan=graph.plan())
    assert [entry.key for entry in model.metadata_props] == ["author", KEY, "licence"]
    again = read(model)
    assert KEY in {entry.key for entry in write(again).metadata_props}
    assert read_plan(convert(again, 17)).arena_bytes == graph.plan().arena_bytes
    Rewriter(again).rename(again.node("left"), "renamed")
    with pytest.raises(CnnirError) as caught:
        read_plan(again)
    assert caught.value.code == "plan-graph"
    assert [entry.key for entry in write(again).metadata_props] == ["author", "licence"]
    assert read_plan(read(write(again, plan=again.plan()))).order == ("renamed", "right", "sum")
