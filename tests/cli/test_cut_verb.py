"""``cnnir cut``, as a user meets it."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest

import cnnir
from cnnir.cli import main
from tests import models
from tests.broken_models import BROKEN, write_good

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schema" / "cnnir.cut-1.schema.json").read_text())


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two parts of a real network: files that load, run one after the other, and give what the whole gives."""
    source = models.path("squeezenet")
    name = "r24"
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    assert run(["cut", source, "--to", name, "-o", first], capsys)[0] == 0
    code, out, err = run(["cut", source, "--from", name, "-o", second, "--json"], capsys)
    assert code == 0
    assert f"wrote {second}" in err
    found = json.loads(out)
    jsonschema.validate(found, SCHEMA)
    assert [entry["name"] for entry in found["inputs"]] == [name]
    assert found["nodes"] + found["nodes_removed"] == len(cnnir.load(source))
    onnx.checker.check_model(str(second), full_check=True)
    whole = cnnir.load(source)
    feed = models.shipped_input(whole)
    found_values = cnnir.load(second).run(cnnir.load(first).run(feed))
    for output, array in whole.run(feed).items():
        assert np.array_equal(found_values[output], array)


def test_cut_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several names in one argument or in several; the interface with its types."""
    target = tmp_path / "part.onnx"
    code, out, _ = run(["cut", models.path("squeezenet"), "--from", "r21, r23", "--to", "r25", "-o", target], capsys)
    assert code == 0
    assert "input r21: float32[1, 128, 27, 27]" in out
    assert "output r25: float32[1, 32, 27, 27]" in out
    again = ["cut", models.path("squeezenet"), "--from", "r21", "--from", "r23", "--to", "r25", "-o", target]
    assert run(again, capsys)[1] == out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--from", "x"], "usage"),
        (["-o", "out.onnx"], "cut-nothing"),
        (["--from", "nothing", "-o", "out.onnx"], "value-unknown"),
        (["--from", "y", "-o", "out.onnx"], "cut-apart"),
    ],
)
def test_cut_refuses(
    arguments: list[str],
    code: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line, exit code 2, nothing written."""
    monkeypatch.chdir(tmp_path)
    write_good(tmp_path / "good.onnx")
    exit_code, out, err = run(["cut", "good.onnx", *arguments], capsys)
    assert (exit_code, out) == (2, "")
    assert f"[{code}]" in err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["good.onnx"]


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_input(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bad files are refused as by every verb."""
    spoil, code, _ = BROKEN[kind]
    spoil(tmp_path / "model.onnx")
    arguments = ["cut", tmp_path / "model.onnx", "--to", "y", "-o", tmp_path / "out.onnx"]
    exit_code, out, err = run(arguments, capsys)
    assert (exit_code, out) == (2, "")
    assert f"[{code}]" in err
    assert not (tmp_path / "out.onnx").exists()
