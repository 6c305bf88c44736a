"""A comparison as plain text."""

from cnnir.compare.model import RULE, GraphDiff, InterfaceChange, NodeChange, Numeric, WeightChange
from cnnir.compare.side_by_side import figures_text


def diff_text(found: GraphDiff, width: int | None = None) -> str:
    """The verdict, what differs, node by node, and the figures of both side by side.

    Args:
        found: The comparison.
        width: Columns that the table of figures may take; None where nothing sets a limit. Other lines stay whole.
    """
    lines = [f"{found.before} and {found.after} are {'equal' if found.equal else 'different'}{_counts(found)}"]
    lines += [_interface(change) for change in found.interface]
    lines += [f"- {label}" for label in found.removed]
    lines += [f"+ {label}" for label in found.added]
    lines += [line for change in found.changed for line in _node(change)]
    lines += [f"opset {domain or 'ai.onnx'}: {old or 'none'} -> {new or 'none'}" for domain, old, new in found.opsets]
    lines += ["", *figures_text(found.figures, width).splitlines()]
    lines += _numeric(found.numeric) if found.numeric is not None else []
    return "\n".join([*lines, f"rule: {RULE}", ""])


def _counts(found: GraphDiff) -> str:
    parts = [
        f"{len(part)} {word}"
        for part, word in ((found.removed, "removed"), (found.added, "added"), (found.changed, "changed"))
        if part
    ]
    parts += [f"{len(found.weights)} weights changed"] if found.weights else []
    parts += [f"{found.renamed} renamed"] if found.renamed else []
    parts += [f"{found.retyped} values of another type"] if found.retyped else []
    return f": {found.matched} nodes in both{''.join(f', {part}' for part in parts)}"


def _interface(change: InterfaceChange) -> str:
    sides = [
        f"{name}: {type_}" for name, type_ in ((change.name, change.type), (change.other, change.other_type)) if name
    ]
    return f"{change.kind} {change.what}: {' -> '.join(sides)}"


def _node(change: NodeChange) -> list[str]:
    lines = [f"~ {change.node}" if change.node == change.other else f"~ {change.node}, now {change.other}"]
    lines += [f"    {field.name}: {field.before} -> {field.after}" for field in change.fields]
    lines += [f"    {item.operand}: {item.before or 'absent'} -> {item.after or 'absent'}" for item in change.operands]
    return lines + [f"    {_weight(weight)}" for weight in change.weights]


def _weight(weight: WeightChange) -> str:
    name = weight.name if weight.name == weight.other else f"{weight.name}, now {weight.other}"
    types = weight.type if weight.type == weight.other_type else f"{weight.type} -> {weight.other_type}"
    if weight.absolute is None or weight.relative is None:
        return f"weight {name}: {types}, {weight.reason}"
    figures = f"{weight.elements} elements differ, by at most {weight.absolute:.4g}"
    extra = f"; {weight.reason}" if weight.reason else ""
    return f"weight {name}: {types}, {figures} ({weight.relative:.3g} of the largest){extra}"


def _numeric(found: Numeric) -> list[str]:
    if found.reason:
        return ["", f"not run: {found.reason}"]
    lines = [""]
    if found.sizes:
        lines.append(f"run at {', '.join(f'{name}={size}' for name, size in found.sizes.items())}")
    for output in found.outputs:
        if output.absolute is None or output.relative is None:
            lines.append(f"output {output.name}: {output.reason}")
        else:
            lines.append(
                f"output {output.name}: at most {output.absolute:.4g} apart ({output.relative:.3g} of the largest)"
            )
    if found.first is None:
        return [*lines, f"no value that both have differs by more than {found.tolerance:g} of its largest"]
    names = found.first[0] if found.first[0] == found.first[1] else f"{found.first[0]}, now {found.first[1]}"
    return [*lines, f"first value that differs by more than {found.tolerance:g} of its largest: {names}"]
