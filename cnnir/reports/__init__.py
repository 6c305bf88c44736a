"""What people read: data models first, then the same data as text, JSON, HTML and SVG."""

from cnnir.reports.arena import plan_svg
from cnnir.reports.html import graph_html, plan_html, table_html
from cnnir.reports.steps import StepRow, step_rows
from cnnir.reports.table import Row, Table, Totals, table
from cnnir.reports.whatif import WhatIf, whatif
from cnnir.reports.why import Why, why

__all__ = [
    "Row",
    "StepRow",
    "Table",
    "Totals",
    "WhatIf",
    "Why",
    "graph_html",
    "plan_html",
    "plan_svg",
    "step_rows",
    "table",
    "table_html",
    "whatif",
    "why",
]
