"""The values of a run, as the command line tells them: in a few numbers, or whole in files."""

import io
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from cnnir.cli.output import wants
from cnnir.errors import CnnirError
from cnnir.files import write_file
from cnnir.interpreter import Done
from cnnir.weights import AnyArray


def packed(found: dict[str, AnyArray], output: str) -> bytes:
    """The arrays as ``.npy`` (one array) or ``.npz`` (any number, by name).

    Raises:
        CnnirError: ``usage`` for another ending, or several arrays in a ``.npy``.
    """
    buffer = io.BytesIO()
    if wants(output, "npy") and len(found) == 1:
        np.save(buffer, next(iter(found.values())), allow_pickle=False)
    elif wants(output, "npz"):
        arrays: dict[str, Any] = dict(found)
        np.savez(buffer, allow_pickle=False, **arrays)
    else:
        raise CnnirError("usage", "values are written as .npz, or one value as .npy", got=output)
    return buffer.getvalue()


class Dump:
    """Watches a run, and writes each value when it is there.

    A file has the value's name, in which what a file's name cannot hold is written as in an address: ``/`` as ``%2F``.

    Args:
        folder: Made if need be.

    Attributes:
        count: How many have been written.

    Raises:
        CnnirError: ``file-write``.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CnnirError("file-write", "the folder cannot be made", node=str(folder), got=error.strerror) from None
        self._folder = folder
        self.count = 0

    def __call__(self, done: Done) -> None:
        for name, array in done.made.items():
            if not isinstance(array, np.ndarray) or array.dtype.hasobject:
                continue  # sequences and texts have no such file
            buffer = io.BytesIO()
            np.save(buffer, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
            write_file(self._folder / f"{quote(name, safe=' ')}.npy", buffer.getvalue())
            self.count += 1


def summary(array: AnyArray) -> dict[str, Any]:
    """What can be said of an array in a few numbers; null where a number does not exist."""
    found: dict[str, Any] = {"dtype": str(array.dtype), "shape": list(array.shape)}
    figures: dict[str, Any] = dict.fromkeys(("min", "max", "mean", "argmax"))
    if array.size and array.dtype.kind in "fiu":
        wide = array.astype(np.float64)
        figures = {"min": wide.min(), "max": wide.max(), "mean": wide.mean(), "argmax": int(wide.argmax())}
    for name, value in figures.items():
        found[name] = value if value is None or isinstance(value, int) or np.isfinite(value) else None
        found[name] = float(found[name]) if isinstance(found[name], np.floating) else found[name]
    return found


def words(entry: dict[str, Any]) -> str:
    """Such a summary as a line."""
    text = f"{entry['dtype']}{entry['shape']}"
    if entry["argmax"] is None:
        return text
    figures = ", ".join(
        f"{name} {'not finite' if entry[name] is None else format(entry[name], '.6g')}"
        for name in ("min", "max", "mean")
    )
    return f"{text}, {figures}, largest at {entry['argmax']}"


__all__ = ["Dump", "packed", "summary", "words"]
