"""The classic networks by name, built with the Python builder."""

from collections.abc import Callable, Mapping
from typing import Any

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.zoo.vgg import vgg16

NETWORKS: Mapping[str, Callable[..., Graph]] = {"vgg16": vgg16}
"""Each network's maker by name."""

NAMES: tuple[str, ...] = tuple(NETWORKS)


def build(name: str, **options: Any) -> Graph:
    """The network of that name.

    Raises:
        CnnirError: ``zoo-unknown``.
    """
    if name not in NETWORKS:
        raise CnnirError(
            "zoo-unknown", "the zoo has no network of this name", got=name, hint=f"it has {', '.join(NAMES)}"
        )
    return NETWORKS[name](**options)


__all__ = ["NAMES", "NETWORKS", "build", "vgg16"]
