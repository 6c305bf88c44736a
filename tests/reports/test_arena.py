"""The map of the arena: what is drawn is what is planned."""

import xml.etree.ElementTree as ElementTree

import pytest

import cnnir
from cnnir import CnnirError
from cnnir.plan import MemoryPlan
from cnnir.reports import plan_svg, step_rows
from cnnir.reports.text import steps_text
from tests import models
from tests.plan.samples import SAMPLES

SVG = "{http://www.w3.org/2000/svg}"


def planned(name: str) -> MemoryPlan:
    """The plan of a real network."""
    return cnnir.load(models.path(name)).plan()


@pytest.mark.parametrize("name", ["squeezenet", "inception_v1"])
def test_rectangles_are_the_storages(name: str) -> None:
    """One for each, proportional to its life and its bytes, none overlapping another, all inside the plot."""
    plan = planned(name)
    root = ElementTree.fromstring(plan_svg(plan))
    titled = [group for group in root.iter(f"{SVG}g") if group.find(f"{SVG}title") is not None]
    drawn = [group for group in titled if group.get("class") != "scratch"]
    assert len(drawn) == len(plan.storages)
    boxes = [_box(group) for group in drawn]
    wide = max(x + width for x, _, width, _ in boxes) - min(x for x, _, _, _ in boxes)
    tall = max(y + height for _, y, _, height in boxes) - min(y for _, y, _, _ in boxes)
    bottom = max(y + height for _, y, _, height in boxes)
    for (_, y, width, height), storage in zip(boxes, plan.storages, strict=True):
        assert width == pytest.approx(wide * (storage.last - storage.first + 1) / len(plan.steps), abs=0.6)
        assert height == pytest.approx(tall * storage.bytes / plan.arena_bytes, abs=0.6)
        assert bottom - (y + height) == pytest.approx(tall * storage.offset / plan.arena_bytes, abs=0.6)


def _box(group: ElementTree.Element) -> tuple[float, float, float, float]:
    box = group.find(f"{SVG}rect")
    assert box is not None
    x, y, width, height = (float(box.get(name, "nan")) for name in ("x", "y", "width", "height"))
    return x, y, width, height


def test_words() -> None:
    """Arena, bound and peak are written on it."""
    plan = planned("squeezenet")
    text = "".join(ElementTree.fromstring(plan_svg(plan)).itertext())
    assert "arena 3.75 MiB (3,928,576 B)" in text
    assert f"peak: step {plan.peak_step}, " in text
    assert "optimal" in text
    assert "offset" in text
    assert "step" in text


def test_another_pool() -> None:
    """Inputs that lie with the caller have a map of their own."""
    plan = cnnir.load(models.path("squeezenet")).plan(count_inputs=False)
    assert "interface" in plan_svg(plan, "interface")
    with pytest.raises(CnnirError, match="pool-unknown"):
        plan_svg(plan, "nowhere")


def test_steps() -> None:
    """The schedule as rows: one is the peak, and what lives is what the plan says."""
    plan = planned("squeezenet")
    rows = step_rows(plan)
    assert tuple(row.live for row in rows) == plan.live_bytes()
    assert [row.number for row in rows if row.is_peak] == [plan.peak_step]
    assert sum(row.bytes for row in rows) == sum(storage.bytes for storage in plan.storages)
    assert steps_text(plan).count("<- peak") == 1


def test_slices_and_scratch_are_drawn() -> None:
    """A part of a larger value says of what, in broken lines; workspace has its rectangle at its step."""
    _, plan = SAMPLES["concat_without_copy"]
    root = ElementTree.fromstring(plan_svg(plan))
    titles = {"".join(group.itertext()): group.find(f"{SVG}rect") for group in root.iter(f"{SVG}g")}
    parts = [rect for title, rect in titles.items() if "(part of both)" in title]
    assert len(parts) == 2
    assert all(rect is not None and rect.get("stroke-dasharray") for rect in parts)
    _, plan = SAMPLES["pooled_in_strips"]
    (group,) = ElementTree.fromstring(plan_svg(plan)).findall(f"{SVG}g[@class='scratch']")
    assert "scratch of a + ra + pool" in "".join(group.itertext())
    assert "128 B at 192, step 0, strips 96 B" in "".join(group.itertext())


def test_fused_steps_and_views_in_words() -> None:
    """The nodes of a step joined, its strips, and views that take no byte."""
    _, plan = SAMPLES["pooled_in_strips"]
    (row,) = step_rows(plan)
    assert (row.nodes, row.scratch, row.strips, row.live) == ("a + ra + pool", 128, 96, 304)
    assert "128 B (strips 96 B)" in steps_text(plan)
    assert "2 values, and 2 more never stored," in str(plan)
    assert "272 B at most at one step, strips 96 B" in str(plan)
    _, plan = SAMPLES["concat_without_copy"]
    view = step_rows(plan)[2]
    assert (view.writes, view.bytes, view.offsets) == ("both (view of a, b)", 0, (0,))
    assert "scratch" not in steps_text(plan)
    assert "4 steps (1 view), 5 values in 4 storages" in str(plan)
    assert "b, part of both (steps 1 to 3)" in str(plan)
    _, plan = SAMPLES["joined"]
    assert step_rows(plan)[2].writes == "both (join of a, b)"
