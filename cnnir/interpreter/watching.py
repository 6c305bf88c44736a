"""Looking on while a graph is run: who watches is told after every step what it has made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cnnir.weights import AnyArray


@dataclass(frozen=True, slots=True)
class Done:
    """What one more step has done.

    Attributes:
        steps: How many are done.
        total: How many there are.
        made: The values that are there since this step, by name. In a pool other values take their place later: what
            is to last has to be copied.
    """

    steps: int
    total: int
    made: Mapping[str, AnyArray]


Watch: TypeAlias = Callable[[Done], object]
"""Called after each step. What it raises ends the run."""

__all__ = ["Done", "Watch"]
