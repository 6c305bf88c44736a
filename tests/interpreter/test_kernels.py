"""Every kernel against onnxruntime and against slow oracles, and what every kernel promises."""

import functools
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument, InvalidGraph, RuntimeException
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NotImplementedThere

from cnnir.errors import CnnirError
from cnnir.interpreter.kernels import convolution, kernels
from cnnir.ops import (
    DEFINED,
    LRN,
    Add,
    And,
    AveragePool,
    BatchNormalization,
    ConstantOfShape,
    Conv,
    ConvTranspose,
    Div,
    Equal,
    Gather,
    Gelu,
    Greater,
    GreaterOrEqual,
    GroupNormalization,
    HardSwish,
    LeakyRelu,
    Less,
    LessOrEqual,
    Max,
    MaxPool,
    Mean,
    Min,
    Mod,
    Mul,
    Op,
    Or,
    Pad,
    Pow,
    PRelu,
    ReduceLogSumExp,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    Resize,
    Shrink,
    Sigmoid,
    Slice,
    Softmax,
    Split,
    Sub,
    Sum,
    Tanh,
    Where,
    Xor,
)
from cnnir.ops.elementwise import Bits
from tests.interpreter import indexing_nodes, layer_nodes, oracles, recurrent_nodes, selecting_nodes
from tests.interpreter.judges import TOLERANCE, assert_close, by_onnxruntime, run
from tests.interpreter.single_nodes import MAKERS, Case, Draw, random_case

AnyArray: TypeAlias = NDArray[Any]

SEEDS = 80
ORACLE_SEEDS = 150


def names(op_class: type[Op]) -> str:
    """Test ids."""
    return op_class.__name__


def test_every_op_is_drawn() -> None:
    """No defined op is left out below."""
    assert set(MAKERS) == set(DEFINED)
    assert all(isinstance(random_case(op_class, 0).op, op_class) for op_class in DEFINED)


# Against onnxruntime


@pytest.mark.parametrize("op_class", DEFINED, ids=names)
def test_float32_as_onnxruntime(op_class: type[Op]) -> None:
    """The exported model gives the same in onnxruntime, element types included."""
    compared = 0
    for seed in range(SEEDS):
        case = random_case(op_class, seed)
        if not case.portable:
            continue
        try:
            expected = by_onnxruntime(case)
        except InvalidArgument:
            continue  # it refuses some valid paddings when it runs; the oracles do not
        got = run(case)
        assert [array.dtype for array in got] == [array.dtype for array in expected]
        assert_close(got, expected, case)
        compared += 1
    assert compared >= SEEDS // 2


