"""``cnnir diff``, as a user meets it."""

import json
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import cnnir
from cnnir.cli import main
from cnnir.weights import Array
from tests import models
from tests.broken_models import BROKEN, write_good

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schema" / "cnnir.diff-1.schema.json").read_text())


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two small networks that differ in one weight."""
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    write_good(first)
    graph = cnnir.load(first)
    value = next(value for value in graph.weights if value.weight is not None and value.weight.shape)
    assert value.weight is not None
    value.weight = Array.of(value.weight.array() + np.float32(1))
    cnnir.save(graph, second)
    return first, second


def test_equal(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and the rule by which they are."""
    code, out, _ = run(["diff", models.path("squeezenet"), models.path("squeezenet")], capsys)
    assert code == 0
    assert "are equal: 66 nodes in both" in out
    assert "rule: equal are networks" in out


def test_different(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, the node, the weight and how much, and where the values part."""
    code, out, _ = run(["diff", *pair, "--numeric"], capsys)
    assert code == 1
    assert "are different" in out
    assert "elements differ, by at most 1 " in out
    assert "first value that differs by more than 0.0001 of its largest: " in out


def test_json(pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as data, which its schema accepts; the file's ending asks for it too."""
    for arguments in (
        [*pair],
        [*pair, "--numeric", "--seed", "3"],
        [models.path("bvlc_alexnet"), pair[0], "--numeric"],
    ):
        code, out, _ = run(["diff", *arguments, "--json"], capsys)
        assert code == 1
        found = json.loads(out)
        jsonschema.validate(found, SCHEMA)
        assert found["equal"] is False
        assert (found["numeric"] is None) == ("--numeric" not in arguments)
    target = tmp_path / "diff.json"
    assert run(["diff", *pair, "-o", target], capsys)[0] == 1
    jsonschema.validate(json.loads(target.read_text()), SCHEMA)


def test_sizes_reach_both(capsys: pytest.CaptureFixture[str]) -> None:
    """--size resizes the one and the other."""
    arguments = ["diff", models.path("squeezenet"), models.path("squeezenet"), "--size", "256x256", "--json"]
    code, out, _ = run(arguments, capsys)
    assert code == 0
    assert json.loads(out)["retyped"] == 0


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_input(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bad file is exit code 2, as the first network and as the second."""
    spoil, code, _ = BROKEN[kind]
    spoil(tmp_path / "model.onnx")
    write_good(tmp_path / "good.onnx")
    for files in (["model.onnx", "good.onnx"], ["good.onnx", "model.onnx"]):
        exit_code, out, err = run(["diff", *(tmp_path / file for file in files)], capsys)
        assert (exit_code, out) == (2, "")
        assert f"[{code}]" in err
        assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["diff", "zoo:vgg16"], ["diff", "zoo:vgg16", "zoo:vgg16", "--seed", "x"]])
def test_bad_usage(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    """Two networks, and a seed that is a number."""
    exit_code, out, err = run(arguments, capsys)
    assert (exit_code, out) == (2, "")
    assert "[usage]" in err


@pytest.mark.parametrize("columns", [40, 80])
def test_it_fits_the_terminal(
    columns: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long lines are broken and continued further in, the figures stand below each other; in a pipe each is one."""
    target = tmp_path / "rewritten.onnx"
    passes = "fold,fc-to-conv{dense=true,keep_interface=false}"
    assert run(["rewrite", "zoo:squeezenet1_0", "-p", passes, "-o", target], capsys)[0] == 0
    arguments = ["diff", "zoo:squeezenet1_0", target]
    _, piped, _ = run(arguments, capsys)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    code, shown, _ = run(arguments, capsys)
    assert code == 1
    assert max(map(len, shown.splitlines())) <= columns < max(map(len, piped.splitlines()))
    assert "\n    op: GlobalAveragePool ->" in shown
    # A word that is longer than a line is broken as well, so blanks are left out of account.
    told = [
        line
        for line in piped.splitlines()
        if line.startswith(("squeezenet", "-", "+", "~", "    op:", "output", "rule"))
    ]
    assert len(told) == 6
    assert all("".join(line.split()) in "".join(shown.split()) for line in told)
    file = tmp_path / "diff.txt"
    assert run([*arguments, "-o", file], capsys)[0] == 1
    assert file.read_text() == piped
