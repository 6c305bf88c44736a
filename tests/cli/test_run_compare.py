"""``cnnir run --compare``: what is found where a run differs from another runtime's, and what is said of it."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import pytest

from cnnir import load
from cnnir.cli import main
from cnnir.compare.judging import Comparison, tolerated
from cnnir.compare.measure import distance
from cnnir.exporters.onnx import judges
from cnnir.graph import Graph
from cnnir.interpreter import Done, seeded_feed
from cnnir.interpreter.kernels import kernels
from cnnir.ops import MaxPool, Relu
from cnnir.types import DType, TensorType
from cnnir.weights import AnyArray

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schema" / "cnnir.run-1.schema.json").read_text())

NETWORK = "zoo:resnet18{size=64}"


def run(arguments: Sequence[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one run."""
    code = main(["run", *(str(argument) for argument in arguments), "--seed", "0"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def compared(arguments: Sequence[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """Exit code, and what the JSON says of the comparison."""
    code, out, err = run([*arguments, "--json"], capsys)
    assert out, err
    found = json.loads(out)
    jsonschema.validate(found, SCHEMA)
    return code, found["compare"]


def spoilt(monkeypatch: pytest.MonkeyPatch, name: str, arrays: Mapping[str, AnyArray]) -> None:
    """Have a judge find other values than it would."""
    judge = judges.JUDGES[name]

    def wrong(model: Path, feed: Mapping[str, AnyArray], names: Sequence[str]) -> list[AnyArray]:
        found = dict(zip(names, judge(model, feed, names), strict=True))
        return list({**found, **arrays}.values())

    monkeypatch.setattr(judges, "JUDGES", {**judges.JUDGES, name: wrong})


@pytest.mark.parametrize("judge", ["onnxruntime", "reference"])
@pytest.mark.parametrize(("way", "absent"), [([], 0), (["--planned"], 0), (["--fast"], 45)])
def test_all_is_well(judge: str, way: list[str], absent: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Every value of every node is compared, those apart that a compiled plan keeps inside of fused steps."""
    code, found = compared([NETWORK, "--compare", judge, *way], capsys)
    assert code == 0
    assert (found["judge"], found["differing"], found["first"]) == (judge, 0, None)
    assert found["compared"] + found["absent"] == 70
    assert (found["absent"] > 0) == (absent > 0)
    assert 0 < found["largest"]["relative"] < 1e-4


@pytest.mark.parametrize("compiled", [False, True])
def test_a_wrong_kernel(
    *, compiled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything behind it differs, and it is named."""
    right = kernels[MaxPool]

    def wrong(op: MaxPool, operands: Sequence[AnyArray | None], results: Sequence[AnyArray]) -> None:
        right(op, operands, results)
        results[0][0, 3, 2, 1] += 1

    file = str(tmp_path / "plan.json")
    assert main(["plan", NETWORK, "--fuse", "epilogues", "-o", file]) == 0
    capsys.readouterr()
    plan = ["--plan", file] if compiled else ["--planned"]
    monkeypatch.setitem(kernels._rules, MaxPool, wrong)
    code, found = compared([NETWORK, "--compare", "onnxruntime", *plan], capsys)
    assert code == 1
    first = found["first"]
    assert (first["value"], first["node"], first["place"]) == ("maxpool", "maxpool (MaxPool)", [0, 3, 2, 1])
    assert first["absolute"] == pytest.approx(1, abs=1e-4)
    assert first["here"] - first["there"] == pytest.approx(1, abs=1e-4)
    assert found["differing"] > 5
    code, out, _ = run([NETWORK, "--compare", "onnxruntime", *plan], capsys)
    assert code == 1
    assert "the first: maxpool, of maxpool (MaxPool): 1 at [0, 3, 2, 1], " in out


def test_a_tolerance(capsys: pytest.CaptureFixture[str]) -> None:
    """What rounding alone makes is found when nothing is tolerated, and nothing when all is."""
    code, found = compared([NETWORK, "--compare", "onnxruntime", "--tolerance", "0"], capsys)
    assert code == 1
    assert found["first"]["value"] == "conv1"
    assert found["first"]["relative"] < 1e-5
    assert compared([NETWORK, "--compare", "onnxruntime", "--tolerance", "1"], capsys)[0] == 0


def test_what_is_no_small_difference(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """NaN on one side, another shape, another element type."""
    scores = np.zeros((1, 1000), np.float32)
    scores[0, 7] = np.nan
    for wrong, words in (
        (scores, "inf at [0, 7]"),
        (np.zeros((1, 999), np.float32), "float32[1, 1000] here, float32[1, 999] there"),
        (np.zeros((1, 1000), np.float64), "float32[1, 1000] here, float64[1, 1000] there"),
    ):
        with monkeypatch.context() as patch:
            spoilt(patch, "onnxruntime", {"prob": wrong})
            code, out, _ = run([NETWORK, "--compare", "onnxruntime"], capsys)
            assert code == 1
            assert "1 of 70 values differ by more than is tolerated" in out
            assert f"the first: prob, of prob (Softmax): {words}" in out


def test_onnxruntime_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    code, out, err = run([NETWORK, "--compare", "onnxruntime"], capsys)
    assert (code, out) == (2, "")
    assert "onnxruntime is not installed" in err
    assert "pip install cnnir[compare]" in err
    assert err.count("\n") == 1
    assert run([NETWORK, "--compare", "reference"], capsys)[0] == 0


def test_a_network_that_it_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node = onnx.helper.make_node("Nothing", ["x"], ["y"], domain="somebody")
    info = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in ("x", "y")]
    opsets = [onnx.helper.make_opsetid("", 20), onnx.helper.make_opsetid("somebody", 1)]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", info[:1], info[1:]), opset_imports=opsets)
    onnx.save(model, tmp_path / "odd.onnx")
    code, out, err = run([tmp_path / "odd.onnx", "--compare", "onnxruntime"], capsys)
    assert (code, out) == (2, "")
    assert "onnxruntime does not run the network" in err
    assert err.splitlines()[-1].endswith("[judge-failed]")
    assert "Traceback" not in err


def test_nothing_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No value, no verdict: the answer is not known."""
    node = onnx.helper.make_node("SequenceConstruct", ["x", "x"], ["y"])
    tensor = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2])
    sequence = onnx.helper.make_tensor_sequence_value_info("y", onnx.TensorProto.FLOAT, None)
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [tensor], [sequence])), tmp_path / "s.onnx")
    graph = load(tmp_path / "s.onnx")
    assert judges.judged(graph, seeded_feed(graph, 0), "onnxruntime") == {}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--tolerance", "1e-3"], "usage"),
        (["--compare", "nobody"], "usage"),
        (["--compare", "onnxruntime", "--tolerance", "nan"], "usage"),
        (["--compare", "onnxruntime", "--tolerance", "-1"], "usage"),
    ],
)
def test_refusals(arguments: list[str], code: str, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code, out, err = run([NETWORK, *arguments], capsys)
    assert (exit_code, out) == (2, "")
    assert f"[{code}]" in err


# The parts


def test_where_the_largest_difference_is() -> None:
    """The first of the largest, counted through all chunks that are looked at."""
    left = np.random.default_rng(0).standard_normal((700_000,)).astype(np.float32)
    right = left.copy()
    right[[5, 300_001, 650_000]] += np.array([1, 4, 3], np.float32)
    found = distance(left, right)
    assert found is not None
    assert (found.where, found.elements) == (300_001, 3)
    right[650_000] = np.inf
    found = distance(left, right)
    assert found is not None
    assert (found.where, found.absolute) == (650_000, float("inf"))


def test_tolerances_of_narrow_floats() -> None:
    assert tolerated(np.zeros(1, np.float64)) == tolerated(np.zeros(1, np.float32)) == tolerated(np.zeros(1, np.int8))
    assert 1e-3 < tolerated(np.zeros(1, np.float16)) < 1e-2


def test_values_that_are_no_numbers() -> None:
    """Texts are the same, or they are not; an empty value has nothing that could differ."""
    graph = Graph("texts")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (2,)))
    graph.set_outputs([graph.add_node(Relu(), [x], outputs=["y"]).output])
    texts = np.array(["a", "b"], object)
    comparison = Comparison(graph, "them", {"y": texts}, None)
    comparison(Done(1, 1, {"y": texts.copy()}))
    assert comparison.verdict.first is None
    comparison(Done(1, 1, {"y": np.array(["a", "c"], object)}))
    assert comparison.verdict.first is not None
    empty = Comparison(graph, "them", {"y": np.zeros((0, 3), np.float32)}, None)
    empty(Done(1, 1, {"y": np.zeros((0, 3), np.float32)}))
    assert (empty.verdict.first, empty.verdict.largest, empty.verdict.compared) == (None, None, 1)
