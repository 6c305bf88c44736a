"""Rules: a pattern, and what to do where it fits. A decorator makes a pass of one.

@rule("relu-once", node(Relu, node(Relu, value("x"), name="inner"), name="outer"))
def relu_once(found: Match, rewriter: Rewriter) -> str:
    \"\"\"Of two ReLUs in a row, the second does nothing.\"\"\"
    rewriter.replace_uses(found.node("outer").output, found.node("inner").output)
    return "the second ReLU did nothing"
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node
from cnnir.passes.base import Change, Journal, Pass, Preserves
from cnnir.passes.registry import register
from cnnir.passes.rules.patterns import Match, Pattern, find
from cnnir.rewriter import Rewriter

Apply: TypeAlias = Callable[[Match, Rewriter], str]
"""Rewrites at a match and says what it did, or raises `NotApplicable` before it has changed anything."""


class NotApplicable(Exception):  # noqa: N818  no error: the place is left as it is and listed with the reason
    """Why a rule does not apply at a place where its pattern fits."""


@dataclass(frozen=True)
class RulePass(Pass):
    """A pass made of one rule: applied until it fits nowhere any more."""

    pattern: ClassVar[Pattern]
    act: ClassVar[Apply]

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter = Rewriter(graph)
        # Each round sees what the one before has made; a rule that always finds more to do is at fault.
        for _ in range(len(graph) + 1):
            refused: list[tuple[str, tuple[Node, ...]]] = []
            journal.place = None
            if not self._round(rewriter, journal, refused):
                for reason, nodes in refused:
                    journal.refuse(reason, nodes)
                return
        raise CnnirError("pass-diverges", "the rule finds more to do in every round", node=self.name)

    def _round(self, rewriter: Rewriter, journal: Journal, refused: list[tuple[str, tuple[Node, ...]]]) -> bool:
        """Apply the rule wherever it fits now; True when it did."""
        changed = False
        for found in find(rewriter.graph, type(self).pattern):
            nodes = tuple(dict.fromkeys(found.covered))
            labels = tuple(node.label for node in nodes)  # as they are found: the rule may put other ops in
            journal.at(found.root)
            try:
                what = type(self).act(found, rewriter)
            except NotApplicable as reason:
                refused.append((str(reason), nodes))
                continue
            journal.changes.append(Change(what, labels))
            changed = True
        return changed


def rule(name: str, pattern: Pattern, *, preserves: Preserves = "values") -> Callable[[Apply], type[RulePass]]:
    """Decorator: a registered pass that does this wherever the pattern fits.

    Args:
        name: Of the pass, in kebab-case.
        pattern: What it looks for; the function is given each match.
        preserves: What the pass promises.

    Returns:
        The pass's class; its docstring is the function's.
    """

    def make(act: Apply) -> type[RulePass]:
        body: dict[str, object] = {
            "__doc__": act.__doc__,
            "__module__": act.__module__,
            "__annotations__": {},
            "name": name,
            "pattern": pattern,
            "act": staticmethod(act),
            "preserves": preserves,
        }
        title = "".join(part.capitalize() for part in name.split("-"))
        return register(dataclass(frozen=True)(type(title, (RulePass,), body)))

    return make
