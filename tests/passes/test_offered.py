"""Passes of installed packages: a package as pip leaves it, and whole processes that find it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import onnx
import pytest

from cnnir.builder import GraphBuilder
from cnnir.exporters.onnx import save

TOP = Path(__file__).parents[2]

MODULE = """
from dataclasses import dataclass
from typing import ClassVar

from cnnir.ops import Relu, Sigmoid
from cnnir.passes import Pass, node, rule, value


@rule("relu-smooth", node(Relu, value()), preserves="interface")
def relu_smooth(found, rewriter):
    \'\'\'Make every ReLU a Sigmoid.\'\'\'
    rewriter.replace_node(found.root, Sigmoid())
    return "made smooth"


@dataclass(frozen=True)
class Needy(Pass):
    \'\'\'Do nothing, with an option.\'\'\'

    name: ClassVar[str] = "needy"
    count: int

    def rewrite(self, graph, journal):
        journal.count("asked for", self.count)


@dataclass(frozen=True)
class Fold(Pass):
    \'\'\'A name that is taken.\'\'\'

    name: ClassVar[str] = "fold"

    def rewrite(self, graph, journal):
        raise AssertionError


@dataclass(frozen=True)
class Listed(Pass):
    \'\'\'An option that text cannot express.\'\'\'

    name: ClassVar[str] = "listed"
    sizes: list[int] | None = None

    def rewrite(self, graph, journal):
        raise AssertionError
"""

ENTRIES = """
[cnnir.passes]
relu-smooth = offered_passes.good:relu_smooth
needy = offered_passes.good:Needy
fold = offered_passes.good:Fold
listed = offered_passes.good:Listed
absent = offered_passes.absent:Pass
falls = offered_passes.falls:Pass
other-name = offered_passes.good:Needy
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder such as site-packages, with one package in it."""
    folder = tmp_path_factory.mktemp("site")
    package, info = folder / "offered_passes", folder / "offered_passes-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").touch()
    (package / "good.py").write_text(MODULE)
    (package / "falls.py").write_text("raise OSError('no such device')\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: offered-passes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    builder = GraphBuilder("network")
    graph = builder.build(builder.relu(builder.input("x", (1, 3)), name="relu"))
    save(graph, folder / "in.onnx")
    return folder


def cnnir(site: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A process of its own that has the package on its path."""
    path = os.pathsep.join([str(site), str(TOP)])
    return subprocess.run(
        [sys.executable, "-m", "cnnir", *arguments], cwd=site, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def test_they_are_listed_and_the_broken_ones_with_the_reason(site: Path) -> None:
    done = cnnir(site, "passes", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert "relu-smooth: Make every ReLU a Sigmoid.\n  keeps interface\n" in done.stdout
    assert "needy: Do nothing, with an option.\n  keeps values\n  count, must be given\n" in done.stdout
    assert "fold: Work out constants" in done.stdout
    broken = [line for line in done.stdout.splitlines() if ": broken, " in line]
    assert [line.split(":")[0] for line in broken] == ["absent", "falls", "fold", "listed", "other-name"]
    assert "absent: broken, offered_passes.absent:Pass of offered-passes: the pass cannot be loaded" in broken[0]
    assert "OSError: no such device" in broken[1]
    assert "[pass-twice]" in broken[2]
    assert "[option-type]" in broken[3]
    assert "expected other-name" in broken[4]


def test_they_are_listed_as_data(site: Path) -> None:
    found = json.loads(cnnir(site, "passes", "list", "--json").stdout)
    jsonschema.validate(found, json.loads((TOP / "docs/schema/cnnir.passes-1.schema.json").read_text()))
    assert found["passes"]["needy"] == {
        "summary": "Do nothing, with an option.", "preserves": "values", "options": {}, "required": ["count"],
    }  # fmt: skip
    assert list(found["broken"]) == ["absent", "falls", "fold", "listed", "other-name"]


def test_they_run(site: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.onnx"
    done = cnnir(site, "rewrite", "in.onnx", "-p", "relu-smooth,needy{count=3}", "-o", str(output))
    assert done.returncode == 0, done.stderr
    assert "  changed: relu (Relu): made smooth\n" in done.stdout
    assert [node.op_type for node in onnx.load(output).graph.node] == ["Sigmoid"]


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        (
            "falls",
            "offered_passes.falls:Pass of offered-passes: the pass cannot be loaded (got OSError: no such device)",
        ),
        ("needy", "needy: option count must be given; write needy{count=...} [option-missing]"),
        ("listed", "listed: option sizes has a type that a pipeline's text cannot express"),
    ],
)
def test_what_cannot_run_is_one_line(pipeline: str, message: str, site: Path) -> None:
    """And those beside it are not harmed."""
    done = cnnir(site, "rewrite", "in.onnx", "-p", f"fold,{pipeline}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"cnnir: {message}")
    assert done.stderr.count("\n") == 1
