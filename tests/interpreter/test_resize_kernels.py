"""Resize with every kernel and coordinate rule against onnxruntime, and what its kernels are said to read."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cnnir.analysis.reads import Along, Place, reads
from cnnir.errors import CnnirError
from cnnir.ops import Resize
from cnnir.ops.resize import COORDINATES, MODES, POLICIES
from tests.interpreter.judges import assert_close, by_onnxruntime, run
from tests.interpreter.single_nodes import Case

_TARGETS: tuple[Any, ...] = ("scales", *POLICIES)


def cases(mode: Any, coordinates: Any) -> Iterator[Case]:
    """All settings of a kernel at random sizes; no axis keeps its size, for onnxruntime copies such an axis."""
    rng = np.random.default_rng([MODES.index(mode), COORDINATES.index(coordinates)])
    crops = coordinates == "tf_crop_and_resize"
    policies = itertools.product((False, True), (False, True), _TARGETS)
    for antialias, exclude, policy in policies:
        if crops and (antialias or policy == "scales"):
            continue
        for _ in range(4):
            sizes = [int(size) for size in rng.integers(3, 9, 2)]
            roi = (0, 0, *rng.uniform(-0.2, 0.4, 2), 1, 1, *rng.uniform(0.6, 1.3, 2)) if crops else None
            settings: dict[str, Any] = {
                "cubic_coeff_a": float(rng.choice([-0.75, -0.5])), "antialias": antialias, "exclude_outside": exclude,
                "roi": roi, "extrapolation": 7.0,
            }  # fmt: skip
            if policy == "scales":
                scales = (1.0, 1.0, *map(float, rng.choice([0.4, 0.5, 0.75, 1.5, 2, 3], 2)))
                op = Resize(scales, None, mode, coordinates, **settings)
            else:
                targets = (None, None, *map(int, rng.integers(2, 14, 2)))
                op = Resize(None, targets, mode, coordinates, **settings, policy=policy)
            case = Case(op, (np.asarray(rng.normal(0, 1, (1, 2, *sizes)), np.float32),))
            if all(size != kept for size, kept in zip(run(case)[0].shape[2:], sizes, strict=True)):
                yield case


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("mode", MODES)
def test_as_onnxruntime(mode: str, coordinates: str) -> None:
    """Within the rounding of its float32 weights."""
    compared = 0
    for case in cases(mode, coordinates):
        if mode == "nearest" and coordinates in ("half_pixel_symmetric", "tf_crop_and_resize"):
            # Its float32 positions may fall just short of a whole number, or of a middle.
            assert run(case)[0].shape == by_onnxruntime(case)[0].shape
        else:
            assert_close(run(case), by_onnxruntime(case), case, 1e-4)
        compared += 1
    assert compared >= 12


@pytest.mark.parametrize("coordinates", [name for name in COORDINATES if name != "tf_crop_and_resize"])
@pytest.mark.parametrize("mode", MODES)
def test_what_is_read(mode: str, coordinates: str) -> None:
    """A cell that changes an output lies within what the rule says; the ends of what it says do change it."""
    ends, moved, positions = 0, 0, 0
    for case in itertools.islice(cases(mode, coordinates), 12):
        graph = case.graph()
        (node,) = graph.nodes
        rule = reads.find(Resize)
        assert rule is not None
        read = rule(node.op, Place(node, 0, 3, 0))
        assert isinstance(read, Along)
        (x,) = case.operands
        assert x is not None
        wanted = run(case)[0]
        last = x.shape[3] - 1
        touched: list[set[int]] = [set() for _ in range(wanted.shape[3])]
        for cell in range(last + 1):
            other = x.copy()
            other[..., cell] += 1
            changed = np.abs(run(Case(case.op, (other,)))[0] - wanted).max(axis=(0, 1, 2)) > 1e-5
            for place in np.flatnonzero(changed).tolist():
                touched[place].add(cell)
        for at, cells in enumerate(touched):
            interval = read.reach.at(at)
            assert interval is not None
            low, high = interval
            assert cells <= set(range(min(max(low, 0), last), min(max(high, 0), last) + 1)), (str(case), at)
            moved += len(cells)
            positions += 1
            ends += {min(max(low, 0), last), min(max(high, 0), last)} <= cells
    assert moved > 0
    assert ends > 0.8 * positions


def test_extrapolated() -> None:
    """Positions outside of the map along one axis have the given value along all of the other."""
    x = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
    roi = (0.0, 0.0, -0.5, 0.0, 1.0, 1.0, 0.5, 1.0)
    op = Resize(None, (None, None, 3, 4), "linear", "tf_crop_and_resize", roi=roi, extrapolation=9.0)
    (got,) = run(Case(op, (x,)))
    np.testing.assert_array_equal(got[0, 0], [[9, 9, 9, 9], [0, 1, 2, 3], [4, 5, 6, 7]])


@pytest.mark.parametrize(
    ("policy", "given", "wanted"),
    [("not_larger", (7, 8), (4, 8)), ("not_smaller", (7, 8), (7, 14)), ("not_larger", (9, 3), (2, 3)),
     ("not_smaller", (1, 9), (5, 9)), ("stretch", (1, 9), (1, 9))],
)  # fmt: skip
def test_policies(policy: Any, given: tuple[int, int], wanted: tuple[int, int]) -> None:
    """One scale for both axes of 3 by 6, halves rounded up."""
    (got,) = run(Case(Resize(None, (None, None, *given), policy=policy), (np.ones((1, 2, 3, 6), np.float32),)))
    assert got.shape == (1, 2, *wanted)


@pytest.mark.parametrize(
    ("op", "code"),
    [
        (Resize(None, (None, 5), "linear", "tf_crop_and_resize"), "resize-roi"),
        (Resize(None, (None, 5), "linear", "tf_crop_and_resize", roi=(0, 0, 1)), "resize-roi"),
        (Resize(None, (None, 5), "linear", "tf_crop_and_resize", roi=(0.5, 0, 1, 1)), "resize-roi"),
        (Resize(None, (None, 5), "linear", "tf_crop_and_resize", roi=(0, 0, 1, 1), antialias=True), "resize-mode"),
        (Resize((1.0, 2.0), None, "linear", "tf_crop_and_resize", roi=(0, 0, 1, 0.5)), "resize-mode"),
        (Resize(None, (None, 5), policy="larger"), "resize-mode"),  # type: ignore[arg-type]
    ],
    ids=lambda item: str(item),
)
def test_refused(op: Resize, code: str) -> None:
    """What would have no meaning, or several."""
    with pytest.raises(CnnirError) as caught:
        run(Case(op, (np.ones((2, 3), np.float32),)))
    assert caught.value.code == code
