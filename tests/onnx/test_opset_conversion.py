"""Other opsets on demand: our ops natively, what is only carried by onnx's converter; ONNX Runtime before and after."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import AttributeProto, ModelProto, NodeProto, helper, numpy_helper

import cnnir
from cnnir import CnnirError
from cnnir.cli.main import main
from cnnir.exporters.onnx import convert, read, write
from cnnir.ops import Opaque
from cnnir.verify import verify
from cnnir.weights import FileRange, Seeded
from tests.onnx.odd_models import BOOL, CASES, INT64, NO, YES, Case, Feed, graph_of, info, model_of, node, numbers

Make = Callable[[], Case]


def branching(opset: int = 11, name: str = "c") -> Case:
    """Branches whose ops take as attributes what later opsets take as operands, around a value of that name."""
    then = [node("Squeeze", name, "s", axes=[0]), node("ReduceSum", "s", "t", axes=[1], keepdims=1)]
    other = [node("Unsqueeze", name, "u", axes=[0]), node("ReduceMean", "u", "v", axes=[0, 1, 3], keepdims=0),
             node("Reshape", "v shape", "e")]  # fmt: skip
    bodies: dict[str, Any] = {
        "then_branch": graph_of(then, [], [info("t", [2, 1])], None, "then"),
        "else_branch": graph_of(other, [], [info("e", [2, 1])], {"shape": np.array([2, 1])}, "else"),
    }
    nodes = [
        node("Relu", "x", name),
        helper.make_node("If", ["flag"], ["y"], name="choose", **bodies),
        node("Abs", "y", "z"),
    ]
    graph = graph_of(nodes, [info("x", [1, 2, 3]), info("flag", [], BOOL)], [info("z", [2, 1])])
    return model_of(graph, opset, 7), {"x": numbers(1, 2, 3), "flag": YES}


def nested() -> Case:
    """The branches inside of a branch, reading a value from two levels above."""
    proto, feed = branching()
    bodies: dict[str, Any] = {
        "then_branch": graph_of([proto.graph.node[1]], [], [info("y", [2, 1])], None, "outer"),
        "else_branch": graph_of([node("Squeeze", "c", "q", axes=[0]), node("ReduceMax", "q", "o", axes=[1])], [],
                                [info("o", [2, 1])], None, "plain"),
    }  # fmt: skip
    choice = helper.make_node("If", ["flag"], ["w"], name="outermost", **bodies)
    nodes = [proto.graph.node[0], choice, node("Abs", "w", "z")]
    graph = graph_of(nodes, list(proto.graph.input), list(proto.graph.output))
    return model_of(graph, 11, 7), feed


def looping() -> Case:
    """A loop whose body slices and unsqueezes as opset 11 has it."""
    body = [node("Unsqueeze", "state", "u", axes=[0]), node("Squeeze", "u", "d", axes=[0]), node("Add", "d w", "next"),
            node("Identity", "go", "goes")]  # fmt: skip
    inputs = [info("i", [], INT64), info("go", [], BOOL), info("state", [2])]
    inner = graph_of(body, inputs, [info("goes", [], BOOL), info("next", [2]), info("d", [2])], None, "body")
    nodes = [node("Neg", "x", "n"), helper.make_node("Loop", ["times", "", "n"], ["last", "all"], body=inner)]
    weights = {"times": np.asarray(3), "w": numbers(2)}
    return model_of(graph_of(nodes, [info("x", [2])], [info("last", [2]), info("all", [3, 2])], weights), 11, 7), {
        "x": numbers(2)
    }


def recurrent(op_type: str, gates: int, opset: int) -> Make:
    """A recurrent layer."""

    def make() -> Case:
        weights = {"w": numbers(1, gates * 4, 3), "r": numbers(1, gates * 4, 4), "b": numbers(1, gates * 8)}
        layer = helper.make_node(op_type, ["x", "w", "r", "b"], ["y"], hidden_size=4)
        return model_of(graph_of([layer], [info("x", [5, 2, 3])], [info("y", [5, 1, 2, 4])], weights), opset, 7), {
            "x": numbers(5, 2, 3)
        }

    return make


def single(op: NodeProto, opset: int, weights: dict[str, Any], outputs: dict[str, int]) -> Make:
    """One node on an image."""

    def make() -> Case:
        graph = graph_of(
            [op], [info("x", [1, 2, 6, 6])], [info(name, None, code) for name, code in outputs.items()], weights
        )
        return model_of(graph, opset, 8), {"x": numbers(1, 2, 6, 6)}

    return make


GRID = np.random.default_rng(0).uniform(-1, 1, (1, 4, 4, 2)).astype(np.float32)
K = {"k": np.array([2])}

CONVERSIONS: dict[str, tuple[Make, int]] = {
    "branches up": (branching, 18),
    "branches up by one": (branching, 13),
    "branches to the newest that both know": (branching, 22),
    "branches in branches": (nested, 18),
    "a loop up": (looping, 21),
    "LSTM up": (recurrent("LSTM", 4, 7), 17),
    "GRU up": (recurrent("GRU", 3, 7), 21),
    "RNN up": (recurrent("RNN", 1, 9), 22),
    "RNN down": (recurrent("RNN", 1, 17), 13),
    "TopK with an operand": (single(node("TopK", "x k", "v i", axis=1), 10, K, {"v": 1, "i": INT64}), 17),
    "TopK with an attribute": (single(node("TopK", "x", "v i", axis=1, k=2), 9, {}, {"v": 1, "i": INT64}), 21),
    "GridSample up": (single(node("GridSample", "x g", "y", mode="bilinear"), 16, {"g": GRID}, {"y": 1}), 20),
    "NonZero": (single(node("NonZero", "x", "i"), 9, {}, {"i": INT64}), 21),
    "CumSum": (single(node("CumSum", "x a", "y"), 11, {"a": np.asarray(2)}, {"y": 1}), 18),
    "ReverseSequence": (
        single(node("ReverseSequence", "x l", "y", batch_axis=0, time_axis=1), 10, {"l": np.array([2])}, {"y": 1}), 17,
    ),
}  # fmt: skip


def runtime(proto: ModelProto, feed: Feed) -> list[Any]:
    """What ONNX Runtime computes."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, feed))


