"""Why a plan needs what it needs: what is said of the peak is the plan's, what is promised is what comes of it."""

import json
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import cnnir
from cnnir import Graph, MemoryPlan, zoo
from cnnir.builder import GraphBuilder
from cnnir.cli import main
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import save
from cnnir.passes.memory import Memory
from cnnir.reports import Why, why
from cnnir.reports.why_text import why_text
from cnnir.units import format_size
from tests import models
from tests.random_blocks import random_blocks

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/cnnir.why-1.schema.json").read_text())


WHOLLY = ("bvlc_alexnet", "resnet50", "squeezenet", "vgg19", "zfnet512")
"""Networks for which everything is tried; for the others, which take longer, the first few."""


def check(graph: Graph, plan: MemoryPlan, found: Why) -> None:
    """The figures are the plan's; each suggestion, done as it says, gives what it says."""
    live = plan.live_bytes()
    assert found.live_bytes == max(live) == live[found.peak.step] == sum(each.bytes for each in found.residents)
    assert found.peak.nodes == plan.steps[found.peak.step].nodes
    assert [graph.node(name).op.kind for name in found.peak.nodes] == list(found.peak.ops)
    assert live.count(max(live)) == found.ties + 1
    assert found.next_bytes == max([figure for figure in live if figure < max(live)], default=0)
    step = plan.steps[found.peak.step]
    for each in found.residents:
        assert (each.value in step.writes) <= (each.role in ("written", "strips"))
        for reader in each.readers:
            assert reader.step > found.peak.step
    assert [each.arena_bytes for each in found.suggestions] == sorted(each.arena_bytes for each in found.suggestions)
    for suggestion in found.suggestions:
        made: MemoryPlan = eval(suggestion.python, {"graph": graph})
        assert made.arena_bytes == suggestion.arena_bytes == plan.arena_bytes - suggestion.saved
        assert suggestion.saved > 0
        assert made.peak_step == suggestion.peak.step
    document = json.loads(found.to_json())
    jsonschema.validate(document, SCHEMA)


@pytest.mark.parametrize("name", models.NAMES)
def test_real_networks(name: str) -> None:
    """Each of the nine can be lowered; all that is promised comes true."""
    graph = cnnir.load(models.path(name))
    plan = graph.plan()
    found = plan.why(graph) if name in WHOLLY else plan.why(graph, plans=3)
    check(graph, plan, found)
    assert found.suggestions
    assert any(each.options["fuse"] == "steps" for each in found.suggestions)
    for width in (40, 80):
        long = [line for line in why_text(found, width=width).splitlines() if len(line) > width]
        assert all("cnnir " in line for line in long), "a command stays in one line"


@pytest.mark.parametrize("seed", range(12))
def test_drawn_networks(seed: int) -> None:
    """Residuals, dense blocks, views; plans of every kind."""
    graph = random_blocks(np.random.default_rng([77, seed]))
    options: list[dict[str, Any]] = [
        {"in_place": False, "order": "file"},
        {"fuse": "steps"},
        {"concat": True},
        {"count_inputs": False},
        {"fuse": "epilogues"},
        {"layout": "channels-last"},
    ]
    plan = graph.plan(**options[seed % len(options)])
    check(graph, plan, plan.why(graph))


def test_kept_for_later() -> None:
    """At ResNet's peak the shortcut waits for its sum; nothing in the file's order says that it does not."""
    graph = cnnir.load(models.path("resnet50"))
    found = graph.plan().why(graph)
    (held,) = [each for each in found.residents if each.role == "held"]
    assert held.value is not None
    assert held.reason.startswith("kept for n14 (Sum) at step")
    # By hand: who reads the held value, or what is written over it, behind the peak.
    readers = {node.name for node in graph.value(held.value).users}
    assert {name for reader in held.readers for name in reader.nodes} == readers
    assert found.own_bytes == found.live_bytes - held.bytes


def test_inputs_and_outputs() -> None:
    """What the interface keeps is said to be the interface's."""
    graph = cnnir.from_pattern("INPUT[16x16x3] -> CONV3-64 -> RELU")
    found = graph.plan().why(graph)
    (image,) = graph.inputs
    reasons = {each.value: each.reason for each in found.residents}
    assert reasons[image.name] == "graph input, read by the step"
    outside = next(each for each in found.suggestions if each.what == "leave the outputs with the caller")
    assert outside.touches == "caller"
    assert "64.00 KiB (65,536 B) with the caller" in outside.detail


