"""The map of an arena as SVG: steps across, offset upwards, a rectangle for each storage, the peak marked.

Plain SVG without scripts or outside fonts: a rectangle's tooltip (its ``title``) says what lies in it.
"""

from dataclasses import dataclass
from xml.sax.saxutils import escape

from cnnir.plan import MemoryPlan
from cnnir.units import format_bytes, format_size

_PLOT_WIDTH, _PLOT_HEIGHT = 1040, 480
_LEFT, _TOP, _BOTTOM, _RIGHT = 96, 76, 64, 24
_LETTER = 6.2
"""Width of one letter of a label, about, in pixels."""

_COLOURS = ("#8fb8de", "#f2b880", "#a3d9a5", "#d7a9e3", "#f4d06f", "#9ad1d4", "#e8a0a0", "#c3c9a9")
_INPUT, _OUTPUT, _SCRATCH = "#cfd4da", "#7a8ca3", "#f7ead0"


@dataclass(frozen=True, slots=True)
class _Scale:
    """From steps and bytes to pixels."""

    steps: int
    height: int

    def x(self, step: float) -> float:
        return _LEFT + _PLOT_WIDTH * step / max(self.steps, 1)

    def y(self, offset: float) -> float:
        return _TOP + _PLOT_HEIGHT * (1 - offset / max(self.height, 1))


def plan_svg(plan: MemoryPlan, pool: str | None = None) -> str:
    """The map of one pool.

    Args:
        plan: What to draw.
        pool: Name of the pool; the first that is counted, when None.

    Raises:
        CnnirError: ``pool-unknown``.
    """
    name = pool if pool is not None else next((p.name for p in plan.pools if p.counted), plan.pools[0].name)
    height = plan.pool(name).bytes
    scale = _Scale(len(plan.steps), height)
    members = [index for index, storage in enumerate(plan.storages) if storage.pool == name]
    width, total = _LEFT + _PLOT_WIDTH + _RIGHT, _TOP + _PLOT_HEIGHT + _BOTTOM
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" width="{width}" height="{total}"'
            ' font-family="sans-serif" font-size="11">'
        ),
        f'<rect width="{width}" height="{total}" fill="white"/>',
        *_heading(plan, name, height),
        *_axes(scale),
        *[part for index in members for part in _storage(plan, index, scale)],
        *[part for number in range(len(plan.steps)) for part in _scratch(plan, number, name, scale)],
        *_peak(plan, scale),
        *_bound(plan, scale),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _heading(plan: MemoryPlan, pool: str, height: int) -> list[str]:
    placement = plan.bounds["placement"]
    gap = "" if placement.status == "optimal" else f", {format_size(placement.reached - placement.bytes)} above it"
    bound = f"lower bound {format_bytes(placement.bytes)}, {placement.status}{gap}"
    return [
        _text(_LEFT, 24, f"{plan.graph}: {pool} {format_bytes(height)}", size=16, weight="bold"),
        _text(_LEFT, 44, bound, size=12),
        _text(_LEFT, 60, plan.accounting, size=10, colour="#666"),
    ]


def _axes(scale: _Scale) -> list[str]:
    bottom, right = scale.y(0), scale.x(scale.steps)
    parts = []
    for tick in _ticks(scale.height, 6):
        y = scale.y(tick)
        parts.append(f'<line x1="{_LEFT}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e4"/>')
        parts.append(_text(_LEFT - 8, y + 4, format_size(tick), anchor="end"))
    for tick in _ticks(max(scale.steps - 1, 1), 12, decimal=True):
        x = scale.x(tick + 0.5)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bottom:.1f}" y2="{bottom + 4:.1f}" stroke="#999"/>')
        parts.append(_text(x, bottom + 17, str(tick), anchor="middle"))
    parts.append(f'<path d="M{_LEFT} {_TOP}V{bottom:.1f}H{right:.1f}" fill="none" stroke="#555"/>')
    parts.append(_text((_LEFT + right) / 2, bottom + 36, "step", anchor="middle", size=12))
    middle = (_TOP + bottom) / 2
    parts.append(
        f'<text x="18" y="{middle:.1f}" font-size="12" text-anchor="middle" transform="rotate(-90 18 {middle:.1f})">'
        "offset</text>"
    )
    return parts


def _ticks(top: int, count: int, *, decimal: bool = False) -> list[int]:
    """Round numbers from 0 to `top`: steps of 1, 2, 5 times a power of ten, or powers of two for bytes."""
    step = 1
    grow = (2, 5, 10) if decimal else (2,)
    base = 1
    while top / step > count:
        later = [base * factor for factor in grow if base * factor > step]
        step = later[0] if later else step
        base = step if step == base * grow[-1] else base
    return list(range(0, top + 1, step))


