"""Pipelines: passes that run one after the other, from objects or from text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnnir.errors import CnnirError
from cnnir.passes.base import Pass
from cnnir.passes.options import with_options
from cnnir.passes.registry import find_pass

_STAGE = re.compile(r"\s*(?P<name>[a-z0-9-]+)\s*(?:\{(?P<options>[^{}]*)\})?\s*(?P<more>,|$)")


@dataclass(frozen=True)
class Pipeline:
    """Passes that run one after the other; its text form reads back as an equal pipeline."""

    stages: tuple[Pass, ...]

    @classmethod
    def parse(cls, text: str) -> "Pipeline":
        """A pipeline from text such as ``infer-shapes,dead-code``, options in braces: ``name{option=value,...}``.

        Raises:
            CnnirError: ``pipeline-syntax`` naming the column, or what `make_pass` raises.
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
        CnnirError: ``pass-unknown``, ``pass-broken``, ``option-unknown``, ``option-missing`` or ``option-value``.
    """
    return with_options(find_pass(name), options)


def _options(name: str, text: str) -> dict[str, str | bool]:
    """What stands in a stage's braces; an option without a value is true."""
    found: dict[str, str | bool] = {}
    for part in text.split(",") if text.strip() else ():
        option, equals, given = (piece.strip() for piece in part.partition("="))
        if not option or option in found:
            raise CnnirError("pipeline-syntax", "an option is given once, by its name", node=name, got=text)
        found[option] = given if equals else True
    return found