@pytest.mark.parametrize("op_class", DEFINED, ids=names)
def test_float64(op_class: type[Op]) -> None:
    """Float64 is computed in float64: as onnxruntime has it, or where it lacks the op, near to the float32 result."""
    for seed in range(SEEDS // 2):
        small = random_case(op_class, seed)
        if not small.portable or not any(x is not None and x.dtype == np.float32 for x in small.operands):
            continue
        case = small.as_type(np.float64)
        got = run(case)
        try:
            expected = by_onnxruntime(case)
        except (NotImplementedThere, InvalidGraph, RuntimeException) as error:
            if isinstance(error, RuntimeException) and "does not support double" not in str(error):
                raise
            assert_close(got, run(small), case)
            continue
        assert [array.dtype for array in got] == [array.dtype for array in expected]
        assert_close(got, expected, case, _tolerance(case.op))


def _tolerance(op: Op) -> float:
    """Of float64; some constants, and some statistics, the runtime has in single precision."""
    return 1e-6 if isinstance(op, Gelu | GroupNormalization | Shrink) else 1e-12


# Against oracles


def _present(case: Case) -> list[AnyArray]:
    return [operand for operand in case.operands if operand is not None]


ORACLES: dict[type[Op], Callable[[Case], list[AnyArray]]] = {
    Conv: lambda case: [oracles.conv(cast("Conv", case.op), *_present(case))],
    ConvTranspose: lambda case: [oracles.conv_transpose(cast("ConvTranspose", case.op), *_present(case))],
    MaxPool: lambda case: list(oracles.max_pool(cast("MaxPool", case.op), *_present(case)))[: case.op.num_outputs],
    AveragePool: lambda case: [oracles.average_pool(cast("AveragePool", case.op), *_present(case))],
    LRN: lambda case: [oracles.lrn(cast("LRN", case.op), *_present(case))],
    Resize: lambda case: [oracles.resize(cast("Resize", case.op), *_present(case))],
}


@pytest.mark.parametrize("op_class", ORACLES, ids=names)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_as_the_oracle(op_class: type[Op], dtype: type[np.generic]) -> None:
    """Cell by cell, over the whole range of attributes."""
    for seed in range(1000, 1000 + ORACLE_SEEDS):
        case = random_case(op_class, seed).as_type(dtype)
        assert_close(run(case), ORACLES[op_class](case), case, TOLERANCE if dtype is np.float32 else 1e-12)


@pytest.mark.parametrize("size", [2, 4, 6])
def test_even_lrn_windows(size: int) -> None:
    """They reach one channel further up than down."""
    case = Case(LRN(size, 0.5, 0.75, 1.0), (Draw(size).tensor(2, 5, 2, 3),))
    assert_close(run(case), ORACLES[LRN](case), case)


@pytest.mark.parametrize("budget", [1, 300, 2000])
def test_conv_in_strips(monkeypatch: pytest.MonkeyPatch, budget: int) -> None:
    """Strips of any height give the same."""
    monkeypatch.setattr(convolution, "STRIP_BYTES", budget)
    for seed in range(20):
        case = random_case(Conv, seed)
        assert_close(run(case), ORACLES[Conv](case), case)


def test_resized_positions_are_exact() -> None:
    """Positions that are whole numbers or halves are not missed by a rounding error."""
    data = np.arange(40, dtype=np.float32).reshape(1, 1, 1, 40)
    coordinates = ("half_pixel", "half_pixel_symmetric", "asymmetric", "align_corners")
    for size, target, rule in itertools.product(range(2, 14), range(1, 27), coordinates):
        for rounding in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"):
            op = Resize(None, (1, 1, 1, target), "nearest", rule, rounding)  # type: ignore[arg-type]
            case = Case(op, (data[..., :size],))
            assert_close(run(case), ORACLES[Resize](case), case)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_max_pool_of_integers(dtype: type[np.generic]) -> None:
    """Padding is below every integer."""
    data = Draw(3).rng.integers(-100 if dtype is np.int8 else 0, 100, (1, 2, 5, 5)).astype(dtype)
    case = Case(MaxPool((3, 3), (2, 2), (1, 1, 1, 1)), (data,))
    expected = by_onnxruntime(case)
    assert_close(run(case), expected, case)


def test_max_pool_of_nothing_but_infinity() -> None:
    """An index points into the map even where all is minus infinity."""
    data = np.full((1, 1, 3), -np.inf, np.float32)
    maxima, indices = run(Case(MaxPool((2,), (1,), (1, 1), with_indices=True), (data,)))
    assert (maxima == -np.inf).all()
    assert indices.tolist() == [[[0, 0, 1, 2]]]


def test_window_over_padding_alone() -> None:
    """Such a window has no maximum, and no mean unless padding counts."""
    data = np.full((1, 1, 1), 5.0, np.float32)
    maxima, indices = run(Case(MaxPool((2,), (1,), (1, 1), (2,), with_indices=True), (data,)))
    assert (maxima.item(), indices.item()) == (-np.inf, -1)
    assert np.isnan(run(Case(AveragePool((2,), (1,), (1, 1), (2,)), (data,)))[0]).all()
    assert run(Case(AveragePool((2,), (1,), (1, 1), (2,), count_include_pad=True), (data,)))[0].item() == 0.0


# Element types and special numbers


@pytest.mark.parametrize("op_class", [AveragePool, Conv, ReduceMean, BatchNormalization], ids=names)
def test_float16_is_not_summed_in_float16(op_class: type[Op]) -> None:
    """Thousands of equal terms do not stall at the precision of 16 bits."""
    data = np.full((1, 2, 60, 60), 1.5, np.float16)
    ones = np.ones((2, 1, 60, 60), np.float16)
    weights = np.asarray(ones / 2048, np.float16)
    case = {
        AveragePool: Case(AveragePool((60, 60), (1, 1), (0, 0, 0, 0)), (data,)),
        Conv: Case(Conv((1, 1), (0, 0, 0, 0), (1, 1), 2), (data, weights)),
        ReduceMean: Case(ReduceMean((2, 3)), (data,)),
        BatchNormalization: Case(BatchNormalization(), (data, *(np.ones(2, np.float16),) * 4)),
    }[op_class]
    (got,) = run(case)
    (wide,) = run(case.as_type(np.float64))
    assert got.dtype == np.float16
    np.testing.assert_allclose(got.astype(np.float64), wide, rtol=2**-9)


@pytest.mark.parametrize("op", [HardSwish(), LeakyRelu(), Sigmoid(), Tanh(), Softmax((0,))], ids=lambda op: op.kind)
def test_special_numbers(op: Op) -> None:
    """NaN and infinities are values like others, and nothing warns."""
    data = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 0.0], np.float32)
    case = Case(op, (data,))
    (got,), (expected,) = run(case), by_onnxruntime(case)
    np.testing.assert_array_equal(got, expected)


