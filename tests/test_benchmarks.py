"""The benchmarks as commands: what they say when there is nothing to measure."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import cnnir
from benchmarks import dense, fuzz, large, light, order, plans, zoo
from cnnir.weights import FileRange


@pytest.mark.parametrize("main", [dense.main, light.main, zoo.main], ids=["dense", "light", "zoo"])
def test_a_name_that_matches_nothing(
    main: Callable[[Sequence[str] | None], int], capsys: pytest.CaptureFixture[str]
) -> None:
    """No green run over no network."""
    with pytest.raises(SystemExit) as caught:
        main(["--match", "no such network"])
    assert caught.value.code == 2
    assert "no network matches no such network" in capsys.readouterr().err


def test_the_large_model_when_it_is_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights lie in two files, are mapped, and the steps measured do what they say."""
    monkeypatch.setattr(large, "WIDTH", 32)
    monkeypatch.setattr(large, "WEIGHT_BYTES", 32 * 32 * 4)
    large.make(tmp_path, 5)
    assert {file.name: file.stat().st_size for file in tmp_path.glob("*.bin")} == {"one.bin": 8192, "two.bin": 12288}
    graph = cnnir.load(tmp_path / "large.onnx")
    assert all(isinstance(value.weight, FileRange) for value in graph.weights)
    assert large.load(tmp_path)["what"].startswith("15 nodes, arena 256 B")
    cnnir.save(graph.apply("simplify").graph, tmp_path / "saved.onnx", external_data=True)
    large.original(tmp_path)
    large.saved(tmp_path)
    assert np.array_equal(np.load(tmp_path / "original.npy"), np.load(tmp_path / "saved.npy"))


def test_no_room_for_the_large_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says so before it writes anything, and leaves nothing."""
    assert large.main(["--gigabytes", "1e9", "--folder", str(tmp_path)]) == 2
    assert "has no room" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_no_green_run_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a process no seed would be checked, and nothing found."""
    with pytest.raises(SystemExit) as caught:
        fuzz.main(["--jobs", "0"])
    assert caught.value.code == 2
    assert "at least one process" in capsys.readouterr().err


@pytest.mark.parametrize("argument", ["--jobs", "--graphs"])
def test_no_green_run_of_no_plan(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The same of plans."""
    with pytest.raises(SystemExit) as caught:
        plans.main([argument, "0"])
    assert caught.value.code == 2
    assert "at least one" in capsys.readouterr().err


def test_random_plans_before_both_judges(capsys: pytest.CaptureFixture[str]) -> None:
    """A few seeds of the long run."""
    met, surprises = plans.judged(7)
    assert not surprises
    assert met["faults that both refuse"] > 10
    assert plans.main(["--graphs", "2"]) == 0
    assert "2 networks: 0 surprises" in capsys.readouterr().out


def test_no_green_run_of_no_order(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a network nothing would be proved."""
    with pytest.raises(SystemExit) as caught:
        order.main(["--seeds", "0"])
    assert caught.value.code == 2
    assert "nothing would be measured" in capsys.readouterr().err
