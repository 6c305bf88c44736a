"""What a pass is, and what it reports."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from cnnir.graph import Graph, Node

if TYPE_CHECKING:
    from cnnir.passes.checking.value_check import ValueCheck

Preserves: TypeAlias = Literal["values", "interface", "nothing"]
"""values: outputs are equal for all inputs; interface: names and types of inputs and outputs stay."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a pass did."""

    what: str
    nodes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{', '.join(self.nodes)}: {self.what}" if self.nodes else self.what


@dataclass(frozen=True, slots=True)
class Refusal:
    """One place where a pass might have applied, and why it did not."""

    reason: str
    nodes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{', '.join(self.nodes)}: {self.reason}" if self.nodes else self.reason


@dataclass(frozen=True, slots=True)
class Place:
    """A node at which a pass works, and where its operands come from; names, for the node may be gone by then.

    Attributes:
        node: Its label.
        behind: Labels of the nodes that it reads; ``input x`` for an input of the graph.
    """

    node: str
    behind: tuple[str, ...] = ()

    @classmethod
    def of(cls, node: Node) -> "Place":
        """The place of a node as it stands now."""
        sources = (
            value.producer.label if value.producer is not None else f"input {value.name}"
            for value in node.operands
            if value.weight is None
        )
        return cls(node.label, tuple(dict.fromkeys(sources)))


@dataclass
class Journal:
    """Where a pass writes down what it does, while it does it.

    Attributes:
        place: The node that the pass works at, for the message should it fail there.
    """

    changes: list[Change] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    metrics: dict[str, int] = field(default_factory=dict)
    place: Place | None = None

    def at(self, node: Node) -> None:
        """Note the node that the pass works at from now on."""
        self.place = Place.of(node)

    def change(self, what: str, nodes: Iterable[Node] = ()) -> None:
        """Note a change."""
        self.changes.append(Change(what, tuple(node.label for node in nodes)))

    def refuse(self, reason: str, nodes: Iterable[Node] = ()) -> None:
        """Note a refusal."""
        self.refusals.append(Refusal(reason, tuple(node.label for node in nodes)))

    def add(self, other: "Journal") -> None:
        """Take over what another journal says."""
        self.changes += other.changes
        self.refusals += other.refusals
        for metric, amount in other.metrics.items():
            self.count(metric, amount)

    def count(self, metric: str, amount: int = 1) -> None:
        """Add to a metric."""
        self.metrics[metric] = self.metrics.get(metric, 0) + amount


@dataclass(frozen=True)
class StageRecord:
    """One pass of a pipeline, as it went.

    Attributes:
        stage: The pass and its options, as text.
        seconds: Time that it took, verification included.
        nodes_before: Number of nodes of the graph that it was given.
        nodes_after: Number of nodes of the graph that it left.
        changes: What it did.
        refusals: Where it did not apply, and why.
        preserves: What it promises.
        check: How its values compare to those before, None when that was not asked for or could not be done.
        unchecked: Why it could not be done, though it was asked for; empty otherwise.
    """

    stage: str
    seconds: float
    nodes_before: int
    nodes_after: int
    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...]
    preserves: Preserves = "values"
    check: "ValueCheck | None" = None
    unchecked: str = ""


@dataclass(frozen=True)
class PassResult:
    """What came of a pass or a pipeline.

    Attributes:
        graph: The new graph; the one that was put in is as it was.
        changes: What was done; empty when nothing applied.
        refusals: Where it did not apply, and why.
        metrics: Counts, by name.
        stages: The same for each pass, with the time that it took.
        check: How the values of the new graph compare to those of the one put in; None as in `StageRecord`.
        unchecked: Why they could not be compared, though it was asked for; empty otherwise.
    """

    graph: Graph
    changes: tuple[Change, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    metrics: dict[str, int] = field(default_factory=dict)
    stages: tuple[StageRecord, ...] = ()
    check: "ValueCheck | None" = None
    unchecked: str = ""

    @property
    def modified(self) -> bool:
        """True when something was done."""
        return bool(self.changes)


@dataclass(frozen=True)
class Pass(ABC):
    """Base of all passes. A subclass is a frozen dataclass named in kebab-case; its fields are its options."""

    name: ClassVar[str]
    preserves: ClassVar[Preserves] = "values"

    @abstractmethod
    def rewrite(self, graph: Graph, journal: Journal) -> None:
        """Work on `graph`, which is a clone that the manager verifies and swaps in afterwards.

        Raises:
            CnnirError: or anything else; then the clone is thrown away, and nothing has happened. The message names
                the error's node or else that of `Journal.at`.
        """

    def __str__(self) -> str:
        options = [(item.name, getattr(self, item.name)) for item in fields(self)]
        shown = [
            f"{option_name(name)}={_option_text(value)}" for name, value in options if value != _default(self, name)
        ]
        return f"{self.name}{{{','.join(shown)}}}" if shown else self.name


def option_name(field_name: str) -> str:
    """How users call the option of that field: Python's own words (``from``) bear an underscore as fields."""
    return field_name.removesuffix("_")


def _default(pass_: Pass, name: str) -> object:
    item = next(item for item in fields(pass_) if item.name == name)
    return item.default if item.default_factory is MISSING else item.default_factory()


def _option_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
