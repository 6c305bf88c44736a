"""The command line, as a user meets it."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest

import cnnir
from cnnir.builder import GraphBuilder
from cnnir.cli import main
from tests import models
from tests.broken_models import BROKEN, write_good

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A small network."""
    write_good(tmp_path / "good.onnx")
    return tmp_path / "good.onnx"


@pytest.fixture
def symbolic(tmp_path: Path) -> Path:
    """A network of free batch, height and width."""
    builder = GraphBuilder("free")
    x = builder.input("image", ("N", 3, "H", "W"))
    x = builder.relu(builder.conv(x, 8, kernel=3, stride=2, padding=1, name="conv1"))
    cnnir.save(builder.build(builder.max_pool(x, 2, name="pool1")), tmp_path / "free.onnx")
    return tmp_path / "free.onnx"


def run(arguments: Sequence[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def validated(text: str, verb: str) -> dict[str, object]:
    """The JSON of a verb, which its schema accepts."""
    found: dict[str, object] = json.loads(text)
    assert found["schema"] == f"cnnir.{verb}/1"
    jsonschema.validate(found, json.loads((SCHEMAS / f"cnnir.{verb}-1.schema.json").read_text()))
    return found


# Table


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    """The classic table with its totals and rules."""
    code, out, _ = run(["table", "zoo:vgg16"], capsys)
    assert code == 0
    for figure in (
        "15,237,608 elements",
        "60,950,432 B",
        "121,900,864 B",
        "138,344,128",
        "138,357,544",
        "15,470,264,320",
    ):
        assert figure in out
    assert "rule: activations" in out
    assert "is not the sum" in out


def test_table_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The same figures as data."""
    code, out, _ = run(["table", "zoo:vgg16", "--json"], capsys)
    totals = validated(out, "table")["totals"]
    assert code == 0
    assert isinstance(totals, dict)
    assert totals["elements"] == 15237608
    assert totals["training_bytes"] == 2 * 60950432


def test_table_of_free_dims(symbolic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Formulas in words, null beside a formula in JSON, numbers once bound."""
    _, out, _ = run(["table", symbolic], capsys)
    assert "holds for: " in out
    assert "((H + 1)//2)" in out
    found = validated(run(["table", symbolic, "--json"], capsys)[1], "table")
    totals = found["totals"]
    assert isinstance(totals, dict)
    assert totals["bytes"] is None
    assert "N" in totals["formulas"]["bytes"]
    bound = ["--bind", "N=2", "--bind", "H=33", "--bind", "W=32"]
    found = validated(run(["table", symbolic, "--json", *bound], capsys)[1], "table")
    assert isinstance(found["totals"], dict)
    assert found["totals"]["elements"] == 2 * (3 * 33 * 32 + 8 * 17 * 16 + 8 * 8 * 8)


def test_table_says_what_it_does_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An op of unknown cost makes the total unknown, names itself, and the exit code is 3."""
    node = onnx.helper.make_node("Cosh", ["x"], ["y"], name="erf1")
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "odd", value[:1], value[1:])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "odd.onnx")
    code, out, _ = run(["table", tmp_path / "odd.onnx"], capsys)
    assert code == 3
    assert "not known: erf1 (Cosh): " in out
    code, out, _ = run(["table", tmp_path / "odd.onnx", "--json"], capsys)
    assert code == 3
    found = validated(out, "table")
    assert isinstance(found["totals"], dict)
    assert found["totals"]["macs"] is None
    assert found["reasons"]


@pytest.mark.parametrize("ending", ["txt", "json", "html"])
def test_table_output(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file's ending says the form."""
    code, out, err = run(["table", "zoo:vgg16", "-o", tmp_path / f"t.{ending}"], capsys)
    assert (code, out) == (0, "")
    assert "wrote " in err
    text = (tmp_path / f"t.{ending}").read_text()
    begins = {"txt": "layer", "json": "{", "html": "<!doctype html>"}
    assert text.startswith(begins[ending])
    assert "conv5_3" in text


# Plan


def test_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """Arena, bound and rule in words."""
    code, out, _ = run(["plan", models.path("squeezenet")], capsys)
    assert code == 0
    assert "arena        3.75 MiB (3,928,576 B)" in out
    assert "placement optimal" in out
    assert "rule: activations only" in out


def test_plan_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The plan itself, which reads back and proves itself."""
    _, out, _ = run(["plan", models.path("squeezenet"), "--json"], capsys)
    assert validated(out, "plan")["arena_bytes"] == 3928576
    cnnir.MemoryPlan.from_json(out).check(cnnir.load(models.path("squeezenet")))


def test_plan_svg_and_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A map beside the text, and a line a step."""
    code, out, _ = run(["plan", "zoo:vgg16", "--steps", "--svg", tmp_path / "map.svg"], capsys)
    assert code == 0
    assert "in place of conv1_1" in out
    assert (tmp_path / "map.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(("capacity", "expected"), [("24MiB", 1), ("24.5MiB", 0), ("25690112", 0), ("25690111", 1)])
def test_plan_capacity(capacity: str, expected: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 when the arena is larger."""
    code, out, _ = run(["plan", "zoo:vgg16", "--capacity", capacity], capsys)
    assert code == expected
    assert ("does not fit" in out) == bool(expected)


def test_plan_options(capsys: pytest.CaptureFixture[str]) -> None:
    """Each option reaches the planner."""
    plain = ["plan", models.path("shufflenet"), "--json"]
    arenas = {
        option: json.loads(run([*plain, *option.split()], capsys)[1])["arena_bytes"]
        for option in (
            "",
            "--order file",
            "--fuse steps",
            "--no-in-place",
            "--no-outputs --no-inputs",
            "--alignment 4096",
            "--workspace today",
        )
    }
    assert arenas["--fuse steps"] < arenas[""] < arenas["--order file"]
    assert arenas[""] <= arenas["--no-in-place"]
    assert arenas["--no-outputs --no-inputs"] <= arenas[""]
    assert arenas["--alignment 4096"] % 4 == 0
    assert arenas["--workspace today"] > arenas[""]


def test_plan_of_free_dims(symbolic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without sizes there is no plan; the message says which to bind."""
    code, out, err = run(["plan", symbolic], capsys)
    assert (code, out) == (2, "")
    assert "bind" in err
    code, out, _ = run(["plan", symbolic, "--bind", "N=1", "--bind", "H=32", "--bind", "W=32", "--json"], capsys)
    assert code == 0
    assert json.loads(out)["bindings"] == {"N": 1, "H": 32, "W": 32}
    assert run(["plan", symbolic, "--bind", "N=1", "--size", "32x32"], capsys)[0] == 0


def test_unknown_size_is_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A type that nobody knows: no plan, and no other words for it."""
    BROKEN["untyped"][0](tmp_path / "odd.onnx")
    proto = onnx.load(tmp_path / "odd.onnx")
    proto.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    onnx.save(proto, tmp_path / "odd.onnx")
    code, out, err = run(["plan", tmp_path / "odd.onnx"], capsys)
    assert (code, out) == (3, "")
    assert "relu1 (acme::Mystery): y has no size" in err
    code, out, _ = run(["plan", tmp_path / "odd.onnx", "--json"], capsys)
    assert code == 3
    found = json.loads(out)
    jsonschema.validate(found, json.loads((SCHEMAS / "cnnir.plan-1.unknown.schema.json").read_text()))
    assert found["arena_bytes"] is None


def test_vgg19_at_another_size(capsys: pytest.CaptureFixture[str]) -> None:
    """Its Reshape fits one size only: said with the node, where onnx says nothing."""
    code, out, err = run(["plan", models.path("vgg19"), "--size", "384x384"], capsys)
    assert (code, out) == (2, "")
    assert "Reshape" in err
    assert err.count("\n") == 1


# Run


def test_run_seeded(capsys: pytest.CaptureFixture[str]) -> None:
    """Random input, any value on request, in the planned arena."""
    arguments = ["run", models.path("squeezenet"), "--seed", 1, "--outputs", "softmaxout_1,r1", "--planned"]
    code, out, _ = run(arguments, capsys)
    assert code == 0
    assert "softmaxout_1: float32[1, 1000, 1, 1]" in out
    assert "ran in an arena of 3.75 MiB (3,928,576 B)" in out
    first = validated(run([*arguments, "--json"], capsys)[1], "run")
    assert first == validated(run([*arguments, "--json"], capsys)[1], "run")
    assert first["arena_bytes"] == 3928576


def test_run_says_what_it_did_not_compute(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nodes that ONNX's reference implementation computed, and the values that rest on them; or they are refused."""
    nodes = [onnx.helper.make_node("Cosh", ["x"], ["c"], name="foreign"), onnx.helper.make_node("Relu", ["c"], ["y"])]
    info = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in ("x", "y")]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", info[:1], info[1:]))
    onnx.save(model, tmp_path / "net.onnx")
    code, out, _ = run(["run", tmp_path / "net.onnx", "--seed", 0], capsys)
    assert code == 0
    assert "foreign (Cosh) was computed by ONNX's reference implementation" in out
    assert "values that rest on it: y" in out
    code, out, _ = run(["run", tmp_path / "net.onnx", "--seed", 0, "--json"], capsys)
    found = validated(out, "run")["fallback"]
    assert isinstance(found, dict)
    assert list(found) == ["foreign"]
    code, _, err = run(["run", tmp_path / "net.onnx", "--seed", 0, "--no-fallback"], capsys)
    assert code == 2
    assert "foreign (Cosh)" in err


def test_run_from_files(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Arrays in, arrays out."""
    image = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
    np.save(tmp_path / "x.npy", image)
    code, _, _ = run(["run", good, "--input", f"x={tmp_path / 'x.npy'}", "-o", tmp_path / "y.npz"], capsys)
    assert code == 0
    expected = cnnir.load(good).run({"x": image})
    with np.load(tmp_path / "y.npz") as written:
        assert list(written) == ["y"]
        assert np.array_equal(written["y"], expected["y"])
    assert run(["run", good, "--seed", 0, "-o", tmp_path / "y.npy"], capsys)[0] == 0
    assert np.load(tmp_path / "y.npy").shape == (1, 4, 6, 6)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], "feed-missing"),
        (["--input", "z=x.npy", "--seed", "0"], "input-unknown"),
        (["--input", "x=wrong.npy"], "input-shape"),
        (["--input", "x=double.npy"], "input-dtype"),
        (["--input", "x=nowhere.npy"], "feed-file"),
        (["--input", "x=text.npy"], "feed-file"),
        (["--input", "x"], "usage"),
        (["--input", "x=x.npy", "--input", "x=x.npy"], "feed-twice"),
        (["--seed", "0", "--outputs", "nothing"], "value-unknown"),
        (["--seed", "-1"], "usage"),
        (["--seed", "0", "-o", "out.txt"], "usage"),
    ],
)
def test_run_refuses(
    arguments: list[str],
    code: str,
    good: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line, exit code 2, nothing written."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.zeros((1, 3, 8, 8), np.float32))
    np.save("wrong.npy", np.zeros((1, 3, 9, 9), np.float32))
    np.save("double.npy", np.zeros((1, 3, 8, 8)))
    Path("text.npy").write_text("no array")
    before = sorted(tmp_path.iterdir())
    exit_code, out, err = run(["run", good, *arguments], capsys)
    assert (exit_code, out) == (2, "")
    assert f"[{code}]" in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


# Export


def test_export(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that the checker accepts, of the opset asked for."""
    code, out, _ = run(["export", good, "-o", tmp_path / "new.onnx", "--opset", 22, "--json"], capsys)
    assert code == 0
    assert validated(out, "export")["bytes"] == (tmp_path / "new.onnx").stat().st_size
    written = onnx.load(tmp_path / "new.onnx")
    onnx.checker.check_model(written, full_check=True)
    assert written.opset_import[0].version == 22


def test_export_text(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The canonical text form."""
    code, out, _ = run(["export", good, "--to", "text"], capsys)
    assert code == 0
    assert out.startswith('graph "small" {')
    assert "Conv(%x, %w)" in out


# Whatever the verb


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("verb", ["table", "plan", "run", "export"])
def test_broken_input(verb: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every verb refuses every bad file alike: one line, exit code 2, nothing written."""
    spoil, code, _ = BROKEN[kind]
    spoil(tmp_path / "model.onnx")
    extra = ["--seed", "0"] if verb == "run" else []
    exit_code, out, err = run([verb, tmp_path / "model.onnx", "-o", tmp_path / "out.npz", *extra], capsys)
    assert (exit_code, out) == (2, "")
    assert f"[{code}]" in err
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frobnicate"],
        ["plan"],
        ["plan", "zoo:nothing"],
        ["plan", "zoo:vgg16", "--nonsense"],
        ["plan", "zoo:vgg16", "--alignment", "3"],
        ["plan", "zoo:vgg16", "--alignment", "many"],
        ["plan", "zoo:vgg16", "--bind", "N"],
        ["plan", "zoo:vgg16", "--bind", "N=1"],
        ["plan", "zoo:vgg16", "--size", "224"],
        ["plan", "zoo:vgg16", "--size", "384x384"],
        ["plan", "zoo:vgg16", "--workspace", "tomorrow"],
        ["plan", "zoo:vgg16", "--workspace", "no/such/file.json"],
        ["plan", "zoo:vgg16", "--workspace", "server", "--tolerance", "many"],
        ["plan", "zoo:vgg16", "--workspace", "server", "--tolerance", "nan"],
        ["plan", "zoo:vgg16", "--workspace", "today", "--tolerance", "0.1"],
        ["plan", "zoo:vgg16", "--capacity", "lots"],
        ["plan", "zoo:vgg16", "--capacity", "inf"],
        ["plan", "zoo:vgg16", "--capacity=-5"],
        ["export", "zoo:vgg16"],
        ["export", "zoo:vgg16", "-o", "-"],
        ["export", "zoo:vgg16", "--to", "text", "--json"],
        ["export", "zoo:vgg16", "--to", "jpeg"],
        ["export", "zoo:vgg16", "--to", "text", "--opset", "13"],
        ["export", "zoo:vgg16", "--to", "pattern", "--ir-version", "8"],
        ["export", "zoo:vgg16", "--to", "text", "--external-data"],
        ["table", "no/such/file.onnx"],
        ["table", "."],
    ],
)
def test_bad_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One line that helps, exit code 2."""
    code, out, err = run(arguments, capsys)
    assert (code, out) == (2, "")
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1
    assert lines[0].startswith("cnnir: ")


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    """Only on request."""
    with pytest.raises(cnnir.CnnirError, match="file-missing"):
        main(["table", str(tmp_path / "none.onnx"), "--debug"])


def test_a_fault_of_our_own_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Even then no traceback, and an exit code that means nothing else."""
    monkeypatch.setattr(cnnir.zoo, "build", lambda _: 1 / 0)
    code, _, err = run(["table", "zoo:vgg16"], capsys)
    assert code == 70
    assert err.count("\n") == 1
    assert "--debug" in err


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--help"], ["--version"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Help goes to standard output."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    assert "cnnir" in capsys.readouterr().out


def process(arguments: Sequence[str], **options: object) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "cnnir", *arguments]
    return subprocess.run(command, capture_output=True, timeout=120, check=False, **options)  # type: ignore[call-overload, no-any-return]


def test_as_a_module() -> None:
    """``python -m cnnir`` is the same command."""
    done = process(["table", "zoo:vgg16", "--json"])
    assert done.returncode == 0
    assert json.loads(done.stdout)["totals"]["macs"] == 15470264320


def test_in_a_pipe_that_closes() -> None:
    """A reader that has seen enough is no error."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "cnnir", "table", "zoo:vgg16"], stdout=closed, stderr=subprocess.PIPE, timeout=120,
            check=False,
        )  # fmt: skip
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert b"Broken" not in done.stderr


def test_without_letters(good: Path) -> None:
    """A terminal that knows ASCII alone still gets its table."""
    done = process(["table", str(good)], env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert b"conv1" in done.stdout


@pytest.mark.parametrize("columns", [40, 64, 100, 160])
def test_narrow_terminal(columns: int) -> None:
    """No line of the rows is wider than the terminal, names and totals stay, and left-out columns are named."""
    parent, child = pty.openpty()
    try:
        env = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "1"}
        command = [sys.executable, "-m", "cnnir", "table", "zoo:vgg16"]
        with subprocess.Popen(command, stdout=child, stderr=subprocess.DEVNULL, env=env) as running:
            os.close(child)
            child = -1
            text = b""
            while chunk := _read(parent):
                text += chunk
            assert running.wait(timeout=120) == 0
    finally:
        os.close(parent)
        if child >= 0:
            os.close(child)
    lines = text.decode().splitlines()
    assert max(map(len, lines)) <= columns
    assert any(line.startswith("conv5_3") for line in lines)
    assert ("left out for want of room" in text.decode().replace("\r\n", " ")) == (columns < 147)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # the other end has closed
        return b""


def test_two_files_or_none(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When one of two results cannot be written, neither is."""
    code, _, err = run(["plan", good, "-o", tmp_path / "p.json", "--svg", tmp_path / "no" / "m.svg"], capsys)
    assert code == 2
    assert "[file-write]" in err
    assert [file.name for file in tmp_path.iterdir()] == ["good.onnx"]


def test_plan_budget(capsys: pytest.CaptureFixture[str]) -> None:
    """A plan, or the step that proves that there is none; with JSON the answer stands beside it."""
    code, out, _ = run(["plan", "zoo:vgg16", "--budget", "24MiB"], capsys)
    assert (code, "conv1_2 needs 24.50 MiB (25,690,112 B) in every order" in out) == (1, True)
    code, out, err = run(["plan", "zoo:vgg16", "--budget", "16MiB", "--fuse", "steps", "--json"], capsys)
    assert code == 0
    assert json.loads(out)["pools"][0]["capacity"] == 16 << 20
    assert "fits into 16.00 MiB" in err
    assert run(["plan", "zoo:vgg16", "--budget", "1MiB", "--pool", "a"], capsys)[0] == 2


def test_plan_pools(capsys: pytest.CaptureFixture[str]) -> None:
    """What lies where, and what moving it costs; 1 when it is proved not to fit, 2 for memories that cannot be."""
    pools = ["--pool", "sram=16MiB", "--pool", "dram@3"]
    code, out, _ = run(["plan", "zoo:vgg16", *pools, "--weights", "dram", "--json"], capsys)
    document = json.loads(out)
    assert code == 0
    assert [pool["name"] for pool in document["pools"]] == ["sram", "dram"]
    assert document["pools"][1]["weights"] == 4 * 138_357_544
    assert document["bounds"]["traffic"]["reached"] == 3 * 4 * 3_211_264 * 4
    code, _, err = run(["plan", "zoo:vgg16", "--pool", "sram=16MiB"], capsys)
    assert (code, "[pools-full]" in err) == (1, True)
    for bad in (["--pool", "sram=lots"], ["--pool", "sram@x"], ["--weights", "dram"], [*pools, "--weights", "rom"]):
        assert run(["plan", "zoo:vgg16", *bad], capsys)[0] == 2
