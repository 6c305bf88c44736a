"""What a pattern consists of, and how it is printed; `parse` of the printed text gives the same pattern."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Number: TypeAlias = int | str
"""A whole number, or the name of a variable that stands for one."""

Setting: TypeAlias = int | float | bool | str | tuple[int, ...]
"""Value of an option: ``pad=1``, ``alpha=0.1``, ``nobias``, ``pad=same``, ``pad=1x2``."""


@dataclass(frozen=True)
class Layer:
    """One layer: ``CONV3-64/2(pad=1)``.

    Attributes:
        word: Which layer, in capitals.
        size: The number behind the word, kernel or the like; two numbers for height and width, none when not given.
        filters: The number behind the dash.
        stride: What stands behind the slash; one number or two.
        options: What stands in parentheses, in order; a number without a name has the name ``""``.
        shape: What stands in brackets behind ``INPUT``: height, width and channels.
        place: Where it begins in the text.
    """

    word: str
    size: tuple[int, ...] = ()
    filters: Number | None = None
    stride: tuple[int, ...] = ()
    options: tuple[tuple[str, Setting], ...] = ()
    shape: tuple[Number, ...] = ()
    place: int = field(default=0, compare=False)

    def __str__(self) -> str:
        text = self.word + _by(self.size)
        text += f"[{_by(self.shape)}]" if self.shape else ""
        text += "" if self.filters is None else f"-{self.filters}"
        text += f"/{_by(self.stride)}" if self.stride else ""
        return text + (f"({', '.join(_option(*item) for item in self.options)})" if self.options else "")


@dataclass(frozen=True)
class Chain:
    """Items one after the other; in brackets where it is part of something larger."""

    items: "tuple[Item, ...]"

    def __str__(self) -> str:
        return " -> ".join(map(str, self.items))


@dataclass(frozen=True)
class Repeated:
    """An item several times over: ``[CONV3-64 -> RELU]*2``."""

    item: "Item"
    times: Number
    place: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{_unit(self.item)}*{self.times}"


@dataclass(frozen=True)
class Optional:
    """An item that a flag keeps or drops: ``POOL2?pool``."""

    item: "Item"
    flag: str
    place: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{_unit(self.item)}?{self.flag}"


@dataclass(frozen=True)
class Branches:
    """Chains that begin with one value and whose ends are joined: ``{ CONV3-64 | IDENTITY } add``."""

    chains: tuple[Chain, ...]
    join: str
    place: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{{ {' | '.join(map(str, self.chains))} }} {self.join}"


def names(item: "Item") -> Iterator[str]:
    """The variables and flags that an item asks for."""
    if isinstance(item, Layer):
        yield from (number for number in (item.filters, *item.shape) if isinstance(number, str))
    elif isinstance(item, Chain):
        yield from (name for part in item.items for name in names(part))
    elif isinstance(item, Branches):
        yield from (name for chain in item.chains for name in names(chain))
    else:
        asked = item.flag if isinstance(item, Optional) else item.times
        yield from (asked,) if isinstance(asked, str) else ()
        yield from names(item.item)


Item: TypeAlias = Layer | Chain | Repeated | Optional | Branches


@dataclass(frozen=True)
class Pattern:
    """A whole pattern: its chain, and the values that the text gives to its variables and flags."""

    chain: Chain
    values: Mapping[str, int | bool]

    def __str__(self) -> str:
        given = ", ".join(f"{name}={_given(value)}" for name, value in self.values.items())
        return f"{self.chain} where {given}" if given else str(self.chain)


def _unit(item: Item) -> str:
    """The item as something that a star or a question mark can follow."""
    return f"[{item}]" if isinstance(item, Chain | Branches) else str(item)


def _option(name: str, setting: Setting) -> str:
    if setting is True:
        return name
    text = _by(setting) if isinstance(setting, tuple) else str(setting)
    return f"{name}={text}" if name else text


def _given(value: int | bool) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _by(sizes: tuple[Number, ...]) -> str:
    return "x".join(map(str, sizes))
