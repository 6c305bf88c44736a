"""How time and memory grow with the number of nodes, as SVG: two plots side by side, logarithmic on both axes.

What grows as fast as the nodes runs along the broken lines.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _TOP, _LEFT, _GAP, _BOTTOM, _RIGHT = 360, 300, 56, 64, 110, 52, 72
_COLOURS = ("#4878a8", "#c0392b", "#3a8f5c", "#8e5ea2")


@dataclass(frozen=True)
class _Plot:
    """One plot: its left edge, and the whole powers of ten between which its axes run."""

    left: float
    across: tuple[int, int]
    up: tuple[int, int]

    def x(self, number: float) -> float:
        low, high = self.across
        return self.left + _WIDTH * (math.log10(number) - low) / (high - low)

    def y(self, number: float) -> float:
        low, high = self.up
        return _TOP + _HEIGHT * (1 - (math.log10(number) - low) / (high - low))


def growth_svg(rows: Sequence[Mapping[str, float]], phases: Sequence[str]) -> str:
    """The plots.

    Args:
        rows: For each size its ``nodes``, ``bytes``, and seconds of each phase; all of them more than nothing.
        phases: Those that are drawn.
    """
    nodes = [row["nodes"] for row in rows]
    across = _decades(nodes)
    times = {name: [row[name] for row in rows] for name in phases}
    sizes = {"memory": [row["bytes"] / 2**20 for row in rows]}
    width, height = _LEFT + 2 * _WIDTH + _GAP + _RIGHT, _TOP + _HEIGHT + _BOTTOM
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
            ' font-family="sans-serif" font-size="11">'
        ),
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    left = float(_LEFT)
    for title, curves in (("seconds of CPU", times), ("MiB at the peak", sizes)):
        plot = _Plot(left, across, _decades([number for curve in curves.values() for number in curve]))
        parts += [*_axes(plot, title), *_linear(plot, across)]
        for colour, (name, curve) in zip(_COLOURS, curves.items(), strict=False):
            parts += _curve(plot, name, colour, nodes, curve)
        left += _WIDTH + _GAP
    return "\n".join([*parts, "</svg>"]) + "\n"


def _decades(numbers: Sequence[float]) -> tuple[int, int]:
    """The powers of ten around these numbers."""
    low, high = math.floor(math.log10(min(numbers))), math.ceil(math.log10(max(numbers) / 1.1))
    return low, max(high, low + 1)


def _axes(plot: _Plot, title: str) -> list[str]:
    bottom, right = _TOP + _HEIGHT, plot.left + _WIDTH
    parts = [_text(plot.left, _TOP - 18, title, size=14, weight="bold")]
    for power in range(plot.up[0], plot.up[1] + 1):
        y = plot.y(10.0**power)
        parts.append(f'<line x1="{plot.left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e4"/>')
        parts.append(_text(plot.left - 8, y + 4, f"{10.0**power:,.10g}", anchor="end"))
    for power in range(plot.across[0], plot.across[1] + 1):
        x = plot.x(10.0**power)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}" stroke="#e4e4e4"/>')
        parts.append(_text(x, bottom + 17, f"{10**power:,}", anchor="middle"))
    parts.append(f'<path d="M{plot.left:.1f} {_TOP}V{bottom}H{right:.1f}" fill="none" stroke="#555"/>')
    parts.append(_text(plot.left + _WIDTH / 2, bottom + 38, "nodes", anchor="middle", size=12))
    return parts


def _linear(plot: _Plot, across: tuple[int, int]) -> list[str]:
    """One line of slope 1 from each power of ten at the left, as far as it goes."""
    parts = []
    for power in range(plot.up[0], plot.up[1]):
        steps = min(across[1] - across[0], plot.up[1] - power)
        x1, y1 = plot.x(10.0 ** across[0]), plot.y(10.0**power)
        x2, y2 = plot.x(10.0 ** (across[0] + steps)), plot.y(10.0 ** (power + steps))
        parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#bbb" stroke-dasharray="4 4"/>'
        )
    return parts


def _curve(plot: _Plot, name: str, colour: str, nodes: Sequence[float], numbers: Sequence[float]) -> list[str]:
    points = [(plot.x(count), plot.y(number)) for count, number in zip(nodes, numbers, strict=True)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts = [f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>']
    for (x, y), count, number in zip(points, nodes, numbers, strict=True):
        words = escape(f"{name}: {count:,.0f} nodes, {number:,.3g}")
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"><title>{words}</title></circle>')
    x, y = points[-1]
    return [*parts, _text(x + 8, y + 4, name, colour=colour, size=12, weight="bold")]


def _text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    size: int = 11,
    colour: str = "#222",
    weight: str = "normal",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}"'
        f' font-weight="{weight}">{escape(words)}</text>'
    )


__all__ = ["growth_svg"]
