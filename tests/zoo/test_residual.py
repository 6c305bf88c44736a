"""ResNet, ResNeXt and DenseNet: blocks, names, sizes that are left open."""

import pytest

from cnnir import CnnirError, zoo
from cnnir.graph import Graph
from cnnir.ops import Add, Concat, Conv


def shape(graph: Graph, name: str) -> str:
    return str(graph.value(name).type)


@pytest.mark.parametrize(
    ("name", "layers"),
    [("resnet18", 18), ("resnet34", 34), ("resnet50", 50), ("resnet101", 101), ("resnet152", 152)],
)
def test_the_number_in_the_name(name: str, layers: int) -> None:
    """Convolutions off the shortcuts, and the fully connected layer."""
    graph = zoo.build(name)
    convs = [node for node in graph.nodes if isinstance(node.op, Conv) and "downsample" not in node.name]
    assert len(convs) + 1 == layers


@pytest.mark.parametrize("name", ["densenet121", "densenet169", "densenet201"])
def test_the_number_in_a_dense_name(name: str) -> None:
    """All convolutions, and the fully connected layer; each layer reads all layers before it in its block."""
    graph = zoo.build(name)
    assert sum(isinstance(node.op, Conv) for node in graph.nodes) + 1 == int(name.removeprefix("densenet"))
    for node in graph.nodes:
        if isinstance(node.op, Concat) and "denselayer" in node.name:
            block, number = node.name.removesuffix(".concat").split("denselayer")
            before = [f"{block}denselayer{earlier}.conv2" for earlier in range(1, int(number))]
            assert [value.name for value in node.operands][1:] == before


def test_bottlenecks() -> None:
    """Table 1 of the paper: the maps behind each stage; the stride of a block lies in its 3x3 convolution."""
    graph = zoo.resnet50()
    for stage, (channels, size) in enumerate([(256, 56), (512, 28), (1024, 14), (2048, 7)], start=1):
        assert shape(graph, f"layer{stage}.0.relu") == f"float32[1, {channels}, {size}, {size}]"
    strided = {
        node.name: node.op.strides for node in graph.nodes if isinstance(node.op, Conv) if max(node.op.strides) > 1
    }
    assert strided == dict.fromkeys(
        ["conv1", *(f"layer{stage}.0.{conv}" for stage in (2, 3, 4) for conv in ("downsample.0", "conv2"))], (2, 2)
    )
    assert sum(isinstance(node.op, Add) for node in graph.nodes) == 3 + 4 + 6 + 3


def test_aggregated_blocks() -> None:
    """32 groups of 4 channels in the first stage (32x4d), of 32 in the last."""
    graph = zoo.resnext50_32x4d()
    for stage, channels in enumerate((4, 8, 16, 32), start=1):
        weight = graph.value(f"layer{stage}.0.conv2.weight").weight
        assert weight is not None
        assert weight.shape == (32 * channels, channels, 3, 3)
    with pytest.raises(CnnirError, match="conv-group"):
        zoo.resnext50_32x4d(width=8)


def test_shortcuts() -> None:
    """A shortcut has weights where the shapes differ, and only there."""
    for name, stages in (("resnet18", (2, 3, 4)), ("resnet50", (1, 2, 3, 4))):
        graph = zoo.build(name)
        found = [node.name for node in graph.nodes if node.name.endswith("downsample.0")]
        assert found == [f"layer{stage}.0.downsample.0" for stage in stages]
        (block,) = (node for node in graph.nodes if node.name == "layer1.1.add")
        assert [value.name for value in block.operands][1] == "layer1.0.relu"


def test_transitions() -> None:
    """Table 1 of the DenseNet paper, with 32 channels a layer: half of the channels, half of the size."""
    graph = zoo.densenet121()
    expected = {"denseblock1.concat": (256, 56), "transition1.pool": (128, 28), "denseblock2.concat": (512, 28)}
    expected |= {"transition2.pool": (256, 14), "denseblock3.concat": (1024, 14), "transition3.pool": (512, 7)}
    expected |= {"denseblock4.concat": (1024, 7)}
    for name, (channels, size) in expected.items():
        assert shape(graph, f"features.{name}") == f"float32[1, {channels}, {size}, {size}]"


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d", "densenet121"])
def test_any_size(name: str) -> None:
    """Global pooling ends them, so that height and width may stay open; weights do not depend on them."""
    graph = zoo.build(name, size=("H", "W"))
    assert shape(graph, "prob") == "float32[1, 1000]"
    bound = graph.bind(H=160, W=96)
    assert bound.table().totals.params == zoo.build(name).table().totals.params
    assert bound.plan().status == "optimal"
