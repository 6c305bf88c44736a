"""A problem that no plan needs more than, whichever slices it copies after all.

A slice that is written in its place lives no longer than the copy would, and needs no second one. But a value in
several slices, or one that is fixed to others, cannot always be written over where a copy of it could be. So every
result that some operand could give its bytes to is taken to cost nothing beyond that operand.
"""

from dataclasses import replace

from cnnir.graph import Node, Value
from cnnir.passes.memory.forming import Formation, Work, reaches
from cnnir.passes.memory.problem import Problem


def is_only_way(formation: Formation) -> bool:
    """Whether all plans share the same bytes: none of what lies in its place here is a copy in others."""
    return not formation.strides and all(node.op.kind != "Concat" for node in formation.parts)


def relaxed(formation: Formation) -> Problem:
    """The problem of a formation with all that may share bytes, so that its needs bound those that share less.

    Returns:
        The formation's own where nothing is given for free. Else what a task is given is taken from its scratch, which
        may become less than nothing: what each task needs is right then, but no search may be led by it, since a task
        can leave more bytes than it needs.
    """
    free = [0 if is_only_way(formation) else _for_free(formation, number) for number in range(len(formation.works))]
    if not any(free):
        return formation.problem
    tasks = (replace(t, scratch=t.scratch - given) for t, given in zip(formation.problem.tasks, free, strict=True))
    return replace(formation.problem, tasks=tuple(tasks))


def _for_free(formation: Formation, number: int) -> int:
    """Bytes that a task begins and that may lie in those of an operand in another way to share, though not here."""
    nodes, results = _run_by(formation, formation.works[number])
    task = formation.problem.tasks[number]
    left = set(task.writes) - {target for _, target in task.donations}
    free = set[int]()
    for result in results:
        if any(_may_give(source, result, nodes, formation) for node in nodes for source in node.operands):
            free |= left.intersection(formation.atoms.get(result, ()))
    return sum(formation.problem.atoms[atom].bytes for atom in free)


def _run_by(formation: Formation, work: Work) -> tuple[tuple[Node, ...], tuple[Value, ...]]:
    """The nodes that a task may run, and the values that it may store."""
    nodes: tuple[Node, ...] = ()
    results: tuple[Value, ...] = ()
    if work.group is not None:
        group = formation.fusion.groups[work.group]
        nodes, results = (*nodes, *group.nodes), (*results, *group.outputs)
    if work.meeting is not None:
        meeting = formation.fusion.meetings[work.meeting]
        nodes, results = (*nodes, *meeting.nodes), (*results, meeting.output)
    return nodes, results


def _may_give(source: Value, result: Value, nodes: tuple[Node, ...], formation: Formation) -> bool:
    if source not in formation.atoms or source.type != result.type or source in formation.graph.inputs:
        return False
    return reaches(source, result, nodes) and formation.choices.writes_over(source, nodes)


__all__ = ["is_only_way", "relaxed"]
