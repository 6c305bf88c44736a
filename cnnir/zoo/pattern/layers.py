"""The words of the notation: what each takes, and which layer it stands for.

A layer's window keeps the map's size unless it strides or pools: convolutions pad by (F - 1) / 2 where nothing else is
said, poolings do not pad.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from cnnir.builder import GraphBuilder, Padding
from cnnir.errors import CnnirError
from cnnir.graph import Value
from cnnir.types import TensorType
from cnnir.zoo.pattern.syntax import Layer, Setting

Slot: TypeAlias = Literal["size", "filters", "stride"]

SAME = "same"
"""As padding: as many cells as keep the map's size at stride 1."""


@dataclass(frozen=True)
class Arguments:
    """What stands at a layer, read, with its word's defaults where it has some.

    Attributes:
        size: Height and width of the window; None when neither given nor usual.
        filters: None likewise.
        stride: Along both axes; None when not given.
        options: By their full names; a number without a name is that of the word's first option.
    """

    size: tuple[int, int] | None
    filters: int | None
    stride: tuple[int, int] | None
    options: Mapping[str, Setting]

    def number(self, name: str, default: float) -> float:
        """The option as a number."""
        found = self.options.get(name, default)
        return found if isinstance(found, int | float) else default

    def count(self, name: str, default: int) -> int:
        """The option as a whole number."""
        found = self.options.get(name, default)
        return found if isinstance(found, int) else default

    def pair(self, name: str, default: int) -> tuple[int, int]:
        """The option for both axes."""
        found = self.options.get(name, default)
        return (
            (found[0], found[-1])
            if isinstance(found, tuple)
            else (self.count(name, default), self.count(name, default))
        )

    @property
    def window(self) -> tuple[int, int]:
        """The size of a layer that always has one."""
        return self.size or (1, 1)

    @property
    def side(self) -> int:
        """The size of a layer that has one number for it.

        Raises:
            CnnirError: ``pattern-option`` where there are two that differ.
        """
        height, width = self.window
        if height != width:
            raise CnnirError("pattern-option", "the layer takes one number", got=f"{height}x{width}")
        return height

    @property
    def biased(self) -> bool:
        """Whether the layer has a bias."""
        return "nobias" not in self.options


Build: TypeAlias = Callable[[GraphBuilder, Value, Arguments, str], Value]


@dataclass(frozen=True)
class Word:
    """A word of the notation.

    Attributes:
        build: Adds the layer.
        stem: What its layers' names begin with.
        says: What it stands for, for the documentation.
        slots: Which numbers may stand at it.
        options: Which options it takes, and the kind of each.
        defaults: The numbers that it stands for where none are given.
        weighted: Whether it has weights of its own: such layers are counted in names.
    """

    build: Build
    stem: str
    says: str
    slots: tuple[Slot, ...] = ()
    options: Mapping[str, "Kind"] = field(default_factory=dict)
    defaults: Mapping[Slot, int] = field(default_factory=dict)
    weighted: bool = False


Kind: TypeAlias = Literal["number", "count", "pair", "padding", "flag", "name"]

_SPELLINGS = {"p": "pad", "padding": "pad", "d": "dilation", "g": "groups", "s": "stride", "epsilon": "eps"}

_SAYS: Mapping[Kind, str] = {
    "number": "a number",
    "count": "a whole number",
    "pair": "a whole number, or HxW",
    "padding": f"cells, HxW, TOPxLEFTxBOTTOMxRIGHT, or {SAME}",
    "flag": "a flag",
    "name": "a name",
}


def find_word(layer: Layer) -> Word:
    """The word of a layer.

    Raises:
        CnnirError: ``pattern-word``.
    """
    name = ALIASES.get(layer.word, layer.word)
    if name not in WORDS:
        near = difflib.get_close_matches(layer.word, [*WORDS, *ALIASES], n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(WORDS)}"
        raise CnnirError("pattern-word", "no such layer", got=layer.word, hint=hint)
    return WORDS[name]


