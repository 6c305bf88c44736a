"""Lint: where a choice in a network is unusual or wasteful, by rules with a stable code, a reason and a fix."""

from cnnir.lint import costs, images, layers, memory, pooling, windows
from cnnir.lint.model import RULES, Finding, Found, Rule, Subject, rule
from cnnir.lint.run import Report, lint, report
from cnnir.lint.selection import Selection, configured, find

__all__ = [
    "RULES",
    "Finding",
    "Found",
    "Report",
    "Rule",
    "Selection",
    "Subject",
    "configured",
    "costs",
    "find",
    "images",
    "layers",
    "lint",
    "memory",
    "pooling",
    "report",
    "rule",
    "windows",
]
