"""The pass `bottleneck`: chosen layers become narrower ones, from their weights or for networks still to be trained."""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.base import Journal, Pass, Preserves
from cnnir.passes.bottleneck.factorise import FACTOR_MODES, Target, factorise
from cnnir.units import parse_size


@dataclass(frozen=True)
class Bottleneck(Pass):
    """Factorise convolutions and fully connected layers.

    Options:
        mode: ``svd``, ``tucker``, ``separable`` or ``auto`` factorise the weights.
        nodes: Glob patterns of node names, ``|`` between them; empty for all.
        rank, ratio, energy, macs, params, peak: What decides the ranks, exactly one: a number; a share of the full
            rank; the share of the weight's squared norm to keep; the share of the network's MACs, or parameters, to
            keep at most; the planned peak, as text (``2MiB``).
        multiple: Ranks are multiples of this, or full.
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

    def target(self) -> Target:
        """What decides the ranks.

        Raises:
            CnnirError: ``option-value``.
        """
        try:
            peak = parse_size(self.peak) if self.peak else None
        except ValueError:
            raise CnnirError(
                "option-value", "peak is a size", node=self.name, expected="such as 4096, 512KiB or 2MiB", got=self.peak
            ) from None
        return Target(self.rank, self.ratio, self.energy, self.macs, self.params, peak, self.multiple)

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        if self.mode not in FACTOR_MODES:
            raise CnnirError(
                "option-value", "no such mode", node=self.name, expected=" or ".join(FACTOR_MODES), got=self.mode
            )
        factorise(graph, journal, self.mode, self.nodes, self.target())
