"""Graphs with plans made by hand, one for each thing that a plan can say."""

from collections.abc import Callable

from cnnir.builder import GraphBuilder
from cnnir.graph import Graph
from cnnir.ops import Add, BatchNormalization, Concat, Conv, MaxPool, Relu, Slice, Split, Transpose
from cnnir.plan import JOIN, VIEW, MemoryPlan, Scratch
from cnnir.types import DType, TensorType
from cnnir.weights import Seeded
from tests.plan.handmade import Do, Places, plan_of

Sample = tuple[Graph, MemoryPlan]


class _Maker:
    """Layers by name; all maps are 4 x 4 and float32, so that a channel takes 64 bytes."""

    def __init__(self, channels: int = 2) -> None:
        self.graph = Graph("sample")
        self.add_input("x", channels)

    def add_input(self, name: str, channels: int) -> None:
        self.graph.add_input(name, TensorType(DType.FLOAT32, (1, channels, 4, 4)))

    def conv(self, name: str, source: str, filters: int) -> None:
        value = self.graph.value(source)
        assert isinstance(value.type, TensorType)
        weight = Seeded(DType.FLOAT32, (filters, int(str(value.type.shape[1])), 3, 3), 7, len(self.graph), 0.3)
        self.graph.add_node(
            Conv((1, 1), (1, 1, 1, 1), (1, 1), 1), [value, self.graph.add_weight(f"{name}_w", weight)], name=name
        )

    def normal(self, name: str, source: str, channels: int) -> None:
        parts = [
            self.graph.add_weight(f"{name}_{part}", Seeded(DType.FLOAT32, (channels,), 5, index, 0.1))
            for index, part in enumerate(("scale", "shift", "mean"))
        ]
        variance = self.graph.add_weight(f"{name}_var", Seeded(DType.FLOAT32, (channels,), 5, 9, 0.0))
        self.graph.add_node(BatchNormalization(epsilon=1.0), [self.graph.value(source), *parts, variance], name=name)

    def relu(self, name: str, source: str) -> None:
        self.graph.add_node(Relu(), [self.graph.value(source)], name=name)

    def add(self, name: str, *sources: str) -> None:
        self.graph.add_node(Add(), [self.graph.value(source) for source in sources], name=name)

    def concat(self, name: str, *sources: str) -> None:
        self.graph.add_node(Concat(1), [self.graph.value(source) for source in sources], name=name)

    def built(self, *outputs: str) -> Graph:
        self.graph.set_outputs([self.graph.value(name) for name in outputs])
        return self.graph


def concat_without_copy() -> Sample:
    """Two convolutions write into their slices, of which the second begins off the alignment."""
    make = _Maker()
    make.conv("a", "x", 1)
    make.conv("b", "x", 3)
    make.concat("both", "a", "b")
    make.conv("c", "both", 2)
    graph = make.built("c")
    steps: list[Do | str] = ["a", "b", Do("both", VIEW), "c"]
    places: Places = {"x": 0, "a": 1, "b": 2, "both": (1, 2), "c": 3}
    return graph, plan_of(graph, steps, [(256, 128), (0, 64), (64, 192), (256, 128)], places, alignment=256)


def chained_concats() -> Sample:
    """A dense block: each concat spans the one before and a slice more; the first slices die last."""
    make = _Maker(1)
    make.conv("a", "x", 2)
    make.concat("one", "x", "a")
    make.conv("b", "one", 1)
    make.concat("two", "one", "b")
    make.conv("c", "two", 1)
    graph = make.built("c")
    steps: list[Do | str] = ["a", Do("one", VIEW), "b", Do("two", VIEW), "c"]
    places: Places = {"x": 0, "a": 1, "one": (0, 1), "b": 2, "two": (0, 1, 2), "c": 3}
    storages = [(0, 64), (64, 128), (192, 64), (256, 64)]
    return graph, plan_of(graph, steps, storages, places, alignment=256)


def joined() -> Sample:
    """One operand of the concat lies in its place, the other lies elsewhere and is copied, and lives on."""
    make = _Maker()
    make.conv("a", "x", 1)
    make.conv("b", "a", 1)
    make.concat("both", "a", "b")
    make.add("sum", "a", "b")
    graph = make.built("both", "sum")
    places: Places = {"x": 0, "a": 1, "b": 2, "both": (1, 3), "sum": 4}
    storages = [(256, 128), (0, 64), (128, 64), (64, 64), (256, 64)]
    return graph, plan_of(graph, ["a", "b", Do("both", JOIN), "sum"], storages, places, alignment=64)


def joined_from_within() -> Sample:
    """An operand of a concat lies in its place, and is a part of another operand, which is copied from there."""
    make = _Maker()
    make.conv("a", "x", 1)
    make.conv("b", "x", 1)
    make.concat("ab", "a", "b")
    make.concat("all", "ab", "a")
    make.relu("out", "all")
    graph = make.built("out", "ab")
    steps: list[Do | str] = ["a", "b", Do("ab", VIEW), Do("all", JOIN), "out"]
    places: Places = {"x": 0, "a": 2, "b": 3, "ab": (2, 3), "all": (1, 2), "out": 4}
    storages = [(256, 128), (0, 128), (128, 64), (192, 64), (256, 192)]
    return graph, plan_of(graph, steps, storages, places)


