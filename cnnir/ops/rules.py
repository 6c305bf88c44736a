"""Rule tables: what a room of the house knows about each op, registered for the op's class.

An op is defined once, in `cnnir.ops`. The interpreter, the exporters and the planner each hold a table of rules for the
op classes, and say for which ones they owe none, and why.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from cnnir.errors import CnnirError
from cnnir.ops.base import Op

RuleT = TypeVar("RuleT")


class RuleTable(Generic[RuleT]):
    """One rule for each op class; a class without a rule of its own takes that of its nearest base class."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._rules: dict[type[Op], RuleT] = {}
        self._exempt: dict[type[Op], str] = {}

    def rule(self, *op_classes: type[Op]) -> Callable[[RuleT], RuleT]:
        """Decorator: the rule for these classes and, unless they have their own, their subclasses."""

        def register(rule: RuleT) -> RuleT:
            for op_class in op_classes:
                if op_class in self._rules:
                    raise CnnirError("rule-twice", f"a second {self.what} for one op class", node=op_class.__name__)
                self._rules[op_class] = rule
            return rule

        return register

    def exempt(self, op_class: type[Op], reason: str) -> None:
        """Say that the class owes no rule here."""
        self._exempt[op_class] = reason

    def find(self, op_class: type[Op]) -> RuleT | None:
        """The rule for the class, None when there is none."""
        for base in op_class.__mro__:
            if base in self._rules:
                return self._rules[base]
        return None

    def __getitem__(self, op_class: type[Op]) -> RuleT:
        """The rule for the class.

        Raises:
            CnnirError: ``rule-missing`` when the class has none.
        """
        rule = self.find(op_class)
        if rule is None:
            raise CnnirError("rule-missing", f"no {self.what} for this op", node=op_class.__name__)
        return rule

    def exemption(self, op_class: type[Op]) -> str | None:
        """Why the class owes no rule here, None when it does."""
        return self._exempt.get(op_class)
