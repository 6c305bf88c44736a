"""Names that are not taken yet."""

import itertools
from collections.abc import Iterator
from typing import TypeVar

EntryT = TypeVar("EntryT")

_DIGITS = 18
"""Nobody has counted further than numbers of so many digits."""


def wishes(wish: str) -> Iterator[str]:
    """The wished name, then wish_1, wish_2, ... without an end."""
    yield wish
    for number in itertools.count(1):
        yield f"{wish}_{number}"


def reserve(wish: str, taken: set[str]) -> str:
    """The first of the `wishes` that is not taken yet; from now on it is."""
    name = next(name for name in wishes(wish) if name not in taken)
    taken.add(name)
    return name


class Names:
    """Names, each given out once, however often one is wished for."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._left: dict[str, Iterator[str]] = {}

    def reserve(self, wish: str) -> str:
        """The first of the `wishes` that is not taken yet; from now on it is."""
        # A name once taken stays so: the search goes on where the last one for this wish ended.
        left = self._left.setdefault(wish, wishes(wish))
        name = next(name for name in left if name not in self._taken)
        self._taken.add(name)
        return name


class NameTable(dict[str, EntryT]):
    """What bears names, by name. Names leave it by ``del`` or ``clear``, so that it knows which may be free again."""

    def __init__(self) -> None:
        super().__init__()
        self._from: dict[str, int] = {}
        """For a wish, the number of the first of its `wishes` that may not be taken."""

    def fresh(self, wish: str) -> str:
        """The first of the `wishes` that is not taken: in constant time, on average, however many are."""
        if wish not in self:
            return wish
        number = next(n for n in itertools.count(self._from.get(wish, 1)) if f"{wish}_{n}" not in self)
        self._from[wish] = number
        return f"{wish}_{number}"

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        wish, _, number = name.rpartition("_")
        if wish in self._from and number.isdecimal() and len(number) <= _DIGITS:
            self._from[wish] = max(min(self._from[wish], int(number)), 1)

    def clear(self) -> None:
        """No name is taken any more."""
        super().clear()
        self._from.clear()
