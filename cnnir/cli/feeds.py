"""What a run is fed: arrays from files, and seeded random numbers for the rest."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.interpreter import seeded_array
from cnnir.weights import AnyArray


def feed_of(graph: Graph, files: Sequence[tuple[str, str]], seed: int | None) -> dict[str, AnyArray]:
    """An array for each input.

    Args:
        graph: Whose inputs.
        files: Names of inputs and of NumPy files.
        seed: Of random numbers for the inputs that have no file; None when each must have one.

    Raises:
        CnnirError: ``feed-file``, ``feed-missing``, ``feed-twice``, or ``dims-unbound`` for random numbers of no known
            shape.
    """
    feed: dict[str, AnyArray] = {}
    for name, file in files:
        if name in feed:
            raise CnnirError("feed-twice", "two files for one input", node=name, got=file)
        feed[name] = _read(name, file)
    for value in graph.inputs:
        if value.name in feed:
            continue
        if seed is None:
            hint = f"give --input {value.name}=FILE.npy, or --seed N for random numbers"
            raise CnnirError("feed-missing", "nothing to feed", node=value.name, expected=value.type, hint=hint)
        feed[value.name] = seeded_array(value, seed)
    return feed


def _read(name: str, file: str) -> AnyArray:
    try:
        array = np.load(Path(file), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CnnirError("feed-file", "not a NumPy file that can be read", node=name, got=f"{file}: {error}") from None
    if not isinstance(array, np.ndarray):
        raise CnnirError("feed-file", "a file with several arrays", node=name, expected="one array, .npy", got=file)
    return array
