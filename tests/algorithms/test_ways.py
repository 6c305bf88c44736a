"""The ways to compute an op: scratch by hand, work by the op's own count, and what may not be chosen."""

import json
from collections.abc import Iterable
from pathlib import Path

import jsonschema
import pytest

from cnnir import Graph, load
from cnnir.algorithms import PROFILES, SERVER, Call, Choice, Profile, Tensor, Unknown, Way, choose, front, ways
from cnnir.algorithms.ways import KERNEL
from cnnir.algorithms.ways.fft import fast_size
from cnnir.dims import is_known, symbol
from cnnir.errors import CnnirError
from cnnir.ops import GRU, LRN, Conv, ConvTranspose, Einsum, MatMul, MaxPool, Op, Opaque, Sigmoid
from cnnir.ops.base import Inputs
from cnnir.plan import KERNEL as PLAN_KERNEL
from cnnir.types import DType, TensorType
from tests import models
from tests.algorithms.layers import CONVOLUTIONS, LAYERS
from tests.algorithms.measuring import call_of, prepared

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "cnnir.costs-1.schema.json"


def call(*inputs: tuple[int, ...], out: tuple[int, ...]) -> Call:
    """A call on float32."""
    return Call(tuple(Tensor(shape, DType.FLOAT32) for shape in inputs), (Tensor(out, DType.FLOAT32),))


def listed(op: Op, made: Call) -> tuple[Way, ...]:
    """The ways of a call that are known."""
    found = ways(op, made)
    assert not isinstance(found, Unknown)
    return found


def one(found: Iterable[Way], algorithm: str, **parameters: int) -> Way:
    """The way of that name with these parameters."""
    (way,) = [way for way in found if way.algorithm == algorithm and parameters.items() <= dict(way.parameters).items()]
    return way


SAME = Conv((1, 1), (1,) * 4, (1, 1))
MAP = call((1, 64, 56, 56), (64, 64, 3, 3), out=(1, 64, 56, 56))


def test_columns_by_hand() -> None:
    """Four rows of 56 positions: 9 * 64 columns and 64 products each, four bytes an element."""
    assert one(listed(SAME, MAP), "im2col", rows=4).scratch == 4 * 56 * (576 + 64) * 4 == 573_440


def test_grouped_columns_by_hand() -> None:
    """One group at a time: 25 * 48 columns and 128 products, of one row of 27 positions."""
    op, made = Conv((1, 1), (2,) * 4, (1, 1), 2), call((1, 96, 27, 27), (256, 48, 5, 5), out=(1, 256, 27, 27))
    assert one(listed(op, made), "im2col", rows=1).scratch == 27 * (1200 + 128) * 4 == 143_424


def test_winograd_by_hand() -> None:
    """F(4x4, 3x3) on 56 x 56: 14 x 14 tiles, a map padded to 58 x 58; one row of tiles in a pass."""
    way = one(listed(SAME, MAP), "winograd-4x4-3x3", tile_rows=1)
    products = 36 * 14 * (64 + 64)  # 64,512
    first_halves = max(6 * 58 * 64, 6 * 4 * 14 * 64)  # 22,272 and 21,504
    second_halves = max(36 * 14 * 64, 16 * 14 * 64)  # 32,256 and 14,336
    padded = 58 * 58 * 64
    assert way.scratch == 4 * (products + first_halves + second_halves + padded) == 1_337_344
    assert way.weight_bytes == 4 * 36 * 64 * 64 == 589_824


