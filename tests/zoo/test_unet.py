"""U-Net: the sizes of the paper's figure, with and without padding."""

import numpy as np
import pytest

from cnnir import CnnirError, zoo
from cnnir.ops import Conv, ConvTranspose

FIGURE = {
    "down1.relu1": (64, 570), "down1.relu2": (64, 568), "pool1": (64, 284),
    "down2.relu1": (128, 282), "down2.relu2": (128, 280), "pool2": (128, 140),
    "down3.relu1": (256, 138), "down3.relu2": (256, 136), "pool3": (256, 68),
    "down4.relu1": (512, 66), "down4.relu2": (512, 64), "pool4": (512, 32),
    "bottom.relu1": (1024, 30), "bottom.relu2": (1024, 28),
    "up4.crop": (512, 56), "up4.concat": (1024, 56), "up4.relu1": (512, 54), "up4.relu2": (512, 52),
    "up3.crop": (256, 104), "up3.concat": (512, 104), "up3.relu1": (256, 102), "up3.relu2": (256, 100),
    "up2.crop": (128, 200), "up2.concat": (256, 200), "up2.relu1": (128, 198), "up2.relu2": (128, 196),
    "up1.crop": (64, 392), "up1.concat": (128, 392), "up1.relu1": (64, 390), "up1.relu2": (64, 388),
    "prob": (2, 388),
}  # fmt: skip
"""Channels and size of each map in figure 1."""


def test_figure() -> None:
    """Every map of figure 1; 23 convolutions, as the paper counts them, the up-convolutions among them."""
    graph = zoo.unet()
    for name, (channels, size) in FIGURE.items():
        assert str(graph.value(name).type) == f"float32[1, {channels}, {size}, {size}]", name
    assert sum(isinstance(node.op, Conv | ConvTranspose) for node in graph.nodes) == 23


def test_crops_take_the_middle() -> None:
    """What comes across a level lies where what comes up lies: as many cells off each border."""
    graph = zoo.unet()
    for level, margin in enumerate((88, 40, 16, 4), start=1):
        (across,) = graph.value(f"up{level}.crop").producer.operands  # type: ignore[union-attr]
        wide, narrow = (int(str(graph.value(name).type.shape[2])) for name in (across.name, f"up{level}.crop"))  # type: ignore[union-attr]
        assert (wide - narrow) // 2 == margin
        assert graph.value(f"up{level}.crop").producer.op.starts == (margin, margin)  # type: ignore[union-attr]


def test_a_cell_is_where_it_was() -> None:
    """A pixel that changes moves the scores around the same place, 92 cells further up and left in the output."""
    graph = zoo.unet(size=204, width=2, seed=1)
    image = np.random.default_rng(0).uniform(0, 1, (1, 1, 204, 204)).astype(np.float32)
    changed = image.copy()
    changed[0, 0, 98, 110] += 1
    before, after = (graph.run({"data": x}, outputs=["up1.relu2"])["up1.relu2"] for x in (image, changed))
    moved = np.abs(after - before)[0].sum(axis=0)
    assert moved.shape == (20, 20)
    assert np.unravel_index(moved.argmax(), moved.shape)[0] in range(98 - 92 - 2, 98 - 92 + 3)
    assert np.unravel_index(moved.argmax(), moved.shape)[1] in range(110 - 92 - 2, 110 - 92 + 3)


@pytest.mark.parametrize(("name", "good", "bad"), [("unet", 188, 190), ("unet_padded", 64, 72)])
def test_sizes(name: str, good: int, bad: int) -> None:
    """A map that is halved has to be even; else the level at which it is not is named."""
    graph = zoo.build(name, size=(good, good + 16), classes=5, channels=3, width=4)
    height = good if name == "unet_padded" else good - 184
    assert str(graph.outputs[0].type) == f"float32[1, 5, {height}, {height + 16}]"
    with pytest.raises(CnnirError, match=r"up\d\.concat \(Concat\)"):
        zoo.build(name, size=bad, width=4)
