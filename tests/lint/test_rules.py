"""Each rule on networks that trigger it and on others that do not; the numbers it gives; and real networks."""

import re
from collections.abc import Callable

import pytest

import cnnir
from cnnir import CnnirError, GraphBuilder, from_pattern, zoo
from cnnir.graph import Graph
from cnnir.lint import RULES, Finding, Rule, Selection, report
from cnnir.passes.parts.cut import cut
from cnnir.units import format_size
from tests import models
from tests.lint.networks import QUIET, TRIGGERS, averaged, conv, deep, early, halves, net, net_open, opaque, pool, wide


def cases(table: object) -> list[object]:
    assert isinstance(table, dict)
    return [
        pytest.param(code, make, id=f"{code} {name}")
        for code, entries in table.items()
        for name, make in entries.items()
    ]


def found(graph: Graph, code: str) -> list[Finding]:
    return graph.lint(select=code)


def test_each_rule_has_both() -> None:
    """A network that triggers it and one that does not."""
    assert set(TRIGGERS) == set(RULES)
    assert set(QUIET) == set(RULES)
    assert all(entries for table in (TRIGGERS, QUIET) for entries in table.values())


@pytest.mark.parametrize(("code", "make"), cases(TRIGGERS))
def test_triggers(code: str, make: Callable[[], Graph]) -> None:
    """A finding with a number in it, a fix, and a node that is there."""
    graph = make()
    findings = found(graph, code)
    assert findings
    for finding in findings:
        assert finding.code == code
        assert finding.node is None or graph.node(finding.node)
        assert finding.message
        assert finding.fix


@pytest.mark.parametrize(("code", "make"), cases(QUIET))
def test_quiet(code: str, make: Callable[[], Graph]) -> None:
    """Nothing, decided or not."""
    assert found(make(), code) == []


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_says_why(rule: object) -> None:
    """A stable code, a title, a reason of some length and a fix."""
    assert isinstance(rule, Rule)
    assert re.fullmatch(r"[A-Z]\d{3}", rule.code)
    assert rule.title
    assert len(rule.why) > 100
    assert rule.fix.endswith(".")


# The numbers


def test_alexnet_at_224() -> None:
    """(224 - 11)/4 + 1 = 54.25, and both sizes that it names are quiet."""
    (finding,) = found(conv(11, size=224, stride=4), "W001")
    assert "(224 - 11 + 0)/4 + 1 = 54.25 windows: the last of 224 rows and columns is never read" in finding.message
    assert "a map of 223 or 227, or 3 more cells of padding" in finding.fix
    for size in (223, 227):
        assert found(conv(11, size=size, stride=4), "W001") == []
    padded = net(lambda b, x: b.conv(x, 8, kernel=11, stride=4, padding=(1, 1, 2, 2)), 224)
    assert found(padded, "W001") == []


def test_bottleneck_numbers() -> None:
    """28x28x192 to 5x5x32: 120.4M, and 12.4M with 16 channels in between; worked out by two convolutions."""
    (finding,) = found(wide(reduced=False), "C002")
    assert "28x28x192 -> 5x5x32 takes 120.4M MACs" in finding.message
    assert "with 16 channels in between" in finding.fix
    assert "12.4M" in finding.fix
    cheaper = net(lambda b, x: b.conv(b.conv(x, 16, kernel=1), 32, kernel=5, padding=2), 28, channels=192)
    total = cheaper.table().totals.macs
    assert isinstance(total, int)
    assert f"{total / 1e6:.1f}M" == "12.4M"


def test_fully_connected_numbers() -> None:
    """What global pooling would leave is what such a network has."""
    (finding,) = found(zoo.vgg16(), "C001")
    assert "102,764,544 of 138,357,544 parameters (74%)" in finding.message
    builder = GraphBuilder("pooled")
    x = builder.flatten(builder.global_average_pool(builder.input("x", (1, 512, 7, 7))))
    assert "leaves 2,101,248 (37,694,248 in all)" in finding.fix
    assert builder.build(builder.linear(x, 4096)).table().totals.params == 2101248


def test_sizes_that_can_be_halved() -> None:
    """Both are quiet, and none is nearer."""
    (finding,) = found(halves(28), "S001")
    assert "28x28 comes here as 7, which 2 does not divide" in finding.message
    assert "24x24 or 32x32" in finding.fix
    assert [size for size in range(20, 37) if not found(halves(size), "S001")] == [24, 32]


