"""``cnnir rewrite`` and ``cnnir passes``."""

import json
import re
import sys
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import onnxruntime
import pytest

from cnnir.builder import GraphBuilder
from cnnir.cli import main
from cnnir.exporters.onnx import save
from cnnir.graph import Graph
from cnnir.ops import BatchNormalization
from cnnir.weights import AnyArray, Array
from tests import models

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
NETWORK = str(models.path("shufflenet"))


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_rewrite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each pass says what it did and how long it took; the result is a valid model."""
    output = str(tmp_path / "folded.onnx")
    code, out, err = run(["rewrite", NETWORK, "-p", "fold,dead-code", "--check", "values", "-o", output], capsys)
    assert code == 0
    assert "fold: 203 -> 154 nodes" in out
    assert "values equal, off by at most" in out
    assert "changed: n1 (BatchNormalization): folded into n0 (Conv)" in out
    assert "more (--all lists them)" in out
    assert "dead-code: 154 -> 154 nodes" in out
    assert "  nothing to do\n" in out
    assert "wrote " in err
    onnx.checker.check_model(output, full_check=True)


def test_rewrite_json(capsys: pytest.CaptureFixture[str]) -> None:
    """All of it as data."""
    code, out, _ = run(["rewrite", NETWORK, "-p", "fold{constants=false}", "--json"], capsys)
    assert code == 0
    found = json.loads(out)
    jsonschema.validate(found, json.loads((SCHEMAS / "cnnir.rewrite-1.schema.json").read_text()))
    assert found["stages"][0]["stage"] == "fold{constants=false}"
    assert len(found["stages"][0]["changes"]) == found["metrics"]["scales folded"] == 49


@pytest.fixture
def vgg(tmp_path: Path) -> tuple[str, Graph]:
    """A small network of VGG's make, with normalisation, as a file and as a graph."""
    builder = GraphBuilder("vgg", seed=1)
    x = builder.input("image", (1, 3, 16, 16))
    for filters in (4, 8):
        x = builder.relu(builder.batch_norm(builder.conv(x, filters, kernel=3, padding=1)))
        x = builder.max_pool(x, 2)
    x = builder.relu(builder.linear(builder.flatten(x), 12))
    graph = builder.build(builder.softmax(builder.linear(x, 5), name="scores"))
    generator = np.random.default_rng(0)
    for node in graph.nodes:
        for value in node.operands[1:] if isinstance(node.op, BatchNormalization) else ():
            value.weight = Array.of(generator.uniform(0.5, 2.0, value.weight.shape).astype(np.float32))  # type: ignore[union-attr]
    save(graph, tmp_path / "in.onnx")
    return str(tmp_path / "in.onnx"), graph


def computed(path: str, feed: dict[str, AnyArray]) -> AnyArray:
    """The first output by ONNX Runtime."""
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, feed)[0])


PIPELINE = "fold,fc-to-conv{dense=true}"


