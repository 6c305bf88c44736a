"""Writing files: links and pipes stay what they are."""

import os
import threading
from pathlib import Path

import pytest

from cnnir import CnnirError
from cnnir.files import write_file, write_files


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    """It is no file that another could take the place of."""
    pipe, read = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_file(pipe, "text")
    reader.join(10)
    assert read == [b"text"]
    assert pipe.is_fifo()


def test_a_link_stays_one(tmp_path: Path) -> None:
    """The file that it leads to is written."""
    (tmp_path / "there").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "there" / "file")
    for text in ("one", "two"):
        write_file(link, text)
        assert link.is_symlink()
        assert (tmp_path / "there" / "file").read_text() == text


def test_a_folder_is_refused(tmp_path: Path) -> None:
    """And nothing is left beside it; the other file is not written either."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner").touch()
    with pytest.raises(CnnirError, match="file-write"):
        write_files({tmp_path / "folder": b"", tmp_path / "other": b""})
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
