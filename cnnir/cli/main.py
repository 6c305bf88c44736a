"""Entry point: arguments in, an exit code out, and one line for whatever goes wrong."""

import io
import os
import sys
from collections.abc import Sequence

from cnnir.cli.arguments import make_parser
from cnnir.cli.output import BAD_INPUT, FINDINGS, INTERNAL, INTERRUPTED, OK, UNKNOWN
from cnnir.errors import CnnirError

_CODES = {"size-unknown": UNKNOWN, "pools-unknown": UNKNOWN, "pools-full": FINDINGS}
"""Exit codes of errors that say that something cannot be known, or that it is proved not to fit."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments without the program's name; those of the process when None.

    Returns:
        0 ok, 1 findings or does not fit, 2 bad input, 3 unknown, 70 a fault of cnnir's own.
    """
    debug = "--debug" in (sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a letter shows a question mark instead of a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        options = make_parser().parse_args(argv)
        code: int = options.verb(options)
        sys.stdout.flush()
    except CnnirError as error:
        if debug:
            raise
        return _complain(str(error), _CODES.get(error.code, BAD_INPUT))
    except BrokenPipeError:
        # The reader has seen enough (a pager, `head`): nothing is wrong. The interpreter's own flush must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except MemoryError as error:
        if debug:
            raise
        return _complain(f"there is not enough memory (got {error}) [memory]", BAD_INPUT)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except Exception as error:
        if debug:
            raise
        return _complain(f"{type(error).__name__}: {error} (a fault of cnnir's own; --debug shows where)", INTERNAL)
    return code


def _complain(message: str, code: int) -> int:
    sys.stderr.write(f"cnnir: {' '.join(message.split())}\n")
    return code
