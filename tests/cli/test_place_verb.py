"""``cnnir place``: MiniMalloc's files in and out, exit codes, and what is wrong with a file."""

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from cnnir.cli import main
from tests.passes.test_placement_search import HEIGHT, cut

SMALL = "id,lower,upper,size\nb1,0,3,4\nb2,3,9,4\nb3,0,9,4\nb4,9,21,4\nb5,0,21,4\n"
"""The example of MiniMalloc's own documentation: its least height is 12."""


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(["place", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def assert_apart(text: str) -> int:
    """No two rows overlap in time and space; the height."""
    rows = [{key: int(field) for key, field in row.items() if key != "id"} for row in csv.DictReader(text.splitlines())]
    for index, one in enumerate(rows):
        for other in rows[:index]:
            beside = one["lower"] < other["upper"] and other["lower"] < one["upper"]
            above = one["offset"] >= other["offset"] + other["size"] or other["offset"] >= one["offset"] + one["size"]
            assert above or not beside
    return max(row["offset"] + row["size"] for row in rows)


def test_the_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "small.csv"
    file.write_text(SMALL)
    code, out, err = run([file, "--capacity", 12], capsys)
    assert code == 0
    assert assert_apart(out) == 12
    assert [line.rsplit(",", 1)[0] for line in out.splitlines()] == SMALL.splitlines()
    assert "optimal" in err
    assert run([file, "-o", tmp_path / "placed.csv"], capsys)[:2] == (0, "")
    assert (tmp_path / "placed.csv").read_text() == out
    assert run([tmp_path / "placed.csv"], capsys)[1] == out


def test_it_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the bound, and by exhaustive search where the bound does not tell."""
    file = tmp_path / "small.csv"
    file.write_text(SMALL)
    assert run([file, "--capacity", 11, "-o", tmp_path / "out.csv"], capsys)[0] == 1
    assert not (tmp_path / "out.csv").exists()
    code, out, _ = run([file, "--capacity", 11, "--json"], capsys)
    assert code == 1
    assert json.loads(out) | {"offsets": 0, "how": 0, "nodes": 0} == {
        "schema": "cnnir.place/1", "status": "does not fit", "height": 12, "bound": 12, "proved": 12, "capacity": 11,
        "how": 0, "nodes": 0, "offsets": 0,
    }  # fmt: skip


def test_it_is_not_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without effort greedy placement decides, and proves nothing."""
    rng = np.random.default_rng(0)
    begins = rng.integers(0, 60, 150).tolist()
    lives = [(begin, int(begin + rng.integers(1, 29)), int(rng.integers(1, 9999))) for begin in begins]
    file = tmp_path / "many.csv"
    rows = [f"{index},{begin},{end},{size}" for index, (begin, end, size) in enumerate(lives)]
    file.write_text("\n".join(["id,lower,upper,size", *rows]))
    found = json.loads(run([file, "--effort", 0, "--json"], capsys)[1])
    assert found["bound"] < found["height"]
    assert run([file, "--effort", 0, "--capacity", found["bound"]], capsys)[:2] == (3, "")
    code, out, _ = run([file, "--effort", 0, "--capacity", found["height"]], capsys)
    assert code == 0
    assert assert_apart(out) <= found["height"]


def test_a_solver_is_asked_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What greedy placement leaves open CP-SAT closes, where its work is allowed."""
    pytest.importorskip("ortools")
    file = tmp_path / "cut.csv"
    rows = [f"{index},{first},{last + 1},{size}" for index, (first, last, size) in enumerate(cut(3, 80))]
    file.write_text("\n".join(["id,lower,upper,size", *rows]))
    assert run([file, "--effort", 0, "--capacity", HEIGHT], capsys)[:2] == (3, "")
    code, out, err = run([file, "--effort", 0, "--capacity", HEIGHT, "--cpsat", 20], capsys)
    assert (code, assert_apart(out)) == (0, HEIGHT)
    assert "CP-SAT" in err


def test_a_solver_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One clear line."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    file = tmp_path / "small.csv"
    file.write_text(SMALL)
    code, out, err = run([file, "--cpsat", 1], capsys)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "OR-Tools is not installed" in err


def test_columns_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An alignment, gaps in which others lie, an inclusive end; what is not ours is carried along."""
    file = tmp_path / "wide.csv"
    file.write_text(
        "buffer,start,end,size,alignment,gaps,hint,offset\na,0,9,8,4,2-4,x,77\nb,2,4,8,4,,y,\nc,0,9,3,4,5-6@0:2,z,\n"
    )
    code, out, _ = run([file], capsys)
    rows = {row["buffer"]: row for row in csv.DictReader(out.splitlines())}
    assert code == 0
    assert rows["a"]["offset"] == rows["b"]["offset"] == "0"
    assert rows["c"]["offset"] == "8"
    assert [row["hint"] for row in rows.values()] == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("id,lower,upper\n", "no column size"),
        ("id,lower,upper,size,begin\n", "two columns"),
        ("id,lower,upper,size\na,1,2\n", "line 2"),
        ("id,lower,upper,size\na,1,x,2\n", "upper is no whole number"),
        ("id,lower,upper,size\na,3,2,2\n", "ends before it begins"),
        ("id,lower,upper,size\na,-1,2,2\n", "lower is no whole number"),
        ("id,lower,upper,size,alignment\na,1,2,2,0\n", "alignment"),
        ("id,lower,upper,size,gaps\na,1,9,2,3\n", "no gap"),
        ("id,lower,upper,size,gaps\na,1,9,2,3-12\n", "a gap lies in the life"),
        ("id,lower,upper,size,gaps\na,1,9,2,3-6 5-7\n", "a gap lies in the life"),
        ("id,lower,upper,size,gaps\na,1,9,2,3-6@1:5\n", "a gap lies in the life"),
    ],
)
def test_bad_files(text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    code, out, err = run([file], capsys)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert "[buffers]" in err


def test_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run([tmp_path / "none.csv"], capsys)
    assert code == 2
    assert "[file-read]" in err
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    assert run([tmp_path / "bytes.csv"], capsys)[0] == 2
    assert run([tmp_path / "bytes.csv", "--alignment", 0], capsys)[0] == 2
