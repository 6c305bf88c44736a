"""How the proof refuses, and how it names steps."""

from typing import NoReturn

from cnnir.errors import CnnirError
from cnnir.plan.model import Step


def refuse(code: str, message: str, node: str | None = None, expected: object = None, got: object = None) -> NoReturn:
    """Fail.

    Raises:
        CnnirError: always.
    """
    raise CnnirError(code, message, node=node, expected=expected, got=got)


def where(number: int, step: Step) -> str:
    """The step, for messages."""
    return f"step {number} ({step.label})"


__all__ = ["refuse", "where"]