def arguments(layer: Layer, filters: int | None) -> Arguments:
    """The layer's numbers and options, checked against what its word takes.

    Args:
        layer: With its numbers and options.
        filters: Its filters, where they are a variable, looked up.

    Raises:
        CnnirError: ``pattern-word`` or ``pattern-option``.
    """
    word = find_word(layer)
    given: dict[Slot, object] = {"size": layer.size, "filters": layer.filters, "stride": layer.stride}
    for slot, number in given.items():
        if number not in ((), None) and slot not in word.slots:
            raise CnnirError("pattern-option", f"{layer.word} takes no {slot}", got=layer)
    options: dict[str, Setting] = {}
    for name, setting in layer.options:
        known = next(iter(word.options), name) if name == "" else _SPELLINGS.get(name, name)
        if known not in word.options:
            wanted = ", ".join(word.options) or "no options"
            raise CnnirError("pattern-option", f"{layer.word} has no such option", expected=wanted, got=name or setting)
        if known in options:
            raise CnnirError("pattern-option", "an option is given once", got=name)
        options[known] = _setting(known, word.options[known], setting)
    usual = word.defaults.get("size")
    size = _pair("a size", layer.size) or (None if usual is None else (usual, usual))
    filters = word.defaults.get("filters") if filters is None else filters
    return Arguments(size, filters, _pair("a stride", layer.stride), options)


def _setting(name: str, kind: Kind, setting: Setting) -> Setting:
    """The setting, when it is of that kind; a whole number may stand for sizes and numbers alike."""
    sizes = setting if isinstance(setting, tuple) else ()
    single = sizes[0] if len(sizes) == 1 else setting
    if kind == "flag" and setting is True:
        return True
    if kind == "name" and isinstance(setting, str):
        return setting
    if kind == "number" and isinstance(single, int | float) and single is not True:
        return single
    if kind in ("count", "pair", "padding") and isinstance(single, int) and single is not True:
        return single
    if (kind == "pair" and len(sizes) == 2) or (kind == "padding" and (len(sizes) in (2, 4) or setting == SAME)):
        return setting
    raise CnnirError("pattern-option", f"{name} is of another kind", expected=_SAYS[kind], got=setting)


def _pair(what: str, sizes: tuple[int, ...]) -> tuple[int, int] | None:
    if len(sizes) > 2:
        raise CnnirError("pattern-option", f"{what} is one number or two", got="x".join(map(str, sizes)))
    return (sizes[0], sizes[-1]) if sizes else None


def _padding(setting: Setting | None, size: tuple[int, int], dilation: tuple[int, int]) -> Padding:
    """Cells around the map; as many as keep its size where that is asked for."""
    if isinstance(setting, tuple):
        return (setting[0], setting[1]) if len(setting) == 2 else (setting[0], setting[1], setting[2], setting[3])
    if isinstance(setting, int):
        return setting
    extents = [d * (k - 1) for k, d in zip(size, dilation, strict=True)]
    if any(extent % 2 for extent in extents):
        kernel = "x".join(map(str, size))
        raise CnnirError(
            "pattern-option", "no padding on both sides keeps the size under an even window", got=kernel,
            hint="say which padding it has, for instance (pad=0)",
        )  # fmt: skip
    return extents[0] // 2, extents[1] // 2


def _channels(x: Value) -> int:
    shape = x.type.shape if isinstance(x.type, TensorType) else ()
    if len(shape) < 2 or not isinstance(shape[1], int):
        raise CnnirError("rank", "the layer needs a known number of channels", got=x.type)
    return shape[1]


def _conv(builder: GraphBuilder, x: Value, given: Arguments, name: str) -> Value:
    return builder.conv(x, given.filters or 0, groups=given.count("groups", 1), name=name, **_window(given))


