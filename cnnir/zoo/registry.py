"""Networks by name: who made them, what makes them, and how a name with options is read."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec

from cnnir.errors import CnnirError
from cnnir.graph import Graph

Options = ParamSpec("Options")


@dataclass(frozen=True)
class Network:
    """A network of the zoo.

    Attributes:
        name: By which it is asked for.
        title: As people write it.
        paper: Where it comes from.
        make: Makes the graph; its keyword arguments are the network's options.
    """

    name: str
    title: str
    paper: str
    make: Callable[..., Graph]

    @property
    def options(self) -> dict[str, object]:
        """What may be chosen, with what is taken otherwise."""
        return {name: parameter.default for name, parameter in inspect.signature(self.make).parameters.items()}


_FLAGS = {"true": True, "false": False}

NETWORKS: dict[str, Network] = {}
"""Every network by name, in the order of their families."""


def network(name: str, title: str, paper: str) -> Callable[[Callable[Options, Graph]], Callable[Options, Graph]]:
    """Decorator: what makes a network of the zoo.

    Args:
        name: By which it is asked for; a graph bears it too.
        title: The network's name as people write it.
        paper: Authors, title and year of the source; the table or figure that was followed.
    """

    def register(make: Callable[Options, Graph]) -> Callable[Options, Graph]:
        NETWORKS[name] = Network(name, title, paper, make)
        return make

    return register


def find(name: str) -> Network:
    """The network of that name, however it is spelled: ``VGG-16``, ``squeezenet-1.1`` and ``SqueezeNet1_1`` are found.

    Raises:
        CnnirError: ``zoo-unknown``.
    """
    for entry in NETWORKS.values():
        if _plain(entry.name) == _plain(name):
            return entry
    raise CnnirError(
        "zoo-unknown", "the zoo has no network of this name", got=name, hint=f"it has {', '.join(NETWORKS)}"
    )


def _plain(name: str) -> str:
    """Letters and digits alone."""
    return "".join(filter(str.isalnum, name.lower()))


def build(name: str, **options: Any) -> Graph:
    """The network of that name.

    Args:
        name: ``vgg16``, or with options in braces, ``vgg16{size=64,classes=10}``.
        options: The maker's keyword arguments; they go before those in the name.

    Raises:
        CnnirError: ``zoo-unknown``, ``zoo-syntax``, ``option-unknown``, ``option-value``, or what making it raises.
    """
    stem, brace, rest = name.partition("{")
    if brace and not rest.rstrip().endswith("}"):
        raise CnnirError("zoo-syntax", "the options end with a brace", got=name, hint="NAME{size=64,classes=10}")
    entry = find(stem)
    chosen = {**_read(stem, rest.rstrip().removesuffix("}")), **options}
    for option in chosen:
        if option not in entry.options:
            wanted = ", ".join(entry.options)
            raise CnnirError(
                "option-unknown", "the network has no such option", node=entry.name, expected=wanted, got=option
            )
    return entry.make(**chosen)


def _read(name: str, text: str) -> dict[str, object]:
    """Options from text: numbers, ``true`` and ``false``, ``HxW`` for a size, and symbols."""
    found: dict[str, object] = {}
    for part in text.split(",") if text.strip() else ():
        option, equals, given = (piece.strip() for piece in part.partition("="))
        if not option or not equals or not given or option in found:
            raise CnnirError("zoo-syntax", "an option is given once, as NAME=VALUE", node=name, got=part)
        found[option] = _value(given, pair=option == "size")
    return found


def _value(text: str, *, pair: bool) -> object:
    height, cross, width = text.partition("x")
    if pair and cross and height and width:
        return _value(height, pair=False), _value(width, pair=False)
    if text in _FLAGS:
        return _FLAGS[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
