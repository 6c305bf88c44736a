"""``cnnir plan`` writes the plan for those who use it elsewhere."""

from pathlib import Path

import pytest

import cnnir
from cnnir.cli import main
from cnnir.exporters.onnx import read_plan
from tests import models


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of ``cnnir plan``."""
    code = main(["plan", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_into_the_file_and_out_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan that is printed is the one in the file; it comes out whatever a new one would be."""
    path = tmp_path / "planned.onnx"
    code, fresh, err = run(capsys, models.path("squeezenet"), "--no-in-place", "--onnx", path)
    assert (code, err) == (0, f"wrote {path}\n")
    code, stored, _ = run(capsys, path, "--stored")
    assert (code, stored) == (0, fresh)
    assert f"{read_plan(path).arena_bytes:,} B" in stored
    assert run(capsys, path)[1] != fresh


def test_stored_plans_are_taken_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No plan, options that ask for another, another size: one line, exit code 2."""
    path = tmp_path / "planned.onnx"
    run(capsys, models.path("squeezenet"), "--onnx", path)
    for arguments, code in (
        ([models.path("squeezenet"), "--stored"], "plan-missing"),
        ([path, "--stored", "--alignment", 16], "usage"),
        ([path, "--stored", "--no-in-place"], "usage"),
        ([path, "--stored", "--size", "256x256"], "plan-graph"),
    ):
        exit_code, out, err = run(capsys, *arguments)
        assert (exit_code, out) == (2, "")
        assert err.strip().endswith(f"[{code}]")
        assert err.count("\n") == 1


def test_all_files_or_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When one of several cannot be written, none is; two results under one name are refused."""
    path, nowhere = tmp_path / "planned.onnx", tmp_path / "no" / "plan.json"
    code, _, err = run(capsys, models.path("squeezenet"), "--onnx", path, "-o", nowhere)
    assert (code, "[file-write]" in err, path.exists()) == (2, True, False)
    code, _, err = run(capsys, models.path("squeezenet"), "--onnx", path, "-o", path)
    assert (code, "[usage]" in err, path.exists()) == (2, True, False)


def test_over_the_model_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file may be given its plan in place."""
    path = tmp_path / "model.onnx"
    path.write_bytes(models.path("squeezenet").read_bytes())
    assert run(capsys, path, "--onnx", path)[0] == 0
    assert read_plan(path).arena_bytes == cnnir.load(path).plan().arena_bytes
