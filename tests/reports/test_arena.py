"""The map of the arena: what is drawn is what is planned."""

import xml.etree.ElementTree as ElementTree

import pytest

import cnnir
from cnnir import CnnirError
from cnnir.plan import MemoryPlan
from cnnir.reports import plan_svg, step_rows
from cnnir.reports.text import steps_text
from tests import models

SVG = "{http://www.w3.org/2000/svg}"


def planned(name: str) -> MemoryPlan:
    """The plan of a real network."""
    return cnnir.load(models.path(name)).plan()


@pytest.mark.parametrize("name", ["squeezenet", "inception_v1"])
def test_rectangles_are_the_storages(name: str) -> None:
    """One for each, proportional to its life and its bytes, none overlapping another, all inside the plot."""
    plan = planned(name)
    root = ElementTree.fromstring(plan_svg(plan))
    drawn = [group for group in root.iter(f"{SVG}g") if group.find(f"{SVG}title") is not None]
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
