"""``cnnir plan`` writes the plan for those who use it elsewhere."""

from pathlib import Path

import pytest

import cnnir
from cnnir.cli import main
from cnnir.exporters.c import header
from cnnir.exporters.onnx import read_plan, save
from cnnir.exporters.tflm import offline_plan
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


def test_header_and_offline_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One call writes them all; what they hold is what their rooms make of the printed plan."""
    plan = cnnir.load(models.path("squeezenet")).plan()
    names = tmp_path / "names.txt"
    names.write_text("\n".join(reversed(list(plan.values))) + "\nweights\n", "utf-8-sig")
    c_file, tflm, planned = tmp_path / "plan.h", tmp_path / "plan.bin", tmp_path / "planned.onnx"
    files = ["--header", c_file, "--tflm", tflm, "--tflm-tensors", names, "--onnx", planned]
    code, out, err = run(capsys, models.path("squeezenet"), *files)
    written = [str(path) for path in (planned, c_file, tflm, tmp_path / "plan.bin.csv")]
    assert (code, err) == (0, "".join(f"wrote {path}\n" for path in written))
    assert f"{plan.arena_bytes:,} B" in out
    assert c_file.read_text("ascii") == header(plan)
    found = offline_plan(plan, [*reversed(list(plan.values)), "weights"])
    assert tflm.read_bytes() == found.to_bytes()
    assert (tmp_path / "plan.bin.csv").read_text() == found.table()


def test_views_of_parts_are_copied_for_the_offline_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A channel shuffle that is cut apart: refused with the way out, which works."""
    builder = cnnir.GraphBuilder("shuffle")
    left, right = builder.split(builder.relu(builder.input("image", (1, 4, 3, 3))), (2, 2))
    model, tflm = tmp_path / "shuffle.onnx", tmp_path / "plan.bin"
    save(builder.build(builder.concat(builder.sigmoid(right), left)), model)
    code, _, err = run(capsys, model, "--tflm", tflm)
    assert (code, "--no-views" in err, tflm.exists()) == (2, True, False)
    assert run(capsys, model, "--tflm", tflm, "--no-views")[0] == 0
    assert tflm.exists()
    assert run(capsys, model, "--no-views", "--concat")[2].strip().endswith("[views-option]")


def test_what_cannot_be_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line with the reason, and no file at all."""
    model, tflm = models.path("squeezenet"), tmp_path / "plan.bin"
    missing = tmp_path / "missing.txt"
    for arguments, code in (
        (["--no-inputs", "--tflm", tflm, "--header", tmp_path / "plan.h"], "plan-form"),
        (["--tflm-tensors", missing], "usage"),
        (["--tflm", tflm, "--tflm-tensors", missing], "file-read"),
        (["--tflm", tflm, "--header", tflm], "usage"),
        (["--tflm", tflm, "-o", f"{tflm}.csv"], "usage"),
    ):
        exit_code, out, err = run(capsys, model, *arguments)
        assert (exit_code, out) == (2, "")
        assert err.strip().endswith(f"[{code}]")
        assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_over_the_model_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file may be given its plan in place."""
    path = tmp_path / "model.onnx"
    path.write_bytes(models.path("squeezenet").read_bytes())
    assert run(capsys, path, "--onnx", path)[0] == 0
    assert read_plan(path).arena_bytes == cnnir.load(path).plan().arena_bytes
