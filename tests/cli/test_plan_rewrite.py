"""``cnnir plan --rewrite``: the plan of the network that it rewrites, and that network with it."""

import json
from pathlib import Path

import numpy as np
import pytest

import cnnir
from cnnir.cli import main
from cnnir.exporters.onnx import read_plan
from cnnir.passes.memory import find_rewritten
from tests import models
from tests.passes.test_bottleneck import runtime


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of ``cnnir plan``."""
    code = main(["plan", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_rewritten_network_carries_its_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each change is told; the file has the digest of the network in it, and computes the same."""
    source, path = models.path("squeezenet"), tmp_path / "rewritten.onnx"
    code, out, err = run(capsys, source, "--fuse", "aggressive", "--rewrite", "--alignment", 4, "--onnx", path)
    assert (code, err) == (0, f"wrote {path}\n")
    assert "(820,544 B)" in out
    assert "n17 (Concat): pools the 2 parts of n16 (Concat)" in out
    assert "n10 (Add): adds up the 2 parts of n9 (Concat)" in out
    graph = cnnir.load(path)
    plan = read_plan(graph)
    plan.check(graph)
    assert plan.arena_bytes == 820_544
    feed = models.random_input(graph)
    (ours,), (theirs,) = runtime(graph, feed), runtime(cnnir.load(source), feed)
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()
    assert run(capsys, path, "--stored")[1].splitlines()[1] in out


def test_what_gains_nothing_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """The plan of the network as it is, and a word about it; beside JSON that is told elsewhere."""
    code, out, _ = run(capsys, models.path("resnet50"), "--rewrite")
    assert (code, out.splitlines()[-1]) == (0, "rewritten: no: it would not be lower")
    code, out, err = run(capsys, models.path("inception_v1"), "--rewrite", "--fuse", "steps", "--json")
    assert code == 0
    found = find_rewritten(cnnir.load(models.path("inception_v1")), fuse="steps")
    assert json.loads(out)["digest"] == found.plan.digest
    assert err.splitlines()[1:] == [f"  {change}" for change in found.changes]


@pytest.mark.parametrize("option", [("--budget", "1MiB"), ("--why",), ("--stored",), ("--range", "N=1:4")])
def test_usage(option: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """What is about the network as it is, or about no new plan: one line, exit code 2."""
    code, out, err = run(capsys, models.path("squeezenet"), "--rewrite", *option)
    assert (code, out) == (2, "")
    assert "[usage]" in err
    assert err.count("\n") == 1
