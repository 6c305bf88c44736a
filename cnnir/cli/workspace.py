"""How kernels' workspace counts in a plan, as the command line says it."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from cnnir.algorithms import PROFILES, Profile
from cnnir.errors import CnnirError

_PROFILE_FILE = ".json"

OPTIONS = ("workspace", "tolerance")


def add_arguments(parser: ArgumentParser) -> None:
    """``--workspace`` and ``--tolerance``."""
    parser.add_argument(
        "--workspace", default="none", metavar="HOW",
        help="of what kernels take for themselves: none; today, all that the interpreter's take; or that of the "
        f"fastest ways that there is room for, by a cost profile: {', '.join(PROFILES)}, or FILE.json (default: none)",
    )  # fmt: skip
    parser.add_argument(
        "--tolerance", type=float, default=0.0, metavar="ERROR",
        help="relative error that a way by a cost profile may add (default: 0)",
    )  # fmt: skip


def asked(options: Namespace) -> dict[str, Any]:
    """The planner's arguments.

    Raises:
        CnnirError: ``file-read``, ``costs-json`` or ``costs-profile`` for a file that holds no cost profile.
    """
    return {"workspace": profile(options.workspace), "tolerance": options.tolerance}


def profile(how: str) -> str | Profile:
    """A cost profile from its file; a name as it is.

    Raises:
        CnnirError: ``file-read``, ``costs-json`` or ``costs-profile`` for a file that holds no cost profile.
    """
    if not how.endswith(_PROFILE_FILE):
        return how
    try:
        text = Path(how).read_text(encoding="utf-8-sig")  # some editors put a mark in front
    except (OSError, UnicodeDecodeError) as error:
        raise CnnirError("file-read", "the cost profile cannot be read", node=how, got=error) from None
    return Profile.from_json(text)


__all__ = ["OPTIONS", "add_arguments", "asked", "profile"]
