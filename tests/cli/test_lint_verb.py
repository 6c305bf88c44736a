"""``cnnir lint`` as a user meets it."""

import json
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest

import cnnir
from cnnir import GraphBuilder
from cnnir.cli import main
from cnnir.lint import RULES

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schema" / "cnnir.lint-1.schema.json").read_text())


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network with two findings, W001 and W002, in a project of its own."""
    builder = GraphBuilder("odd")
    x = builder.input("x", ("N", 8, 33, 33))
    x = builder.conv(builder.max_pool(x, 2, name="pool"), 8, kernel=3, name="conv")
    folder = tmp_path / "project" / "models"
    folder.mkdir(parents=True)
    cnnir.save(builder.build(builder.relu(x)), folder / "odd.onnx")
    monkeypatch.chdir(tmp_path)
    return folder / "odd.onnx"


def run(arguments: Sequence[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    code = main(["lint", *[str(argument) for argument in arguments]])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def codes(arguments: Sequence[object], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Codes of the findings, by JSON that its schema accepts."""
    code, out, _ = run([*arguments, "--json"], capsys)
    found = json.loads(out)
    jsonschema.validate(found, SCHEMA)
    assert code == (1 if found["findings"] else 0)
    return [finding["code"] for finding in found["findings"]]


def test_findings(odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line each, a fix below, a sum, exit code 1."""
    code, out, _ = run([odd], capsys)
    assert code == 1
    lines = out.splitlines()
    place = next(index for index, line in enumerate(lines) if "W001" in line)
    assert lines[place].startswith("pool: W001 (33 - 2 + 0)/2 + 1 = 16.5 windows")
    assert lines[place + 1].startswith("    give it a map of 32 or 34")
    assert "conv: W002 " in out
    assert "taken as 1: N" in out
    assert lines[-2].endswith("cnnir lint --explain CODE says why")


def test_none(odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0."""
    code, out, _ = run([odd, "--select", "L"], capsys)
    assert (code, out) == (0, "no findings\ntaken as 1: N\n")


def test_select_and_ignore(odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prefixes, with commas or given twice."""
    every = codes([odd], capsys)
    assert {"W001", "W002"} <= set(every)
    assert codes([odd, "--select", "W001,L"], capsys) == ["W001"]
    assert codes([odd, "--select", "W001", "--select", "W002"], capsys) == ["W001", "W002"]
    assert codes([odd, "--select", "W", "--ignore", "W001"], capsys) == ["W002"]
    assert "W001" not in codes([odd, "--ignore", "W001"], capsys)


def test_nearest_configuration(odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The project of the model decides, not the folder above it; arguments go before it."""
    (odd.parents[2] / "pyproject.toml").write_text('[tool.cnnir.lint]\nselect = ["C"]\n')
    assert codes([odd], capsys) == []
    (odd.parents[1] / "pyproject.toml").write_text('[tool.cnnir.lint]\nselect = ["W"]\nignore = ["W002"]\n')
    assert codes([odd], capsys) == ["W001"]
    assert codes([odd, "--ignore", "W001"], capsys) == []
    assert codes([odd, "--select", "W002"], capsys) == ["W002"]
    (odd.parent / "pyproject.toml").write_text("[tool.other]\n")
    assert {"W001", "W002"} <= set(codes([odd], capsys))


def test_configuration_where_one_works(capsys: pytest.CaptureFixture[str], odd: Path) -> None:
    """A network that is no file takes the working folder's."""
    Path("pyproject.toml").write_text('[tool.cnnir.lint]\nignore = ["C", "M"]\n')
    assert codes(["zoo:vgg16"], capsys) == []


@pytest.mark.parametrize(
    "text",
    [
        "[tool.cnnir.lint]\nselct = ['W']\n",
        "[tool.cnnir.lint]\nselect = 'W'\n",
        "[tool.cnnir.lint]\nselect = [1]\n",
        "[tool.cnnir]\nlint = 3\n",
        "tool = 1\n",
        "[tool",
    ],
)
def test_bad_configuration(text: str, odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that names the file, exit code 2."""
    (odd.parent / "pyproject.toml").write_text(text)
    code, out, err = run([odd], capsys)
    assert (code, out) == (2, "")
    assert "[lint-config]" in err
    assert "pyproject.toml" in err
    assert err.count("\n") == 1


def test_a_code_in_the_file_that_no_rule_has(odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is named, since no argument has it."""
    (odd.parent / "pyproject.toml").write_text('[tool.cnnir.lint]\nignore = ["L003", "X9"]\n')
    code, out, err = run([odd], capsys)
    assert (code, out) == (2, "")
    assert "[lint-code]" in err
    assert "pyproject.toml" in err
    assert "X9" in err


@pytest.mark.parametrize("code", sorted(RULES))
def test_explain(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Title, reason and fix, without a model."""
    exit_code, out, _ = run(["--explain", code], capsys)
    assert exit_code == 0
    assert out == f"{code}: {RULES[code].title}\n\nWhy: {RULES[code].why}\n\nFix: {RULES[code].fix}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--explain", "X1"],
        ["--explain", "W001", "--json"],
        ["zoo:vgg16", "--select", "X1"],
        ["zoo:vgg16", "--ignore", "W001,"],
        ["no/such/file.onnx"],
    ],
)
def test_bad_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit code 2."""
    code, out, err = run(arguments, capsys)
    assert (code, out) == (2, "")
    assert err.startswith("cnnir: ")
    assert err.count("\n") == 1


def test_output(odd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Into a file, whose ending says the form."""
    code, out, _ = run([odd, "-o", tmp_path / "found.json"], capsys)
    assert (code, out) == (1, "")
    jsonschema.validate(json.loads((tmp_path / "found.json").read_text()), SCHEMA)
