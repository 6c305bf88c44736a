"""MobileNet, ShuffleNet and EfficientNet: the families by their multipliers, the rows of the papers' tables."""

import pytest

from cnnir import CnnirError, zoo
from cnnir.ops import Add, Conv, HardSigmoid, Split
from cnnir.zoo.layers import rounded


def params(name: str, **options: object) -> object:
    return zoo.build(name, **options).table().totals.params


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        # torchvision: num_params of shufflenet_v2_x0_5, x1_5 and x2_0, efficientnet_b1 to b4
        ("shufflenet_v2", {"width": 0.5}, 1366792),
        ("shufflenet_v2", {"width": 1.5}, 3503624),
        ("shufflenet_v2", {"width": 2.0}, 7393996),
        ("efficientnet_b0", {"width": 1.0, "depth": 1.1}, 7794184),
        ("efficientnet_b0", {"width": 1.1, "depth": 1.2}, 9109994),
        ("efficientnet_b0", {"width": 1.2, "depth": 1.4}, 12233232),
        ("efficientnet_b0", {"width": 1.4, "depth": 1.8}, 19341616),
        # Keras: trainable parameters with alpha 0.25, 0.5, 0.75 (v1) and 0.5, 1.4 (v2)
        ("mobilenet_v1", {"width": 0.25}, 475544 - 2 * 2736),
        ("mobilenet_v1", {"width": 0.5}, 1342536 - 2 * 5472),
        ("mobilenet_v1", {"width": 0.75}, 2601976 - 2 * 8208),
    ],
)
def test_families(name: str, options: dict[str, float], expected: int) -> None:
    """The other members, by the multipliers of their papers."""
    assert params(name, **options) == expected


def test_rounding() -> None:
    """To the nearest multiple of eight, but never to less than nine tenths."""
    assert [rounded(count) for count in (1, 8, 11, 12, 16 * 0.75, 32 * 0.35, 24 * 0.5, 18, 19)] == [
        8, 8, 16, 16, 16, 16, 16, 24, 24
    ]  # fmt: skip


def test_published_table_of_version_2() -> None:
    """Table 2 of the paper: what goes into each row at 224, and how many blocks add what they were given."""
    graph = zoo.mobilenet_v2()
    rows = {
        0: (32, 112),
        1: (16, 112),
        3: (24, 56),
        6: (32, 28),
        10: (64, 14),
        13: (96, 14),
        16: (160, 7),
        17: (320, 7),
    }
    sizes = [str(value.type) for value in graph.values]
    for channels, size in rows.values():
        assert f"float32[1, {channels}, {size}, {size}]" in sizes
    assert sum(isinstance(node.op, Add) for node in graph.nodes) == 1 + 2 + 3 + 2 + 2


@pytest.mark.parametrize(
    ("name", "gates", "added", "kernels"),
    [("mobilenet_v3_large", 8, 10, (9, 6)), ("mobilenet_v3_small", 9, 6, (3, 8))],
)
def test_published_tables_of_version_3(name: str, gates: int, added: int, kernels: tuple[int, int]) -> None:
    """Tables 1 and 2: squeeze-and-excites, shortcuts, and depthwise windows of 3 and of 5."""
    graph = zoo.build(name)
    assert sum(isinstance(node.op, HardSigmoid) for node in graph.nodes) == gates
    assert sum(isinstance(node.op, Add) for node in graph.nodes) == added
    depthwise = [node for node in graph.nodes if isinstance(node.op, Conv) and node.op.group > 1]
    windows = [str(node.inputs[1].type)[-5:-1] for node in depthwise if node.inputs[1]]
    assert (windows.count("3, 3"), windows.count("5, 5")) == kernels


def test_units_of_shufflenet() -> None:
    """Half of the channels pass a unit untouched: the shuffle reads them as they came out of the split."""
    graph = zoo.shufflenet_v2()
    splits = [node for node in graph.nodes if isinstance(node.op, Split)]
    assert len(splits) == 3 + 7 + 3
    for node in splits:
        kept, changed = node.outputs
        assert [user.op.kind for user in kept.users] == ["Concat"]
        assert [user.op.kind for user in changed.users] == ["Conv"]
    with pytest.raises(CnnirError, match=r"no such width.*one of 0.5, 1.0, 1.5, 2.0.*\[option-value\]"):
        zoo.shufflenet_v2(width=0.7)


@pytest.mark.parametrize(
    "name",
    ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "shufflenet_v2", "efficientnet_b0"],
)
def test_any_size(name: str) -> None:
    """Height and width may stay open, and be any."""
    graph = zoo.build(name, size=("H", "W"))
    assert str(graph.value("prob").type) == "float32[1, 1000]"
    assert graph.bind(H=161, W=97).plan().arena_bytes > 0
    for width in (-1.0, 0.0, float("nan"), float("inf"), "wide"):
        with pytest.raises(CnnirError, match=rf"^{name}: .*\[option-value\]"):
            zoo.build(name, width=width)
