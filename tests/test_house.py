"""The house itself: layout, arrows between the rooms, what each room owes, what an import costs."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import cnnir
from cnnir.algorithms import workspaces
from cnnir.exporters.onnx.mapping import onnx_name, readers, writers
from cnnir.interpreter.kernels import kernels
from cnnir.ops import DEFINED

TOP = Path(__file__).parents[1]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())

LAYERS = (
    ("errors", "dims", "dim_text", "constraints", "names", "units", "columns", "files"),
    ("types", "weights"),
    ("ops",),
    ("graph", "builder"),
    ("rewriter", "verify", "text"),
    ("algorithms", "analysis", "plan"),
    ("interpreter",),
    ("passes",),
    ("exporters", "backend", "reports", "dense", "compare", "lint"),
    ("zoo", "cli", "__main__"),
)
"""Rooms from the ground up; a room imports from its own layer and from those below it."""

LAZY = {
    ("graph", "passes"),
    ("graph", "interpreter"),
    ("graph", "reports"),
    ("graph", "lint"),
    ("graph", "text"),
    ("plan", "reports"),
}
"""Delegations of one line, imported when they are called: ``graph.plan()`` and its like, and what notebooks show."""

LIBRARIES = {
    "onnx": {"exporters"},
    "google": {"exporters"},
    "networkx": {"analysis"},
    "rich": {"columns"},
    "onnxruntime": {"exporters"},
}
"""Which rooms may import a library; the others reach it through them."""


def sources() -> Iterator[tuple[str, Path]]:
    """(room, file) of every module."""
    for path in sorted((TOP / "cnnir").glob("*.py")):
        yield path.stem, path
    for folder in sorted((TOP / "cnnir").iterdir()):
        if folder.is_dir():
            for path in sorted(folder.resolve().rglob("*.py")):
                yield folder.name, path


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(module, whether it is imported when the file is) of every import that is not for type checkers alone."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for inner in ast.walk(node):
                inner.typing_only = True  # type: ignore[attr-defined]
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inside = {id(inner) for function in functions for inner in ast.walk(function)}
    for node in ast.walk(tree):
        if getattr(node, "typing_only", False):
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) not in inside
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                full = f"cnnir.{alias.name}" if node.module == "cnnir" else node.module
                yield full, id(node) not in inside


def test_every_room_has_a_layer() -> None:
    """A new room has to find its place."""
    placed = {room for layer in LAYERS for room in layer}
    assert {room for room, _ in sources()} - {"__init__"} == placed


def test_imports_run_one_way() -> None:
    """From the upper rooms to the lower ones; what is imported lazily is on the list."""
    level = {room: number for number, layer in enumerate(LAYERS) for room in layer}
    wrong = []
    for room, path in sources():
        if room == "__init__":
            continue
        for module, at_once in imports(path):
            parts = module.split(".")
            if parts[0] != "cnnir" or len(parts) < 2 or parts[1] == "__version__":
                continue
            upward = level[parts[1]] > level[room]
            if upward and (at_once or (room, parts[1]) not in LAZY):
                wrong.append(f"{path.relative_to(TOP)}: {module}")
    assert not wrong


def test_lazy_delegations_are_needed() -> None:
    """Each exemption stands for an import that is there."""
    found = {
        (room, module.split(".")[1]) for room, path in sources() for module, at_once in imports(path)
        if not at_once and module.startswith("cnnir.")
    }  # fmt: skip
    assert found >= LAZY


def test_libraries_have_their_rooms() -> None:
    """onnx under the exporters alone, networkx behind one view, rich where text is laid out."""
    wrong = []
    for room, path in sources():
        for module, _ in imports(path):
            library = module.split(".")[0]
            if library in LIBRARIES and room not in LIBRARIES[library]:
                wrong.append(f"{path.relative_to(TOP)}: {module}")
    assert not wrong


def test_third_party_imports_are_dependencies() -> None:
    """Nothing is imported that the project does not depend on."""
    declared = {re.split(r"[<>=]", entry)[0] for entry in PROJECT["project"]["dependencies"]}
    # protobuf and ml_dtypes come with onnx, whose types they make.
    allowed = declared | set(sys.stdlib_module_names) | {"cnnir", "google", "ml_dtypes"}
    extras = PROJECT["project"]["optional-dependencies"].values()
    optional = {re.split(r"[<>=]", entry)[0] for entries in extras for entry in entries}
    used = {(module.split(".")[0], at_once) for _, path in sources() for module, at_once in imports(path)}
    assert {name for name, at_once in used if at_once or name not in optional} <= allowed


def test_packages_are_the_folders() -> None:
    """The list that setuptools goes by holds every folder with modules, and no other."""
    folders = {"cnnir"}
    for folder in (TOP / "cnnir").iterdir():
        if folder.is_dir():
            inner = folder.resolve()
            modules = {path.parent for path in inner.rglob("__init__.py")}
            folders |= {".".join(["cnnir", folder.name, *path.relative_to(inner).parts]) for path in modules}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == folders
    assert all((TOP / "cnnir" / "/".join(name.split(".")[1:]) / "__init__.py").exists() for name in folders)


def test_links() -> None:
    """The two folders at the top are seen from inside the package."""
    for name in ("passes", "exporters"):
        link = TOP / "cnnir" / name
        assert link.is_symlink()
        assert link.resolve() == TOP / name


def test_every_module_imports() -> None:
    """Each on its own, and nothing is imported under a second name."""
    for module in pkgutil.walk_packages(cnnir.__path__, "cnnir."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    assert "passes" not in sys.modules
    assert "exporters" not in sys.modules


def test_public_names_exist() -> None:
    """Whatever a module says it offers is there, and the package's own names are documented."""
    for module in pkgutil.walk_packages(cnnir.__path__, "cnnir."):
        if module.name.endswith("__main__"):
            continue
        found = importlib.import_module(module.name)
        assert found.__doc__, module.name
        for name in getattr(found, "__all__", ()):
            assert hasattr(found, name), f"{module.name}.{name}"
    assert set(cnnir.__all__) <= set(dir(cnnir))
    with pytest.raises(AttributeError):
        cnnir.nothing  # noqa: B018


