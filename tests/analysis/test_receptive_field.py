"""Receptive fields: figures from papers, exactness against runs in which one row of pixels is disturbed."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

import cnnir
from cnnir import GraphBuilder, zoo
from cnnir.analysis.reach import IDENTITY, Interval, Reach, compose, union, window
from cnnir.analysis.reads import reads
from cnnir.analysis.receptive_field import ReceptiveField, receptive_fields
from cnnir.graph import Graph, Value
from cnnir.ops import DEFINED, AveragePool, Conv, ConvTranspose, MaxPool, Opaque, Pad, Resize, Slice
from cnnir.ops.base import Op
from cnnir.types import DType, TensorType, UnknownType, known_shape
from cnnir.weights import Array
from tests import models

# Figures that are known


def of(graph: Graph, name: str) -> ReceptiveField:
    """The field along the height."""
    return receptive_fields(graph)[graph.value(name)][0]


def facts(field: ReceptiveField) -> tuple[object, ...]:
    """Size, stride, start, whole."""
    return field.size, field.stride, field.start, field.whole


@pytest.mark.parametrize(
    ("name", "size", "stride"),
    [
        ("conv1_1", 3, 1),
        ("conv1_2", 5, 1),
        ("pool1", 6, 2),
        ("conv2_2", 14, 2),
        ("pool2", 16, 4),
        ("pool3", 44, 8),
        ("pool4", 100, 16),
        ("conv5_3", 196, 16),
        ("pool5", 212, 32),
        ("flatten", 212, 32),
        ("fc6", 404, 0),
        ("prob", 404, 0),
    ],
)
def test_vgg16(name: str, size: int, stride: int) -> None:
    """By hand: r + (F - 1) * jump, layer by layer; a fully connected layer sees all 7 positions of pool5."""
    assert facts(of(zoo.vgg16(), name))[:2] == (size, stride)


def test_fc6_as_a_convolution_sees_as_much() -> None:
    """F = 7 over pool5: 212 + 6 * 32, and the next one 32 cells further on."""
    graph = zoo.vgg16().apply("fc-to-conv{keep_interface=false}").graph
    found = receptive_fields(graph)[graph.value("fc6")]
    assert [facts(field)[:2] for field in found] == [(404, 32)] * 2


@pytest.mark.parametrize(
    ("name", "size", "stride"),
    [
        # AlexNet as in Araujo, Norris and Sim (2019); the others by its recurrence, worked out by hand.
        ("bvlc_alexnet", 195, 32),
        ("vgg19", 268, 32),
        ("densenet121", 2071, 32),
    ],
)
def test_published(name: str, size: int, stride: int) -> None:
    """Of the last map before the head: the last one of rank 4 and more than one cell."""
    graph = cnnir.load(models.path(name))
    fields = receptive_fields(graph)
    last = [
        found[0]
        for map_, found in fields.items()
        if isinstance(map_.type, TensorType) and map_.type.rank == 4 and map_.type.shape[2] != 1 and found
    ][-1]
    assert facts(last)[:2] == (size, stride)


# An oracle that shares no code: disturb a row of pixels, and see which outputs change


def seen_by_running(graph: Graph, value: Value, axis: int) -> list[set[int]]:
    """For each position along an axis of the value, the positions along the input's same axis that it depends on.

    Weights and pixels are positive and nothing subtracts, so no change can cancel; what is added to a row is so large
    that it wins every maximum.
    """
    (source,) = graph.inputs
    assert isinstance(source.type, TensorType)
    shape = known_shape(source.type.shape)
    image = np.random.default_rng(3).uniform(1.0, 2.0, shape)
    plain = graph.run({source.name: image}, [value.name])[value.name]
    seen: list[set[int]] = [set() for _ in range(plain.shape[axis])]
    for cell in range(shape[axis]):
        moved: NDArray[np.float64] = image.copy()
        moved[(slice(None),) * axis + (cell,)] += 1e6
        changed = graph.run({source.name: moved}, [value.name])[value.name] != plain
        others = tuple(other for other in range(changed.ndim) if other != axis)
        for position in np.flatnonzero(changed.any(axis=others)):
            seen[int(position)].add(cell)
    return seen


def check(graph: Graph) -> int:
    """Compare every map's field with what runs show; how many positions were compared exactly.

    A window that reaches beyond some map reads padding there, and the field says what it would see if the map went on:
    then it may only be too large. Exact are positions whose field lies inside what all maps before have seen.
    """
    exact = 0
    inner = {2: (0, 10**9), 3: (0, 10**9)}
    for value, fields in receptive_fields(graph).items():
        assert isinstance(value.type, TensorType)
        for field in fields:
            assert field.reason == "" or field.stride is None, field
            size = known_shape(value.type.shape)[field.axis]
            cells = [field.of(position) for position in range(size)]
            known = [found for found in cells if found is not None]
            low, high = inner[field.axis]
            low = max(low, min(first for first, _ in known))
            high = min(high, max(last for _, last in known))
            for found, seen in zip(cells, seen_by_running(graph, value, field.axis), strict=True):
                assert all(found and found[0] <= cell <= found[1] for cell in seen), (value, found, seen)
                if found and low <= found[0] and found[1] <= high:
                    assert (min(seen), max(seen)) == found, (value, found, seen)
                    exact += 1
            inner[field.axis] = (low, high)
    return exact


class Draw:
    """A random network of windows and branches, all its weights positive, in float64."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.graph = Graph("drawn")
        size = self.number(18, 26)
        self.pool = [self.graph.add_input("x", TensorType(DType.FLOAT64, (1, 1, size, size + 1)))]

    def number(self, least: int, most: int) -> int:
        return int(self.rng.integers(least, most + 1))

    def add(self, op: Op, *values: Value) -> Value:
        return self.graph.add_node(op, values).output

    def weight(self, shape: tuple[int, ...]) -> Value:
        name = self.graph.fresh_name("w")
        return self.graph.add_weight(name, Array.of(self.rng.uniform(0.5, 1.5, shape)))

    def layer(self, x: Value) -> Value:
        """A layer of one kind, its window small enough for the map."""
        assert isinstance(x.type, TensorType)
        _, _, height, width = known_shape(x.type.shape)
        if min(height, width) < 8:
            return self.up(x)
        if height > 40:
            return self.window(x)
        return [self.window, self.window, self.up, self.cut][self.number(0, 3)](x)

    def window(self, x: Value) -> Value:
        kernel = (self.number(1, 4), self.number(1, 3))
        strides = (self.number(1, 3), self.number(1, 2))
        pads = (self.number(0, 2), self.number(0, 1), self.number(0, 2), self.number(0, 1))
        kind = self.number(0, 2)
        if kind == 0:
            dilations = (self.number(1, 2), 1)
            return self.add(Conv(strides, pads, dilations), x, self.weight((1, 1, *kernel)))
        small = tuple(min(pad, size - 1) for pad, size in zip(pads, (*kernel, *kernel), strict=True))
        make = MaxPool if kind == 1 else AveragePool
        return self.add(make(kernel, strides, small), x)

    def up(self, x: Value) -> Value:
        kind = self.number(0, 2)
        if kind == 0:
            op = ConvTranspose((self.number(1, 3), 2), (self.number(0, 1), 0, 0, 0), (self.number(1, 2), 1), (0, 0))
            return self.add(op, x, self.weight((1, 1, self.number(1, 4), self.number(1, 3))))
        scale = (1.5, 2.0, 0.5, 3.0)[self.number(0, 3)]
        if kind == 1:
            return self.add(Resize((1.0, 1.0, scale, 2.0), None, "nearest", "asymmetric", "floor"), x)
        return self.add(Resize((1.0, 1.0, scale, 1.0), None, "linear", "half_pixel"), x)

    def cut(self, x: Value) -> Value:
        if self.rng.random() < 0.5:
            return self.add(Pad((0, 0, self.number(0, 2), 1, 0, 0, 1, 0)), x)
        return self.add(Slice((self.number(0, 1),), (2**31 - 1,), (2,), (self.number(1, 2),)), x)

    def join(self, x: Value) -> Value:
        """Two branches of the same stride and size, summed or side by side."""
        kernel = self.number(1, 2) * 2 + 1
        pad, stride = kernel // 2, self.number(1, 2)
        pads = (pad, pad, pad, pad)
        left = self.add(Conv((stride, stride), pads, (1, 1)), x, self.weight((1, 1, kernel, kernel)))
        right = self.add(AveragePool((1, 1), (stride, stride), (0, 0, 0, 0)), x)
        from cnnir.ops import Add  # noqa: PLC0415

        return self.add(Add(), left, right)

    def build(self, layers: int) -> Graph:
        x = self.pool[0]
        for _ in range(layers):
            x = self.join(x) if self.rng.random() < 0.3 else self.layer(x)
        self.graph.set_outputs([x])
        return self.graph


