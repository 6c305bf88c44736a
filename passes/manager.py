"""Running passes: each on a clone, verified before it is swapped in."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.base import Journal, Pass, PassResult, option_name
from cnnir.passes.cut import Cut
from cnnir.passes.dead_code import DeadCode
from cnnir.passes.shape_inference import InferShapes
from cnnir.verify import verify

REGISTRY: Mapping[str, type[Pass]] = {cls.name: cls for cls in (Cut, DeadCode, InferShapes)}
"""Every pass by name."""

_STAGE = re.compile(r"\s*(?P<name>[a-z0-9-]+)\s*(?:\{(?P<options>[^{}]*)\})?\s*(?P<more>,|$)")

_FLAGS = {"true": True, "false": False}

_FROM_TEXT: Mapping[object, Callable[[str], object]] = {bool: _FLAGS.__getitem__, int: int, float: float, str: str}
"""How an option is read, by the type of its field."""

_TAKEN: Mapping[object, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (float, int), str: (str,)}
"""What may be given for an option, by the type of its field."""


@dataclass(frozen=True)
class Pipeline:
    """Passes that run one after the other; its text form reads back as an equal pipeline."""

    stages: tuple[Pass, ...]

    @classmethod
    def parse(cls, text: str) -> "Pipeline":
        """A pipeline from text such as ``infer-shapes,dead-code``, options in braces: ``name{option=value,...}``.

        Raises:
            CnnirError: ``pipeline-syntax`` naming the column, ``pass-unknown``, ``option-unknown`` or
                ``option-value``.
        """
        stages: list[Pass] = []
        position, more = 0, True
        while more:
            match = _STAGE.match(text, position)
            if match is None:
                raise CnnirError(
                    "pipeline-syntax",
                    f"a pass name was expected at column {position + 1}",
                    got=text[position:] or "nothing",
                )
            stages.append(make_pass(match["name"], _options(match["name"], match["options"] or "")))
            position, more = match.end(), bool(match["more"])
        return cls(tuple(stages))

    def __str__(self) -> str:
        return ",".join(str(stage) for stage in self.stages)


def make_pass(name: str, options: Mapping[str, Any]) -> Pass:
    """The pass of that name with these options; option values may be text.

    Raises:
        CnnirError: ``pass-unknown``, ``option-unknown`` or ``option-value``.
    """
    if name not in REGISTRY:
        raise CnnirError(
            "pass-unknown", "there is no pass of this name", got=name, hint=f"known: {', '.join(REGISTRY)}"
        )
    kinds = {option_name(item.name): item.type for item in fields(REGISTRY[name])}
    names = {option_name(item.name): item.name for item in fields(REGISTRY[name])}
    options = {option_name(option): given for option, given in options.items()}
    for option in options:
        if option not in kinds:
            wanted = ", ".join(sorted(kinds)) or "no options"
            raise CnnirError("option-unknown", "the pass has no such option", node=name, expected=wanted, got=option)
    return REGISTRY[name](
        **{names[option]: _value(name, option, kinds[option], given) for option, given in options.items()}
    )


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


def _options(name: str, text: str) -> dict[str, str | bool]:
    """What stands in a stage's braces; an option without a value is true."""
    found: dict[str, str | bool] = {}
    for part in text.split(",") if text.strip() else ():
        option, equals, given = (piece.strip() for piece in part.partition("="))
        if not option or option in found:
            raise CnnirError("pipeline-syntax", "an option is given once, by its name", node=name, got=text)
        found[option] = given if equals else True
    return found


def _value(name: str, option: str, kind: object, given: object) -> object:
    """The option's value, read from text where its field is of another type."""
    if kind not in _TAKEN:
        return given
    try:
        value = _FROM_TEXT[kind](given) if isinstance(given, str) else given
    except (KeyError, ValueError):
        value = None
    if not isinstance(value, _TAKEN[kind]) or (isinstance(value, bool) and kind is not bool):
        wanted = "true or false" if kind is bool else getattr(kind, "__name__", kind)
        raise CnnirError("option-value", f"{option} is of another type", node=name, expected=wanted, got=given)
    return value
