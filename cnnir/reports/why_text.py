"""Why a plan needs what it needs, as text that stays readable in a narrow terminal."""

import textwrap
from collections.abc import Iterator

from cnnir.reports.changes import Suggestion, Touches
from cnnir.reports.text import WIDE
from cnnir.reports.why import Why
from cnnir.units import format_bytes, format_size

_SHOWN = 10
"""Values listed at the peak; the rest is summed up."""

_SUGGESTED = 6
"""Changes told; the rest is counted."""

_LEAST_SHARE = 0.001
"""Of the arena; what is less is told in bytes."""

_SIZE = 11
"""Letters of a size."""

TOUCHES: dict[Touches, str] = {
    "memory": "",
    "caller": "",
    "interface": "changes the shapes of inputs and outputs",
    "values": "changes what the network computes",
}
"""What has to be said of a change."""


def why_text(why: Why, *, width: int = WIDE) -> str:
    """The peak, what bounds it, what would lower it.

    Args:
        why: The answer.
        width: Columns of the terminal.
    """
    parts = [
        *_wrapped(f"why {why.graph} needs {format_bytes(why.arena_bytes)}", 2, width),
        "",
        *_peak(why, width),
        "",
        "what bounds it",
        *(line for text in bounds_of(why) for line in _wrapped(f"  {text}", 4, width)),
        "",
        *_suggestions(why, width),
        "",
        *_wrapped(f"rule: {why.accounting}", 2, width),
    ]
    return "".join(f"{line.rstrip()}\n" for line in parts)


def _peak(why: Why, width: int) -> Iterator[str]:
    yield from _wrapped(
        f"peak at step {why.peak.step} of {why.steps}, {why.peak.label}: {format_bytes(why.live_bytes)} live", 2, width
    )
    for resident in why.residents[:_SHOWN]:
        name = f"{resident.value}: " if resident.value else ""
        yield from _beside(format_size(resident.bytes), f"{name}{resident.reason}", width)
    rest = why.residents[_SHOWN:]
    if rest:
        kept = sum(not resident.is_own for resident in rest)
        words = f", {kept} of them kept for later" if kept else ""
        yield from _beside(format_size(sum(resident.bytes for resident in rest)), f"{len(rest)} more{words}", width)
    for reason in why.not_in_place:
        yield from _wrapped(f"  {reason}", 4, width)


def bounds_of(why: Why) -> list[str]:
    """What keeps the arena from being lower, in words."""
    held = why.live_bytes - why.own_bytes
    order, placement = why.bounds["order"], why.bounds["placement"]
    lines = [f"the step itself needs {format_size(why.own_bytes)}, {format_size(held)} is kept for later ones"]
    if not held:
        lines = ["the step reads, writes or works in all of it: no order of these steps can change that"]
    elif order.status == "optimal":
        lines.append("no order of these steps needs less, as was proved")
    else:
        lines.append(f"another order might need less, but at least {format_size(order.bytes)}")
    apart = placement.bytes > why.live_bytes
    if apart:
        lines.append(f"each memory is fullest at a step of its own: {format_size(placement.bytes)} together")
    if placement.status == "optimal":
        size = "that" if apart else "what lives at the peak"
        lines.append(f"nothing is lost between the storages: the arena is as large as {size}")
    else:
        gap = format_size(placement.reached - placement.bytes)
        lines.append(f"{gap} is lost between the storages; nothing proves that it has to be")
    if why.ties:
        lines.append(f"{why.ties} more step{'s need' if why.ties > 1 else ' needs'} as much")
    if why.next_peak is not None:
        lines.append(f"next is step {why.next_peak.step}, {why.next_peak.label}, with {format_size(why.next_bytes)}")
    return lines


def _suggestions(why: Why, width: int) -> Iterator[str]:
    made = f"({plans_made(why)})"
    if not why.suggestions:
        yield from _wrapped(f"nothing that was tried lowers it {made}", 2, width)
    else:
        yield from _wrapped(f"what would lower it, and to what {made}", 2, width)
    for suggestion in why.suggestions[:_SUGGESTED]:
        yield from _beside(format_size(suggestion.arena_bytes), summary_of(suggestion, why.arena_bytes), width)
        for line in suggestion.commands or (suggestion.python,):
            # A command stays in one line, so that it can be copied.
            yield f"{' ' * (_SIZE + 4)}{line}"
    if len(why.suggestions) > _SUGGESTED:
        yield from _wrapped(f"  {len(why.suggestions) - _SUGGESTED} more give less", 4, width)
    for refused in why.refused:
        yield from _wrapped(f"  not possible: {refused.what}: {refused.reason}", 4, width)


def plans_made(why: Why) -> str:
    """How much was tried."""
    untried = f", {why.untried} changes not tried" if why.untried else ""
    return f"{why.plans} plan{'' if why.plans == 1 else 's'} made to find out{untried}"


def summary_of(suggestion: Suggestion, arena_bytes: int) -> str:
    """``-33 %: fuse nodes into steps (conv1 + relu1 as one step); then the peak is at conv2``."""
    detail = f" ({suggestion.detail})" if suggestion.detail else ""
    touched = TOUCHES[suggestion.touches]
    warning = f"; {touched}" if touched else ""
    share = suggestion.saved / arena_bytes
    gained = f"-{share:.1%}" if share >= _LEAST_SHARE else f"-{format_size(suggestion.saved)}"
    return f"{gained}: {suggestion.what}{detail}; then the peak is at {suggestion.peak.label}{warning}"


def _beside(size: str, text: str, width: int) -> list[str]:
    """A size, and text that goes on beside it."""
    return _wrapped(f"  {size:>{_SIZE}}  {text}", _SIZE + 4, width)


def _wrapped(text: str, indent: int, width: int) -> list[str]:
    lead = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(
        text.lstrip(), max(width, 40), initial_indent=lead, subsequent_indent=" " * indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


__all__ = ["TOUCHES", "bounds_of", "plans_made", "summary_of", "why_text"]
