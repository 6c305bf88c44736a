"""How a plan is asked for: as a call, and on the command line."""

import shlex
from collections.abc import Mapping
from typing import Any

_SWITCHES = {
    ("in_place", False): "--no-in-place",
    ("count_inputs", False): "--no-inputs",
    ("count_outputs", False): "--no-outputs",
    ("views", False): "--no-views",
    ("strided", True): "--strided",
    ("concat", True): "--concat",
}

_REWRITTEN = "changed.onnx"
"""Where the rewritten network goes between two commands."""


def python_call(passes: str | None, options: Mapping[str, Any]) -> str:
    """The call that plans ``graph``: ``graph.apply("set-batch{batch=1}").graph.plan(fuse="steps")``."""
    source = "graph" if passes is None else f'graph.apply("{passes}").graph'
    return f"{source}.plan({', '.join(f'{name}={_literal(value)}' for name, value in options.items())})"


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def command_lines(model: str, passes: str | None, options: Mapping[str, Any]) -> tuple[str, ...]:
    """The same in a shell; nothing where the command line cannot say it.

    Args:
        model: What stands for the network there, quoted.
        passes: The pipeline that it goes through first.
        options: What differs from the planner's defaults.
    """
    words = []
    for name, value in options.items():
        if isinstance(value, bool):
            if (name, value) not in _SWITCHES:
                return ()
            words.append(_SWITCHES[name, value])
        elif isinstance(value, tuple):
            words += [word for each in value for word in (f"--{name.replace('_', '-')}", each)]
        elif isinstance(value, str | int):
            words += [f"--{name}", str(value)]
        else:
            return ()
    if passes is None:
        return (" ".join(["cnnir plan", model, *map(shlex.quote, words)]),)
    rewrite = f"cnnir rewrite {model} -p {shlex.quote(passes)} -o {_REWRITTEN}"
    return (rewrite, " ".join(["cnnir plan", _REWRITTEN, *map(shlex.quote, words)]))


__all__ = ["command_lines", "python_call"]