@pytest.mark.parametrize(
    ("algorithm", "window", "share"),
    [("winograd-2x2-3x3", 3, 16 / 36), ("winograd-4x4-3x3", 3, 36 / 144), ("winograd-2x2-5x5", 5, 36 / 100)],
)
def test_winograd_saves_multiplications(algorithm: str, window: int, share: float) -> None:
    """``t * t`` for each tile of ``m * m`` results in place of ``m * m * r * r`` (Lavin and Gray, table 1)."""
    op, made = (
        Conv((1, 1), (window // 2,) * 4, (1, 1)),
        call((2, 8, 24, 24), (16, 8, window, window), out=(2, 16, 24, 24)),
    )
    way = one(listed(op, made), algorithm, tile_rows=4)
    direct = 2 * 24 * 24 * 16 * 8 * window * window
    assert dict(way.work or ())["product"] == direct * share


def test_spectra_by_hand() -> None:
    """27 x 27 with padding 2 is 31 x 31, made 32 x 32: 17 complex numbers a row."""
    op, made = Conv((1, 1), (2,) * 4, (1, 1)), call((1, 48, 27, 27), (128, 48, 5, 5), out=(1, 128, 27, 27))
    way = one(listed(op, made), "fft", channels=8)
    assert way.scratch == 4 * (8 * 32 * 32 + 2 * 32 * 17 * (8 + 128)) == 624_640
    assert way.weight_bytes == 8 * 32 * 17 * 48 * 128
    assert not [way for way in listed(SAME, MAP) if way.algorithm == "fft"]


def test_fast_sizes() -> None:
    """Products of 2, 3 and 5, none left out."""
    smooth = sorted(2**a * 3**b * 5**c for a in range(9) for b in range(6) for c in range(4))
    for least in range(1, 240):
        assert fast_size(least) == next(size for size in smooth if size >= least)


def test_winograd_chunks_fit_into_their_cache() -> None:
    """A transform takes no more rows of tiles than its chunk holds, unless one alone is more."""
    found = listed(SAME, call((1, 64, 112, 112), (64, 64, 3, 3), out=(1, 64, 112, 112)))
    for algorithm, inputs in (("winograd-2x2-3x3", 4), ("winograd-4x4-3x3", 6)):
        taken = {dict(way.parameters)["input_rows"] for way in found if way.algorithm == algorithm}
        row = 4 * inputs * 114 * 64
        assert max(taken) == 600_000 // row  # 5 and 3
        assert 1 in taken


def test_products_need_nothing() -> None:
    """A window of one cell is a product of what is there; with strides its inputs are gathered row by row."""
    made = call((1, 64, 56, 56), (128, 64, 1, 1), out=(1, 128, 56, 56))
    assert one(listed(Conv((1, 1), (0,) * 4, (1, 1)), made), "pointwise").scratch == 0
    halved = call((1, 64, 56, 56), (128, 64, 1, 1), out=(1, 128, 28, 28))
    found = listed(Conv((2, 2), (0,) * 4, (1, 1)), halved)
    assert one(found, "gather", rows=2).scratch == 4 * 2 * 28 * 64 == 14_336
    assert not [way for way in found if way.algorithm == "pointwise"]
    assert one(listed(MatMul(), call((8, 32), (32, 16), out=(8, 16))), "product").scratch == 0


def test_strips_by_hand() -> None:
    """Pooling along rows first: three rows of results at stride 2 reach over seven of the map."""
    made = call((1, 64, 112, 112), out=(1, 64, 55, 55))
    op = MaxPool((3, 3), (2, 2), (0,) * 4)
    assert one(listed(op, made), "separable", rows=1).scratch == 4 * 64 * 3 * 55
    assert one(listed(op, made), "separable", rows=4).scratch == 4 * 64 * 9 * 55
    response = call((1, 96, 55, 55), out=(1, 96, 55, 55))
    assert one(listed(LRN(5, 1e-4, 0.75, 1.0), response), "strips", rows=2).scratch == 2 * 4 * 96 * 2 * 55
    depthwise = call((1, 32, 112, 112), (32, 1, 3, 3), out=(1, 32, 112, 112))
    found = listed(Conv((1, 1), (1,) * 4, (1, 1), 32), depthwise)
    assert one(found, "depthwise", rows=1).scratch == 4 * 32 * 112
    spread = call((1, 64, 28, 28), (64, 32, 2, 2), out=(1, 32, 56, 56))
    transposed = ConvTranspose((2, 2), (0,) * 4, (1, 1), (0, 0))
    assert one(listed(transposed, spread), "spread", rows=1).scratch == 4 * 28 * 32 * 4
    gated = call((40, 8, 64), (1, 288, 64), (1, 288, 96), out=(40, 1, 8, 96))
    assert one(listed(GRU(96), gated), "steps").scratch == 4 * 8 * (2 * 288 + 4 * 96)
    assert one(listed(Sigmoid(), call((1 << 20,), out=(1 << 20,))), "blocks").scratch == 4 * 4 * 8192


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_direct_ways_do_the_products_that_the_op_counts(name: str) -> None:
    """Multiply-accumulates as the op's own cost says; depthwise sums are a product and an addition each."""
    node, operands, results = prepared(CONVOLUTIONS[name])
    cost = node.op.cost(Inputs(node.op, node.inputs), [value.type for value in node.outputs])
    for way in listed(node.op, call_of(operands, results)):
        work = dict(way.work or ())
        if not way.algorithm.startswith(("winograd", "fft")):
            assert cost.macs is not None
            assert is_known(cost.macs)
            assert work.get("product", work["element"] // 2 if "element" in work else None) == cost.macs


@pytest.mark.parametrize("name", LAYERS)
def test_only_todays_kernel_runs(name: str) -> None:
    """What is chosen to be run is what the interpreter has; its figure is the kernel's."""
    node, operands, results = prepared(LAYERS[name])
    chosen = choose(node.op, call_of(operands, results), SERVER)
    assert isinstance(chosen, Choice)
    assert chosen.algorithm == KERNEL
    runs = [way for way in listed(node.op, call_of(operands, results)) if way.runs]
    assert [way.scratch for way in runs] == [chosen.scratch_bytes]


def test_names_are_the_plans() -> None:
    """One name in two rooms."""
    assert KERNEL == PLAN_KERNEL


@pytest.mark.parametrize("name", LAYERS)
def test_choices_follow_the_limit(name: str) -> None:
    """More scratch never makes it slower; a limit is kept where that is possible, else the least is taken, and said."""
    node, operands, results = prepared(LAYERS[name])
    made = call_of(operands, results)
    every = sorted({way.scratch for way in listed(node.op, made)})
    seconds = float("inf")
    for limit in (*every, None):
        chosen = choose(node.op, made, SERVER, limit=limit, tolerance=1.0, runnable=False)
        assert isinstance(chosen, Choice)
        assert chosen.fits
        assert limit is None or chosen.scratch_bytes <= limit
        assert chosen.seconds is None or chosen.seconds <= seconds
        seconds = seconds if chosen.seconds is None else chosen.seconds
    if every[0]:
        least = choose(node.op, made, SERVER, limit=every[0] - 1, tolerance=1.0, runnable=False)
        assert isinstance(least, Choice)
        assert (least.scratch_bytes, least.fits) == (every[0], False)


@pytest.mark.parametrize("name", LAYERS)
def test_front_is_what_nothing_beats(name: str) -> None:
    """Exactly the pairs of scratch and time that no other pair is as good as in both."""
    node, operands, results = prepared(LAYERS[name])
    made = call_of(operands, results)
    pairs = {
        (way.scratch, float("inf") if way.work is None else SERVER.seconds(way.work)) for way in listed(node.op, made)
    }
    beaten = {
        pair for pair in pairs if any(a <= pair[0] and b <= pair[1] and (a, b) != pair for a, b in pairs)
    }  # fmt: skip
    found = front(node.op, made, SERVER, tolerance=1.0, runnable=False)
    assert not isinstance(found, Unknown)
    assert [(c.scratch_bytes, float("inf") if c.seconds is None else c.seconds) for c in found] == sorted(
        pairs - beaten
    )


def test_no_digits_are_traded_unasked() -> None:
    """No convolution of a network gets Winograd without a tolerance; with one, none beyond it."""
    seen: set[str] = set()
    for node in load(models.path("resnet50")).nodes:
        if isinstance(node.op, Conv):
            made = Call.of(node)
            plain = choose(node.op, made, SERVER, runnable=False)
            assert isinstance(plain, Choice)
            assert plain.error == 0
            loose = choose(node.op, made, SERVER, tolerance=1e-6, runnable=False)
            assert isinstance(loose, Choice)
            assert loose.error <= 1e-6
            seen.add(loose.algorithm)
    assert "winograd-2x2-3x3" in seen
    assert "winograd-4x4-3x3" not in seen


def test_unknown_is_not_zero() -> None:
    """What NumPy does by itself, and what others compute, has no figure."""
    made = call((4, 4), (4, 4), out=(4, 4))
    for op in (Einsum("ij,jk->ik"), Opaque("odd.domain", "Made", 1)):
        for found in (ways(op, made), choose(op, made, SERVER), front(op, made, SERVER)):
            assert isinstance(found, Unknown)
            assert found.reason


def test_open_sizes_are_refused() -> None:
    """A call needs its sizes."""
    graph = Graph("open")
    data = graph.add_input("x", TensorType(DType.FLOAT32, (symbol("N"), 3)))
    graph.set_outputs(graph.add_node(Sigmoid(), [data]).outputs)
    with pytest.raises(CnnirError, match="a shape of known dims is needed"):
        Call.of(graph.nodes[0])


def test_narrow_floats_have_todays_way_alone() -> None:
    """Their operands are widened first, which no other way accounts for."""
    made = Call(tuple(Tensor(x.shape, DType.FLOAT16) for x in MAP.present), (Tensor(MAP.output.shape, DType.FLOAT16),))
    assert [way.algorithm for way in listed(SAME, made)] == [KERNEL]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_profiles_travel(profile: Profile) -> None:
    """As JSON of the schema, and back."""
    text = profile.to_json()
    jsonschema.validate(json.loads(text), json.loads(SCHEMA.read_text()))
    again = Profile.from_json(text)
    assert (again.name, again.source, dict(again.rates)) == (profile.name, profile.source, dict(profile.rates))
    assert profile.seconds((("product", int(profile.rates["product"])), ("call", 0))) == 1.0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "costs-json"),
        ("[]", "costs-json"),
        ('{"schema": "cnnir.costs/2", "name": "", "source": "", "rates": {}}', "costs-json"),
        ('{"schema": "cnnir.costs/1", "name": 1, "source": "", "rates": {}}', "costs-json"),
        ('{"schema": "cnnir.costs/1", "name": "", "source": "", "rates": {"product": "fast"}}', "costs-json"),
        ('{"schema": "cnnir.costs/1", "name": "", "source": "", "rates": {"product": true}}', "costs-json"),
        ('{"schema": "cnnir.costs/1", "name": "", "source": "", "rates": {"product": 1.0}}', "costs-profile"),
        (SERVER.to_json().replace("2800000.0", "0"), "costs-profile"),
        (SERVER.to_json().replace("2800000.0", "NaN"), "costs-profile"),
    ],
)
def test_odd_profiles_are_refused(text: str, code: str) -> None:
    """In one line."""
    with pytest.raises(CnnirError) as raised:
        Profile.from_json(text)
    assert raised.value.code == code