def _storage(plan: MemoryPlan, index: int, scale: _Scale) -> list[str]:
    storage = plan.storages[index]
    names = plan.holders(index)
    x, y = scale.x(storage.first), scale.y(storage.end)
    width, height = scale.x(storage.last + 1) - x, scale.y(storage.offset) - y
    size = format_size(storage.bytes)
    wider = [held for held in names if len(plan.values[held].pieces or ()) > 1]
    own = [held for held in names if held not in wider] or wider[:1]
    chain = " -> ".join(own if len(own) <= 6 else (*own[:5], f"... {own[-1]}"))
    chain += f" (part of {', '.join(wider)})" if wider else ""
    tooltip = f"{chain}\n{format_bytes(storage.bytes)} at {storage.offset:,}, steps {storage.first} to {storage.last}"
    # The parts of a larger value are held apart by broken lines.
    dashes = ' stroke-dasharray="3 2"' if wider else ""
    parts = [
        (
            f'<g><title>{escape(tooltip)}</title><rect x="{x:.2f}" y="{y:.2f}" width="{max(width, 0.5):.2f}"'
            f' height="{max(height, 0.5):.2f}" fill="{_colour(plan, index)}" stroke="#444" stroke-width="0.5"{dashes}/>'
        )
    ]
    parts += _label(own[0] if own else "", size, x, y, width, height)
    return [*parts, "</g>"]


def _scratch(plan: MemoryPlan, number: int, pool: str, scale: _Scale) -> list[str]:
    """A step's workspace: a pale rectangle one step wide."""
    step = plan.steps[number]
    scratch = step.scratch
    if scratch is None or scratch.pool != pool or not scratch.bytes:
        return []
    x, y = scale.x(number), scale.y(scratch.end)
    width, height = scale.x(number + 1) - x, scale.y(scratch.offset) - y
    strips = f", strips {format_bytes(scratch.strips)}" if scratch.strips else ""
    tooltip = f"scratch of {step.label}\n{format_bytes(scratch.bytes)} at {scratch.offset:,}, step {number}{strips}"
    return [
        (
            f'<g class="scratch"><title>{escape(tooltip)}</title><rect x="{x:.2f}" y="{y:.2f}"'
            f' width="{max(width, 0.5):.2f}" height="{max(height, 0.5):.2f}" fill="{_SCRATCH}" stroke="#444"'
            ' stroke-width="0.5"/></g>'
        )
    ]


def _colour(plan: MemoryPlan, index: int) -> str:
    names = set(plan.holders(index))
    if names & set(plan.inputs):
        return _INPUT
    if names & set(plan.outputs):
        return _OUTPUT
    return _COLOURS[index % len(_COLOURS)]


def _label(name: str, size: str, x: float, y: float, width: float, height: float) -> list[str]:
    """Name and size where they fit: across when the box is wide, upright when it is tall, else nothing."""
    text = f"{name}, {size}"
    for words in (text, name, size):
        length = _LETTER * len(words) + 6
        if length <= width and height >= 13:
            return [_text(x + width / 2, y + height / 2 + 4, words, anchor="middle")]
        if length <= height and width >= 13:
            cx, cy = x + width / 2 + 4, y + height / 2
            turned = f' transform="rotate(-90 {cx:.1f} {cy:.1f})"'
            return [f'<text x="{cx:.1f}" y="{cy:.1f}" text-anchor="middle"{turned}>{escape(words)}</text>']
    return []


def _peak(plan: MemoryPlan, scale: _Scale) -> list[str]:
    step = plan.peak_step
    if step is None:
        return []
    x, width = scale.x(step), scale.x(step + 1) - scale.x(step)
    words = f"peak: step {step}, {plan.steps[step].label}, {format_size(plan.live_bytes()[step])} live"
    right = x > _LEFT + _PLOT_WIDTH / 2
    return [
        (f'<rect x="{x:.2f}" y="{_TOP}" width="{max(width, 1):.2f}" height="{_PLOT_HEIGHT}" fill="#c0392b"'
        ' fill-opacity="0.15" stroke="#c0392b" stroke-width="1"/>'),
        _text(
            x + width if right else x, _TOP + _PLOT_HEIGHT + 52, words, anchor="end" if right else "start",
            colour="#c0392b", weight="bold",
        ),
    ]  # fmt: skip


def _bound(plan: MemoryPlan, scale: _Scale) -> list[str]:
    """A dashed line at the lower bound, where the arena is higher."""
    bound = plan.lower_bound
    if bound >= scale.height:
        return []
    y = scale.y(bound)
    return [
        (
            f'<line x1="{_LEFT}" x2="{scale.x(scale.steps):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#c0392b"'
            ' stroke-dasharray="6 4"/>'
        ),
    ]


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
