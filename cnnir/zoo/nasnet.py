"""NASNet-A and PNASNet-5: networks of searched cells.

Both are stacks of normal cells, with cells that halve the map between them and twice as many filters behind those;
each cell reads the outputs of the two before it. No auxiliary heads, no dropped paths: the networks as they are used.
"""

from functools import partial

from cnnir.builder import Extent, GraphBuilder, Size
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.types import outside_int
from cnnir.zoo.cells import Block, Cell, Grown, Stack
from cnnir.zoo.registry import network

NASNET = (
    "Zoph, Vasudevan, Shlens and Le,"
    ' "Learning Transferable Architectures for Scalable Image Recognition" (2017), figures 2 and 4'
)

PNASNET = 'Liu et al., "Progressive Neural Architecture Search" (2017), figure 1'

NORMAL = Cell(
    (
        Block(("sep5", "current"), ("sep3", "previous")),
        Block(("sep5", "previous"), ("sep3", "previous")),
        Block(("avg3", "current"), ("none", "previous")),
        Block(("avg3", "previous"), ("avg3", "previous")),
        Block(("sep3", "current"), ("none", "current")),
    ),
    ("previous", 0, 1, 2, 3, 4),
)
"""NASNet-A's normal cell, figure 4, left."""

REDUCTION = Cell(
    (
        Block(("sep5", "current"), ("sep7", "previous")),
        Block(("max3", "current"), ("sep7", "previous")),
        Block(("avg3", "current"), ("sep5", "previous")),
        Block(("avg3", 0), ("none", 1)),
        Block(("sep3", 0), ("max3", "current")),
    ),
    (1, 2, 3, 4),
)
"""NASNet-A's reduction cell, figure 4, right."""

PROGRESSIVE = Cell(
    (
        Block(("sep5", "previous"), ("max3", "previous")),
        Block(("sep7", "current"), ("max3", "current")),
        Block(("sep5", "current"), ("sep3", "current")),
        Block(("sep3", 2), ("max3", "current")),
        Block(("sep3", "previous"), ("none", "current")),
    ),
    (0, 1, 2, 3, 4),
)
"""PNASNet-5's only cell, figure 1, left; at stride 2 it is the reduction."""

STAGES = 3
"""Runs of normal cells; a reduction lies between two of them."""


def nasnet(
    name: str,
    skip_reduction: bool,
    /,
    *,
    size: Size = 331,
    classes: int = 1000,
    batch: Extent = 1,
    cells: int = 6,
    width: int = 168,
    stem: int = 96,
    seed: int = 0,
) -> Graph:
    """A NASNet-A, "cells @ 24 * width" in the paper's notation.

    Args:
        name: Of the graph.
        skip_reduction: Whether the cell behind a reduction reads what was read by the reduction as the older of its
            inputs, as in the authors' large network; else what the reduction read as the newer.
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        cells: Normal cells of each stage.
        width: Channels of each block in the first stage, a multiple of 4; twice as many in the next.
        stem: Filters of the first convolution.
        seed: Of the initial weights.

    Raises:
        CnnirError: ``option-value`` for a width that the two cells before the first stage cannot divide,
            ``dim-number`` or ``dim-negative`` for counts that are none.
    """
    cells = outside_int(cells, "cells", least=1, node=name)
    width = _checked_width(width, name)
    builder = GraphBuilder(name, seed=seed)
    stack = Stack(builder)
    past = [stack.stem(builder.image(3, size, batch=batch), stem)]
    past.append(stack.cell(REDUCTION, past, width // 4, 2, "cell_stem_0"))
    past.append(stack.cell(REDUCTION, past, width // 2, 2, "cell_stem_1"))
    for index in range(STAGES * cells):
        filters = width * 2 ** (index // cells)
        sources: list[Grown] = past
        if index and index % cells == 0:
            reduced = stack.cell(REDUCTION, past, filters, 2, f"reduction_cell_{index // cells - 1}")
            sources = [past[-2 if skip_reduction else -1], reduced]
            past.append(reduced)
        past.append(stack.cell(NORMAL, sources, filters, 1, f"cell_{index}"))
    return stack.classified(past[-1], classes)


nasnet_a_large = network("nasnet_a_large", "NASNet-A large (6 @ 4032)", NASNET)(
    partial(nasnet, "nasnet_a_large", True)  # noqa: FBT003
)
nasnet_a_mobile = network("nasnet_a_mobile", "NASNet-A mobile (4 @ 1056)", NASNET)(
    partial(nasnet, "nasnet_a_mobile", False, size=224, cells=4, width=44, stem=32)  # noqa: FBT003
)


@network("pnasnet5_large", "PNASNet-5 large (4 @ 4320)", PNASNET)
def pnasnet5_large(
    *,
    size: Size = 331,
    classes: int = 1000,
    batch: Extent = 1,
    cells: int = 3,
    width: int = 216,
    stem: int = 96,
    seed: int = 0,
) -> Graph:
    """PNASNet-5 large.

    Args:
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        cells: Cells of each stage at stride 1, without the one at its beginning.
        width: Channels of each block in the first stage, a multiple of 4; twice as many in the next.
        stem: Filters of the first convolution.
        seed: Of the initial weights.

    Raises:
        CnnirError: ``option-value`` for a width that the two cells before the first stage cannot divide,
            ``dim-number`` or ``dim-negative`` for counts that are none.
    """
    cells = outside_int(cells, "cells", least=1, node="pnasnet5_large")
    width = _checked_width(width, "pnasnet5_large")
    builder = GraphBuilder("pnasnet5_large", seed=seed)
    stack = Stack(builder)
    past = [stack.stem(builder.image(3, size, batch=batch), stem)]
    past.append(stack.cell(PROGRESSIVE, past, width // 4, 2, "cell_stem_0"))
    past.append(stack.cell(PROGRESSIVE, past, width // 2, 2, "cell_stem_1"))
    for index in range(STAGES * (cells + 1)):
        stage, place = divmod(index, cells + 1)
        stride = 2 if stage and place == 0 else 1
        past.append(stack.cell(PROGRESSIVE, past, width * 2**stage, stride, f"cell_{index}"))
    return stack.classified(past[-1], classes)


def _checked_width(width: int, node: str) -> int:
    width = outside_int(width, "width", least=4, node=node)
    if width % 4:
        raise CnnirError(
            "option-value", "the stem has a quarter of the width", node=node, expected="4, 8, ...", got=width
        )
    return width
