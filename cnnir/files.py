"""Writing files so that nothing is lost or half-written."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, TypeAlias

from cnnir.errors import CnnirError

Contents: TypeAlias = bytes | Iterator[bytes | memoryview]
"""What a file is to hold: all at once, or piece by piece, so that large files need little memory."""


def write_files(contents: Mapping[Path, Contents]) -> None:
    """Write files beside their targets, then rename them all: a reader never sees half of one.

    A link stays one, and the file that it leads to is written. What is there and no file, a pipe or a device such as
    ``/dev/null``, is written to as it is, when all files stand: a rename would put a file in its place.

    Raises:
        CnnirError: ``file-write``; every target is what it was then.
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
                _write(file, data)
            # mkstemp makes files for the owner alone; a written file should be as open as any other.
            Path(name).chmod(0o666 & ~_umask())
        with _all_or_none(made) as rename:
            for temporary, target in made:
                rename(temporary, target)
        for target in open_ended:
            with target.open("wb") as stream:
                _write(stream, contents[target])
    except OSError as error:
        raise CnnirError("file-write", "the file cannot be written", node=str(target), got=error.strerror) from None
    finally:
        for temporary, _ in made:
            with contextlib.suppress(OSError):
                temporary.unlink()


def _write(file: BinaryIO, data: Contents) -> None:
    file.writelines((data,) if isinstance(data, bytes) else data)


@contextlib.contextmanager
def _all_or_none(made: Sequence[tuple[Path, Path]]) -> Iterator[Callable[[Path, Path], None]]:
    """Renaming that is taken back when one of several fails: files that belong together stay together."""
    kept: dict[Path, Path] = {}
    done: list[Path] = []

    def rename(temporary: Path, target: Path) -> None:
        if len(made) > 1 and target.is_file():
            old = temporary.with_name(f"{temporary.name}.old")
            _keep(target, old)
            kept[target] = old
        temporary.replace(target)
        done.append(target)

    try:
        yield rename
    except BaseException:
        for target in done:
            if target in kept:
                kept.pop(target).replace(target)
            else:
                target.unlink()
        raise
    finally:
        for old in kept.values():
            old.unlink(missing_ok=True)


def _keep(file: Path, name: Path) -> None:
    """A second name for a file, or a copy where the file system has no such thing."""
    try:
        os.link(file, name)
    except OSError:
        shutil.copy2(file, name)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def write_file(path: Path, contents: bytes | str) -> None:
    """Write one file; text as UTF-8. See `write_files`."""
    write_files({path: contents.encode() if isinstance(contents, str) else contents})