def test_exact_on_random_networks() -> None:
    """Every position whose field lies inside the input is exact; no field anywhere is too small."""
    assert sum(check(Draw(seed).build(4)) for seed in range(40)) > 2000


def test_exact_through_layouts_and_upsampling() -> None:
    """U-shaped, with channels last at the input: the axes are found, and the strides are fractions on the way up."""
    builder = GraphBuilder("u", dtype=DType.FLOAT64)
    x = builder.transpose(builder.input("x", (1, 24, 24, 1)), (0, 3, 1, 2))
    down = builder.max_pool(builder.conv(x, 2, kernel=3, padding=1, name="skip"), 2, name="down")
    up = builder.upsample(builder.conv(down, 2, kernel=3, padding=1), name="up")
    fine = builder.upsample(up, name="fine")
    graph = builder.build(builder.concat(up, builder.graph.value("skip"), name="both"), fine)
    fields = receptive_fields(graph)
    assert [field.axis for field in fields[graph.value("both")]] == [1, 2]
    assert of(graph, "down").stride == 2
    assert facts(of(graph, "up"))[:2] == (8, 1)
    assert of(graph, "fine").stride == Fraction(1, 2)
    both = of(graph, "both")
    assert both.stride == 1
    assert [both.of(10), both.of(11)] == [(7, 14), (7, 14)]