def test_sizes_of_an_oblong_image() -> None:
    """Each axis has its own rest: the sizes that are named are quiet, though no one step leads to either."""
    text = "INPUT[{}x{}x3] -> [CONV3-16 -> RELU -> POOL2]*2 -> GAP"
    (finding,) = found(from_pattern(text.format(31, 17)), "S001")
    assert "images of 28x16 or 32x20 can be halved" in finding.fix
    assert found(from_pattern(text.format(28, 16)), "S001") == found(from_pattern(text.format(32, 20)), "S001") == []
    (finding,) = found(from_pattern(text.format(32, 18)), "S001")
    assert "images of 32x16 or 32x20 can be halved" in finding.fix  # the height fits as it is


def test_rows_and_columns_of_an_oblong_map() -> None:
    """Each with its own size."""
    (finding,) = found(from_pattern("INPUT[31x17x3] -> POOL2"), "W001")
    assert "the last of 31 rows is never read, nor 1 of 17 columns" in finding.message
    assert "a map of 30 or 32 rows, or 1 more cell of padding; of 16 or 18 columns, or 1 more" in finding.fix
    for text in ("INPUT[30x16x3] -> POOL2", "INPUT[32x18x3] -> POOL2"):
        assert found(from_pattern(text), "W001") == []


def test_nothing_to_average_in_an_image() -> None:
    """A matrix over the image itself is no head: no layer has made maps yet."""
    assert found(from_pattern("INPUT[8x8x3] -> FC-10 -> SOFTMAX"), "C001") == []
    assert found(from_pattern("INPUT[8x8x3] -> CONV3-4 -> FC-10 -> SOFTMAX"), "C001") != []


def test_what_an_activation_never_gives() -> None:
    """A ReLU finds nothing below zero behind gates of either kind."""
    for gate in ("SIGMOID", "HSIGMOID"):
        (finding,) = found(from_pattern(f"INPUT[8x8x3] -> CONV3-8 -> {gate} -> RELU"), "L002")
        assert finding.message.endswith("changes nothing")
        assert finding.fix == "drop relu1_1"


def test_a_bias_that_is_given_out() -> None:
    """What is an output of the network keeps its bias; behind the normalisation it does not matter."""
    builder = GraphBuilder("given out")
    y = builder.conv(builder.image(3, 8), 8, kernel=3, padding=1)
    z = builder.batch_norm(y)
    assert found(builder.build(z), "L001") != []
    assert found(builder.build(z, y), "L001") == []


def test_padding_that_keeps() -> None:
    """The padding that it names keeps the map."""
    (finding,) = found(conv(5, padding=1), "W002")
    assert "from 32x32 to 30x30" in finding.message
    assert finding.fix.startswith("a padding of 2x2")


def test_layers_that_are_missing() -> None:
    """As many more 3x3 layers as it says, and no fewer."""
    (finding,) = found(averaged(2), "S002")
    assert "sees 5x5 of 16x16 cells" in finding.message
    assert finding.fix.startswith("6 more 3x3 layers")
    assert found(averaged(7), "S002")
    assert found(averaged(8), "S002") == []


def test_layers_too_many() -> None:
    """16 convolutions of 3x3 over 12 pixels: the seventh (conv6) is the first whose operand sees 13."""
    (finding,) = found(deep(residual=False), "S003")
    assert finding.node == "conv6"
    assert "sees 13x13 cells of a 12x12 image" in finding.message
    assert "10 layers" in finding.message
    assert "2.8 times" in finding.message  # 33 / 12


def test_windows_in_padding() -> None:
    """One at each end."""
    (finding,) = found(pool(2, 2, (2, 2, 2, 2)), "P002")
    assert "2 of 18 windows along spatial axis 0" in finding.message


def test_what_serves_nothing_is_counted() -> None:
    """The end that nobody reads, and the one layer that is there for it."""
    (finding,) = found(TRIGGERS["L004"]["left behind"](), "L004")
    assert finding.node == "end"
    assert finding.message == "nobody uses its output; 1 more node serves it alone"


