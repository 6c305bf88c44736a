"""Tables, graphs and plans for notebooks and pages: plain HTML without scripts."""

from collections.abc import Iterable, Sequence
from html import escape

from cnnir.graph import Graph
from cnnir.plan import MemoryPlan
from cnnir.reports.arena import plan_svg
from cnnir.reports.table import Table, table
from cnnir.reports.text import COLUMNS, WORDS, below, grouped, row_texts


def table_html(table: Table) -> str:
    """The table, its totals and its rules."""
    body = [row_texts(row, followers) for row, followers in grouped(table.rows)]
    lines = [f"<b>{escape(name)}</b>: {escape(text)}" for name, text in below(table)]
    lines += [f"not known: {escape(reason)}" for reason in table.reasons]
    lines += [f"holds for: {escape(constraint)}" for constraint in table.constraints]
    lines += [f"note: {escape(note)}" for note in table.notes]
    rules = "<br>".join(escape(rule) for rule in table.accounting)
    return f"{_table(COLUMNS, body)}<p>{'<br>'.join(lines)}</p><p><small>{rules}</small></p>"


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
    side = "left" if COLUMNS[index] in WORDS else "right"
    return f'<{tag} style="text-align:{side}">{escape(text)}</{tag}>'
