"""The notation: what it builds, how a graph prints back, and where a mistake is pointed at."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnnir
from cnnir import CnnirError, from_pattern, to_pattern, zoo
from cnnir.cli import main
from cnnir.text import print_graph
from cnnir.types import TensorType
from cnnir.zoo.pattern import WORDS, parse
from cnnir.zoo.pattern.shorten import shorten
from cnnir.zoo.pattern.syntax import Branches, Chain, Item, Layer, Optional, Pattern, Repeated
from tests import models

VGG16 = """
    INPUT[224x224x3]  # pixels
    -> [[CONV3-64 -> RELU]*2 -> POOL2] -> [[CONV3-128 -> RELU]*2 -> POOL2]
    -> [[CONV3-256 -> RELU]*3 -> POOL2] -> [[CONV3-512 -> RELU]*3 -> POOL2]*2
    -> [FC-4096 -> RELU -> DROPOUT]*2 -> FC-1000 -> SOFTMAX
"""

INCEPTION = (
    "INPUT[28x28x192] -> { CONV1-64 -> RELU | CONV1-96 -> RELU -> CONV3-128 -> RELU"
    " | CONV1-16 -> RELU -> CONV5-32 -> RELU | POOL3/1(pad=1) -> CONV1-32 -> RELU } concat"
)

RESIDUAL = (
    "INPUT[56x56x64] -> [{ CONV3-64(nobias) -> BN -> RELU -> CONV3-64(nobias) -> BN | IDENTITY } add -> RELU]*3"
    " -> { CONV3-128/2(nobias) -> BN -> RELU -> CONV3-128(nobias) -> BN | CONV1-128/2(nobias) -> BN } add -> RELU"
)


def refusal(text: str, **values: Any) -> CnnirError:
    """What is said of a text."""
    with pytest.raises(CnnirError) as caught:
        from_pattern(text, **values)
    assert "\n" not in str(caught.value)
    return caught.value


def test_vgg16_is_the_zoos() -> None:
    """The same nodes, names, shapes and weights."""
    assert print_graph(from_pattern(VGG16, name="vgg16")) == print_graph(zoo.vgg16())


@pytest.mark.parametrize("text", [INCEPTION, RESIDUAL])
def test_modules_round_trip(text: str) -> None:
    """A module prints back as it was written, and reads back as the same graph."""
    graph = from_pattern(text)
    assert to_pattern(graph) == text
    assert print_graph(from_pattern(to_pattern(graph))) == print_graph(graph)


def test_inception_module() -> None:
    """Figure 2(b) of Szegedy et al. (2014), module 3a: 256 channels, by hand."""
    graph = from_pattern(INCEPTION)
    assert str(graph.outputs[0].type) == "float32[1, 256, 28, 28]"
    macs = 192 * 64 + 192 * 96 + 96 * 9 * 128 + 192 * 16 + 16 * 25 * 32 + 192 * 32
    assert graph.table().totals.macs == macs * 28 * 28


@pytest.mark.parametrize(
    "text",
    [
        "INPUT[32x32x16](batch=N) -> { DWCONV3/2 -> SWISH | AVGPOOL2(ceil, countpad) } concat -> SHUFFLE4 -> RELU6",
        "INPUT[9x8x3](batch=2) -> CONV2x3-8(pad=0) -> LEAKY(0.2) -> LRN3(alpha=0.001, k=2) -> DECONV3-4/2 -> HSWISH",
        "INPUT[HxWx3] -> CONV3-8/2x1(dilation=2) -> BN(eps=0.001) -> TANH -> GAP -> FLATTEN -> SOFTMAX",
        "INPUT[32x32x8] -> { CONV1-8 -> { HSIGMOID | IDENTITY } mul | SIGMOID | UP2 -> POOL2 } sum -> FC-3(nobias)",
        "INPUT[16x16x4] -> CONV3-8(pad=0x0x1x1, groups=2) -> DROPOUT(0.25) -> POOL3/2(pad=1) -> DWCONV3-16",
        "INPUT[8x8x1] -> { { CONV3-4 | IDENTITY } concat -> RELU | CONV5-4 } concat -> CONV3-2*3",
    ],
)
def test_every_word(text: str, tmp_path: Path) -> None:
    """It prints back; NumPy and ONNX Runtime compute the same."""
    graph = from_pattern(text, seed=3)
    assert to_pattern(graph) == text
    sizes = {"N": 2, "H": 13, "W": 11}
    type_ = graph.inputs[0].type
    assert isinstance(type_, TensorType)
    bound = graph.bind(**{str(dim): sizes[str(dim)] for dim in type_.shape if not isinstance(dim, int)})
    shape = [dim if isinstance(dim, int) else sizes[str(dim)] for dim in type_.shape]
    image = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    cnnir.save(bound, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    (judged,) = session.run(None, {"data": image})
    (found,) = bound.run({"data": image}).values()
    np.testing.assert_allclose(found, np.asarray(judged), rtol=1e-4, atol=1e-5)


def test_every_word_is_in_a_test() -> None:
    """The texts above have all of them."""
    text = " ".join((VGG16, INCEPTION, RESIDUAL, Path(__file__).read_text().split("def test_every_word(")[0]))
    assert [word for word in WORDS if not re.search(rf"\b{word}(?![A-Z])", text)] == []


@pytest.mark.parametrize(
    "name", ["bvlc_alexnet", "inception_v1", "resnet50", "shufflenet", "squeezenet", "vgg19", "zfnet512"]
)
def test_real_networks_are_patterns(name: str) -> None:
    """What is read back has the same parameters and MACs, layer by layer, and prints the same."""
    graph = cnnir.load(models.path(name))
    again = from_pattern(to_pattern(graph))
    assert to_pattern(again) == to_pattern(graph)
    costs = [[row.macs for row in each.table().rows if row.macs] for each in (graph, again)]
    assert sorted(map(str, costs[0])) == sorted(map(str, costs[1]))
    assert graph.table().totals.params == again.table().totals.params


def test_graphs_that_are_none() -> None:
    """The node is named: no word for it, branches that do not meet, an output on the way."""
    for name in ("densenet121", "inception_v2"):
        with pytest.raises(CnnirError, match=r"n3 \(Mul\): the graph is no pattern"):
            to_pattern(cnnir.load(models.path(name)))
    builder = cnnir.GraphBuilder("crossing")
    x = builder.image(4, 8)
    a, b = builder.relu(x), builder.tanh(x)
    c, d = builder.sigmoid(a), builder.sigmoid(b)
    crossed = builder.add(builder.add(a, d), builder.add(b, c), name="join")
    with pytest.raises(CnnirError, match="do not meet in one join"):
        to_pattern(builder.build(crossed))
    builder = cnnir.GraphBuilder("early")
    y = builder.relu(builder.image(4, 8), name="early")
    z = builder.tanh(y)
    with pytest.raises(CnnirError, match="has one input and one output"):
        to_pattern(builder.build(y, z))
    builder = cnnir.GraphBuilder("shared")
    x = builder.image(4, 8)
    with pytest.raises(CnnirError, match="pattern-none"):
        to_pattern(builder.build(builder.add(builder.relu(x), builder.input("other", (1, 4, 8, 8)))))


SYNTAX: dict[str, tuple[str, int]] = {
    "CONV3-64 -> RELU": ("begins with INPUT", 1),
    "": ("a layer was expected", 1),
    "INPUT -> [CONV3-64 -> RELU": ("'[' is not closed", 10),
    "INPUT -> { CONV3-64 | RELU": ("'{' is not closed", 10),
    "INPUT -> CONV3-64) -> RELU": ("an arrow was expected", 18),
    "INPUT -> -> RELU": ("a layer was expected", 10),
    "INPUT -> RELU RELU": ("an arrow was expected", 15),
    "INPUT -> [CONV3-64]*": ("how many times", 21),
    "INPUT -> [RELU]? -> RELU": ("a flag was expected", 16),
    "INPUT -> {RELU | RELU}": ("what joins the branches", 23),
    "INPUT -> {RELU | RELU} plus": ("no such join", 24),
    "INPUT -> CONV3-": ("the number of filters", 16),
    "INPUT -> CONV3/-64": ("a stride was expected", 16),
    "INPUT -> CONV3-64(pad=) -> RELU": ("a value was expected for pad", 23),
    "INPUT -> CONV3-64(pad=1 -> RELU": ("an arrow or ')'", 25),
    "INPUT -> CONV3-64(pad=1, pad=2)": ("an option is given once", 26),
    "INPUT[32x32] -> RELU": ("height x width x channels", 1),
    "INPUT[32,32] -> RELU": ("an arrow or ']'", 9),
    "INPUT -> RELU -> INPUT": ("at the beginning alone", 18),
    "INPUT -> RELU where": ("a variable or a flag", 20),
    "INPUT -> RELU where N=": ("a whole number, on or off", 23),
    "INPUT -> RELU where N=1, N=2": ("has a value already", 26),
    "INPUT[8x8x3](batch=2x3) -> RELU": ("name=NAME and batch=N alone", 1),
    "INPUT -> CONV3-64(pad=1) -> BN(eps=1e999)": ("the number is too large", 36),
    "INPUT -> DROPOUT(1e999)": ("the number is too large", 18),
    f"INPUT[{'9' * 5000}x8x3] -> RELU": ("at most 18 digits", 7),
    f"INPUT -> CONV{'9' * 5000}-4": ("at most 18 digits", 14),
    f"INPUT -> CONV3-{'9' * 5000}": ("at most 18 digits", 16),
    f"INPUT -> CONV3-4/{'9' * 5000}": ("at most 18 digits", 18),
    f"INPUT -> CONV3-4(pad=1x{'9' * 5000})": ("at most 18 digits", 22),
    f"INPUT -> RELU*{'9' * 5000}": ("at most 18 digits", 15),
    f"INPUT -> RELU*N where N={'9' * 5000}": ("at most 18 digits", 25),
}


@pytest.mark.parametrize("text", SYNTAX, ids=lambda text: text[:60] or "nothing")
def test_syntax(text: str) -> None:
    """What was expected, and the column."""
    error = refusal(text)
    message, column = SYNTAX[text]
    assert error.code == "pattern-syntax"
    assert message in error.message
    assert error.node == f"column {column}"


LAYERS: dict[str, tuple[str, int]] = {
    "INPUT -> CONW3-64": ("pattern-word", 10),
    "INPUT -> RELU -> POOL2-64": ("pattern-option", 18),
    "INPUT -> CONV2-64": ("pattern-option", 10),
    "INPUT -> CONV3-64(slope=1)": ("pattern-option", 10),
    "INPUT -> CONV3-64(pad=wide)": ("pattern-option", 10),
    "INPUT -> CONV3-64(groups=1x2)": ("pattern-option", 10),
    "INPUT -> CONV3-64(nobias=1)": ("pattern-option", 10),
    "INPUT -> CONV3-64(p=1, pad=1)": ("pattern-option", 10),
    "INPUT -> CONV3x3x3-64": ("pattern-option", 10),
    "INPUT -> RELU5": ("pattern-option", 10),
    "INPUT -> RELU -> CONV3-64*N": ("pattern-value", 18),
    "INPUT -> CONV3-K": ("pattern-value", 10),
    "INPUT -> [RELU]*99999": ("pattern-large", 10),
    "INPUT -> [[RELU]*0]*99999999": ("pattern-large", 10),
    "INPUT -> RELU*15000 -> TANH*15000": ("pattern-large", 1),
    "INPUT -> { RELU*15000 | TANH*15000 } add": ("pattern-large", 10),
    "INPUT[8x8x3] -> UP2x3": ("pattern-option", 17),
    "INPUT[8x8x3] -> SHUFFLE3x1": ("pattern-option", 17),
    "INPUT[8x8x3] -> LRN5x3": ("pattern-option", 17),
    "INPUT -> CONV3-0": ("dim-negative", 10),
    "INPUT -> CONV3-64(groups=2)": ("conv-group", 10),
    "INPUT[8x8x3] -> CONV11-4(pad=0)": ("window-too-large", 17),
    "INPUT[8x8x3] -> { RELU | POOL2 } concat": ("concat-shape", 17),
    "INPUT[8x8x3] -> { RELU | RELU | RELU } add": ("pattern-option", 17),
    "INPUT[8x8xC] -> CONV3-4": ("pattern-value", 1),
}


@pytest.mark.parametrize("text", LAYERS)
def test_layers_that_cannot_be(text: str) -> None:
    """What a layer raises is said at its column."""
    error = refusal(text)
    code, column = LAYERS[text]
    assert error.code == code
    assert error.node is not None
    assert error.node.endswith(f"column {column}")


def test_lines_are_counted() -> None:
    """In a text of several lines."""
    assert refusal("INPUT[8x8x3]\n-> RELU\n-> CONW").node == "CONW at line 3, column 4"
    assert refusal("INPUT[8x8x3] # a comment -> [\n  -> [RELU").node == "line 2, column 6"


def test_variables_and_flags() -> None:
    """In the text, or given; each is asked for."""
    text = "INPUT[32x32x3] -> [[CONV3-K -> RELU]*N -> POOL2?]*M -> FC-10 where N=2, M=3, K=8"
    kinds = [node.op.kind for node in from_pattern(text).nodes]
    assert kinds == [*["Conv", "Relu", "Conv", "Relu", "MaxPool"] * 3, "Flatten", "Gemm"]
    kinds = [node.op.kind for node in from_pattern(text, N=1, M=0, pool=False).nodes]
    assert kinds == ["Flatten", "Gemm"]
    assert len(from_pattern("INPUT -> [RELU -> TANH]?deep where deep=off")) == 0
    assert refusal(text, L=3).code == "pattern-value"
    assert refusal(text, N=True).code == "pattern-value"
    assert refusal(text, pool=1).code == "pattern-value"
    assert refusal(text, N=-1).code == "pattern-value"


def test_assumptions_are_noted() -> None:
    """What the text leaves open is said."""
    assert from_pattern("INPUT -> CONV -> FC").notes == [
        "INPUT without sizes: taken as 224x224x3",
        "CONV without size: taken as 3",
        "CONV without filters: taken as 64",
        "FC without filters: taken as 1000",
    ]
    assert from_pattern("INPUT[8x8x3] -> CONV3-4 -> POOL -> FC-10").notes == []


def test_names() -> None:
    """What makes the map smaller ends a block; branches count on; a name may be given."""
    graph = from_pattern(
        "INPUT[32x32x3] -> CONV7-8/2 -> RELU -> { CONV3-8 | CONV3-8 -> POOL2 -> UP2 } add -> CONV3-4(name=last)"
        " -> GAP -> FC-5 -> SOFTMAX"
    )
    names = [node.name for node in graph.nodes]
    assert names == [
        "conv1_1", "relu1_1", "conv2_1", "conv2_2", "pool2", "up2_2", "add2_2", "last", "gap", "flatten", "fc4", "prob",
    ]  # fmt: skip


items: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.builds(
            Layer,
            st.sampled_from(sorted(WORDS)),
            st.lists(st.integers(1, 9), max_size=2).map(tuple),
            st.none() | st.integers(0, 99) | st.just("K"),
            st.lists(st.integers(1, 9), max_size=2).map(tuple),
            st.dictionaries(
                st.sampled_from(["pad", "k", "nobias"]),
                st.integers(0, 9) | st.sampled_from([True]) | st.just((1, 2)) | st.just("same") | st.floats(0.001, 1e9),
            ).map(lambda options: tuple(options.items())),
        )
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(lambda parts: Chain(tuple(parts))),
        st.builds(Repeated, inner, st.integers(0, 12) | st.just("N")),
        st.builds(Optional, inner, st.sampled_from(["deep", "pool"])),
        st.lists(inner, min_size=1, max_size=3).flatmap(
            lambda parts: st.sampled_from(["concat", "add", "sum", "mul"]).map(
                lambda join: Branches(tuple(Chain((part,)) for part in parts), join)
            )
        ),
    ),
    max_leaves=12,
)


@given(st.lists(items, min_size=1, max_size=5))
def test_print_and_parse(parts: list[Item]) -> None:
    """What is printed is parsed as what it was, up to brackets that say nothing."""
    pattern = Pattern(Chain(tuple(parts)), {"N": 2, "deep": False})
    text = str(pattern)
    assert str(parse(text)) == text
    assert flat(parse(text).chain) == flat(pattern.chain)


def flat(item: Item) -> Any:
    """The item with chains inside chains opened, and chains of one item taken as the item."""
    if isinstance(item, Chain):
        parts = [flat(part) for part in item.items]
        opened = [inner for part in parts for inner in (part if isinstance(part, list) else [part])]
        return opened[0] if len(opened) == 1 else opened
    if isinstance(item, Repeated):
        return ("repeated", flat(item.item), item.times)
    if isinstance(item, Optional):
        return ("optional", flat(item.item), item.flag)
    if isinstance(item, Branches):
        return ("branches", [flat(chain) for chain in item.chains], item.join)
    return item


def unrolled(part: Item) -> list[Layer]:
    """Layers in their order, repetition written out."""
    if isinstance(part, Repeated):
        assert isinstance(part.times, int)
        return unrolled(part.item) * part.times
    if isinstance(part, Chain):
        return [layer for inner in part.items for layer in unrolled(inner)]
    assert isinstance(part, Layer)
    return [part]


@given(st.lists(st.sampled_from(["RELU", "TANH", "GAP"]), max_size=24))
@settings(max_examples=200)
def test_shorten(words: list[str]) -> None:
    """Written out it is the same chain, and it is never longer than the chain itself."""
    layers = [Layer(word) for word in words]
    short = shorten(layers)
    assert unrolled(Chain(short)) == layers
    assert len(str(Chain(short))) <= len(str(Chain(tuple(layers))))


def test_shorten_nests() -> None:
    """A run of runs is found."""
    words = (["RELU"] * 2 + ["GAP"]) * 3 + ["TANH"]
    assert str(Chain(shorten([Layer(word) for word in words]))) == "[RELU*2 -> GAP]*3 -> TANH"


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pattern in the argument, a pattern in a file, and a network printed as a pattern."""
    (tmp_path / "small.cnn").write_text("INPUT[8x8x3]  # tiny\n-> CONV3-4\n-> FC-2\n")
    assert main(["export", str(tmp_path / "small.cnn"), "--to", "pattern"]) == 0
    assert capsys.readouterr().out == "INPUT[8x8x3] -> CONV3-4 -> FC-2\n"
    (tmp_path / "marked.cnn").write_text("\ufeffINPUT[8x8x3] -> CONV3-4", encoding="utf-8")
    assert main(["export", str(tmp_path / "marked.cnn"), "--to", "pattern"]) == 0
    assert capsys.readouterr().out == "INPUT[8x8x3] -> CONV3-4\n"
    assert main(["plan", "pattern:INPUT[8x8x3] -> CONV3-4", "--json"]) == 0
    assert '"graph": "pattern"' in capsys.readouterr().out
    assert main(["table", str(tmp_path / "small.cnn")]) == 0
    assert "fc2" in capsys.readouterr().out
    for arguments in (["table", "pattern:INPUT -> CONW"], ["table", str(tmp_path / "none.cnn")]):
        assert main(arguments) == 2
        assert capsys.readouterr().err.count("\n") == 1
    (tmp_path / "bytes.cnn").write_bytes(b"\xff\xfe\x00")
    assert main(["table", str(tmp_path / "bytes.cnn")]) == 2
    assert "[file-read]" in capsys.readouterr().err
