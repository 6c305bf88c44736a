"""Names that are not taken yet."""

import itertools
from collections.abc import Iterator


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
