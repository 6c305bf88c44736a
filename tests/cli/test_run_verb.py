"""``cnnir run`` beyond a plain run, as a user meets it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import numpy as np
import onnx
import pytest

import cnnir
from cnnir import zoo
from cnnir.algorithms import SERVER, Profile
from cnnir.builder import GraphBuilder
from cnnir.cli import main
from cnnir.interpreter import seeded_feed
from cnnir.units import format_bytes

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schema" / "cnnir.run-1.schema.json").read_text())

NETWORK = "zoo:resnet18{size=64}"


def run(arguments: Sequence[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one run."""
    code = main(["run", *(str(argument) for argument in arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def as_json(arguments: Sequence[object], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The JSON of a run, which the schema accepts."""
    _, out, err = run([*arguments, "--json"], capsys)
    assert out, err
    found: dict[str, Any] = json.loads(out)
    jsonschema.validate(found, SCHEMA)
    return found


def expected(name: str = "prob") -> np.ndarray:
    """A value of the network by the kernels, freely run."""
    graph = zoo.build(NETWORK.removeprefix("zoo:"))
    return graph.run(seeded_feed(graph, 3), [name])[name]


def opaque(folder: Path) -> Path:
    """A network with a node that ONNX's reference implementation computes."""
    nodes = [onnx.helper.make_node("Cosh", ["x"], ["c"], name="foreign"), onnx.helper.make_node("Relu", ["c"], ["y"])]
    info = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in ("x", "y")]
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", info[:1], info[1:])), folder / "net.onnx")
    return folder / "net.onnx"


def close(found: np.ndarray, other: np.ndarray, tolerance: float) -> bool:
    return bool(np.abs(found - other).max() <= tolerance * np.abs(other).max())


# Compiled


@pytest.mark.parametrize(("extra", "tolerance"), [([], 1e-4), (["--precision", "exact"], 1e-5)])
def test_compiled(extra: list[str], tolerance: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same values within the precision asked for, in the arena of the very plan."""
    file = tmp_path / "y.npy"
    code, out, _ = run([NETWORK, "--seed", 3, "--fast", *extra, "-o", file], capsys)
    assert code == 0
    assert close(np.load(file), expected(), tolerance)
    plan = zoo.build(NETWORK.removeprefix("zoo:")).compile(precision="exact" if extra else "fast").plan
    assert f"ran compiled in an arena of {format_bytes(plan.arena_bytes)}" in out
    found = as_json([NETWORK, "--seed", 3, "--fast", *extra], capsys)
    assert (found["compiled"], found["arena_bytes"]) == (True, plan.arena_bytes)


def test_what_is_fast_is_by_the_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where transforms take for ever, nothing is left of Winograd, as where sums have to be exact: the same bits."""
    slow = Profile("slow", "made up", {**SERVER.rates, "transform": 1.0})
    (tmp_path / "slow.json").write_text(slow.to_json())
    found = {}
    ways = {"usual": "--costs server", "slow": f"--costs {tmp_path / 'slow.json'}", "exact": "--precision exact"}
    for name, extra in ways.items():
        assert run([NETWORK, "--seed", 3, "--fast", *extra.split(), "-o", tmp_path / f"{name}.npy"], capsys)[0] == 0
        found[name] = np.load(tmp_path / f"{name}.npy")
    assert np.array_equal(found["slow"], found["exact"])
    assert not np.array_equal(found["usual"], found["exact"])


def test_a_plan_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What ``cnnir plan`` writes is run as it stands, and stored values are there on request."""
    file, values = tmp_path / "plan.json", tmp_path / "values.npz"
    options = "--layout channels-last --goal time --fuse epilogues --workspace server --tolerance 1e-4"
    assert main(["plan", NETWORK, *options.split(), "-o", str(file)]) == 0
    capsys.readouterr()
    plan = cnnir.MemoryPlan.from_json(file.read_text())
    assert (plan.options["layout"], plan.options["goal"], plan.options["fuse"]) == (
        "channels-last",
        "time",
        "epilogues",
    )
    stored = plan.steps[3].writes[0]
    code, out, _ = run([NETWORK, "--seed", 3, "--plan", file, "--outputs", f"{stored},prob", "-o", values], capsys)
    assert code == 0
    assert "ran compiled in an arena of" in out
    with np.load(values) as found:
        assert close(found[stored], expected(stored), 1e-4)
        assert close(found["prob"], expected(), 1e-4)
    within = next(name for name, value in plan.values.items() if value.pieces is None)
    code, _, err = run([NETWORK, "--seed", 3, "--plan", file, "--outputs", within], capsys)
    assert code == 2
    assert f"{within}: the plan never stores this value" in err
    assert "[value-unstored]" in err


def test_any_value_of_the_fastest_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan is one of what is asked for."""
    graph = zoo.build(NETWORK.removeprefix("zoo:"))
    name = graph.nodes[4].output.name
    code, _, _ = run([NETWORK, "--seed", 3, "--fast", "--outputs", name, "-o", tmp_path / "v.npy"], capsys)
    assert code == 0
    assert close(np.load(tmp_path / "v.npy"), expected(name), 1e-4)


def test_plans_of_open_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is fed says the sizes."""
    builder = GraphBuilder("free")
    x = builder.input("image", ("N", 3, "H", "W"))
    x = builder.relu(builder.conv(x, 8, kernel=3, stride=2, padding=1, name="conv1"))
    cnnir.save(builder.build(x), tmp_path / "free.onnx")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((2, 3, 9, 12)).astype(np.float32))
    feed = ["--input", f"image={tmp_path / 'x.npy'}", "-o"]
    for name, extra in (("free", []), ("planned", ["--planned"]), ("fast", ["--fast"])):
        assert run([tmp_path / "free.onnx", *feed, tmp_path / f"{name}.npy", *extra], capsys)[0] == 0
    free, planned, fast = (np.load(tmp_path / f"{name}.npy") for name in ("free", "planned", "fast"))
    assert free.shape == (2, 8, 5, 6)
    assert np.array_equal(free, planned)
    assert close(fast, free, 1e-5)


def test_compiled_runs_say_what_they_did_not_compute(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = opaque(tmp_path)
    assert main(["plan", str(model), "-o", str(tmp_path / "plan.json")]) == 0
    capsys.readouterr()
    arguments = [model, "--seed", 0, "--plan", tmp_path / "plan.json"]
    assert list(as_json(arguments, capsys)["fallback"]) == ["foreign"]
    code, _, err = run([*arguments, "--no-fallback"], capsys)
    assert code == 2
    assert "[fallback-refused]" in err


# Values


@pytest.mark.parametrize("way", [[], ["--planned"], ["--fast"]])
def test_every_value_in_a_file(way: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the run stores, as it is when it is made; names that a file cannot have are spelled otherwise."""
    builder = GraphBuilder("small", seed=0)
    x = builder.relu(builder.conv(builder.input("x", (1, 3, 8, 8)), 4, kernel=3, name="a/b"), name="r")
    cnnir.save(builder.build(builder.max_pool(x, 2, name="p")), tmp_path / "net.onnx")
    graph = cnnir.load(tmp_path / "net.onnx")
    folder = tmp_path / "new" / "values"
    code, _, err = run([tmp_path / "net.onnx", "--seed", 3, "--dump-values", folder, *way], capsys)
    assert code == 0
    files = {unquote(path.stem): np.load(path) for path in folder.iterdir()}
    assert f"wrote {len(files)} values to" in err
    assert set(files) == {"r", "p"} if way == ["--fast"] else {"a/b", "r", "p"}
    right = graph.run(seeded_feed(graph, 3), list(files))
    assert all(close(files[name], right[name], 1e-5) for name in files)
    assert all(files[name].shape == right[name].shape for name in files)


@pytest.mark.parametrize("way", [[], ["--planned"], ["--fast"]])
def test_until_a_node(way: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its values, and nothing behind it is run."""
    arguments = [NETWORK, "--seed", 3, "--until", "layer1.0.add", *way]
    code, out, _ = run([*arguments, "-o", tmp_path / "v.npy", "--dump-values", tmp_path / "all"], capsys)
    assert code == 0
    assert out.startswith("layer1.0.add: float32[1, 64, 16, 16], ")
    assert close(np.load(tmp_path / "v.npy"), expected("layer1.0.add"), 1e-4)
    made = {path.stem for path in (tmp_path / "all").iterdir()}
    assert "layer1.0.add" in made
    assert not {name for name in made if name.startswith(("layer1.0.relu2", "layer1.1", "layer2", "prob"))}


# Profiles


@pytest.mark.parametrize("way", [[], ["--fast"], ["--planned"]])
def test_profile(way: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The slowest first, and a last line that is the sum of what stands above it."""
    code, out, _ = run([NETWORK, "--seed", 0, "--profile", "--repeat", 3, *way], capsys)
    assert code == 0
    lines = out.splitlines()
    first, last = (number for number, line in enumerate(lines) if set(line) == {"\N{BOX DRAWINGS LIGHT HORIZONTAL}"})
    times = [float(re.findall(r" ([\d,]+\.\d) +[\d.]+%", line)[0].replace(",", "")) for line in lines[first + 1 : last]]
    assert times == sorted(times, reverse=True)
    total = re.fullmatch(r" +total +([\d,]+\.\d) +100\.0% +148,557,824 .*", lines[last + 1])
    assert total is not None
    assert round(sum(times), 1) == float(total[1].replace(",", ""))
    assert "rule: bytes: " in out


def test_profile_as_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same sums; the trace holds every step of one run, one after the other."""
    found = as_json([NETWORK, "--seed", 0, "--profile", "--trace", tmp_path / "t.json"], capsys)["profile"]
    assert found["runs"] == 7
    for name in ("nanoseconds", "macs", "bytes"):
        assert found[name] == sum(step[name] for step in found["steps"])
    assert found["macs"] == 148_557_824
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    bars = [event for event in events if event["ph"] == "X"]
    assert [event["args"]["step"] for event in bars] == list(range(len(found["steps"])))
    ends = [event["ts"] + event["dur"] for event in bars]
    assert all(end <= event["ts"] + 1e-6 for end, event in zip(ends, bars[1:], strict=False))
    assert ends[-1] <= found["elapsed_nanoseconds"] / 1e3 + 1e-6
    assert all(event["pid"] == 0 for event in events)
    assert max(event["args"]["live"] for event in events if event["ph"] == "C") > 0


def test_a_trace_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is written, and no table shown; together with the values, or none of both."""
    code, out, err = run([NETWORK, "--seed", 0, "--trace", tmp_path / "t.json", "-o", tmp_path / "y.npy"], capsys)
    assert code == 0
    assert "total" not in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.json", "y.npy"]
    assert err.count("wrote ") == 2
    nowhere = ["--trace", tmp_path / "no" / "t.json", "-o", tmp_path / "z.npy"]
    assert run([NETWORK, "--seed", 0, *nowhere], capsys)[0] == 2
    assert not (tmp_path / "z.npy").exists()


def test_profile_of_what_is_not_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An op of unknown cost leaves the sum unknown."""
    found = as_json([opaque(tmp_path), "--seed", 0, "--profile", "--planned"], capsys)["profile"]
    assert [step["macs"] for step in sorted(found["steps"], key=lambda step: step["step"])] == [None, 0]
    assert found["macs"] is None
    assert found["bytes"] == 2 * 2 * 8


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--until", "fc", "--outputs", "prob"], "usage"),
        (["--until", "fc", "--plan", "other.json"], "usage"),
        (["--until", "nobody"], "node-unknown"),
        (["--dump-values", "text.json"], "file-write"),
        (["--repeat", "3"], "usage"),
        (["--profile", "--repeat", "0"], "profile-repeat"),
        (["--trace", "y.npy", "-o", "y.npy"], "usage"),
        (["--precision", "exact"], "usage"),
        (["--costs", "server"], "usage"),
        (["--planned", "--precision", "exact"], "usage"),
        (["--planned", "--fast"], "usage"),
        (["--fast", "--costs", "nobody"], "workspace-option"),
        (["--fast", "--costs", "nowhere.json"], "file-read"),
        (["--plan", "nowhere.json"], "file-read"),
        (["--plan", "text.json"], "plan-syntax"),
        (["--plan", "other.json"], "plan-mismatch"),
    ],
)
def test_refusals(
    arguments: list[str], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """One line, exit code 2."""
    monkeypatch.chdir(tmp_path)
    Path("text.json").write_text("no plan")
    Path("other.json").write_text(zoo.build("resnet18{size=32}").plan().to_json())
    exit_code, out, err = run([NETWORK, "--seed", 0, *arguments], capsys)
    assert (exit_code, out) == (2, "")
    assert f"[{code}]" in err
    assert err.count("\n") == 1
