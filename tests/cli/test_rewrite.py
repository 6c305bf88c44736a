"""``cnnir rewrite`` and ``cnnir passes``."""

import json
from pathlib import Path

import jsonschema
import onnx
import pytest

from cnnir.cli import main
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
