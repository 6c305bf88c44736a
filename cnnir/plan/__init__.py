"""The memory plan: data, JSON, and the check that proves it."""

from cnnir.plan.arrays import Strided, strided
from cnnir.plan.check import check_plan
from cnnir.plan.model import (
    JOIN,
    KERNEL,
    SCHEMA,
    VIEW,
    Bound,
    MemoryPlan,
    Piece,
    PlannedValue,
    Pool,
    Scratch,
    Status,
    Step,
    Storage,
    row_major_strides,
)

__all__ = [
    "JOIN",
    "KERNEL",
    "SCHEMA",
    "VIEW",
    "Bound",
    "MemoryPlan",
    "Piece",
    "PlannedValue",
    "Pool",
    "Scratch",
    "Status",
    "Step",
    "Storage",
    "Strided",
    "check_plan",
    "row_major_strides",
    "strided",
]
