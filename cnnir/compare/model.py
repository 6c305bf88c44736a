"""What a comparison found, as data: text and JSON are made from it."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from cnnir.dims import Dim, format_dim, is_known

SCHEMA = "cnnir.diff/1"

RULE = (
    "equal are networks with the same interface (names and types, in order), ops, attributes, wiring and weights; "
    "names inside, the order of independent nodes, opsets and metadata do not count"
)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """An attribute, or the op itself, that is another one; values as text."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class OperandChange:
    """An operand that is another one; names, None where it is absent."""

    operand: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class WeightChange:
    """A weight whose contents or type differ.

    Attributes:
        name: Of the weight in the first graph.
        other: Of the weight in the second.
        type: In the first graph.
        other_type: In the second.
        absolute: Largest difference of two elements; None when there is none to be told.
        relative: The same relative to the largest element of the first; None likewise.
        elements: How many elements differ; None likewise.
        reason: Why the figures are None.
    """

    name: str
    other: str
    type: str
    other_type: str
    absolute: float | None = None
    relative: float | None = None
    elements: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NodeChange:
    """A node that is in both graphs and differs.

    Attributes:
        node: Label in the first graph.
        other: Label in the second.
        fields: Attributes that differ, the op first if it is another one.
        operands: What it reads instead.
        weights: Weights that differ; one that several nodes read stands at the first of them.
    """

    node: str
    other: str
    fields: tuple[FieldChange, ...] = ()
    operands: tuple[OperandChange, ...] = ()
    weights: tuple[WeightChange, ...] = ()


@dataclass(frozen=True, slots=True)
class InterfaceChange:
    """An input or output that was added (`name` None), removed (`other` None), renamed, retyped, moved or rewired.

    Its `kind` is ``input``, ``output``, or ``input with a default``: a weight that callers may give.
    """

    kind: str
    name: str | None
    other: str | None
    type: str | None
    other_type: str | None
    what: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of both graphs; None where it is not known, with the reason."""

    name: str
    unit: str
    before: Dim | None
    after: Dim | None
    reason: str = ""
    other_reason: str = ""

    @property
    def difference(self) -> int | None:
        """How much more the second has; None unless both are numbers."""
        if self.before is None or self.after is None or not is_known(self.before) or not is_known(self.after):
            return None
        return self.after - self.before

    def as_json(self) -> dict[str, Any]:
        """Numbers, or null with the formula or the reason beside it."""
        entry: dict[str, Any] = {"name": self.name, "unit": self.unit}
        for name, dim, reason in (
            ("before", self.before, self.reason), ("after", self.after, self.other_reason),
        ):  # fmt: skip
            entry[name] = dim if dim is not None and is_known(dim) else None
            entry[f"{name}_formula"] = format_dim(dim) if dim is not None and not is_known(dim) else None
            entry[f"{name}_reason"] = reason
        return {**entry, "difference": self.difference}


@dataclass(frozen=True, slots=True)
class OutputError:
    """How far one output of the second graph is from that of the first; None where it cannot be told.

    Attributes:
        name: Of the output in the first graph.
        absolute: Largest difference of two elements.
        relative: The same relative to the largest element of the first.
        reason: Why the figures are None.
    """

    name: str
    absolute: float | None
    relative: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Numeric:
    """What running both graphs gave.

    Attributes:
        outputs: One entry for each pair of outputs.
        first: Names in both graphs of the first value that differs by more than `tolerance`, relative to its largest
            element; None when none does.
        tolerance: See `first`.
        reason: Why the graphs could not be run on the same inputs; empty when they were.
        sizes: Numbers that were taken for symbolic dims.
    """

    outputs: tuple[OutputError, ...] = ()
    first: tuple[str, str] | None = None
    tolerance: float = 0.0
    reason: str = ""
    sizes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GraphDiff:
    """How one network differs from another.

    Attributes:
        before: Name of the first graph.
        after: Name of the second.
        added: Labels of the nodes that only the second has.
        removed: Labels of the nodes that only the first has.
        changed: Nodes that both have and that differ.
        interface: Inputs and outputs that differ.
        matched: How many nodes both have.
        renamed: How many of these have another name.
        retyped: How many values that both make have another type.
        opsets: Operator-set versions that differ: domain, before, after; None where a domain is not used.
        figures: Cost and plan side by side.
        numeric: What running both gave; None when it was not asked for.
    """

    before: str
    after: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[NodeChange, ...]
    interface: tuple[InterfaceChange, ...]
    matched: int
    renamed: int
    retyped: int
    opsets: tuple[tuple[str, int | None, int | None], ...]
    figures: tuple[Figure, ...]
    numeric: Numeric | None = None

    @property
    def equal(self) -> bool:
        """True when nothing differs that counts. See `RULE`."""
        return not (self.added or self.removed or self.changed or self.interface)

    @property
    def weights(self) -> tuple[WeightChange, ...]:
        """All weights that differ."""
        return tuple(weight for node in self.changed for weight in node.weights)

    def as_json(self) -> dict[str, Any]:
        """The comparison as ``cnnir.diff/1``; a figure that is a formula is null, with the formula beside it."""
        numeric = None if self.numeric is None else asdict(self.numeric)
        if numeric is not None:
            for entry in numeric["outputs"]:
                entry.update({name: _finite(entry[name]) for name in ("absolute", "relative")})
        changed = [asdict(node) for node in self.changed]
        for node in changed:
            for weight in node["weights"]:
                weight.update({name: _finite(weight[name]) for name in ("absolute", "relative")})
        return {
            "schema": SCHEMA,
            "before": self.before,
            "after": self.after,
            "equal": self.equal,
            "rule": RULE,
            "added": list(self.added),
            "removed": list(self.removed),
            "changed": changed,
            "interface": [asdict(change) for change in self.interface],
            "matched": self.matched,
            "renamed": self.renamed,
            "retyped": self.retyped,
            "opsets": [{"domain": name, "before": old, "after": new} for name, old, new in self.opsets],
            "figures": [figure.as_json() for figure in self.figures],
            "numeric": numeric,
        }

    def to_json(self) -> str:
        """`as_json` as text."""
        return json.dumps(self.as_json(), indent=2) + "\n"

    def __str__(self) -> str:
        from cnnir.compare.text import diff_text  # noqa: PLC0415  the text is made from this model

        return diff_text(self)


def _finite(number: float | None) -> float | str | None:
    """JSON has no infinity."""
    return "infinite" if number == float("inf") else number
