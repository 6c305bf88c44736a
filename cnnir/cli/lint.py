"""``cnnir lint``: where a network's choices are unusual or wasteful."""

import json
from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path

from cnnir.cli.models import open_model
from cnnir.cli.output import FINDINGS, OK, emit, wants
from cnnir.errors import CnnirError
from cnnir.lint import Report, Rule, Selection, configured, find, report

SCHEMA = "cnnir.lint/1"


def add_arguments(parser: ArgumentParser) -> None:
    """What ``cnnir lint`` takes besides what every verb takes."""
    for name, words in (
        ("select", "codes of the rules to run, or prefixes of codes, separated by commas (default: all)"),
        ("ignore", "codes or prefixes to leave out; the longer prefix decides"),
    ):
        parser.add_argument(f"--{name}", action="append", metavar="CODES", help=f"{words}; may be repeated")
    parser.add_argument("--explain", metavar="CODE", help="say what a rule looks for and why; needs no MODEL")


def lint(options: Namespace) -> int:
    """``cnnir lint``: 0 without findings, 1 with some."""
    as_json = options.json or wants(options.output, "json")
    if options.explain is not None:
        if as_json:
            raise CnnirError("usage", "an explanation is text, and has no JSON", got=f"--explain {options.explain}")
        emit("\n".join(_explained(rule) for rule in find(options.explain)), options.output)
        return OK
    if options.model is None:
        raise CnnirError("usage", "a MODEL is needed", hint="or --explain CODE")
    selection = _selection(options)
    selection.rules()  # a code that nobody knows is said before the model is read
    found = report(open_model(options), selection)
    emit(_as_json(found) if as_json else _text(found), options.output)
    return FINDINGS if found.findings else OK


def _selection(options: Namespace) -> Selection:
    """What the arguments say, and what ``pyproject.toml`` says where they are silent.

    With ``--select`` the file's own lists do not count; ``--ignore`` alone comes on top of them.
    """
    model = Path(options.model)
    file = configured(model.resolve().parent if model.exists() else Path.cwd())
    ignored = _codes(options.ignore)
    if options.select is not None:
        return Selection(_codes(options.select), ignored)
    return Selection(file.select, (*file.ignore, *ignored))


def _codes(texts: list[str] | None) -> tuple[str, ...]:
    return tuple(part.strip() for text in texts or () for part in text.split(","))


def _explained(rule: Rule) -> str:
    return f"{rule.code}: {rule.title}\n\nWhy: {rule.why}\n\nFix: {rule.fix}\n"


def _text(found: Report) -> str:
    lines = []
    for finding in found.findings:
        lines += [str(finding), f"    {finding.fix}"]
    counts = Counter(finding.code for finding in found.findings)
    total = f"{len(found.findings)} {'finding' if len(found.findings) == 1 else 'findings'}"
    names = ", ".join(f"{count} of {code}" for code, count in sorted(counts.items()))
    lines.append(f"{total}: {names}; cnnir lint --explain CODE says why" if counts else "no findings")
    return "\n".join([*lines, *_notes(found), ""])


def _notes(found: Report) -> list[str]:
    """What the findings rest on, and what could not be told."""
    notes = [f"taken as 1: {name}" for name in found.assumed]
    if found.open:
        notes.append(f"open: {', '.join(found.open)}; windows over maps of open size are not looked at, bind them")
    return [*notes, *(f"not decided: {code}, {reason}" for code, reason in found.undecided)]


def _as_json(found: Report) -> str:
    content = {
        "schema": SCHEMA,
        "graph": found.graph,
        "rules": [rule.code for rule in found.rules],
        "findings": [
            {"code": finding.code, "node": finding.node, "message": finding.message, "fix": finding.fix}
            for finding in found.findings
        ],
        "undecided": [{"code": code, "reason": reason} for code, reason in found.undecided],
        "assumed": dict.fromkeys(found.assumed, 1),
        "open": list(found.open),
    }
    return json.dumps(content, indent=2) + "\n"