@pytest.mark.parametrize(
    ("pattern", "options", "words"),
    [
        ("INPUT[8x8x4] -> LRN -> CONV1-1", {}, "LRN reads places again after it has written others"),
        ("INPUT[8x8x4] -> RELU -> CONV1-1", {}, "that is an input of the graph"),
        ("INPUT[8x8x1] -> CONV3-9 -> RELU -> CONV1-1", {"in_place": False}, "asked not to write over operands"),
    ],
)
def test_what_is_in_the_way(pattern: str, options: dict[str, bool], words: str) -> None:
    """Why the peak's result does not lie over its operand."""
    graph = cnnir.from_pattern(pattern)
    (reason,) = graph.plan(**options).why(graph).not_in_place
    assert words in reason


def two_branches() -> Graph:
    """Two large maps, each pooled to a number a channel; the file makes both before it pools either."""
    build = GraphBuilder("branches")
    image = build.image(3, 16)
    maps = [build.conv(image, 32, kernel=3, padding=1, name=name) for name in ("left", "right")]
    pooled = [build.global_average_pool(each) for each in maps]
    return build.build(build.concat(*pooled))


def test_read_again() -> None:
    """An operand that another node needs is not written over, and that node is named."""
    build = GraphBuilder("again")
    y = build.conv(build.image(3, 16), 32, kernel=3, padding=1, name="first")
    graph = build.build(build.add(build.relu(y, name="between"), y, name="again"))
    (reason,) = graph.plan().why(graph).not_in_place
    assert reason == "between does not take the place of first: again (Add) reads that again at step 2"


def test_how_much_is_tried() -> None:
    """No more plans than allowed; what is left out is counted."""
    graph = cnnir.load(models.path("squeezenet"))
    plan = graph.plan()
    nothing, some, everything = (why(plan, graph, plans=count) for count in (0, 2, 99))
    assert (nothing.plans, nothing.suggestions) == (0, ())
    assert some.plans == 2
    assert min(nothing.untried, some.untried) > 0
    assert everything.untried == 0
    assert everything.plans >= len(everything.suggestions) + len(everything.refused)


def test_what_proofs_make_needless_is_not_tried() -> None:
    """No other order where the order is proved; a plain plan that is the least there is has no suggestion of one."""
    graph = zoo.build("squeezenet1_1{size=64}")
    plan = graph.plan(order="file")
    assert plan.bounds["order"].status == "optimal"
    assert all(each.options["order"] == "file" for each in plan.why(graph).suggestions)


def test_a_better_order() -> None:
    """Pooling one branch before the other is made: found, and by no more effort than it takes."""
    graph = two_branches()
    plan = graph.plan(order="file")
    found = plan.why(graph)
    check(graph, plan, found)
    orders = [each.options["order"] for each in found.suggestions if each.what.endswith("another order")]
    assert orders == ["auto"]
    assert [each.value for each in found.residents if each.role == "held"] == ["left"]


def test_several_memories() -> None:
    """What lives at the peak is told; what cannot be planned again as it was asked for is not promised."""
    graph = zoo.build("squeezenet1_1{size=64}")
    plan = graph.plan(pools=[Memory("sram", 200_000), Memory("dram", None)])
    found = plan.why(graph)
    check(graph, plan, found)
    assert (found.plans, found.suggestions) == (0, ())
    assert "the plan was made with pools" in found.refused[0].reason
    assert "not possible: planning anew" in str(found)
    assert plan.lower_bound > found.live_bytes
    assert f"fullest at a step of its own: {format_size(plan.lower_bound)} together" in str(found)
    assert "what lives at the peak" not in str(found)


def test_batch() -> None:
    """One image at once, on the command line as in Python."""
    graph = zoo.build("squeezenet1_1{size=64,batch=4}")
    found = graph.plan(order="file").why(graph)
    (one,) = [each for each in found.suggestions if each.touches == "interface"]
    assert one.passes == "set-batch{batch=1}"
    assert one.arena_bytes == zoo.build("squeezenet1_1{size=64}").plan(order="file").arena_bytes
    assert found.suggestions[0].saved >= one.saved


