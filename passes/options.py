"""The options of a pass: fields of its dataclass, of types that a pipeline's text can express."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, get_type_hints

from cnnir.errors import CnnirError
from cnnir.passes.base import Pass, option_name

_FLAGS = {"true": True, "false": False}

_FROM_TEXT: Mapping[object, Callable[[str], object]] = {bool: _FLAGS.__getitem__, int: int, float: float, str: str}
"""How an option is read, by the type of its field."""

_TAKEN: Mapping[object, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (float, int), str: (str,)}
"""What may be given for an option, by the type of its field."""


def option_types(cls: type[Pass]) -> dict[str, object]:
    """The type of each option, by the name that users call it by.

    Raises:
        CnnirError: ``option-type`` naming an option whose type text cannot express.
    """
    try:
        hints = get_type_hints(cls)  # also where the pass's module keeps annotations as text
    except (NameError, TypeError) as error:
        raise CnnirError(
            "option-type", "its annotations cannot be resolved", node=cls.__qualname__, got=error
        ) from None
    kinds = {option_name(item.name): hints[item.name] for item in fields(cls)}
    for option, kind in kinds.items():
        if kind not in _TAKEN:
            raise CnnirError(
                "option-type",
                f"option {option} has a type that a pipeline's text cannot express",
                node=cls.name,
                expected=", ".join(str(getattr(one, "__name__", one)) for one in _TAKEN),
                got=kind.__name__ if isinstance(kind, type) else kind,
            )
    return kinds


def option_defaults(cls: type[Pass]) -> dict[str, Any]:
    """The default of each option that has one."""
    return {option_name(item.name): _default(item) for item in fields(cls) if not _is_required(item)}


def required_options(cls: type[Pass]) -> tuple[str, ...]:
    """The options without a default."""
    return tuple(option_name(item.name) for item in fields(cls) if _is_required(item))


def with_options(cls: type[Pass], given: Mapping[str, Any]) -> Pass:
    """A pass with these options; values may be text.

    Raises:
        CnnirError: ``option-unknown``, ``option-missing``, ``option-type`` or ``option-value``.
    """
    kinds = option_types(cls)
    given = {option_name(option): value for option, value in given.items()}
    for option in given:
        if option not in kinds:
            wanted = ", ".join(sorted(kinds)) or "no options"
            raise CnnirError(
                "option-unknown", "the pass has no such option", node=cls.name, expected=wanted, got=option
            )
    missing = [option for option in required_options(cls) if option not in given]
    if missing:
        example = ",".join(f"{option}=..." for option in missing)
        raise CnnirError(
            "option-missing",
            f"option {' and '.join(missing)} must be given",
            node=cls.name,
            hint=f"write {cls.name}{{{example}}}",
        )
    names = {option_name(item.name): item.name for item in fields(cls)}
    return cls(**{names[option]: _value(cls.name, option, kinds[option], value) for option, value in given.items()})


def _value(name: str, option: str, kind: object, given: object) -> object:
    """The option's value, read from text where its field is of another type."""
    try:
        value = _FROM_TEXT[kind](given) if isinstance(given, str) else given
    except (KeyError, ValueError):
        value = None
    if not isinstance(value, _TAKEN[kind]) or (isinstance(value, bool) and kind is not bool):
        wanted = "true or false" if kind is bool else getattr(kind, "__name__", kind)
        raise CnnirError("option-value", f"{option} is of another type", node=name, expected=wanted, got=given)
    return value


def _is_required(item: "Field[Any]") -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _default(item: "Field[Any]") -> object:
    return item.default if item.default_factory is MISSING else item.default_factory()