# Whole maps, unions, what is not known


def test_global_pooling_and_dense_layers_see_everything() -> None:
    """Each with its own words: the map before reaches -1 .. 32 of 32."""
    builder = GraphBuilder("whole")
    x = builder.conv(builder.input("x", (1, 3, 32, 32)), 4, kernel=3, padding=1)
    pooled = builder.global_average_pool(x, name="pooled")
    gated = builder.mul(x, builder.sigmoid(pooled), name="gated")
    dense = builder.linear(builder.flatten(x, name="flat"), 10, name="dense")
    graph = builder.build(dense, gated, builder.softmax(x, axis=2, name="over"))
    for name in ("pooled", "gated", "dense", "over"):
        assert facts(of(graph, name)) == (34, 0, -1, True), name
    assert (of(graph, "flat").size, of(graph, "flat").whole) == (3, False)


def test_paths_of_different_strides_are_not_uniform() -> None:
    """A strided path and a pooled crop of the same size: said, with the node, and exact all the same."""
    builder = GraphBuilder("crossing", dtype=DType.FLOAT64)
    x = builder.input("x", (1, 1, 16, 16))
    strided = builder.conv(x, 1, kernel=1, stride=2, name="strided")
    crop = builder.op(Slice((0, 0), (8, 8), (2, 3), (1, 1)), x, name="crop")
    graph = builder.build(builder.conv(builder.add(strided, crop, name="sum"), 1, kernel=3, padding=1, name="after"))
    found = of(graph, "sum")
    assert found.stride is None
    assert "sum (Add): paths of different strides" in found.reason
    assert [found.of(position) for position in (0, 1, 7)] == [(0, 0), (1, 2), (7, 14)]
    assert of(graph, "after").of(3) == (2, 8)
    assert "sum (Add)" in of(graph, "after").reason


def test_means_of_parts_meet() -> None:
    """The mean of the upper rows and that of lower ones: together they see from the first to the last."""
    builder = GraphBuilder("parts")
    x = builder.input("x", (1, 1, 16, 16))
    means = [
        builder.global_average_pool(builder.op(Slice((first,), (last,), (2,), (1,)), x))
        for first, last in ((2, 5), (7, 12))
    ]
    graph = builder.build(builder.add(*means, name="sum"))
    assert facts(of(graph, "sum")) == (10, 0, 2, False)
    assert receptive_fields(graph)[graph.value("sum")][1].whole is True


def test_rows_do_not_meet_columns() -> None:
    """A map and its mirror image along the diagonal: what an element sees is no interval of rows by columns."""
    builder = GraphBuilder("mirror")
    x = builder.conv(builder.input("x", (1, 1, 8, 8)), 1, kernel=3, padding=1)
    graph = builder.build(builder.add(x, builder.transpose(x, (0, 1, 3, 2)), name="sum"))
    assert of(graph, "sum").size is None
    assert of(graph, "sum").reason.startswith("sum (Add): ")


