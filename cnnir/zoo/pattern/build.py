"""From a pattern to a graph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cnnir.builder import GraphBuilder
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.names import Names
from cnnir.ops import Sum
from cnnir.zoo.pattern.layers import Arguments, Word, arguments, find_word
from cnnir.zoo.pattern.parser import fault, parse, where
from cnnir.zoo.pattern.syntax import Branches, Chain, Item, Layer, Number, Optional, Pattern, Setting, names

DEFAULT_INPUT = (224, 224, 3)
"""What ``INPUT`` stands for where nothing is said; a note at the graph tells."""

_ALONE = ("prob", "flatten", "gap")
"""Layers that a network has once, and whose names need no number."""

_MOST_LAYERS = 20_000
"""A pattern that unrolls into more is a slip of the pen."""


def from_pattern(text: str, *, name: str = "pattern", seed: int = 0, **values: int | bool) -> Graph:
    """The network that a pattern describes.

    Names follow VGG's custom: whatever makes the map smaller ends a block, ``conv2_1`` is the first convolution of the
    second block, ``fc6`` the fully connected layer after five blocks.

    Args:
        text: The pattern, ``INPUT[32x32x3] -> [[CONV3-64 -> RELU]*2 -> POOL2]*3 -> FC-10``.
        name: Of the network.
        seed: Of its initial weights.
        values: Of the variables (``*N``, ``-K``) and flags (``POOL2?pool``); they go before those in the text.

    Raises:
        CnnirError: ``pattern-syntax``, ``pattern-word``, ``pattern-option``, ``pattern-value`` or ``pattern-large``,
            each with the column; what a layer itself raises, at its column.
    """
    return _Network(text, parse(text), GraphBuilder(name, seed=seed), values).build()


@dataclass(frozen=True)
class _Place:
    """Where in the network a layer stands, for its name.

    Attributes:
        block: Number of the block, from one.
        index: How many layers with weights the block has so far.
        label: Of the last layer with weights on the way: ``2_1`` or ``6``.
    """

    block: int = 1
    index: int = 0
    label: str = ""

    def next_block(self) -> "_Place":
        return replace(self, block=self.block + 1, index=0)


class _Network:
    """A network as it grows."""

    def __init__(self, text: str, pattern: Pattern, builder: GraphBuilder, values: Mapping[str, int | bool]) -> None:
        self.text = text
        self.pattern = pattern
        self.builder = builder
        self.values = {**pattern.values, **values}
        self.names = Names()
        self.place = _Place()
        self.notes: dict[str, None] = {}

    def build(self) -> Graph:
        first, *rest = self.pattern.chain.items
        if not isinstance(first, Layer) or first.word != "INPUT":
            raise fault(self.text, 0, "a network begins with INPUT", got=str(first))
        asked = {*names(self.pattern.chain), *(str(setting) for _, setting in first.options)}
        for name in self.values:
            if name not in asked:
                wanted = ", ".join(sorted(asked)) or "none"
                raise CnnirError("pattern-value", "no variable or flag of this name", expected=wanted, got=name)
        self._limit(self.pattern.chain, first.place)
        x = self._chain(rest, self._input(first))
        graph = self.builder.build(x)
        graph.notes.extend(self.notes)
        return graph

    def _chain(self, items: Sequence[Item], x: Value) -> Value:
        for item in items:
            x = self._item(item, x)
        return x

    def _item(self, item: Item, x: Value) -> Value:
        if isinstance(item, Layer):
            return self._layer(item, x)
        if isinstance(item, Chain):
            return self._chain(item.items, x)
        if isinstance(item, Branches):
            return self._branches(item, x)
        if isinstance(item, Optional):
            return self._item(item.item, x) if self._value(item.flag, item.place, default=True) else x
        for _ in range(self._number(item.times, item.place)):
            x = self._item(item.item, x)
        return x

    def _limit(self, item: Item, place: int) -> int:
        """How many layers an item unrolls into; an empty one counts too, since it is repeated like any other.

        Args:
            item: What is counted.
            place: Where it stands, or what it is a part of.

        Raises:
            CnnirError: ``pattern-large`` at the item where there are too many.
        """
        if isinstance(item, Layer):
            layers = 1
        elif isinstance(item, Chain):
            layers = max(sum(self._limit(part, place) for part in item.items), 1)
        elif isinstance(item, Branches):
            layers = sum(self._limit(chain, item.place) for chain in item.chains) + 1
            place = item.place
        elif isinstance(item, Optional):
            layers = self._limit(item.item, item.place)
        else:
            layers = self._limit(item.item, item.place) * max(self._number(item.times, item.place), 1)
            place = item.place
        if layers > _MOST_LAYERS:
            raise CnnirError(
                "pattern-large", "the pattern unrolls into too many layers", node=where(self.text, place),
                expected=f"at most {_MOST_LAYERS}", got=layers,
            )  # fmt: skip
        return layers

    def _branches(self, item: Branches, x: Value) -> Value:
        begin, ends, shrunk = self.place, [], False
        index, label = begin.index, begin.label
        for chain in item.chains:
            # Names count on through the branches, but each begins in the block where they part.
            self.place = replace(begin, index=index)
            ends.append(self._chain(chain.items, x))
            shrunk |= self.place.block > begin.block
            index = max(index, self.place.index)
            label = label if self.place.label == begin.label else self.place.label
        self.place = replace(begin.next_block() if shrunk else replace(begin, index=index), label=label)
        name = self.names.reserve(f"{item.join}{self.place.label}")
        try:
            return self._joined(item.join, ends, name)
        except CnnirError as error:
            raise self._located(error, item.place, item.join) from None

    def _joined(self, join: str, ends: list[Value], name: str) -> Value:
        if join == "concat":
            return self.builder.concat(*ends, name=name)
        if join == "sum":
            return self.builder.op(Sum(), *ends, name=name)
        if len(ends) != 2:
            hint = "sum joins any number" if join == "add" else None
            raise CnnirError("pattern-option", f"{join} joins two branches", got=len(ends), hint=hint)
        return (self.builder.add if join == "add" else self.builder.mul)(*ends, name=name)

    def _layer(self, layer: Layer, x: Value) -> Value:
        if layer.word == "INPUT":
            raise fault(self.text, layer.place, "INPUT stands at the beginning alone")
        try:
            word = find_word(layer)
            filters = None if layer.filters is None else self._number(layer.filters, layer.place)
            given = arguments(layer, filters)
            self._note(layer, word)
            return word.build(self.builder, x, given, self._name(word, given))
        except CnnirError as error:
            raise self._located(error, layer.place, str(layer)) from None

    def _note(self, layer: Layer, word: Word) -> None:
        """What stands for a number that the text does not give."""
        for slot, number in word.defaults.items() if word.weighted else ():
            if not (layer.size if slot == "size" else layer.filters):
                self.notes[f"{layer.word} without {slot}: taken as {number}"] = None

    def _name(self, word: Word, given: Arguments) -> str:
        """A name for the layer; the place moves behind it."""
        place, shrinks = self.place, _shrinks(word, given)
        if word.stem == "fc":
            place = place.next_block() if place.index else place
            number = str(place.block)
            self.place = replace(place.next_block(), label=number)
        elif word.weighted:
            number = f"{place.block}_{place.index + 1}"
            place = replace(place, index=place.index + 1, label=number)
            self.place = place.next_block() if shrinks else place
        elif word.stem == "pool" and shrinks:
            number = str(place.block)
            self.place = place.next_block()
        else:
            number = "" if word.stem in _ALONE else place.label
        named = given.options.get("name")
        return self.names.reserve(named if isinstance(named, str) else f"{word.stem}{number}")

    def _input(self, layer: Layer) -> Value:
        if layer.size or layer.filters is not None or layer.stride:
            raise fault(self.text, layer.place, "INPUT takes its sizes in brackets", hint="INPUT[224x224x3]")
        if not layer.shape:
            self.notes[f"INPUT without sizes: taken as {'x'.join(map(str, DEFAULT_INPUT))}"] = None
        shape = layer.shape or DEFAULT_INPUT
        if len(shape) != 3:
            got = "x".join(map(str, shape))
            raise fault(self.text, layer.place, "INPUT takes height x width x channels", got=got)
        options: dict[str, Setting] = dict(layer.options)
        name, batch = options.pop("name", "data"), options.pop("batch", 1)
        if options or not isinstance(name, str) or batch is True or not isinstance(batch, int | str):
            raise fault(self.text, layer.place, "INPUT takes name=NAME and batch=N alone", got=str(layer))
        extents = [self._extent(size) for size in shape]
        try:
            height, width, channels = extents
            if not isinstance(channels, int):
                raise CnnirError("pattern-value", "the number of channels is known", got=channels)
            name = self.names.reserve(name)
            return self.builder.image(channels, (height, width), batch=self._extent(batch), name=name)
        except CnnirError as error:
            raise self._located(error, layer.place, str(layer)) from None

    def _extent(self, size: Number) -> Number:
        """A number, a variable's value, or a symbol."""
        if isinstance(size, str) and size in self.values:
            return self._number(size, 0)
        return size

    def _number(self, number: Number, place: int) -> int:
        count = number if isinstance(number, int) else int(self._value(number, place))
        if count < 0:
            raise CnnirError(
                "pattern-value",
                f"{number} is below zero",
                node=where(self.text, place),
                expected="at least 0",
                got=count,
            )
        return count

    def _value(self, name: str, place: int, *, default: bool | None = None) -> int | bool:
        """What a variable (a number) or a flag stands for.

        Raises:
            CnnirError: ``pattern-value`` where it has none, or one of the other kind.
        """
        value = self.values.get(name, default)
        if value is None or not isinstance(value, int) or isinstance(value, bool) != (default is not None):
            wanted = "a whole number" if default is None else "on or off"
            raise CnnirError(
                "pattern-value", f"{name} has no value" if value is None else f"{name} is of another kind",
                node=where(self.text, place), expected=wanted, got=value, hint=f"add: where {name}=...",
            )  # fmt: skip
        return value

    def _located(self, error: CnnirError, place: int, what: str) -> CnnirError:
        """The error, at its column."""
        node = error.node if error.node is not None and error.node.startswith(("column", "line")) else None
        return CnnirError(
            error.code, error.message, node=node or f"{what} at {where(self.text, place)}", expected=error.expected,
            got=error.got, hint=error.hint,
        )  # fmt: skip


def _shrinks(word: Word, given: Arguments) -> bool:
    """True when the layer steps over cells, so that the map gets smaller."""
    stride = given.stride or (given.window if word.stem == "pool" else (1, 1))
    return word.stem in ("conv", "pool") and max(stride) > 1
