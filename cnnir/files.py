"""Writing files so that nothing is lost or half-written."""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cnnir.errors import CnnirError


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write files beside their targets, then rename them all: a reader never sees half of one.

    Raises:
        CnnirError: ``file-write``; no target has been touched then, unless renaming itself failed.
    """
    made: list[tuple[Path, Path]] = []
    target = Path()
    try:
        for target, data in contents.items():
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            made.append((Path(name), target))
            with os.fdopen(handle, "wb") as file:
                file.write(data)
        for temporary, target in made:
            # mkstemp makes files for the owner alone; a written file should be as open as any other.
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(target)
    except OSError as error:
        raise CnnirError("file-write", "the file cannot be written", node=str(target), got=error.strerror) from None
    finally:
        for temporary, _ in made:
            with contextlib.suppress(OSError):
                temporary.unlink()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def write_file(path: Path, contents: bytes | str) -> None:
    """Write one file; text as UTF-8. See `write_files`."""
    write_files({path: contents.encode() if isinstance(contents, str) else contents})
