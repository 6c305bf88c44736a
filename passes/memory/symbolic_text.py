"""Plans for open sizes as text and as JSON; the schema is in ``docs/schema/cnnir.symbolic-plan-1.schema.json``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from cnnir.dims import Dim, format_dim
from cnnir.passes.memory.lifting import Lifted
from cnnir.plan import MemoryPlan
from cnnir.plan.serial import plan_to_document
from cnnir.units import format_bytes

SCHEMA = "cnnir.symbolic-plan/1"


@dataclass(frozen=True)
class Told:
    """What is told of a plan for open sizes.

    Attributes:
        upper: The plan at the upper ends.
        ranges: Least and greatest value of each symbol.
        formula: The arena is the greatest of these, None where there are too many, or where workspace counts.
        arena_most: What it never exceeds, None where that is not known.
        reason: Why.
        bases: Where each body begins for the whole range.
        lifted: Where everything lies in its body.
    """

    upper: MemoryPlan
    ranges: Mapping[str, tuple[int, int]]
    formula: tuple[Dim, ...] | None
    arena_most: int | None
    reason: str | None
    bases: Mapping[int, int]
    lifted: Lifted

    def to_json(self) -> str:
        """All of it as JSON text."""
        lifted = self.lifted
        document = {
            "schema": SCHEMA,
            "graph": self.upper.graph,
            "ranges": {name: list(ends) for name, ends in self.ranges.items()},
            "formula": None if self.formula is None else [format_dim(dim) for dim in self.formula],
            "arena_most": self.arena_most,
            "reason": self.reason,
            "storages": [
                {"body": body, "base": self.bases.get(body), "begin": format_dim(begin), "bytes": format_dim(size)}
                for body, begin, size in zip(lifted.bodies, lifted.begins, lifted.sizes, strict=True)
            ],
            "upper": plan_to_document(self.upper),
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

    def summary(self) -> str:
        """The ranges, the arena as a formula, and what it never exceeds."""
        ranges = ", ".join(f"{name} {least} to {most}" for name, (least, most) in self.ranges.items())
        arena = "no formula that could be read: arena_bytes(...) works it out"
        if self.formula is not None:
            text = ", ".join(map(format_dim, self.formula))
            arena = f"{text if len(self.formula) == 1 else f'max({text})'} B"
        most = self.reason
        if self.arena_most is not None:
            most = f"{format_bytes(self.arena_most)} at offsets that hold for the whole range"
        return f"memory plan of {self.upper.graph} for {ranges}\n  arena    {arena}\n  at most  {most}"


__all__ = ["SCHEMA", "Told"]
