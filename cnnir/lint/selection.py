"""Which rules are asked for: prefixes of codes, from the caller and from ``pyproject.toml``."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnir.errors import CnnirError
from cnnir.lint.model import RULES, Rule


@dataclass(frozen=True, slots=True)
class Selection:
    """Prefixes of codes; the longer one decides, and of two alike `ignore`.

    Attributes:
        select: What is looked for; everything when empty.
        ignore: What is left out.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def rules(self) -> list[Rule]:
        """The rules that are asked for, by code.

        Raises:
            CnnirError: ``lint-code`` for a prefix that no rule has.
        """
        for prefix in (*self.select, *self.ignore):
            find(prefix)
        return [RULES[code] for code in sorted(RULES) if self._takes(code)]

    def _takes(self, code: str) -> bool:
        wanted = max((len(p) for p in self.select if code.startswith(p)), default=-1 if self.select else 0)
        unwanted = max((len(p) for p in self.ignore if code.startswith(p)), default=-1)
        return wanted > unwanted


def find(prefix: str) -> list[Rule]:
    """The rules whose code begins so.

    Raises:
        CnnirError: ``lint-code`` when there is none.
    """
    found = [RULES[code] for code in sorted(RULES) if prefix and code.startswith(prefix)]
    if not found:
        raise CnnirError(
            "lint-code", "no rule has this code", got=prefix or "nothing", expected=", ".join(sorted(RULES))
        )
    return found


def configured(start: Path) -> Selection:
    """What ``[tool.cnnir.lint]`` says in the nearest ``pyproject.toml``, from a folder upwards; nothing without one.

    Raises:
        CnnirError: ``lint-config`` for a file or an entry that cannot be read.
    """
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            return _read(file)
    return Selection()


def _read(file: Path) -> Selection:
    try:
        content: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CnnirError("lint-config", "the file cannot be read", node=str(file), got=str(error)) from None
    for part in ("tool", "cnnir", "lint"):
        content = content.get(part, {}) if isinstance(content, Mapping) else None
    if not isinstance(content, Mapping):
        raise CnnirError("lint-config", "[tool.cnnir.lint] is no table", node=str(file))
    for key, value in content.items():
        if key not in ("select", "ignore") or not _are_texts(value):
            wanted = 'select = ["W", "C001"] or ignore = [...]'
            raise CnnirError("lint-config", f"{key} in [tool.cnnir.lint]", node=str(file), expected=wanted, got=value)
    for key, values in content.items():
        for prefix in values:
            if not any(prefix and code.startswith(prefix) for code in RULES):
                message = f"{key} in [tool.cnnir.lint] has a code that no rule has"
                raise CnnirError("lint-code", message, node=str(file), expected=", ".join(sorted(RULES)), got=prefix)
    return Selection(tuple(content.get("select", ())), tuple(content.get("ignore", ())))


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