def test_sigmoid_of_large_numbers() -> None:
    """Exact to rounding on both sides, with no overflow on the way."""
    data = np.array([-80.0, -20.0, -1.0, 0.0, 1.0, 20.0, 1000.0, -1000.0])
    expected = [np.exp(x) / (1 + np.exp(x)) if x < 0 else 1 / (1 + np.exp(-x)) for x in data]
    np.testing.assert_allclose(run(Case(Sigmoid(), (data,)))[0], expected, rtol=1e-14)


def test_division() -> None:
    """Integers are truncated towards zero; floats divide by zero."""
    a, b = np.array([7, -7, 7, -7, 6, 0]), np.array([2, 2, -2, -2, -3, 5])
    assert run(Case(Div(), (a, b)))[0].tolist() == [3, -3, -3, 3, -2, 0]
    quotients = run(Case(Div(), (np.array([1.0, -1.0, 0.0]), np.zeros(3))))[0]
    assert quotients[:2].tolist() == [np.inf, -np.inf]
    assert np.isnan(quotients[2])


def test_reductions_of_infinities_and_of_nothing() -> None:
    """An infinite exponential is the sum; of nothing the least and the largest numbers come out."""
    rows = np.array([[np.inf, 1, -np.inf], [-np.inf, -np.inf, -np.inf], [500, 500, 500]], np.float32)
    case = Case(ReduceLogSumExp((1,), keepdims=False), (rows,))
    (got,), (judged,) = run(case), by_onnxruntime(case)
    np.testing.assert_allclose(got, judged, rtol=1e-6)
    np.testing.assert_allclose(got, [np.inf, -np.inf, 500 + np.log(3)], rtol=1e-6)
    empty = np.zeros((0, 1), np.int8)
    assert [run(Case(op((0,)), (empty,)))[0].item() for op in (ReduceMax, ReduceMin)] == [-128, 127]
    assert run(Case(ReduceMax((0,)), (empty.astype(np.float32),)))[0].item() == -np.inf


def test_an_index_outside_its_axis() -> None:
    """A constant one is an error of its own when the node is made, a fed one when it runs."""
    data = np.arange(3, dtype=np.float32)
    with pytest.raises(CnnirError, match="gather-index"):
        Case(Gather(0), (data, np.array([0, 3])), frozenset({1})).graph()
    for index in (3, -4):
        with pytest.raises(CnnirError, match="gather-index") as caught:
            run(Case(Gather(0), (data, np.array([0, index]))))
        assert (caught.value.node, caught.value.got) == ("node (Gather)", index)


def test_slices_that_count_down() -> None:
    """A start before the tensor is its first element; ends beyond it are open."""
    data = np.arange(5, dtype=np.float32)
    for start, end, step in itertools.product(range(-8, 9), range(-8, 9), (-3, -2, -1, 1, 2)):
        case = Case(Slice((start,), (end,), (0,), (step,)), (data,))
        np.testing.assert_array_equal(run(case)[0], by_hand(data, start, end, step), str(case.op))


def by_hand(data: AnyArray, start: int, end: int, step: int) -> list[float]:
    """The specification of Slice, word by word."""
    size = len(data)
    start, end = (bound + size if bound < 0 else bound for bound in (start, end))
    if step > 0:
        start, end = min(max(start, 0), size), min(max(end, 0), size)
    else:
        start, end = min(max(start, 0), size - 1), min(max(end, -1), size - 1)
    found = []
    while (start < end) if step > 0 else (start > end):
        found.append(float(data[start]))
        start += step
    return found


