"""``cnnir zoo list``: every network with its figures, as text that fits a terminal and as data."""

import json
from pathlib import Path

import jsonschema
import pytest

from cnnir import zoo
from cnnir.cli import main

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schema" / "cnnir.zoo-1.schema.json").read_text())


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    """All names, figures as the table has them, every word of the sources, and 80 columns."""
    assert main(["zoo", "list"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    rows = {line.split()[0]: line for line in text.splitlines() if line and not line.startswith(" ")}
    assert set(zoo.NETWORKS) <= set(rows)
    assert rows["vgg16"].split() == ["vgg16", "138,357,544", "15,470.3", "3x224x224", "VGG-16"]
    words = " ".join(text.split())
    for entry in zoo.NETWORKS.values():
        assert entry.paper in words
        assert entry.title.split()[0] in rows[entry.name]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The same as data, exact, with the options that a name takes in braces."""
    assert main(["zoo", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMA)
    by_name = {entry.pop("name"): entry for entry in found["networks"]}
    assert list(by_name) == list(zoo.NETWORKS)
    paper = zoo.NETWORKS["lenet5"].paper
    assert by_name["lenet5"] == {
        "title": "LeNet-5",
        "paper": paper,
        "params": 60840,
        "macs": 326520,
        "inputs": {"data": [1, 1, 32, 32]},
        "options": {"size": 32, "classes": 10, "batch": 1, "seed": 0},
    }


def test_every_name_of_the_list_is_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    """What is listed can be asked for by its name, and has the figures of the list."""
    main(["zoo", "list", "--json"])
    for entry in json.loads(capsys.readouterr().out)["networks"]:
        assert main(["table", f"zoo:{entry['name']}", "--json"]) == 0
        totals = json.loads(capsys.readouterr().out)["totals"]
        assert (totals["params"], totals["macs"]) == (entry["params"], entry["macs"])


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Anything but ``list`` is bad input."""
    assert main(["zoo", "feed"]) == 2
    assert "[usage]" in capsys.readouterr().err