def _depthwise(builder: GraphBuilder, x: Value, given: Arguments, name: str) -> Value:
    channels = _channels(x)
    return builder.conv(x, given.filters or channels, groups=channels, name=name, **_window(given))


def _window(given: Arguments) -> dict[str, Any]:
    """What the two kinds of convolution take alike."""
    size, dilation = given.window, given.pair("dilation", 1)
    padding = _padding(given.options.get("pad", SAME), size, dilation)
    return {
        "kernel": size, "stride": given.stride or 1, "padding": padding, "dilation": dilation, "bias": given.biased,
    }  # fmt: skip


def _transposed(builder: GraphBuilder, x: Value, given: Arguments, name: str) -> Value:
    stride = given.stride or given.window
    return builder.conv_transpose(
        x, given.filters or 0, kernel=given.window, stride=stride, bias=given.biased, name=name
    )


def _linear(builder: GraphBuilder, x: Value, given: Arguments, name: str) -> Value:
    if isinstance(x.type, TensorType) and x.type.rank > 2:
        x = builder.flatten(x, name="flatten")
    return builder.linear(x, given.filters or 0, bias=given.biased, name=name)


def _max_pool(builder: GraphBuilder, x: Value, given: Arguments, name: str) -> Value:
    padding = _padding(given.options.get("pad", 0), given.window, (1, 1))
    return builder.max_pool(x, given.window, given.stride, padding, ceil_mode="ceil" in given.options, name=name)


def _average_pool(builder: GraphBuilder, x: Value, given: Arguments, name: str) -> Value:
    padding = _padding(given.options.get("pad", 0), given.window, (1, 1))
    ceil, count = "ceil" in given.options, "countpad" in given.options
    return builder.average_pool(x, given.window, given.stride, padding, ceil_mode=ceil, count_padding=count, name=name)


def _lrn(builder: GraphBuilder, x: Value, given: Arguments, name: str) -> Value:
    alpha, beta, bias = given.number("alpha", 1e-4), given.number("beta", 0.75), given.number("k", 1.0)
    return builder.lrn(x, given.side, alpha=alpha, beta=beta, bias=bias, name=name)


def _relu(builder: GraphBuilder, x: Value, given: Arguments, name: str) -> Value:
    if given.size not in (None, (6, 6)):
        raise CnnirError("pattern-option", "a ReLU is RELU or RELU6", got=f"RELU{given.window[0]}")
    return builder.relu6(x, name=name) if given.size else builder.relu(x, name=name)


def _leaky(builder: GraphBuilder, x: Value, given: Arguments, name: str) -> Value:
    return builder.leaky_relu(x, given.number("slope", 0.01), name=name)


def _batch_norm(builder: GraphBuilder, x: Value, given: Arguments, name: str) -> Value:
    return builder.batch_norm(x, epsilon=given.number("eps", 1e-5), name=name)


def _dropout(builder: GraphBuilder, x: Value, given: Arguments, name: str) -> Value:
    return builder.dropout(x, given.number("ratio", 0.5), name=name)


def _shuffle(builder: GraphBuilder, x: Value, given: Arguments, name: str) -> Value:
    return builder.channel_shuffle(x, given.side, name=name)


def _upsample(builder: GraphBuilder, x: Value, given: Arguments, name: str) -> Value:
    return builder.upsample(x, given.side, name=name)


def _by_name(method: Callable[..., Value]) -> Build:
    """A layer that takes nothing but its name."""
    return lambda builder, x, _, name: method(builder, x, name=name)


_NAME: Mapping[str, Kind] = {"name": "name"}
_BIAS: Mapping[str, Kind] = {"nobias": "flag", "name": "name"}
_DEPTHWISE: Mapping[str, Kind] = {"pad": "padding", "dilation": "pair", **_BIAS}
_CONV: Mapping[str, Kind] = {"pad": "padding", "dilation": "pair", "groups": "count", **_BIAS}
_POOL: Mapping[str, Kind] = {"pad": "padding", "ceil": "flag", **_NAME}
_AVERAGE: Mapping[str, Kind] = {"pad": "padding", "ceil": "flag", "countpad": "flag", **_NAME}
_LRN: Mapping[str, Kind] = {"alpha": "number", "beta": "number", "k": "number", **_NAME}

