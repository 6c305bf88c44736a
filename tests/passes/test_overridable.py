"""Weights that a caller may give as an input instead: part of the interface, whatever a pass would like to do."""

from dataclasses import dataclass

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from cnnir import CnnirError, Rewriter
from cnnir.exporters.onnx import read, write
from cnnir.graph import Graph
from cnnir.ops import Identity
from cnnir.passes.base import Journal, Pass
from cnnir.weights import Array
from tests.passes.heads import assert_close, runtime


def network() -> Graph:
    """Two convolutions and a Mul; the first weight has a default and is listed among the inputs."""
    rng = np.random.default_rng(0)
    arrays = {"w": (4, 3, 3, 3), "v": (4, 4, 1, 1), "s": (4, 1, 1)}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], name="first"),
            helper.make_node("Conv", ["c", "v"], ["d"], name="second"),
            helper.make_node("Mul", ["d", "s"], ["y"], name="scale"),
        ],
        "overridable",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8]),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 3, 3, 3]),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [4, 4, 1, 1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 6, 6])],
        [
            numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
            for name, shape in arrays.items()
        ],
    )
    return read(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


@pytest.mark.parametrize("passes", ["fold", "merge-linear", "bottleneck{rank=2}"])
def test_they_stay(passes: str) -> None:
    """The pass refuses with the reason, and the written model takes the same inputs."""
    graph = network()
    result = graph.apply(passes)
    assert any("may give" in refusal.reason for refusal in result.refusals)
    assert [value.name for value in write(result.graph).graph.input] == ["x", "w", "v"]


GIVEN = {"x": (1, 3, 4, 4), "v": (5, 8)}
"""The image and a matrix that `head` has a default for."""


def head(*, dead: bool = False) -> Graph:
    """A fully connected layer whose matrix has a default, behind a Transpose of it; and perhaps a node nobody reads."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], name="flat"),
        helper.make_node("Transpose", ["w"], ["t"], name="turn", perm=[1, 0]),
        helper.make_node("MatMul", ["f", "t"], ["m"], name="product"),
        helper.make_node("Gemm", ["m", "v", "b"], ["y"], name="scores", transB=1),
    ]
    nodes += [helper.make_node("Neg", ["u"], ["nobody"], name="dead")] if dead else []
    shapes = {"w": (8, 48), "v": (5, 8), "b": (5,), **({"u": (3,)} if dead else {})}
    graph = helper.make_graph(
        nodes,
        "head",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4]),
            *(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        [
            numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
            for name, shape in shapes.items()
        ],
    )
    return read(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


@pytest.mark.parametrize(
    "passes", ["fold", "fc-to-conv", "fc-to-conv{dense=true}", "bottleneck{rank=2}", "half-weights"]
)
def test_a_head_stays(passes: str) -> None:
    """A layer, a constant node and a whole head that read one."""
    result = head().apply(passes)
    assert result.refusals
    assert [value.name for value in write(result.graph).graph.input] == ["x", "w", "v", "b"]


@pytest.mark.parametrize("passes", ["fold", "fc-to-conv"])
def test_under_another_name_it_is_the_same(passes: str) -> None:
    """A matrix read through an Identity: what a caller gives in its place counts after the pass as before."""
    graph = head().apply("freeze-inputs{names=w|b},fold").graph
    scores, rewriter = graph.node("scores"), Rewriter(graph)
    rewriter.set_operand(scores, 1, rewriter.insert(Identity(), [graph.value("v")], before=scores).output)
    after = graph.apply(passes).graph
    generator = np.random.default_rng(1)
    feed = {name: generator.standard_normal(shape).astype(np.float32) for name, shape in GIVEN.items()}
    ((expected,), (found,)) = (runtime(one, [feed], ["y"])[0] for one in (graph, after))
    assert_close(found, expected)


def test_dead_code_keeps_inputs() -> None:
    """What read it goes, the weight itself is the interface."""
    graph = head(dead=True).apply("dead-code").graph
    assert [node.name for node in graph.nodes] == ["flat", "turn", "product", "scores"]
    assert [value.name for value in write(graph).graph.input] == ["x", "w", "v", "b", "u"]


def test_a_pass_that_takes_one_away() -> None:
    """It promises the interface and does not keep it."""

    @dataclass(frozen=True)
    class Careless(Pass):
        name = "careless"

        def rewrite(self, graph: Graph, journal: Journal) -> None:
            rewriter = Rewriter(graph)
            old = graph.value("v")
            new = graph.add_weight("fresh", old.weight or Array.of(np.zeros(1)))
            rewriter.replace_uses(old, new)
            rewriter.erase_weight(old)

    with pytest.raises(CnnirError, match=r"callers may give v as an input, which the pass changes"):
        head().apply(Careless())


def test_frozen_inputs() -> None:
    """Said to be constants they are rewritten like others, and the written model takes its image alone."""
    result = head().apply("freeze-inputs,fold,fc-to-conv")
    assert [value.name for value in write(result.graph).graph.input] == ["x"]
    assert [node.op.kind for node in result.graph.nodes] == ["Conv", "Conv", "Squeeze"]
    image = np.random.default_rng(1).standard_normal((1, 3, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(result.graph.run({"x": image})["y"], head().run({"x": image})["y"], rtol=1e-4)
    some = head().apply("freeze-inputs{names=w|x}")
    assert some.graph.provenance.listed == ("v", "b")
    assert some.refusals[0].reason == "x is no input with a default value"


def test_the_reader_keeps_what_callers_may_give() -> None:
    """A Transpose of one stays a node; what steers a node cannot be given any more, and a note says so."""
    graph = head()
    assert graph.provenance.listed == ("w", "v", "b")
    assert [node.op.kind for node in graph.nodes] == ["Flatten", "Transpose", "MatMul", "Gemm"]
    assert "inputs with a default value are taken as constants: w, v, b" in graph.notes