# What every kernel promises


def _every(step: int, start: int, rank: int) -> tuple[Any, ...]:
    """Index of a view with gaps; also of a scalar."""
    return (*(slice(start, None, step) for _ in range(rank)), ...)


def _strided(array: AnyArray) -> AnyArray:
    """The same elements, not one behind the other, and read-only."""
    wide = np.zeros(tuple(2 * size for size in array.shape), array.dtype)
    view: AnyArray = wide[_every(2, 0, array.ndim)]
    view[...] = array
    view.flags.writeable = False
    return view


@pytest.mark.parametrize("op_class", DEFINED, ids=names)
def test_strided_and_read_only(op_class: type[Op]) -> None:
    """Inputs may be read-only views with gaps, outputs views with gaps, which stay as they were."""
    for seed in range(20):
        case = random_case(op_class, seed)
        expected = run(case)
        wholes = [np.full(tuple(3 * n for n in array.shape), 77).astype(array.dtype) for array in expected]
        views = [whole[_every(3, 1, whole.ndim)] for whole in wholes]
        operands = [None if x is None else _strided(x) for x in case.operands]
        with np.errstate(all="ignore"):
            kernels[op_class](case.op, operands, views)
        for view, wanted, whole in zip(views, expected, wholes, strict=True):
            np.testing.assert_allclose(view, wanted, 1e-5, 1e-5, err_msg=str(case))
            whole[_every(3, 1, whole.ndim)] = 77
            assert (whole == np.asarray(77).astype(whole.dtype)).all(), case


@pytest.mark.parametrize("op_class", [op for op in DEFINED if op.in_place], ids=names)
def test_in_place(op_class: type[Op]) -> None:
    """The output may be the memory of any operand of its type; the other operands stay as they were."""
    tried = 0
    for seed in range(60):
        case = random_case(op_class, seed)
        (expected,) = run(case)
        for index, operand in enumerate(case.operands):
            if operand is None or operand.shape != expected.shape or operand.dtype != expected.dtype:
                continue
            operands = [None if x is None else x.copy() for x in case.operands]
            out = cast("AnyArray", operands[index])
            kernels[op_class](case.op, operands, [out])
            np.testing.assert_array_equal(out, expected, str(case))
            for other, (now, before) in enumerate(zip(operands, case.operands, strict=True)):
                if other != index and now is not None and before is not None:
                    np.testing.assert_array_equal(now, before, str(case))
            tried += 1
    assert tried >= 30


@pytest.mark.parametrize("pattern", [p for n in (1, 2, 3, 4) for p in itertools.product("xyo", repeat=n) if "o" in p])
def test_sum_over_its_own_operands(pattern: tuple[str, ...]) -> None:
    """Wherever the output's memory stands among the operands, also several times."""
    values = {"x": 1.0, "y": 10.0, "o": 100.0}
    arrays = {name: np.full((2, 3), value) for name, value in values.items()}
    kernels[Sum](Sum(), [arrays[name] for name in pattern], [arrays["o"]])
    assert (arrays["o"] == sum(values[name] for name in pattern)).all()
    assert (arrays["x"] == 1.0).all()
    assert (arrays["y"] == 10.0).all()


@pytest.mark.parametrize("op_class", [op for op in DEFINED if op.in_place and len(op.operands) == 2], ids=names)
def test_both_operands_are_the_output(op_class: type[Op]) -> None:
    """``x + x`` in the memory of x."""
    case = random_case(op_class, 0)
    data = (Draw(5).tensor(3, 4) + 5).astype(np.uint8 if isinstance(case.op, Bits) else np.float32)
    out = np.empty_like(data)
    kernels[op_class](case.op, [data, data], [out])
    kernels[op_class](case.op, [data, data], [data])
    np.testing.assert_array_equal(data, out)


FOLDER = str(Path(convolution.__file__).parent)


