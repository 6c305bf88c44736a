"""Inception v3: convolutions factorised into smaller and into one-dimensional ones."""

from collections.abc import Iterable
from dataclasses import dataclass

from cnnir.builder import Extent, GraphBuilder, Pair, Size
from cnnir.graph import Graph, Value
from cnnir.zoo.layers import classify, normalised_conv, proportion
from cnnir.zoo.registry import network

PAPER = (
    'Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture for Computer Vision" (2015),'
    " table 1; filters as in torchvision"
)

FIRST = 32
"""Filters of the first layer."""

STEM = (
    ("Conv2d_1a_3x3", 32, 3, 2, 0),
    ("Conv2d_2a_3x3", 32, 3, 1, 0),
    ("Conv2d_2b_3x3", 64, 3, 1, 1),
    ("maxpool1", 0, 3, 2, 0),
    ("Conv2d_3b_1x1", 80, 1, 1, 0),
    ("Conv2d_4a_3x3", 192, 3, 1, 0),
    ("maxpool2", 0, 3, 2, 0),
)
"""Name, filters (none: a pooling), window, stride and padding of what comes before the modules."""


@dataclass(frozen=True)
class _Layer:
    """A convolution of a branch: its name in the module, and what it is."""

    name: str
    filters: int
    kernel: Pair = 1
    stride: int = 1
    padded: bool = True
    """Whether the map keeps its size."""


@network("inception_v3", "Inception v3", PAPER)
def inception_v3(*, size: Size = 299, classes: int = 1000, batch: Extent = 1, width: int = 32, seed: int = 0) -> Graph:
    """The network without its auxiliary head, which serves training alone; names as in torchvision.

    Args:
        size: Height and width of the input image, in pixels; at least 75.
        classes: Number of outputs.
        batch: Images at once.
        width: Filters of the first layer (32); those of the others follow in proportion.
        seed: Of the initial weights.
    """
    builder = GraphBuilder("inception_v3", seed=seed)
    modules = _Modules(builder, width)
    x = builder.image(3, size, batch=batch)
    for name, filters, kernel, stride, padding in STEM:
        if filters:
            count = proportion(filters, width, FIRST)
            x = normalised_conv(builder, x, count, name, kernel=kernel, stride=stride, padding=padding)
        else:
            x = builder.max_pool(x, kernel, stride, name=name)
    for name, pooled in (("5b", 32), ("5c", 64), ("5d", 64)):
        x = modules.square(x, pooled, f"Mixed_{name}")
    x = modules.halve(x, "Mixed_6a")
    for name, filters in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        x = modules.long(x, filters, f"Mixed_{name}")
    x = modules.halve_again(x, "Mixed_7a")
    for name in ("7b", "7c"):
        x = modules.wide(x, f"Mixed_{name}")
    return classify(builder, x, classes, dropout=0.5)