def opset_of(proto: ModelProto) -> int:
    """The version of ONNX's own opset."""
    return next(entry.version for entry in proto.opset_import if not entry.domain)


@pytest.mark.parametrize("kind", CONVERSIONS)
def test_values_are_the_same_in_another_opset(kind: str, tmp_path: Path) -> None:
    """The file as it is, what is read of it, and what is written in the other opset."""
    make, opset = CONVERSIONS[kind]
    proto, feed = make()
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    graph = cnnir.load(tmp_path / "m.onnx", opset=opset)
    verify(graph)
    written = write(graph)
    assert opset_of(written) == opset
    onnx.checker.check_model(written, full_check=True)
    for flag in (YES, NO) if "flag" in feed else (YES,):
        given = {**feed, "flag": flag} if "flag" in feed else feed
        expected = runtime(proto, given)
        computed = graph.run(given)
        for name, before, after in zip(computed, expected, runtime(written, given), strict=True):
            np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-6)
            np.testing.assert_allclose(computed[name], before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("opset", [9, 11, 13, 15, 18, 21])
def test_our_own_ops(opset: int) -> None:
    """A network of nothing but our ops goes natively up and down; its weights are the same objects."""
    graph = cnnir.zoo.build("mobilenet-v2{size=32,classes=10,width=0.25}")
    found = convert(graph, opset)
    assert not [one for one in found.nodes if isinstance(one.op, Opaque)]
    assert [one.op for one in found.nodes] == [one.op for one in graph.nodes]
    large = [value for value in graph.weights if isinstance(value.weight, Seeded) and np.prod(value.weight.shape) > 300]
    assert large
    assert all(found.value(value.name).weight is value.weight for value in large)
    assert opset_of(write(found)) == opset


def test_open_sizes_stay_known(tmp_path: Path) -> None:
    """They are written as arithmetic, which is worked out again behind the conversion."""
    graph = cnnir.zoo.build("shufflenet_v2", size=("H", "W"), batch="N", classes=10, width=0.5)
    cnnir.save(graph, tmp_path / "m.onnx")
    for opset in (13, 21):
        found = cnnir.load(tmp_path / "m.onnx", opset=opset)
        assert [one.op for one in found.nodes] == [one.op for one in graph.nodes]
        assert [value.type for value in found.outputs] == [value.type for value in graph.outputs]
        assert opset_of(write(found)) == opset


def test_weights_are_not_read(tmp_path: Path) -> None:
    """External data stays mapped, texts and pairs stay where they were."""
    nodes = [node("MatMul", "x w", "m"), node("CumSum", "m a", "y", doc_string="sums", name="sum")]
    graph = graph_of(nodes, [info("x", [1, 64])], [info("y", [1, 64])], {"w": numbers(64, 64), "a": np.asarray(1)})
    proto = model_of(graph, 11, 7)
    proto.graph.node[1].metadata_props.add(key="key", value="value")
    proto.metadata_props.add(key="author", value="somebody")
    onnx.save_model(proto, tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=1024)
    found = cnnir.load(tmp_path / "m.onnx", opset=17)
    assert isinstance(found.value("w").weight, FileRange)
    written = write(found)
    (summed,) = (one for one in written.graph.node if one.name == "sum")
    assert (summed.doc_string, list(summed.metadata_props)) == ("sums", list(proto.graph.node[1].metadata_props))
    assert written.metadata_props == proto.metadata_props


@pytest.mark.parametrize("name", ["_v_0", "_v_1", "_v_2", "_v_3", "_v_4", "_v_5"])
def test_names_that_the_converter_makes_up(name: str) -> None:
    """They may be taken by values of the network."""
    proto, feed = branching(name=name)
    written = write(convert(read(proto), 18))
    onnx.checker.check_model(written, full_check=True)
    for flag in (YES, NO):
        (before,), (after,) = (runtime(one, {**feed, "flag": flag}) for one in (proto, written))
        np.testing.assert_allclose(after, before, rtol=1e-6)


def test_a_body_means_what_it_meant() -> None:
    """``If`` is the same in opsets 16 and 18, but what stands inside of it need not be."""
    branches: dict[str, Any] = {
        f"{name}_branch": graph_of(
            [node("ReduceMean", "x", name, axes=[0], keepdims=0)], [], [info(name, [3])], None, name
        )
        for name in ("then", "else")
    }
    choice = helper.make_node("If", ["flag"], ["y"], name="choose", **branches)
    graph = graph_of([choice], [info("x", [2, 3]), info("flag", [], BOOL)], [info("y", [3])])
    proto = model_of(graph, 16, 8)
    with pytest.raises(CnnirError, match=r"^choose \(If\): .*ReduceMean inside of it.* \[opset\]$"):
        write(read(proto), opset=18)
    feed: Feed = {"x": numbers(2, 3), "flag": YES}
    (before,), (after,) = runtime(proto, feed), runtime(write(convert(read(proto), 18)), feed)
    np.testing.assert_allclose(after, before, rtol=1e-6)


def scan_of_opset_8() -> ModelProto:
    """A Scan with a batch: another op than that of opset 9, under the same name."""
    body = graph_of(
        [node("Add", "state item", "sum"), node("Identity", "sum", "out")], [info("state", [2]), info("item", [2])],
        [info("sum", [2]), info("out", [2])], None, "body",
    )  # fmt: skip
    scan = helper.make_node("Scan", ["", "start", "x"], ["last", "all"], name="scan", body=body, num_scan_inputs=1)
    outputs = [info("last", [1, 2]), info("all", [1, 3, 2])]
    return model_of(graph_of([scan], [info("start", [1, 2]), info("x", [1, 3, 2])], outputs), 8, 3)


def custom_body() -> ModelProto:
    """An op of another domain around one that changed; what such an op does with its body is its own affair."""
    body = graph_of([node("ReduceSum", "x", "b", axes=[0])], [], [info("b", [1])], None, "body")
    custom = helper.make_node("Own", ["x"], ["y"], name="own", domain="acme", body=body)
    return model_of(graph_of([custom], [info("x", [3])], [info("y", [1])]), 11, 7, acme=1)


REFUSED: dict[str, tuple[Callable[[], ModelProto], int, str]] = {
    "no op of that name yet": (lambda: CONVERSIONS["CumSum"][0]()[0], 9, r"y \(CumSum\)"),
    "another op of that name": (scan_of_opset_8, 11, r"scan \(Scan\)"),
    "an op inside of a branch": (lambda: branching()[0], 9, r"choose \(If\)"),
    "ours that has no form yet": (lambda: write(read(CASES["text tensors"]()[0])), 9, r".*string"),
    "an op inside of another domain's": (custom_body, 13, r"own \(acme::Own\): .*ReduceSum"),
    "no such opset": (lambda: branching()[0], 99, r"no such opset"),
    "an opset before ours": (lambda: branching()[0], 6, r"no such opset"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refusals(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that names the node, no file, and exit code 2."""
    make, opset, words = REFUSED[kind]
    proto = make()
    with pytest.raises(CnnirError, match=rf"^{words}.*\[opset\]$"):
        convert(read(proto), opset)
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    target = tmp_path / "out.onnx"
    command = ["export", str(tmp_path / "m.onnx"), "--opset", str(opset), "--convert", "-o", str(target)]
    assert main(command) == 2
    assert "[opset]" in capsys.readouterr().err.splitlines()[-1]
    assert not target.exists()


def ancient() -> tuple[ModelProto, Feed, Any]:
    """A network of opset 6: a bias that says by attributes where it goes, slopes of a PRelu along the channels."""
    nodes = [
        node("Conv", "x k", "c", kernel_shape=[3, 3]), node("Add", "c b", "a", broadcast=1, axis=1),
        node("PRelu", "a s", "p"), node("Mul", "p two", "y", broadcast=1),
    ]  # fmt: skip
    weights = {
        "k": numbers(4, 3, 3, 3),
        "b": numbers(4, seed=1),
        "s": numbers(4, seed=2),
        "two": np.full(1, 2, np.float32),
    }
    shapes = [info(name, list(array.shape)) for name, array in weights.items()]
    graph = graph_of(nodes, [info("x", [1, 3, 8, 8]), *shapes], [info("y", [1, 4, 6, 6])], weights)
    x = numbers(1, 3, 8, 8, seed=3)
    windows = np.lib.stride_tricks.sliding_window_view(x[0], (3, 3), axis=(1, 2))
    conv = np.einsum("cyxij,kcij->kyx", windows, weights["k"]) + weights["b"][:, None, None]
    return model_of(graph, 6, 3), {"x": x}, (np.where(conv < 0, conv * weights["s"][:, None, None], conv) * 2)[None]


def test_opsets_before_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused as they are, with the way out; converted where that is asked for."""
    proto, feed, expected = ancient()
    path = tmp_path / "old.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(CnnirError, match=r"too old .*opset=17.*--convert.* \[opset\]"):
        cnnir.load(path)
    np.testing.assert_allclose(cnnir.load(path, opset=13).run(feed)["y"], expected, rtol=1e-4, atol=1e-5)
    assert main(["export", str(path), "--opset", "17", "--convert", "-o", str(tmp_path / "new.onnx")]) == 0
    written = onnx.load(tmp_path / "new.onnx")
    assert opset_of(written) == 17
    np.testing.assert_allclose(runtime(written, feed)[0], expected, rtol=1e-4, atol=1e-5)
    capsys.readouterr()
    assert main(["export", str(path), "--convert", "-o", str(tmp_path / "new.onnx")]) == 2
    assert "--convert needs an opset" in capsys.readouterr().err


def test_an_opset_from_the_future() -> None:
    """What its ops mean is not known, so that no figure would be sure."""
    newest = onnx.defs.onnx_opset_version()
    proto = branching(opset=newest + 1)[0]
    with pytest.raises(
        CnnirError, match=rf"newer than the installed onnx .*7 to {newest}, got {newest + 1}.*\[opset\]"
    ):
        read(proto)


def test_functions_and_domains_go_along() -> None:
    """Ops of other domains stay as they are, whatever becomes of ONNX's own."""
    custom = helper.make_node("Own", ["y"], ["z"], domain="acme", name="own")
    custom.attribute.append(helper.make_attribute("t", numpy_helper.from_array(numbers(3))))
    custom.attribute.append(AttributeProto(name="i", type=AttributeProto.INT, i=7))
    nodes = [node("CumSum", "x a", "y"), custom]
    graph = graph_of(nodes, [info("x", [3])], [info("z", [3])], {"a": np.asarray(0)})
    written = write(convert(read(model_of(graph, 11, 7, acme=4)), 17))
    assert written.graph.node[-1] == custom
    assert {entry.domain: entry.version for entry in written.opset_import} == {"": 17, "acme": 4}
