"""Writing files so that nothing is lost or half-written."""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cnnir.errors import CnnirError


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write files beside their targets, then rename them all: a reader never sees half of one.

    A link stays one, and the file that it leads to is written. What is there and no file, a pipe or a device such as
    ``/dev/null``, is written to as it is, when all files stand: a rename would put a file in its place.

    Raises:
        CnnirError: ``file-write``; no target has been touched then, unless renaming itself failed.
    """
    made: list[tuple[Path, Path]] = []
    target = Path()
    try:
        targets = {path: Path(os.path.realpath(path)) if path.is_symlink() else path for path in contents}
        open_ended = [path for path in contents if path.exists() and not path.is_file() and not path.is_dir()]
        for named, data in contents.items():
            if named in open_ended:
                continue
            target = targets[named]
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            made.append((Path(name), target))
            with os.fdopen(handle, "wb") as file:
                file.write(data)
        for temporary, target in made:
            # mkstemp makes files for the owner alone; a written file should be as open as any other.
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(target)
        for target in open_ended:
            with target.open("wb") as stream:
                stream.write(contents[target])
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
