"""Heads with ops that cnnir carries as opaque nodes, from ONNX as exporters write it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from cnnir.exporters.onnx import read
from cnnir.graph import Graph
from cnnir.ops import Opaque
from cnnir.weights import AnyArray
from tests.passes.heads import crops_equal, image, kept, refused, runtime

FLOAT = TensorProto.FLOAT


def numbers(*sizes: int, seed: int = 0) -> AnyArray:
    return np.random.default_rng([seed, *sizes]).standard_normal(sizes).astype(np.float32)


def exported(
    nodes: Sequence[NodeProto],
    weights: dict[str, AnyArray] | None = None,
    *,
    opset: int = 17,
    output: Sequence[int] = (2, 4),
    dtype: int = FLOAT,
) -> Graph:
    """A map ``m`` of ``[2, 3, 4, 5]`` and its flattened form ``f``, then these nodes, the last of which gives ``y``."""
    kind = np.float64 if dtype == TensorProto.DOUBLE else np.float32
    arrays = {
        "k": numbers(3, 2, 3, 3), "w": numbers(4, 60) / 8, "b": numbers(4), "v": numbers(4, 4, seed=1),
        "p": numbers(4, 3), **(weights or {}),
    }  # fmt: skip
    flat = [helper.make_node("Flatten", ["m"], ["f"])] if any("f" in node.input for node in nodes) else []
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "k"], ["m"]), *flat, *nodes],
        "exported",
        [helper.make_tensor_value_info("image", dtype, [2, 2, 6, 7])],
        [helper.make_tensor_value_info("y", dtype, list(output))],
        [
            numpy_helper.from_array(array.astype(kind) if array.dtype == np.float32 else array, name)
            for name, array in arrays.items()
        ],
    )  # fmt: skip
    return read(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8))


def fc(x: str = "f", y: str = "h", weight: str = "w") -> NodeProto:
    return helper.make_node("Gemm", [x, weight, "b"], [y], transB=1, name=f"fc_{y}")


def between(op: str, *others: str, opset: int = 17, **attributes: Any) -> Graph:
    """The op between two fully connected layers."""
    return exported(
        [fc(), helper.make_node(op, ["h", *others], ["a"], name="act", **attributes), fc("a", "y", "v")],
        {"slope": np.abs(numbers(4)), "one": np.array([0.3], np.float32), "two": np.array(2, np.float32),
         "scale": numbers(4, seed=3), "shift": numbers(4, seed=4)},
        opset=opset,
    )  # fmt: skip


def last(op: str, *others: str, opset: int = 17, **attributes: Any) -> Graph:
    """The op behind the scores."""
    return exported([fc(), helper.make_node(op, ["h", *others], ["y"], name="act", **attributes)], opset=opset)


CARRIED = {
    **{op: between(op) for op in ("Abs", "Elu", "Erf", "Cosh", "Exp", "Selu", "Softplus", "Softsign")},
    **{op: between(op) for op in ("HardSwish", "HardSigmoid")},
    "Celu": between("Celu", alpha=0.7),
    "ThresholdedRelu": between("ThresholdedRelu", alpha=0.2),
    "Gelu": between("Gelu", opset=20),
    "Mish": between("Mish", opset=18),
    "PRelu, one slope": between("PRelu", "one"),
    "PRelu by channel": between("PRelu", "slope"),
    "Pow": between("Pow", "two"),
    "Max": between("Max", "slope"),
    "LogSoftmax between": between("LogSoftmax", axis=1),
    "LogSoftmax, axis 1": last("LogSoftmax", axis=1),
    "LogSoftmax, last axis": last("LogSoftmax", axis=-1),
    "LogSoftmax, default": last("LogSoftmax"),
    "LogSoftmax, opset 11": last("LogSoftmax", opset=11),
    "LogSoftmax, opset 11, last": last("LogSoftmax", opset=11, axis=-1),
    "LogSoftmax, opset 9": last("LogSoftmax", opset=9, axis=1),
    "LayerNormalization": between("LayerNormalization", "scale", "shift", axis=-1),
    "LayerNormalization, axis 1": between("LayerNormalization", "scale", axis=1),
    "ReduceMax": exported(
        [helper.make_node("ReduceMax", ["m"], ["r"], axes=[2, 3], keepdims=0, name="pool"), fc("r", "y", "p")]
    ),
    "ReduceMax, opset 18, kept": exported(
        [
            helper.make_node("ReduceMax", ["m", "axes"], ["r"], name="pool"),
            helper.make_node("Flatten", ["r"], ["q"]), fc("q", "y", "p"),
        ],
        {"axes": np.array([-1, -2], np.int64)}, opset=18,
    ),
    "LogSoftmax of a pooled map": exported(
        [
            helper.make_node("GlobalAveragePool", ["m"], ["g"]),
            helper.make_node("LogSoftmax", ["g"], ["l"], axis=1, name="act"), helper.make_node("Flatten", ["l"], ["y"]),
        ],
        opset=11, output=(2, 3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CARRIED)
def test_at_the_native_size(name: str) -> None:
    """Interface and outputs stay, and no fully connected layer is left."""
    after = kept(CARRIED[name])
    assert not any(node.op.kind == "ReduceMax" for node in after.nodes)


@pytest.mark.parametrize("name", CARRIED)
def test_at_every_position(name: str) -> None:
    """What the crop there gives."""
    crops_equal(CARRIED[name])


REFUSED = {
    "Einsum": (
        exported([helper.make_node("Einsum", ["f", "w"], ["y"], equation="nf,kf->nk", name="head")]),
        "Einsum is not known to treat every position alike", "head (Einsum)",
    ),
    "LogSoftmax over images": (last("LogSoftmax", axis=0), "sums over images", "act (LogSoftmax)"),
    "LogSoftmax over all": (last("LogSoftmax", opset=11, axis=0), "sums over images and channels", "act (LogSoftmax)"),
    "CumSum": (
        exported([fc(), helper.make_node("CumSum", ["h", "axis"], ["y"], name="sum")], {"axis": np.array(1, np.int64)}),
        "CumSum is not known", "sum (CumSum)",
    ),
    "PRelu by feature": (
        exported(
            [helper.make_node("PRelu", ["f", "slope"], ["a"], name="act"), fc("a", "y")], {"slope": numbers(60)}
        ),
        "differs over channels and rows and columns", "act (PRelu)",
    ),
    "LayerNormalization by feature": (
        exported(
            [helper.make_node("LayerNormalization", ["f", "scale"], ["a"], name="norm"), fc("a", "y")],
            {"scale": numbers(60)},
        ),
        "normalises over channels and rows and columns", "norm (LayerNormalization)",
    ),
    "ReduceSum": (
        exported(
            [helper.make_node("ReduceSum", ["m", "axes"], ["r"], keepdims=0, name="pool"), fc("r", "y", "p")],
            {"axes": np.array([2, 3], np.int64)},
        ),
        "ReduceSum over whole maps has no form", "pool (ReduceSum)",
    ),
    "ReduceMax over channels": (
        exported(
            [helper.make_node("ReduceMax", ["m"], ["y"], axes=[1], keepdims=0, name="pool")], output=(2, 4, 5),
        ),
        "something else than rows and columns", "pool (ReduceMax)",
    ),
}  # fmt: skip
"""Networks that stay, words of the reason, and the node that is named."""


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """By name; and nothing is opened."""
    graph, words, node = REFUSED[name]
    result = graph.apply("fc-to-conv", dense=True)
    assert refused(result, words, node), result.refusals
    assert not result.modified
    opened = graph.apply("fc-to-conv", dense=True, keep_interface=False)
    assert refused(opened, words, node)


def test_pooling_by_reduce_max_waits_for_dense() -> None:
    """As every global pooling does."""
    result = CARRIED["ReduceMax"].apply("fc-to-conv")
    assert refused(result, "dense=true", "pool (ReduceMax)")
    assert not result.modified


def test_float64_stays() -> None:
    """ONNX Runtime multiplies matrices of float64, and has no convolution of them."""
    builder = exported([fc(y="y")], dtype=TensorProto.DOUBLE)
    result = builder.apply("fc-to-conv")
    assert refused(result, "no convolution of float64", "fc_y (Gemm)")
    assert not result.modified
    flat = helper.make_graph(
        [helper.make_node("Flatten", ["image"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"], name="fc")],
        "double",
        [helper.make_tensor_value_info("image", TensorProto.DOUBLE, [1, 2, 3, 3])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [1, 4])],
        [numpy_helper.from_array(numbers(18, 4).astype(np.float64), "w")],
    )  # fmt: skip
    graph = read(helper.make_model(flat, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    after = graph.apply("fc-to-conv").graph
    pixels = {"image": numbers(1, 2, 3, 3).astype(np.float64)}
    ((found,),) = runtime(after, [pixels], ["y"])
    assert np.allclose(found, graph.run(pixels)["y"])


def test_float16_runs() -> None:
    """Half precision has a convolution."""
    half = [
        numpy_helper.from_array(numbers(18, 4).astype(np.float16), "w"),
    ]
    graph = read(
        helper.make_model(
            helper.make_graph(
                [helper.make_node("Flatten", ["image"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"])], "half",
                [helper.make_tensor_value_info("image", TensorProto.FLOAT16, [1, 2, 3, 3])],
                [helper.make_tensor_value_info("y", TensorProto.FLOAT16, [1, 4])], half,
            ),
            opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
        )
    )  # fmt: skip
    after = graph.apply("fc-to-conv").graph
    assert [node.op.kind for node in after.nodes] == ["Conv", "Squeeze"]
    pixels = {"image": numbers(1, 2, 3, 3).astype(np.float16)}
    ((expected,),), ((found,),) = runtime(graph, [pixels], ["y"]), runtime(after, [pixels], ["y"])
    assert np.abs(found - expected).max() <= 1e-2 * np.abs(expected).max()


def test_what_is_carried_stays_opaque() -> None:
    """Nothing is made up: the node is the file's, on maps."""
    after = kept(CARRIED["Cosh"])
    (node,) = [node for node in after.nodes if isinstance(node.op, Opaque)]
    assert (node.name, str(node.output.type)) == ("act", "float32[2, 4, 1, 1]")
    assert image(after, 6, 7)["image"].shape == (2, 2, 6, 7)