@dataclass(frozen=True)
class _Modules:
    """The five kinds of module; each takes ``[N, C, H, W]`` and puts its branches side by side."""

    builder: GraphBuilder
    width: int

    def square(self, x: Value, pooled: int, name: str) -> Value:
        """The paper's figure 5: 1x1, 5x5, two 3x3, and a pooling with a projection."""
        return self._join(
            name,
            self._chain(x, name, [_Layer("branch1x1", 64)]),
            self._chain(x, name, [_Layer("branch5x5_1", 48), _Layer("branch5x5_2", 64, 5)]),
            self._chain(x, name, _double(64, 96, 96)),
            self._average(x, name, pooled),
        )

    def halve(self, x: Value, name: str) -> Value:
        """Figure 10: the map is halved by a 3x3, by two 3x3, and by a pooling."""
        return self._join(
            name,
            self._chain(x, name, [_Layer("branch3x3", 384, 3, 2, padded=False)]),
            self._chain(x, name, _double(64, 96, 96, stride=2)),
            self.builder.max_pool(x, 3, 2, name=f"{name}.branch_pool"),
        )

    def long(self, x: Value, filters: int, name: str) -> Value:
        """Figure 6 with n = 7: 7x7 as 1x7 and 7x1, once and twice."""
        row, column = (1, 7), (7, 1)
        once: list[Pair] = [1, row, column]
        twice: list[Pair] = [1, column, row, column, row]
        return self._join(
            name,
            self._chain(x, name, [_Layer("branch1x1", 192)]),
            self._chain(x, name, _numbered("branch7x7", once, filters, 192)),
            self._chain(x, name, _numbered("branch7x7dbl", twice, filters, 192)),
            self._average(x, name, 192),
        )

    def halve_again(self, x: Value, name: str) -> Value:
        """The map is halved by a 3x3, by a 7x7 in two parts and a 3x3, and by a pooling."""
        seven = [
            *_numbered("branch7x7x3", [1, (1, 7), (7, 1)], 192, 192),
            _Layer("branch7x7x3_4", 192, 3, 2, padded=False),
        ]
        return self._join(
            name,
            self._chain(x, name, [_Layer("branch3x3_1", 192), _Layer("branch3x3_2", 320, 3, 2, padded=False)]),
            self._chain(x, name, seven),
            self.builder.max_pool(x, 3, 2, name=f"{name}.branch_pool"),
        )

    def wide(self, x: Value, name: str) -> Value:
        """Figure 7: 1x3 and 3x1 side by side, behind a 1x1 and behind a 3x3."""
        short = self._chain(x, name, [_Layer("branch3x3_1", 384)])
        deep = self._chain(x, name, [_Layer("branch3x3dbl_1", 448), _Layer("branch3x3dbl_2", 384, 3)])
        return self._join(
            name,
            self._chain(x, name, [_Layer("branch1x1", 320)]),
            self._both(short, name, "branch3x3_2"),
            self._both(deep, name, "branch3x3dbl_3"),
            self._average(x, name, 192),
        )

    def _chain(self, x: Value, module: str, layers: Iterable[_Layer]) -> Value:
        """One convolution after another."""
        for layer in layers:
            high, wide = (layer.kernel, layer.kernel) if isinstance(layer.kernel, int) else layer.kernel
            x = normalised_conv(
                self.builder,
                x,
                proportion(layer.filters, self.width, FIRST),
                f"{module}.{layer.name}",
                kernel=layer.kernel,
                stride=layer.stride,
                padding=(high // 2, wide // 2) if layer.padded else 0,
            )
        return x

    def _both(self, x: Value, module: str, name: str) -> Value:
        """A row and a column side by side."""
        row = self._chain(x, module, [_Layer(f"{name}a", 384, (1, 3))])
        column = self._chain(x, module, [_Layer(f"{name}b", 384, (3, 1))])
        return self.builder.concat(row, column, name=f"{module}.{name}")

    def _average(self, x: Value, module: str, filters: int) -> Value:
        """A 3x3 average, padding counted as in torchvision, and a projection."""
        pooled = self.builder.average_pool(x, 3, 1, 1, count_padding=True, name=f"{module}.pool")
        return self._chain(pooled, module, [_Layer("branch_pool", filters)])

    def _join(self, module: str, *branches: Value) -> Value:
        return self.builder.concat(*branches, name=module)


def _double(*filters: int, stride: int = 1) -> list[_Layer]:
    """A 1x1 and two 3x3, the last of which may halve the map."""
    first, second, third = filters
    return [
        _Layer("branch3x3dbl_1", first),
        _Layer("branch3x3dbl_2", second, 3),
        _Layer("branch3x3dbl_3", third, 3, stride, padded=stride == 1),
    ]


def _numbered(name: str, kernels: list[Pair], inner: int, last: int) -> list[_Layer]:
    """A chain of windows, with as many filters in each layer but the last."""
    counts = [inner] * (len(kernels) - 1) + [last]
    return [
        _Layer(f"{name}_{number}", count, kernel)
        for number, (count, kernel) in enumerate(zip(counts, kernels, strict=True), start=1)
    ]
