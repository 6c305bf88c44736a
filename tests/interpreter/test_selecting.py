"""Ties, places that are named twice, orders of channels, and narrow floats."""

import ml_dtypes
import numpy as np
import pytest

from cnnir.errors import CnnirError
from cnnir.ops import (
    BitShift,
    CumSum,
    DepthToSpace,
    Einsum,
    GatherElements,
    GatherND,
    OneHot,
    Op,
    Range,
    ScatterElements,
    ScatterND,
    SpaceToDepth,
    TopK,
)
from tests.interpreter.judges import AnyArray, by_onnxruntime, run
from tests.interpreter.single_nodes import Case, Draw


def rows(*numbers: int) -> AnyArray:
    """Indices one under the other."""
    return np.asarray(numbers, np.int64).reshape(-1, 1)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64])
def test_of_equal_elements_the_first_ones(largest: bool, dtype: type[np.generic]) -> None:
    """As in onnxruntime, over many ties."""
    data = Draw(1).rng.integers(-2, 3, (6, 40)).astype(dtype)
    case = Case(TopK(25, 1, largest), (data,))
    for ours, theirs in zip(run(case), by_onnxruntime(case), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    values, places = run(Case(TopK(3, 0, largest), (np.array([7, 7, 7, 7], dtype),)))
    assert (values.tolist(), places.tolist()) == ([7, 7, 7], [0, 1, 2])


def test_least_and_largest_of_unsigned_numbers() -> None:
    """No sign is turned on the way."""
    data = np.array([0, 255, 3, 128], np.uint8)
    assert [array.tolist() for array in run(Case(TopK(3, 0), (data,)))] == [[255, 128, 3], [1, 3, 2]]
    assert [array.tolist() for array in run(Case(TopK(2, 0, largest=False), (data,)))] == [[0, 3], [0, 2]]


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_there_and_back(mode: str) -> None:
    """SpaceToDepth undoes what DepthToSpace does, whose orders onnxruntime judges."""
    data = Draw(2).tensor(2, 18, 3, 4)
    (space,) = run(Case(DepthToSpace(3, mode), (data,)))  # type: ignore[arg-type]
    assert not np.array_equal(space.reshape(-1), data.reshape(-1))
    np.testing.assert_array_equal(run(Case(SpaceToDepth(3, mode), (space,)))[0], data)  # type: ignore[arg-type]


def test_several_updates_of_one_place() -> None:
    """The last one stays, or all of them are taken together."""
    data, places, updates = np.ones(3, np.float32), np.array([1, -2, 1]), np.array([2, 3, 4], np.float32)
    wanted = {"none": 4, "add": 10, "mul": 24, "max": 4, "min": 1}
    for reduction, number in wanted.items():
        for case in (
            Case(ScatterElements(0, reduction), (data, places, updates)),  # type: ignore[arg-type]
            Case(ScatterND(reduction), (data, rows(1, -2, 1), updates)),  # type: ignore[arg-type]
        ):
            assert run(case)[0].tolist() == [1, number, 1], str(case)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_narrow_floats_are_added_in_float32(dtype: type[np.generic]) -> None:
    """Sums of small steps do not stall."""
    count = 5000
    ones = np.ones(count, np.float32).astype(dtype)
    start = np.zeros(1, np.float32).astype(dtype)
    expected = np.asarray(count, np.float32).astype(dtype)
    (element,) = run(Case(ScatterElements(0, "add"), (start, np.zeros(count, np.int64), ones)))
    (slice_,) = run(Case(ScatterND("add"), (start, np.zeros((count, 1), np.int64), ones)))
    (last,) = (run(Case(CumSum(0), (ones,)))[0][-1],)
    (product,) = run(Case(Einsum("i,i"), (ones, ones)))
    assert [element[0], slice_[0], last, product] == [expected] * 4
    (numbers,) = run(Case(Range(), tuple(np.asarray(n, np.float32).astype(dtype) for n in (0, count, 1))))
    np.testing.assert_array_equal(numbers, np.arange(float(expected)).astype(dtype))


@pytest.mark.parametrize(
    ("op", "places"),
    [
        (GatherElements(0), np.array([3])),
        (GatherND(), rows(3)),
        (ScatterElements(0), np.array([-4])),
        (ScatterND("add"), rows(-4)),
    ],
    ids=lambda item: item.kind if isinstance(item, Op) else "",
)
def test_an_index_outside(op: Op, places: AnyArray) -> None:
    """Whoever names a place that is not there is told so when it runs."""
    data, updates = np.zeros(3, np.float32), np.zeros(1, np.float32)
    with pytest.raises(CnnirError, match="gather-index") as caught:
        run(Case(op, (data, places, updates)[: len(op.operands)]))
    assert (caught.value.node, caught.value.got) == (f"node ({op.kind})", places.item())


def test_indices_outside_of_a_row() -> None:
    """They leave it off."""
    (found,) = run(Case(OneHot(1), (np.array([2, -1, -4, 3]), np.asarray(3), np.array([5, 7], np.int8))))
    assert found.tolist() == [[5, 5, 7], [5, 5, 7], [5, 5, 5], [5, 5, 5]]


def test_shifts_beyond_the_type() -> None:
    """What is left is the sign: the specification's text, for numbers that onnxruntime does not take."""
    data, moves = np.array([-5, 5, -5, 5, -5], np.int8), np.array([9, 9, -1, -1, 1], np.int8)
    case = {direction: Case(BitShift(direction), (data, moves), opset=28) for direction in ("LEFT", "RIGHT")}
    assert run(case["RIGHT"])[0].tolist() == [-1, 0, -1, 0, -3]
    assert run(case["LEFT"])[0].tolist() == [0, 0, 0, 0, -10]