_ALL: tuple[Slot, ...] = ("size", "filters", "stride")

WORDS: Mapping[str, Word] = {
    "CONV": Word(
        _conv, "conv", "convolution, padded to keep the size", _ALL, _CONV, {"size": 3, "filters": 64}, weighted=True
    ),
    "DWCONV": Word(
        _depthwise, "conv", "depthwise convolution: each channel on its own, as many filters as channels", _ALL,
        _DEPTHWISE, {"size": 3}, weighted=True,
    ),
    "DECONV": Word(
        _transposed, "deconv", "transposed convolution; the stride is the window", _ALL, _BIAS,
        {"size": 2, "filters": 64}, weighted=True,
    ),
    "FC": Word(
        _linear, "fc", "fully connected layer; a map before it is flattened", ("filters",), _BIAS, {"filters": 1000},
        weighted=True,
    ),
    "POOL": Word(_max_pool, "pool", "max pooling; the stride is the window", ("size", "stride"), _POOL, {"size": 2}),
    "AVGPOOL": Word(
        _average_pool, "pool", "average pooling; the stride is the window", ("size", "stride"), _AVERAGE, {"size": 2}
    ),
    "GAP": Word(_by_name(GraphBuilder.global_average_pool), "gap", "the mean of each map", options=_NAME),
    "BN": Word(_batch_norm, "bn", "batch normalisation", options={"eps": "number", **_NAME}),
    "LRN": Word(_lrn, "norm", "local response normalisation across channels", ("size",), _LRN, {"size": 5}),
    "RELU": Word(_relu, "relu", "`max(x, 0)`; `RELU6` is bounded by 6", ("size",), _NAME),
    "LEAKY": Word(_leaky, "relu", "leaky ReLU, slope 0.01", options={"slope": "number", **_NAME}),
    "SIGMOID": Word(_by_name(GraphBuilder.sigmoid), "sigmoid", "`1 / (1 + exp(-x))`", options=_NAME),
    "TANH": Word(_by_name(GraphBuilder.tanh), "tanh", "hyperbolic tangent", options=_NAME),
    "SWISH": Word(_by_name(GraphBuilder.swish), "swish", "`x * sigmoid(x)`", options=_NAME),
    "HSWISH": Word(_by_name(GraphBuilder.hard_swish), "swish", "`x * max(0, min(1, x / 6 + 1 / 2))`", options=_NAME),
    "HSIGMOID": Word(_by_name(GraphBuilder.hard_sigmoid), "sigmoid", "`max(0, min(1, x / 6 + 1 / 2))`", options=_NAME),
    "SOFTMAX": Word(_by_name(GraphBuilder.softmax), "prob", "softmax over the channels", options=_NAME),
    "DROPOUT": Word(_dropout, "drop", "dropout, ratio 0.5", options={"ratio": "number", **_NAME}),
    "FLATTEN": Word(_by_name(GraphBuilder.flatten), "flatten", "a map as one row", options=_NAME),
    "IDENTITY": Word(lambda _builder, x, _given, _name: x, "identity", "a branch that passes on what it gets"),
    "SHUFFLE": Word(_shuffle, "shuffle", "channels interleaved across groups", ("size",), _NAME, {"size": 2}),
    "UP": Word(_upsample, "up", "each cell repeated along both axes", ("size",), _NAME, {"size": 2}),
}  # fmt: skip
"""Every word but ``INPUT``."""

ALIASES: Mapping[str, str] = {"MAXPOOL": "POOL", "GLOBALPOOL": "GAP", "BATCHNORM": "BN", "DEPTHWISE": "DWCONV"}
"""Other spellings."""