@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_written_computes_the_same(
    vgg: tuple[str, Graph], as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From file to file, as text and as JSON, with ONNX Runtime as the judge of both."""
    path, graph = vgg
    output = str(tmp_path / "out.onnx")
    extra = ["--json"] if as_json else []
    code, out, err = run(["rewrite", path, "-p", PIPELINE, "-o", output, "--check", "values", *extra], capsys)
    assert (code, err) == (0, f"wrote {output}\n")
    feed: dict[str, AnyArray] = {"image": np.random.default_rng(5).standard_normal((1, 3, 16, 16)).astype(np.float32)}
    expected, found = computed(path, feed), computed(output, feed)
    assert expected.shape == found.shape == (1, 5)
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-5 * float(expected.max()))
    kinds = [node.op_type for node in onnx.load(output).graph.node]
    assert "Gemm" not in kinds
    assert "BatchNormalization" not in kinds
    weights = 3 * 4 * 9 + 4 * 8 * 9 + 8 * 16 * 12 + 12 * 5
    params = weights + 4 + 8 + 12 + 5
    macs = 3 * 4 * 9 * 256 + 4 * 8 * 9 * 64 + 8 * 16 * 12 + 12 * 5
    arena = graph.plan().arena_bytes
    if as_json:
        content = json.loads(out)
        jsonschema.validate(content, json.loads((SCHEMAS / "cnnir.rewrite-1.schema.json").read_text()))
        figures = {(entry["name"], entry["unit"]): entry for entry in content["figures"]}
        assert figures["params", "elements"]["after"] == params
        assert figures["params", "elements"]["difference"] == -2 * (4 + 8)  # scale and shift of the normalisations
        assert (figures["MACs", ""]["before"], figures["MACs", ""]["after"]) == (macs, macs)
        assert figures["planned arena", "bytes"]["before"] == arena
        assert content["bytes"] == Path(output).stat().st_size
        assert content["check"]["equal"]
        assert content["check"]["relative"] < 1e-5
        assert [stage["unchecked"] for stage in content["stages"]] == ["", ""]
    else:
        assert re.search(rf"^params \(elements\) +{params + 24:,} +{params:,} +-24$", out, re.MULTILINE)
        assert re.search(rf"^MACs +{macs:,} +{macs:,} +same$", out, re.MULTILINE)
        assert re.search(r"^planned arena \(bytes\) +[\d,]+ +[\d,]+ +\S", out, re.MULTILINE)
        assert re.search(r"^outputs: off by at most \d\.\de-0[6-9] of the largest$", out, re.MULTILINE)
        assert "rule: MACs: " in out


def test_why_there_is_no_check(vgg: tuple[str, Graph], capsys: pytest.CaptureFixture[str]) -> None:
    """Said for the pass and for all together, and in the JSON."""
    arguments = ["rewrite", vgg[0], "-p", "set-batch{batch=3}", "--check", "values"]
    code, out, _ = run(arguments, capsys)
    assert code == 0
    reason = "no input fits both, image was float32[1, 3, 16, 16] and is float32[3, 3, 16, 16]"
    assert f"  values not compared: {reason}" in out
    assert f"\noutputs not compared: {reason}" in out
    _, out, _ = run([*arguments, "--json"], capsys)
    content = json.loads(out)
    jsonschema.validate(content, json.loads((SCHEMAS / "cnnir.rewrite-1.schema.json").read_text()))
    assert content["check"] is content["stages"][0]["check"] is None
    assert reason in content["stages"][0]["unchecked"]


def test_figures_of_an_image_of_any_size(vgg: tuple[str, Graph], capsys: pytest.CaptureFixture[str]) -> None:
    """They stand at the size that the image had, and say so."""
    code, out, _ = run(["rewrite", vgg[0], "-p", "fc-to-conv{keep_interface=false}", "--check", "values"], capsys)
    assert code == 0
    assert "\nat H=16, W=16\n" in out
    assert "values equal, off by at most" in out
    assert re.search(r"^MACs +([\d,]+) +\1 +same$", out, re.MULTILINE)


def test_what_a_pass_may_change_is_measured(vgg: tuple[str, Graph], capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(["rewrite", vgg[0], "-p", "bottleneck{rank=1}", "--check", "values"], capsys)
    assert re.search(r"^  values changed, as the pass may, by at most \S+ of the largest$", out, re.MULTILINE)


@pytest.mark.parametrize("columns", [30, 40, 80])
def test_it_fits_the_terminal(
    columns: int, vgg: tuple[str, Graph], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines are folded, the table stands below each other where it has no room; nothing is lost."""
    arguments = ["rewrite", vgg[0], "-p", f"{PIPELINE},set-size{{size=32x32}},dead-code", "--check", "values"]
    arguments[3] = arguments[3].replace("dense=true", "dense=true,keep_interface=false")
    _, piped, _ = run(arguments, capsys)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    code, shown, _ = run(arguments, capsys)
    assert code == 0
    assert max(map(len, shown.splitlines())) <= columns
    assert max(map(len, piped.splitlines())) > columns
    told = [line for line in piped.splitlines() if line.startswith(("  changed:", "outputs", "rule:"))]
    # Words that are longer than a line are broken, so blanks are left out of account.
    assert all(line.replace(" ", "") in "".join(shown.split()) for line in told)
    assert ("\nMACs\n" in shown) == (columns < 60)


def test_a_model_is_not_written_to_a_terminal(vgg: tuple[str, Graph], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(["rewrite", vgg[0], "-p", "fold", "-o", "-"], capsys)
    assert (code, out) == (2, "")
    assert "[usage]" in err


@pytest.mark.parametrize(
    ("pipeline", "code"),
    [
        ("", "pipeline-syntax"),
        ("fold,", "pipeline-syntax"),
        ("unfold", "pass-unknown"),
        ("fold{x=1}", "option-unknown"),
        ("fold{scales=maybe}", "option-value"),
    ],
)
def test_bad_pipelines(pipeline: str, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit code 2, nothing written."""
    exit_code, out, err = run(["rewrite", NETWORK, "-p", pipeline, "-o", str(tmp_path / "out.onnx")], capsys)
    assert (exit_code, out) == (2, "")
    assert f"[{code}]" in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_passes(capsys: pytest.CaptureFixture[str]) -> None:
    """Every pass with its summary, its promise and its options."""
    code, out, _ = run(["passes", "list"], capsys)
    assert code == 0
    assert "fold: Work out constants" in out
    assert "  keeps values\n  constants=True\n" in out
    code, out, _ = run(["passes", "list", "--json"], capsys)
    found = json.loads(out)
    jsonschema.validate(found, json.loads((SCHEMAS / "cnnir.passes-1.schema.json").read_text()))
    assert found["passes"]["fold"]["options"] == {"constants": True, "scales": True}
    assert all(entry["summary"] for entry in found["passes"].values())
