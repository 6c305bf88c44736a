"""Running rules over a graph."""

from collections.abc import Iterable
from dataclasses import dataclass

from cnnir.dims import symbols
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.lint.model import Finding, Rule, Subject
from cnnir.lint.selection import Selection
from cnnir.passes import bind
from cnnir.types import TensorType


@dataclass(frozen=True, slots=True)
class Report:
    """What the rules say of one graph.

    Attributes:
        graph: Name of the network.
        rules: The rules that were asked for, by code.
        findings: In the order of the nodes, those about the whole network first.
        undecided: (code, reason) of each rule that needs what is not known yet.
        assumed: Symbols of the batch, for which 1 was taken.
        open: Symbols of other sizes: windows over maps of open size are not looked at.
    """

    graph: str
    rules: tuple[Rule, ...]
    findings: tuple[Finding, ...]
    undecided: tuple[tuple[str, str], ...]
    assumed: tuple[str, ...] = ()
    open: tuple[str, ...] = ()


def report(graph: Graph, selection: Selection | None = None) -> Report:
    """Run the rules that are asked for; the graph stays as it is.

    Raises:
        CnnirError: ``lint-code``.
    """
    rules = (selection or Selection()).rules()
    batch, others = _symbols(graph)
    if batch:
        graph = bind(graph, dict.fromkeys(batch, 1))
    subject, place = Subject(graph), {node: index for index, node in enumerate(graph.nodes)}
    found: list[tuple[int, Finding]] = []
    undecided = []
    for rule in rules:
        try:
            for entry in rule.check(subject):
                name = None if entry.node is None else entry.node.name
                where = -1 if entry.node is None else place[entry.node]
                found.append((where, Finding(rule.code, name, entry.message, entry.fix)))
        except CnnirError as error:
            undecided.append((rule.code, str(error)))
    found.sort(key=lambda pair: pair[0])
    return Report(graph.name, tuple(rules), tuple(finding for _, finding in found), tuple(undecided), batch, others)


def _symbols(graph: Graph) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Symbols that stand for the batch alone, and the other ones."""
    shapes = [value.type.shape for value in graph.inputs if isinstance(value.type, TensorType)]
    others = {name for shape in shapes for dim in shape[1:] for name in symbols(dim)}
    first = {name for shape in shapes for dim in shape[:1] for name in symbols(dim)}
    return tuple(sorted(first - others)), tuple(sorted(others))


def lint(graph: Graph, *, select: Iterable[str] | str = (), ignore: Iterable[str] | str = ()) -> list[Finding]:
    """Findings of the rules that are asked for, in the order of the nodes.

    Args:
        graph: Left as it is. A rule that needs sizes which are open says nothing; `report` tells which ones.
        select: Codes, or prefixes of them; all rules when empty. A text is one code.
        ignore: Codes or prefixes to leave out.

    Raises:
        CnnirError: ``lint-code`` for a code that no rule has.
    """
    return list(report(graph, Selection(_codes(select), _codes(ignore))).findings)


def _codes(given: Iterable[str] | str) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