def test_commands_give_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line, typed as it stands, ends in a plan of that arena."""
    monkeypatch.chdir(tmp_path)
    path = models.path("squeezenet")
    assert main(["plan", str(path), "--order", "file", "--why", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMA)
    assert len(found["suggestions"]) >= 4
    for suggestion in found["suggestions"]:
        out = ""
        for line in suggestion["commands"]:
            program, *arguments = shlex.split(line)
            assert (program, main([*arguments, "--json"])) == ("cnnir", 0)
            out = capsys.readouterr().out
        assert cnnir.MemoryPlan.from_json(out).arena_bytes == suggestion["arena_bytes"]


def test_orders_by_name() -> None:
    """No command line says them; the call does."""
    graph = cnnir.load(models.path("squeezenet"))
    plan = graph.plan(order=[node.name for node in graph.nodes])
    found = plan.why(graph)
    check(graph, plan, found)
    assert all(not each.commands for each in found.suggestions if each.options["order"] not in ("auto", "optimal"))


def test_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Text, a page, with a capacity; a drawing cannot tell why."""
    model = "zoo:squeezenet1_1{size=64}"
    assert main(["plan", model, "--why", "--capacity", "1KiB"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("why squeezenet1_1 needs ")
    assert f"cnnir plan {shlex.quote(model)} --fuse steps" in out
    assert "does not fit into 1.00 KiB" in out
    page = tmp_path / "why.html"
    assert main(["plan", model, "--why", "-o", str(page)]) == 0
    assert "what would lower it" in page.read_text()
    assert main(["plan", model, "--why", "-o", str(tmp_path / "why.svg")]) == 2
    assert "[usage]" in capsys.readouterr().err


def test_another_graph_s_plan() -> None:
    """Nothing is explained that does not belong together."""
    plan = zoo.build("squeezenet1_1{size=64}").plan()
    with pytest.raises(cnnir.CnnirError, match="plan-graph"):
        plan.why(zoo.build("squeezenet1_1{size=65}"))


def test_pooling_through_concatenations() -> None:
    """Another network that computes the same: tried alone and with the best of the rest, if there is any."""
    graph = cnnir.load(models.path("inception_v1"))
    plan = graph.plan()
    found = plan.why(graph)
    check(graph, plan, found)
    best = found.suggestions[0]
    assert (best.passes, best.touches) == ("pool-through-concat", "memory")
    assert best.arena_bytes < graph.plan(fuse="steps").arena_bytes
    chain = cnnir.from_pattern("INPUT[3x8x8] -> CONV3-4 -> RELU -> POOL2 -> FC-10")
    other = chain.plan().why(chain)
    tried = [each.what for each in other.suggestions] + [each.what for each in other.refused]
    assert not any("pooling" in what for what in tried)


def sums() -> Graph:
    """Two results that could be written over an operand, of which one lives at the peak."""
    builder = cnnir.GraphBuilder("sums")
    x = builder.conv(builder.input("x", (1, 3, 16, 16)), 8, kernel=3, padding=1)
    x = builder.relu(x, name="first")
    x = builder.add(x, builder.conv(x, 8, kernel=1), name="sum")
    return builder.build(builder.sigmoid(builder.max_pool(x, 2), name="last"))


def test_one_node_in_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing was to be written over operands, the one node for which that pays is named; it alone is."""
    graph = sums()
    plan = graph.plan(in_place=False)
    found = plan.why(graph)
    check(graph, plan, found)
    (named,) = [each for each in found.suggestions if each.options["in_place"] == ("sum",)]
    made = graph.plan(in_place=["sum"])
    assert made.arena_bytes == named.arena_bytes < plan.arena_bytes
    assert [step.nodes for step in made.steps if step.donations] == [("sum",)]
    # All of them give no more than that one, and so are not told.
    assert made.arena_bytes == graph.plan().arena_bytes
    assert not any(each.what == "write results over operands" for each in found.suggestions)
    path = tmp_path / "sums.onnx"
    save(graph, path)
    assert main(shlex.split(named.commands[0].replace("MODEL", shlex.quote(str(path))))[1:]) == 0
    assert f"{made.arena_bytes:,} B" in capsys.readouterr().out
    again = made.why(graph)
    assert {tuple(each.options["in_place"]) for each in again.suggestions if each.options["in_place"] is not True} <= {
        ("sum",), ("sum", "first"), ("sum", "last"),
    }  # fmt: skip
    assert main(["plan", str(path), "--in-place", "sum", "--no-in-place"]) == 2


@pytest.mark.parametrize(("names", "code"), [("sum", "in-place"), (["nobody"], "node-unknown")])
def test_names_of_nodes_in_place(names: list[str] | str, code: str) -> None:
    """A list of names that there are."""
    with pytest.raises(CnnirError) as caught:
        sums().plan(in_place=names)
    assert caught.value.code == code


def test_effort_for_a_placement() -> None:
    """DenseNet with its workspace packs at what its order needs."""
    plan = cnnir.load(models.path("densenet121")).plan(workspace="today")
    assert plan.arena_bytes == plan.lower_bound == 8_945_664
