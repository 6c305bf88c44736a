"""Why a plan needs what it needs, as plain HTML without scripts."""

from collections.abc import Iterable, Sequence
from html import escape

from cnnir.reports.why import Why
from cnnir.reports.why_text import bounds_of, plans_made, summary_of
from cnnir.units import format_bytes, format_size


def why_html(why: Why) -> str:
    """The answer as a notebook shows it: what lives at the peak, what bounds it, what would lower it."""
    live = [(format_size(each.bytes), each.value or "", each.reason) for each in why.residents]
    changes = [
        (format_size(each.arena_bytes), summary_of(each, why.arena_bytes), "\n".join(each.commands or (each.python,)))
        for each in why.suggestions
    ]
    peak = f"peak at step {why.peak.step} of {why.steps}, {why.peak.label}: {format_bytes(why.live_bytes)} live"
    bounds = "".join(f"<li>{escape(text)}</li>" for text in (*bounds_of(why), *why.not_in_place))
    refused = "".join(f"<li>not possible: {escape(f'{each.what}: {each.reason}')}</li>" for each in why.refused)
    lowers = "what would lower it" if changes else "nothing that was tried lowers it"
    return (
        f"<p><b>{escape(why.graph)}</b> needs {format_bytes(why.arena_bytes)}; {escape(peak)}</p>"
        f"{_table(live)}<p>what bounds it</p><ul>{bounds}</ul>"
        f"<p>{lowers} ({plans_made(why)})</p>{_table(changes)}"
        f"<ul>{refused}</ul><p><small>{escape(why.accounting)}</small></p>"
    )


def _table(rows: Iterable[Sequence[str]]) -> str:
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table>{body}</table>"


def _cell(text: str) -> str:
    return f'<td style="text-align:left;white-space:pre-wrap">{escape(text)}</td>'


__all__ = ["why_html"]
