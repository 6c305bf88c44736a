"""The row that tells what came of a model."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Row:
    """What came of one model.

    Attributes:
        name: Of the model.
        cells: Text of each column that was reached.
        faults: What is wrong; empty when nothing is.
        notes: What could not be judged, and why.
        counts: Figures for the sums.
        seconds: Of the whole row.
        memory: Largest resident size of its process, in bytes.
    """

    name: str
    cells: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    memory: int = 0
