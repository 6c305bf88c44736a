"""Seeds in child processes, within limits of time and of memory.

A child checks one seed after the other and tells what it found. It limits itself: its address space by the operating
system, the time of each seed by a timer that raises. Where neither helps, because it hangs in foreign code or dies, it
is ended from outside, the seed it was at is a surprise, and another child goes on behind it.
"""

import multiprocessing
import resource
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType

from tests.property.judging import Tally

MEMORY = 2**30
"""Bytes that a child may take beyond what it starts with: the files are of kilobytes."""

SECONDS = 20
"""Of the processor, for a seed; a hundred times what one takes."""

PATIENCE = 180
"""Seconds of the clock after which a child that does not answer is ended."""


@dataclass(frozen=True)
class Job:
    """A seed that was checked, and what was found."""

    seed: int
    tally: Tally


class TooLongError(BaseException):
    """A seed has used up its time; no handler of ordinary errors stops it."""


def run_jobs(what: str, seeds: range, jobs: int) -> Iterator[Job]:
    """Check seeds, in so many processes.

    Args:
        what: ``graphs``, ``networks`` or ``files``.
        seeds: To be checked, each once.
        jobs: Processes at a time.

    Yields:
        What was found, as it comes.
    """
    children = [_Child(what, seeds[index::jobs]) for index in range(jobs) if seeds[index::jobs]]
    while children:
        ready = wait([child.connection for child in children], timeout=1)
        for child in list(children):
            if child.connection in ready:
                yield from child.received()
            elif time.monotonic() - child.heard > PATIENCE:
                yield child.ended("no answer")
            if child.is_done:
                child.process.join()
                children.remove(child)


class _Child:
    """A process at work on its seeds."""

    def __init__(self, what: str, seeds: range) -> None:
        self._what, self._left = what, seeds
        self._start()

    def _start(self) -> None:
        self.connection, theirs = multiprocessing.get_context("spawn").Pipe(duplex=False)
        self.process = multiprocessing.get_context("spawn").Process(target=_work, args=(self._what, self._left, theirs))
        self.process.start()
        theirs.close()
        self.heard, self._answered = time.monotonic(), False

    @property
    def is_done(self) -> bool:
        return not self._left

    def received(self) -> Iterator[Job]:
        """What the child says; that it says nothing any more is a surprise."""
        self.heard = time.monotonic()
        try:
            tally = self.connection.recv()
        except EOFError:
            self.process.join()
            if not self._answered:
                raise RuntimeError(f"a process did not get as far as its first seed, {self._left[0]}") from None
            yield self.ended(f"the process died, exit code {self.process.exitcode}")
            return
        self._answered = True
        seed, self._left = self._left[0], self._left[1:]
        yield Job(seed, tally)

    def ended(self, why: str) -> Job:
        """Ends the child, and lets another one go on behind the seed that it was at."""
        self.process.kill()
        self.process.join()
        seed, self._left = self._left[0], self._left[1:]
        if self._left:
            self._start()
        return Job(seed, Tally(surprises=[why]))


def _work(what: str, seeds: range, connection: Connection) -> None:
    """The child's side."""
    warnings.simplefilter("error")
    signal.signal(signal.SIGVTALRM, _too_long)
    with tempfile.TemporaryDirectory() as folder:
        check = _checks(what, Path(folder))
        if what == "files":
            limit = _address_space() + MEMORY
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for seed in seeds:
            tally = Tally()
            try:
                signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
                check(seed, tally)
            except TooLongError:
                tally.surprises.append(f"not done after {SECONDS} s")
            except Exception as error:  # noqa: BLE001  every one is told, none stops the run
                tally.surprises.append(f"{type(error).__name__}: {error}")
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            connection.send(tally)


def _checks(what: str, folder: Path) -> Callable[[int, Tally], None]:
    """How a seed is checked; imported in the child, where the limits are."""
    if what == "files":
        from tests.property.spoiling import check_file, spoilt  # noqa: PLC0415

        spoilt(0)  # what is spoilt is made once, before the limits

        def check(seed: int, tally: Tally) -> None:
            tally.files[check_file(spoilt(seed), folder / "spoilt.onnx")] += 1

        return check
    if what == "networks":
        from tests.onnx.test_random import test_runtime_agrees  # noqa: PLC0415

        return lambda seed, _: test_runtime_agrees(seed)
    from tests.property.growing import grown  # noqa: PLC0415
    from tests.property.whole import check_whole  # noqa: PLC0415

    return lambda seed, tally: check_whole(grown(seed, tally))


def _address_space() -> int:
    """Bytes of it that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TooLongError