def lines_run(case: Case) -> int:
    """Lines of kernel code that run for the case."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(FOLDER):
            return None
        count += event == "line"
        return trace

    graph, feed = case.graph(), case.feed()
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        graph.run(feed)
    finally:
        sys.settrace(before)
    return count


def _scaled_cases() -> Iterator[tuple[str, Case, Case]]:
    """For each op a small and a large node that differ in channels and pixels alone."""
    for op_class in DEFINED:
        found = SCALED.get(op_class)
        if found is not None:
            yield op_class.__name__, found(2, 4), found(6, 16)
        else:
            case = random_case(op_class, next(seed for seed in range(200) if _grows(random_case(op_class, seed))))
            yield op_class.__name__, case, Case(case.op, tuple(None if x is None else _tiled(x) for x in case.operands))


def _grows(case: Case) -> bool:
    """True when the op takes operands of any size, and this node has several elements."""
    return all(x is not None and x.ndim >= 1 and x.size > 1 for x in case.operands)


def _tiled(array: AnyArray) -> AnyArray:
    return np.tile(array, (4,) * array.ndim)


def _maps(channels: int, size: int) -> AnyArray:
    return Draw(0).tensor(1, channels, size, size)


def _with_one_a_channel(op: Op, channels: int, size: int) -> Case:
    return Case(op, (_maps(channels, size), _maps(channels, 1)))


def _truths(op: Op, channels: int, size: int) -> Case:
    return Case(op, (_maps(channels, size) > 0, _maps(channels, 1) > 0))


SCALED: dict[type[Op], Callable[[int, int], Case]] = {
    Conv: lambda c, n: Case(Conv((1, 1), (1, 1, 1, 1), (1, 1)), (_maps(c, n), Draw(1).tensor(c, c, 3, 3))),
    ConvTranspose: lambda c, n: Case(
        ConvTranspose((2, 2), (0, 0, 0, 0), (1, 1), (0, 0)), (_maps(c, n), Draw(1).tensor(c, c, 3, 3))
    ),
    BatchNormalization: lambda c, n: Case(
        BatchNormalization(), (_maps(c, n), *(np.ones(c, np.float32) for _ in range(4)))
    ),
    MaxPool: lambda c, n: Case(MaxPool((2, 2), (2, 2), (0, 0, 1, 1), with_indices=True), (_maps(c, n),)),
    AveragePool: lambda c, n: Case(AveragePool((2, 2), (2, 2), (0, 0, 1, 1)), (_maps(c, n),)),
    LRN: lambda c, n: Case(LRN(3), (_maps(c + 2, n),)),
    Resize: lambda c, n: Case(Resize((1.0, 1.0, 2.0, 1.5), None, "linear"), (_maps(c, n),)),
    Pad: lambda c, n: Case(Pad((0, 0, 1, 1, 0, 0, 1, 1)), (_maps(c, n),)),
    **{
        op: functools.partial(_with_one_a_channel, op()) for op in (Add, Sub, Mul, Div, Mod, Pow, Max, Min, Mean, PRelu)
    },
    **{op: functools.partial(_with_one_a_channel, op()) for op in (Equal, Greater, GreaterOrEqual, Less, LessOrEqual)},
    **{op: functools.partial(_truths, op()) for op in (And, Or, Xor)},
    Where: lambda c, n: Case(Where(), (_maps(c, 1) > 0, _maps(c, n), _maps(c, 1))),
    Split: lambda c, n: Case(Split(1, (1, c - 1)), (_maps(c, n),)),
    **layer_nodes.SCALED,
    **indexing_nodes.SCALED,
    **selecting_nodes.SCALED,
    **recurrent_nodes.SCALED,
    ConstantOfShape: lambda c, n: Case(ConstantOfShape(), (np.array([1, c, n, n], np.int64),)),
}


@pytest.mark.parametrize(("small", "large"), [pytest.param(s, g, id=name) for name, s, g in _scaled_cases()])
def test_no_loop_over_pixels_or_channels(small: Case, large: Case) -> None:
    """As many lines run for a large map with many channels as for a small one with few."""
    assert 0 < lines_run(small) == lines_run(large)


def test_depthwise_does_not_loop_over_its_groups() -> None:
    """A group a channel is one product a cell, not one a group."""
    op, weight = Conv((1, 1), (1, 1, 1, 1), (1, 1), 2), Draw(1).tensor(2, 1, 3, 3)
    many = Conv((1, 1), (1, 1, 1, 1), (1, 1), 32)
    small, large = Case(op, (_maps(2, 4), weight)), Case(many, (_maps(32, 4), np.tile(weight, (16, 1, 1, 1))))
    assert 0 < lines_run(small) == lines_run(large)
