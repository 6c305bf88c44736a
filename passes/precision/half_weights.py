"""Weights stored as float16, half the bytes or less; the network computes as before, or in float16 too.

Each weight becomes a float16 one and a Cast in front of its readers. With `compute` there are no such Casts: each node
that can reads and makes float16 (see `half_network`). What rounding does to a weight is told, and where that is too
much (see `half_rounding`) the weight stays as it is.
"""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Cast
from cnnir.passes.base import Journal, Pass, Preserves
from cnnir.passes.precision.network import HalfNetwork
from cnnir.passes.precision.rounding import WIDE, Tally, fixed, half_weight, rounding
from cnnir.rewriter import Rewriter
from cnnir.weights import Weight


@dataclass(frozen=True)
class HalfWeights(Pass):
    """Store weights as float16; with `compute` compute in float16 too.

    Attributes:
        compute: Whether nodes read and make float16, activations among it.
        interface: ``same``: inputs and outputs keep their types, with Casts behind and in front of them; ``half``:
            wider floats among them become float16, too (with `compute` alone).
    """

    name: ClassVar[str] = "half-weights"
    preserves: ClassVar[Preserves] = "interface"

    compute: bool = False
    interface: str = "same"

    def __post_init__(self) -> None:
        if self.interface not in ("same", "half"):
            raise CnnirError(
                "option-value", "no such interface", node=self.name, expected="same or half", got=self.interface
            )
        if self.interface == "half":
            if not self.compute:
                raise CnnirError(
                    "option-value", "an interface of float16 goes with computing in it", node=self.name,
                    expected="compute=true", got="compute=false",
                )  # fmt: skip
            # The instance's own, in front of the class's: only with this option do inputs and outputs change.
            object.__setattr__(self, "preserves", "nothing")

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        tally = Tally()
        if self.compute:
            HalfNetwork(graph, journal, tally).convert(half_interface=self.interface == "half")
        else:
            _store(graph, journal, tally)
        tally.tell(journal)


def _store(graph: Graph, journal: Journal, tally: Tally) -> None:
    """Keep each weight as float16, with a Cast in front of its readers."""
    rewriter, places = Rewriter(graph), {node: place for place, node in enumerate(graph.nodes)}
    for value in graph.weights:
        weight = value.weight
        if weight is None or weight.dtype not in WIDE or not (value.uses or graph.is_output(value)):
            continue
        found = None
        if not (reason := fixed(graph, value)):
            found = rounding(value, value.uses)
            reason = found.reason or _put_cast(rewriter, value, weight, min(value.users, key=places.__getitem__))
        if reason or found is None:
            journal.refuse(f"weight {value.name} stays {weight.dtype.value}: {reason}", value.users)
            continue
        journal.change(f"weight {value.name} is stored as float16: {found}")
        tally.add(value.name, weight, found)


def _put_cast(rewriter: Rewriter, value: Value, weight: Weight, first: Node) -> str:
    """A float16 weight and a Cast instead of a weight; why not, when a reader cannot take what is cast."""
    graph, name = rewriter.graph, value.name
    half = graph.add_weight(graph.fresh_name(f"{name}_half"), half_weight(weight))
    cast = rewriter.insert(Cast(weight.dtype), [half], before=first)
    try:
        rewriter.replace_uses(value, cast.output)
    except CnnirError as error:
        rewriter.erase(cast)
        rewriter.erase_weight(half)
        return f"a reader needs it as a constant, {error.message}"
    rewriter.erase_weight(value)
    rewriter.rename(cast.output, name)
    return ""
