"""The one error that cnnir raises for anything a user can mend."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self


class CnnirError(Exception):
    """Bad input, a model that contradicts itself, or a question that cannot be answered.

    Attributes:
        code: Stable kebab-case identifier, for scripts and for the documentation.
        message: What is wrong, one sentence without a final stop.
        node: Where: a node's label such as ``conv2_1 (Conv)``, a value's name or a file; None for nowhere.
        expected: What would have been right.
        got: What was found instead.
        hint: What to do next.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        node: str | None = None,
        expected: object = None,
        got: object = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.node = node
        self.expected = expected
        self.got = got
        self.hint = hint

    def at(self, node: str) -> Self:
        """Name the node, unless a place nearer to the fault has been named already."""
        if self.node is None:
            self.node = node
        return self

    def __str__(self) -> str:
        text = self.message if self.node is None else f"{self.node}: {self.message}"
        if self.expected is not None or self.got is not None:
            found = [f"expected {self.expected}"] if self.expected is not None else []
            found += [f"got {self.got}"] if self.got is not None else []
            text += f" ({', '.join(found)})"
        if self.hint is not None:
            text += f"; {self.hint}"
        # One line whatever was put in: a message may quote a file's contents.
        return f"{' '.join(text.split())} [{self.code}]"


@contextmanager
def within_memory(node: str | None = None, size: int = 0) -> Iterator[None]:
    """Arrays that are made inside have to fit into memory.

    Args:
        node: What they are made for.
        size: Bytes of the largest, where they may be more than can be addressed.

    Raises:
        CnnirError: ``memory``.
    """
    try:
        if size > sys.maxsize:
            raise MemoryError(f"{size} bytes cannot be addressed")
        yield
    except MemoryError as error:
        raise CnnirError("memory", "there is not enough memory", node=node, got=error) from error