def test_peak_is_that_of_the_plan() -> None:
    """Step and bytes are the plan's; what stride would do is what a network with that stride needs."""
    graph = early(stride=1)
    plan = graph.plan()
    (finding,) = found(graph, "M001")
    assert plan.peak_step is not None
    assert f"step {plan.peak_step} of {len(plan.steps)} needs {format_size(max(plan.live_bytes()))}" in finding.message
    rest = re.search(r"all behind (\S+) at most (.*)$", finding.message)
    assert rest is not None
    names = [name for step in plan.steps for name in step.nodes]
    assert rest[2] == format_size(max(plan.live_bytes()[names.index(rest[1]) + 1 :]))
    assert "stride 2x2 in front1" in finding.fix
    front = cut(early(stride=2), (), (rest[1],))
    assert format_size(front.plan().arena_bytes) in finding.fix
    # 16x16 results of the pooling: 15 * 2 cells, and the field of 6. Two maps of 64 channels over such a patch, the
    # image of 3x64x64, and the whole result of 64x32x32, four bytes each.
    needed = 4 * (2 * 64 * 36 * 36 + 3 * 64 * 64 + 64 * 32 * 32)
    assert f"in 2x2 patches of 36x36 pixels {format_size(needed)}, the image and pool among it" in finding.fix


# Real networks


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("bvlc_alexnet", {"W001", "M001", "C001"}),
        ("densenet121", {"M001", "L003"}),
        ("inception_v1", {"W001", "M001"}),
        ("inception_v2", {"M001"}),
        ("resnet50", set()),
        ("shufflenet", {"L001", "M001"}),
        ("squeezenet", {"W001", "M001", "S002"}),
        ("vgg19", {"M001", "C001"}),
        ("zfnet512", {"W001", "M001", "C001"}),
    ],
)
def test_networks_that_ship_with_onnx(name: str, codes: set[str]) -> None:
    """What each of them gets, and nothing else."""
    assert {finding.code for finding in cnnir.load(models.path(name)).lint()} == codes


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("vgg16", {"M001", "C001"}),
        ("resnet50", set()),
        ("lenet5_plain", {"W002", "C001", "C003"}),
        ("vgg16_bn", {"L001", "M001", "C001"}),
    ],
)
def test_networks_of_the_zoo(name: str, codes: set[str]) -> None:
    """VGG-16 and ResNet-50 get what docs/lint.md defends."""
    assert {finding.code for finding in zoo.build(name).lint()} == codes


# Selecting, and what cannot be decided


@pytest.mark.parametrize(
    ("select", "ignore", "codes"),
    [
        (["W001"], [], ["W001"]),
        (["S", "W001"], ["S002"], ["S001", "S003", "W001"]),
        ([], ["C", "L", "M", "P", "S", "W"], []),
        (["W"], ["W00", "W001"], []),
        (["W001", "P"], ["W", "P001"], ["P002", "W001"]),
        (["W"], ["W"], []),
    ],
)
def test_prefixes(select: list[str], ignore: list[str], codes: list[str]) -> None:
    """The longer prefix decides, and of two alike the one that leaves out."""
    assert [rule.code for rule in Selection(tuple(select), tuple(ignore)).rules()] == codes


@pytest.mark.parametrize("code", ["X", "W009", "w001", ""])
def test_unknown_code(code: str) -> None:
    """Said, and which ones there are."""
    with pytest.raises(CnnirError, match=r"W001.*\[lint-code\]"):
        conv(3).lint(select=[code])
    with pytest.raises(CnnirError, match=r"\[lint-code\]"):
        conv(3).lint(ignore=[code])


def test_in_the_order_of_the_nodes() -> None:
    """Whatever the rules' order is."""
    graph = zoo.build("lenet5_plain")
    place = {node.name: index for index, node in enumerate(graph.nodes)}
    places = [place[finding.node] for finding in graph.lint() if finding.node is not None]
    assert len(places) > 3
    assert places == sorted(places)


def test_a_symbolic_batch_is_taken_as_one() -> None:
    """Findings are those of a batch of one, and it is said so."""
    open_batch = report(zoo.vgg16(batch="N"))
    assert open_batch.assumed == ("N",)
    assert open_batch.findings == report(zoo.vgg16()).findings


def test_open_sizes_are_not_guessed() -> None:
    """What cannot be decided is said to be undecided; what can still is."""
    graph = net_open(lambda b, x: b.batch_norm(b.conv(x, 12, kernel=3, name="conv")))
    found = report(graph)
    assert [finding.code for finding in found.findings] == ["L001"]
    assert found.open == ("H", "W")
    assert "M001" in dict(found.undecided)
    open_filters = net_open(lambda b, x: b.conv(b.conv(x, 12, kernel=3), 8, kernel=3))
    assert "depend on H, W" in dict(report(open_filters).undecided)["C003"]


def test_unknown_ops_make_nothing_up() -> None:
    """An op that nobody defines: no finding that rests on it."""
    assert report(opaque()).findings == ()


def test_the_graph_stays_as_it_is() -> None:
    """Lint reads."""
    graph = zoo.vgg16()
    before = str(graph)
    graph.lint()
    assert str(graph) == before