def split_and_sliced() -> Sample:
    """Parts of a value that show its bytes: each channel has a life of its own."""
    make = _Maker()
    make.conv("a", "x", 3)
    graph = make.graph
    graph.add_node(Split(1, (1, 2)), [graph.value("a")], name="parts")
    low, high = (value.name for value in graph.node("parts").outputs)
    graph.add_node(Slice((1,), (2,), (1,), (1,)), [graph.value(high)], name="last")
    graph.add_node(Transpose((0, 1, 3, 2)), [graph.value("last")], name="turned")
    make.relu("positive", low)
    make.conv("b", "turned", 1)
    make.add("sum", "positive", "b")
    graph = make.built("sum")
    steps: list[Do | str] = [
        "a", Do("parts", VIEW), Do("last", VIEW), Do("positive", donations=((low, "positive"),)), "turned", "b",
        Do("sum", donations=(("positive", "sum"),)),
    ]  # fmt: skip
    places: Places = {
        "x": 0, "a": (1, 2, 3), low: 1, high: (2, 3), "last": 3, "positive": 1, "turned": 4, "b": 5, "sum": 1,
    }  # fmt: skip
    storages = [(256, 128), (0, 64), (64, 64), (128, 64), (256, 64), (320, 64)]
    return graph, plan_of(graph, steps, storages, places, alignment=64)


def epilogue_and_accumulation() -> Sample:
    """A residual sum: the convolution that runs later accumulates into what the first one wrote."""
    make = _Maker()
    make.conv("a", "x", 2)
    make.relu("ra", "a")
    make.conv("b", "ra", 2)
    make.conv("shortcut", "x", 2)
    make.normal("bn", "b", 2)
    make.add("sum", "bn", "shortcut")
    make.relu("out", "sum")
    graph = make.built("out")
    steps: list[Do | str] = ["a ra", "shortcut", Do("b bn sum out", donations=(("shortcut", "out"),))]
    return graph, plan_of(graph, steps, [(0, 128), (128, 128), (256, 128)], {"x": 0, "ra": 1, "shortcut": 2, "out": 2})


def recomputed_prologue() -> Sample:
    """Normalisation and activation in front of two convolutions: each computes them anew from what is stored."""
    make = _Maker()
    make.normal("bn", "x", 2)
    make.relu("act", "bn")
    make.conv("a", "act", 1)
    make.conv("b", "act", 1)
    make.add("sum", "a", "b")
    graph = make.built("sum")
    steps: list[Do | str] = ["bn act a", Do("bn act b sum", donations=(("a", "sum"),))]
    return graph, plan_of(graph, steps, [(0, 128), (128, 64)], {"x": 0, "a": 1, "sum": 1})


def pooled_in_strips() -> Sample:
    """A convolution, its activation and the pooling behind them: two rows of all channels at a time."""
    make = _Maker()
    make.conv("a", "x", 3)
    make.relu("ra", "a")
    graph = make.graph
    graph.add_node(MaxPool((2, 2), (2, 2), (0, 0, 0, 0)), [graph.value("ra")], name="pool")
    graph = make.built("pool")
    scratch = Scratch("arena", 192, 128, strips=96)
    steps: list[Do | str] = [Do("a ra pool", scratch=scratch, tile=(2, 3))]
    return graph, plan_of(graph, steps, [(0, 128), (128, 48)], {"x": 0, "pool": 1})


def network() -> Sample:
    """A classifier with a flatten that shows what is stored, inside of a fused step and alone."""
    builder = GraphBuilder("network")
    x = builder.input("x", (1, 2, 4, 4))
    x = builder.relu(builder.conv(x, 2, kernel=3, padding=1, name="a"), name="ra")
    x = builder.flatten(x, name="flat")
    graph = builder.build(builder.softmax(builder.linear(x, 5, name="fc"), name="soft"))
    names = {node.name for node in graph.nodes}
    assert names == {"a", "ra", "flat", "fc", "soft"}
    steps: list[Do | str] = ["a ra", Do("flat", VIEW), "fc soft"]
    return graph, plan_of(graph, steps, [(0, 128), (128, 128), (0, 20)], {"x": 0, "ra": 1, "flat": 1, "soft": 2})


MADE: tuple[Callable[[], Sample], ...] = (
    concat_without_copy,
    chained_concats,
    joined,
    joined_from_within,
    split_and_sliced,
    epilogue_and_accumulation,
    recomputed_prologue,
    pooled_in_strips,
    network,
)
"""All of them."""

SAMPLES: dict[str, Sample] = {make.__name__: make() for make in MADE}
