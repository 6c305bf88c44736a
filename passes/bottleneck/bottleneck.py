"""The pass `bottleneck`: chosen layers become narrower ones, from their weights or for networks still to be trained."""

from dataclasses import dataclass, fields
from typing import ClassVar

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.base import Journal, Pass, Preserves
from cnnir.passes.bottleneck.factorise import FACTOR_MODES, Target, factorise
from cnnir.passes.bottleneck.insert import Insertion, insert
from cnnir.units import parse_size

INSERTION_OPTIONS = ("style", "channels", "residual", "draw")
"""Options that mode ``reduce`` alone has."""


@dataclass(frozen=True)
class Bottleneck(Pass):
    """Factorise convolutions and fully connected layers, or put 1x1 convolutions around those still to be trained.

    Options:
        mode: ``svd``, ``tucker``, ``separable`` or ``auto`` factorise the weights; ``reduce`` inserts 1x1 convolutions
            with seeded weights.
        nodes: Glob patterns of node names, ``|`` between them; empty for all.
        rank, ratio, energy, macs, params, peak: What decides the ranks, exactly one: a number; a share of the full
            rank; the share of the weight's squared norm to keep; the share of the network's MACs, or parameters, to
            keep at most; the planned peak, as text (``2MiB``).
        multiple: Ranks are multiples of this, or full.
        measure: Whether the network is run before and after, on seeded inputs, for the error end to end; it takes the
            time and memory of two runs.
        style, channels, residual, draw: Of ``reduce``: ``googlenet``, ``resnet`` or ``single``; channels of the narrow
            map (or `ratio` of the input's); whether the input is added to the output; seed of the new weights.
    """

    name: ClassVar[str] = "bottleneck"
    preserves: ClassVar[Preserves] = "interface"

    mode: str = "auto"
    nodes: str = ""
    rank: int = 0
    ratio: float = 0.0
    energy: float = 0.0
    macs: float = 0.0
    params: float = 0.0
    peak: str = ""
    multiple: int = 1
    measure: bool = True
    style: str = "googlenet"
    channels: int = 0
    residual: bool = False
    draw: int = 0

    def target(self) -> Target:
        """What decides the ranks.

        Raises:
            CnnirError: ``option-value``.
        """
        try:
            peak = parse_size(self.peak) if self.peak else None
        except ValueError:
            raise CnnirError(
                "option-value", "peak is a size", node=self.name, expected="such as 4096, 512KiB or 2MiB",
                got=self.peak, hint="k, m and g stand for KiB, MiB and GiB",
            ) from None  # fmt: skip
        return Target(self.rank, self.ratio, self.energy, self.macs, self.params, peak, self.multiple)

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        structural = self.mode == "reduce"
        if self.mode not in (*FACTOR_MODES, "reduce"):
            wanted = " or ".join((*FACTOR_MODES, "reduce"))
            raise CnnirError(
                "option-value", "no such mode", node=self.name, expected=wanted, got=self.mode,
                hint="mode=auto takes whatever fits each layer",
            )  # fmt: skip
        foreign = ("rank", "energy", "macs", "params", "peak", "measure") if structural else INSERTION_OPTIONS
        defaults = {item.name: item.default for item in fields(self)}
        if given := [name for name in foreign if getattr(self, name) != defaults[name]]:
            wanted = f"none of {', '.join(foreign)}"
            hint = "mode=reduce has them" if not structural else "modes that factorise have them"
            raise CnnirError(
                "option-value", f"mode {self.mode} has no such option", node=self.name, expected=wanted, got=given[0],
                hint=hint,
            )  # fmt: skip
        if structural:
            insertion = Insertion(self.style, self.channels, self.ratio, self.multiple, self.residual, self.draw)
            insert(graph, journal, self.nodes, insertion)
        else:
            factorise(graph, journal, self.mode, self.nodes, self.target(), measure=self.measure)