def test_import_is_light() -> None:
    """``import cnnir`` loads none of the libraries; they come with what needs them."""
    script = (
        "import sys; import cnnir; "
        "print([name for name in ('numpy', 'onnx', 'networkx', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=TOP)
    assert done.stdout.strip() == "[]"


def test_plan_needs_no_networkx() -> None:
    """Planning goes without the structural view, whose algorithms are not made for it."""
    script = (
        "import sys; import cnnir; cnnir.zoo.vgg16(size=32).plan(); "
        "print([name for name in ('onnx', 'networkx', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=TOP)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("op", DEFINED, ids=lambda op: op.__name__)
def test_each_room_has_its_rule(op: type) -> None:
    """An op has a kernel, a figure for its workspace and an ONNX mapping in both directions, or a reason why not."""
    assert kernels.find(op) is not None or kernels.exemption(op)
    assert workspaces.find(op) is not None or workspaces.exemption(op)
    assert writers.find(op) is not None or writers.exemption(op)
    assert onnx_name(op.__name__) in readers
    assert op.__doc__


def test_version_is_one() -> None:
    """The package and the project bear the same version, and the changelog tells of it."""
    assert PROJECT["project"]["version"] == cnnir.__version__
    assert cnnir.__version__ in (TOP / "CHANGELOG.md").read_text()


def test_files_can_be_read_in_a_sitting() -> None:
    """About 400 lines; a file that grows past 500 is two rooms."""
    long = {str(path.relative_to(TOP)): len(path.read_text().splitlines()) for _, path in sources()}
    assert not {name: lines for name, lines in long.items() if lines > 500}


def test_wheel(tmp_path: Path) -> None:
    """A wheel holds every module once, under cnnir, with the mark of typed packages, and nothing generic."""
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--quiet"]
    copy = tmp_path / "source"
    archive = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip("no git checkout")
    for name in filter(None, archive.stdout.decode().split("\0")):
        origin, target = TOP / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_symlink():
            target.symlink_to(origin.readlink())
        elif origin.is_file():
            target.write_bytes(origin.read_bytes())
    subprocess.run([*command, "-w", str(tmp_path)], cwd=copy, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    modules = {f"cnnir/{path.relative_to(TOP / 'cnnir')}" for path in (TOP / "cnnir").glob("*.py")}
    for folder in (path for path in (TOP / "cnnir").iterdir() if path.is_dir()):
        inner = folder.resolve()
        modules |= {f"cnnir/{folder.name}/{path.relative_to(inner)}" for path in inner.rglob("*.py")}
    assert names == modules | {"cnnir/py.typed"}
