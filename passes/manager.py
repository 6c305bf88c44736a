"""Running passes: each on a clone, verified before it is swapped in."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.base import Journal, Pass, PassResult
from cnnir.passes.dead_code import DeadCode
from cnnir.passes.shape_inference import InferShapes
from cnnir.verify import verify

REGISTRY: Mapping[str, type[Pass]] = {cls.name: cls for cls in (DeadCode, InferShapes)}
"""Every pass by name."""

_STAGE = re.compile(r"\s*(?P<name>[a-z0-9-]+)\s*(?:\{(?P<options>[^{}]*)\})?\s*(?:,|$)")


@dataclass(frozen=True)
class Pipeline:
    """Passes that run one after the other; its text form reads back as an equal pipeline."""

    stages: tuple[Pass, ...]

    @classmethod
    def parse(cls, text: str) -> "Pipeline":
        """A pipeline from text such as ``infer-shapes,dead-code``, options in braces: ``name{option=value,...}``.

        Raises:
            CnnirError: ``pipeline-syntax`` naming the column, ``pass-unknown`` or ``option-unknown``.
        """
        stages: list[Pass] = []
        position = 0
        while position < len(text) or not stages:
            match = _STAGE.match(text, position)
            if match is None:
                raise CnnirError(
                    "pipeline-syntax",
                    f"a pass name was expected at column {position + 1}",
                    got=text[position:] or "nothing",
                )
            options = dict(_option(part) for part in (match["options"] or "").split(",") if part.strip())
            stages.append(make_pass(match["name"], options))
            position = match.end()
        return cls(tuple(stages))

    def __str__(self) -> str:
        return ",".join(str(stage) for stage in self.stages)


def make_pass(name: str, options: Mapping[str, Any]) -> Pass:
    """The pass of that name with these options; option values may be text.

    Raises:
        CnnirError: ``pass-unknown`` or ``option-unknown``.
    """
    if name not in REGISTRY:
        raise CnnirError(
            "pass-unknown", "there is no pass of this name", got=name, hint=f"known: {', '.join(REGISTRY)}"
        )
    known = {item.name for item in fields(REGISTRY[name])}
    for option in options:
        if option not in known:
            wanted = ", ".join(sorted(known)) or "no options"
            raise CnnirError("option-unknown", "the pass has no such option", node=name, expected=wanted, got=option)
    return REGISTRY[name](**options)


def apply(graph: Graph, what: Pass | Pipeline | str | Sequence[Pass], **options: Any) -> PassResult:
    """Run a pass or a pipeline.

    Args:
        graph: Left as it is.
        what: A pass, several, or text: one name (with `options`) or a pipeline.
        **options: Options of a pass given by name.

    Returns:
        The new graph, and what was done to it by all passes together.

    Raises:
        CnnirError: from a pass or from verification of its result, naming the pass; `graph` is then as it was.
    """
    journal = Journal()
    for stage in _stages(what, options):
        clone = graph.clone()
        try:
            stage.rewrite(clone, journal)
            verify(clone)
        except CnnirError as error:
            error.message = f"{error.message} (in pass {stage.name})"
            raise
        graph = clone
    return PassResult(graph, tuple(journal.changes), tuple(journal.refusals), journal.metrics)


def _stages(what: Pass | Pipeline | str | Sequence[Pass], options: Mapping[str, Any]) -> tuple[Pass, ...]:
    if isinstance(what, str):
        return (make_pass(what, options),) if options else Pipeline.parse(what).stages
    if options:
        raise CnnirError("option-unknown", "options go with a pass given by name", got=", ".join(options))
    if isinstance(what, Pass):
        return (what,)
    return what.stages if isinstance(what, Pipeline) else tuple(what)


def _option(text: str) -> tuple[str, object]:
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        return name, True
    if value in ("true", "false"):
        return name, value == "true"
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value
