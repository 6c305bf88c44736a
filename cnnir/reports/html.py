"""Tables, graphs and plans for notebooks and pages: plain HTML without scripts."""

from collections.abc import Iterable, Sequence
from html import escape

from cnnir.graph import Graph
from cnnir.plan import MemoryPlan
from cnnir.reports.arena import plan_svg
from cnnir.reports.table import Table, table
from cnnir.reports.text import below, format_count, format_memory, format_shape, grouped

_HEADINGS = ("layer", "op", "output", "elements", "memory", "weights", "params", "MACs")
_WORDS = 3
"""Columns of words; the rest are numbers and stand right."""


def table_html(table: Table) -> str:
    """The table, its totals and its rules."""
    body = []
    for row, followers in grouped(table.rows):
        detail = " + ".join([row.detail, *(follower.detail for follower in followers)])
        figures = [format_count(row.elements), format_memory(row.bytes)]
        figures += [format_count(count) for count in (row.weights, row.params, row.macs)]
        body.append([row.name, detail, format_shape(row.shape), *figures])
    lines = [f"<b>{escape(name)}</b>: {escape(text)}" for name, text in below(table)]
    lines += [f"not known: {escape(reason)}" for reason in table.reasons]
    lines += [f"holds for: {escape(constraint)}" for constraint in table.constraints]
    lines += [f"note: {escape(note)}" for note in table.notes]
    rules = "<br>".join(escape(rule) for rule in table.accounting)
    return f"{_table(_HEADINGS, body)}<p>{'<br>'.join(lines)}</p><p><small>{rules}</small></p>"


def graph_html(graph: Graph) -> str:
    """The graph as a notebook shows it: its table."""
    return f"<p><b>{escape(graph.name)}</b>, {len(graph)} nodes</p>{table_html(table(graph))}"


def plan_html(plan: MemoryPlan) -> str:
    """The plan as a notebook shows it: the map of the arena, and its summary."""
    return f"{plan_svg(plan)}<pre>{escape(str(plan))}</pre>"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(_cell("th", index, text) for index, text in enumerate(headings))
    body = "".join(f"<tr>{''.join(_cell('td', index, text) for index, text in enumerate(row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(tag: str, index: int, text: str) -> str:
    side = "left" if index < _WORDS else "right"
    return f'<{tag} style="text-align:{side}">{escape(text)}</{tag}>'
