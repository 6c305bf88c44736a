"""Repetition: the shortest way to write a chain whose items repeat."""

from collections.abc import Iterator, Sequence

from cnnir.zoo.pattern.syntax import Chain, Item, Repeated

_ARROW = len(" -> ")


def shorten(items: Sequence[Item]) -> tuple[Item, ...]:
    """The same chain in the fewest characters, what repeats written once with its count.

    Dynamic programming over the ends of the chain: the best way to write what begins at one item is the best choice
    of what to write first, an item or a run of equal parts, and the best way to write what follows it. The part of a
    run is shortened by the same rule, so that runs nest.
    """
    return _shorten(tuple(items), {})


def _shorten(items: tuple[Item, ...], done: dict[tuple[Item, ...], tuple[Item, ...]]) -> tuple[Item, ...]:
    if items not in done:
        best: list[tuple[int, tuple[Item, ...]]] = [(0, ())]
        for start in range(len(items) - 1, -1, -1):
            ways = [(items[start], 1), *_runs(items, start, done)]
            # `best` holds the ends from the last item backwards: what follows at distance d from here is best[-d].
            costs = [
                (len(str(first)) + _ARROW + best[-length][0], (first, *best[-length][1])) for first, length in ways
            ]
            best.append(min(costs, key=lambda way: way[0]))
        done[items] = best[-1][1]
    return done[items]


def _runs(
    items: tuple[Item, ...], start: int, done: dict[tuple[Item, ...], tuple[Item, ...]]
) -> Iterator[tuple[Item, int]]:
    """Each run of equal parts that begins there, written as a repetition, and how many items it covers."""
    for length in range(1, (len(items) - start) // 2 + 1):
        part, times = items[start : start + length], 1
        while items[start + times * length : start + (times + 1) * length] == part:
            times += 1
        if times > 1:
            inner = _shorten(part, done)
            yield Repeated(inner[0] if len(inner) == 1 else Chain(inner), times), times * length
