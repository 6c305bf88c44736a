"""Pipelines: passes that run one after the other, from objects or from text."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

from cnnir.errors import CnnirError
from cnnir.passes.base import Pass, option_name
from cnnir.passes.registry import find_pass

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
    cls = find_pass(name)
    hints = get_type_hints(cls)  # also where the pass's module keeps annotations as text
    kinds = {option_name(item.name): hints[item.name] for item in fields(cls)}
    names = {option_name(item.name): item.name for item in fields(cls)}
    options = {option_name(option): given for option, given in options.items()}
    for option in options:
        if option not in kinds:
            wanted = ", ".join(sorted(kinds)) or "no options"
            raise CnnirError("option-unknown", "the pass has no such option", node=name, expected=wanted, got=option)
    return cls(**{names[option]: _value(name, option, kinds[option], given) for option, given in options.items()})


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
