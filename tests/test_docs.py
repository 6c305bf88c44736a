"""Every example in the documentation runs, and pages made from the code are what the code says."""

import doctest
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cnnir.cli import main
from cnnir.passes import registry
from tests import models

TOP = Path(__file__).parents[1]
PAGES = sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")])

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[Path, str]]:
    """(page, text) of every page with code in a language: a block goes on where the one before has ended."""
    texts = {page: [text for kind, text in _BLOCK.findall(page.read_text()) if kind == language] for page in PAGES}
    return [(page, "".join(parts)) for page, parts in texts.items() if parts]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where examples run: the networks that they name lie there."""
    for name in ("resnet50", "vgg19", "squeezenet", "inception_v1", "densenet121"):
        shutil.copy(models.path(name), tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "REGISTRY", dict(registry.REGISTRY))  # what an example registers
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_python(page: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The code runs; what a comment behind a print says is what is printed."""
    exec(compile(text, str(page), "exec"), {"__name__": "example"})
    printed = capsys.readouterr().out
    for line in text.splitlines():
        if line.startswith("print(") and "  # " in line:
            assert line.split("  # ")[1].strip() in printed


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("page", "text"), blocks("console"))
def test_console(page: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints what the page shows; ``...`` stands for anything."""
    parts = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)[1:]
    assert parts, page
    for command, expected in zip(parts[::2], parts[1::2], strict=True):
        arguments = shlex.split(command)
        assert arguments[0] == "cnnir"
        main(arguments[1:])
        captured = capsys.readouterr()
        shown = captured.out or captured.err
        assert doctest.OutputChecker().check_output(expected, shown, doctest.ELLIPSIS), shown


def test_pages_made_from_code() -> None:
    """``make docs`` would change nothing."""
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=TOP, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and every file named in a page is there."""
    text = page.read_text()
    prose = re.sub(r"`[^`\n]*`", "", _BLOCK.sub("", text))  # brackets in code are no links
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", prose):
        assert (page.parent / target).exists(), target
    for name in re.findall(r"`((?:cnnir|passes|exporters|docs|tests|benchmarks|examples)/[\w/.]+)`", text):
        assert (TOP / name).exists(), name


def test_no_line_is_too_long() -> None:
    """Prose that fits; tables and blocks may be as wide as they are."""
    for page in PAGES:
        for line in _BLOCK.sub("", page.read_text()).splitlines():
            assert len(line) <= 125 or line.startswith("|"), f"{page.name}: {line}"
