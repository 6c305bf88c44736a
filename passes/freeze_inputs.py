"""Inputs with a default value: a caller may give another weight in its place, so passes leave them alone.

Exporters that list every weight among the inputs (PyTorch's ``keep_initializers_as_inputs``) rarely mean that. This
pass says so.
"""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.graph import Graph
from cnnir.passes.base import Journal, Pass, Preserves


@dataclass(frozen=True)
class FreezeInputs(Pass):
    """Weights that callers may give become constants: the written model takes its true inputs alone.

    Attributes:
        names: Which, separated by ``|``; all unless given.
    """

    name: ClassVar[str] = "freeze-inputs"
    preserves: ClassVar[Preserves] = "nothing"

    names: str = ""

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        wanted = [name.strip() for name in self.names.split("|")] if self.names else list(graph.provenance.listed)
        for name in wanted:
            if name in graph.provenance.listed:
                journal.change(f"{name} is a constant from now on", graph.value(name).users)
            else:
                journal.refuse(f"{name} is no input with a default value")
        graph.provenance.listed = tuple(name for name in graph.provenance.listed if name not in wanted)
