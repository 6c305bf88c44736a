"""The canonical search as machine code, where numba is installed: the same functions, so the same answers."""

import importlib.util
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any, TypeAlias

import numpy as np

from cnnir.passes.memory.placement import core
from cnnir.passes.memory.placement.arrays import Items, State

Search: TypeAlias = Callable[[Items, State, int, int], int]


@cache
def is_available() -> bool:
    """Whether numba is installed; ``pip install cnnir[fast]`` brings it."""
    return importlib.util.find_spec("numba") is not None


@cache
def compiled_search() -> Search:
    """`core.search`, compiled once and kept on disk; takes arrays of int64 in the place of lists."""
    import numba  # noqa: PLC0415

    spec = importlib.util.find_spec(core.__name__)
    assert spec is not None  # noqa: S101  it has been imported
    assert spec.loader is not None  # noqa: S101
    # A copy of the module, in which the functions that call each other are the compiled ones.
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    for name, function in list(vars(copy).items()):
        if isinstance(function, FunctionType) and function.__module__ == core.__name__:
            setattr(copy, name, numba.njit(**_options())(function))
    search: Search = copy.search
    return search


def _options() -> dict[str, Any]:
    """How to compile; without counts of references where numba can: nothing is allocated, and it halves the time."""
    known = importlib.import_module("numba.core.options").DefaultOptions
    return {"cache": True, "_nrt": False} if hasattr(known, "_nrt") else {"cache": True}


def as_arrays(items: Items, state: State) -> tuple[Items, State]:
    """The same numbers as arrays."""
    return Items(*(_array(column) for column in items)), State(*(_array(column) for column in state))


def _array(numbers: list[int]) -> list[int]:
    # An array has all that the search needs of a list.
    return np.asarray(numbers, np.int64)  # type: ignore[return-value]