def test_narrowest_path() -> None:
    """A residual sum hands on what its shortcut saw; the union sees both."""
    builder = GraphBuilder("residual")
    x = builder.conv(builder.input("x", (1, 4, 16, 16)), 4, kernel=3, padding=1)
    y = builder.add(x, builder.conv(x, 4, kernel=5, padding=2), name="sum")
    graph = builder.build(y)
    assert receptive_fields(graph)[y][0].size == 7
    assert receptive_fields(graph, narrowest=True)[y][0].size == 3


def test_unknown_names_its_node() -> None:
    """An op that nobody defines: nothing behind it is known, whatever comes."""
    graph = Graph("odd")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 1, 8, 8)))
    pool = graph.add_node(MaxPool((2, 2), (2, 2), (0, 0, 0, 0)), [x], name="pool")
    odd = graph.add_node(Opaque("acme", "Mystery", 1), pool.outputs, name="odd")
    odd.outputs[0].type = TensorType(DType.FLOAT32, (1, 1, 4, 4))
    last = graph.add_node(MaxPool((2, 2), (2, 2), (0, 0, 0, 0)), odd.outputs, name="last")
    graph.set_outputs(last.outputs)
    found = of(graph, "last")
    assert (found.size, found.stride, found.whole) == (None, None, None)
    assert found.reason.startswith("odd (acme::Mystery): ")
    odd.outputs[0].type = UnknownType()
    assert of(graph, "odd").reason.startswith("odd (acme::Mystery): ")


def test_open_sizes() -> None:
    """Windows need no sizes; a whole map of open size gives a formula, which binds to the number."""
    builder = GraphBuilder("open")
    x = builder.input("x", ("N", 3, "H", "W"))
    x = builder.conv(x, 4, kernel=3, stride=2, padding=1, name="conv")
    graph = builder.build(builder.global_average_pool(x, name="gap"))
    assert facts(of(graph, "conv")) == (3, 2, -1, None)
    found = of(graph, "gap")
    assert str(found.size) == "2*((H + 1)//2) + 1"
    bound = of(graph.bind(N=1, H=9, W=9), "gap")
    assert (bound.size, bound.whole) == (11, True)


def test_no_picture_no_field() -> None:
    """Sequences and vectors have no height and width."""
    builder = GraphBuilder("flat")
    graph = builder.build(builder.linear(builder.input("x", (1, 8)), 4))
    assert set(receptive_fields(graph).values()) == {()}


# The parts


@pytest.mark.parametrize("op", DEFINED, ids=lambda op: op.__name__)
def test_each_op_has_its_rule(op: type[Op]) -> None:
    """An op says what it reads."""
    assert reads.find(op) is not None


def brute(reach: Reach, positions: range) -> Interval | None:
    found = [interval for interval in map(reach.at, positions) if interval is not None]
    return (min(low for low, _ in found), max(high for _, high in found)) if found else None


def test_composition_and_union_are_pointwise() -> None:
    """Against the definition, on random maps, also such that run backwards or read nothing here and there."""
    rng = np.random.default_rng(0)

    def draw() -> Reach:
        phases = [
            None if rng.random() < 0.2 else (low := int(rng.integers(-4, 5)), low + int(rng.integers(0, 4)))
            for _ in range(int(rng.integers(1, 5)))
        ]
        return Reach(tuple(phases), None if rng.random() < 0.2 else int(rng.integers(-3, 5)))

    compared = 0
    for _ in range(400):
        outer, inner, size = draw(), draw(), 12
        size = size if outer.step is not None else len(outer.phases)
        composed, met = compose(outer, inner, size), union(outer, inner, size)
        assert composed is not None
        assert met is not None
        for position in range(size):
            read = outer.at(position)
            expected = None if read is None else brute(inner, range(read[0], read[1] + 1))
            assert composed.at(position) == expected
            parts = [part for part in (outer.at(position), inner.at(position)) if part is not None]
            hull = (min(low for low, _ in parts), max(high for _, high in parts)) if parts else None
            assert met.at(position) == hull
            compared += 1
    assert compared > 3000


def test_periods_are_least() -> None:
    """Up and down again is the identity."""
    up = Reach(((0, 0), (0, 0)), 1)
    assert compose(window(0, 2, 2), up, None) == IDENTITY
