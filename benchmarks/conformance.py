"""onnx's own conformance suite against our backend: how many tests pass, on our kernels alone and with the fallback.

    python -m benchmarks.conformance [--misses]

The exit code is 1 when a test fails that is not listed in tests/conformance/expected.py.
"""

import argparse
import fnmatch
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from onnx.backend.test.case.test_case import TestCase

from tests.conformance import suite
from tests.conformance.expected import FAILING, LEFT_TO_THE_FALLBACK, RANDOM, WITHOUT_FALLBACK

_UNDEFINED = "fallback-refused: the op is not defined here"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the counts, and the misses with their reasons."""
    parser = argparse.ArgumentParser(description="Run the conformance suite that comes with the onnx package.")
    parser.add_argument("--misses", action="store_true", help="name every miss")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")  # some tests overflow on purpose
    start = time.perf_counter()
    tests = suite.tests()
    print(f"{len(tests)} tests, made in {time.perf_counter() - start:.1f} s")
    unexpected = []
    for fallback in (False, True):
        start = time.perf_counter()
        verdicts = {name: suite.verdict(test, fallback=fallback) for name, test in tests.items()}
        print(f"\n{_title(fallback)}, {time.perf_counter() - start:.1f} s")
        for what, chosen in _GROUPS[fallback].items():
            _show(what, {name: verdicts[name] for name, test in tests.items() if chosen(test)}, misses=options.misses)
        unexpected += [name for name, found in verdicts.items() if found.fault and not _expected(name, found, fallback)]
    for name in unexpected:
        print(f"NOT EXPECTED: {name}")
    return 1 if unexpected else 0


def _title(fallback: bool) -> str:
    return "with onnx.reference as the fallback" if fallback else "on our kernels alone"


def _ours(test: TestCase) -> bool:
    return suite.ops_of(suite.model_of(test)) <= suite.OURS


def _noted(test: TestCase) -> bool:
    return suite.ops_of(suite.model_of(test)) <= suite.NAMED_IN_NOTE


_GROUPS: Mapping[bool, Mapping[str, Callable[[TestCase], bool]]] = {
    False: {
        "node tests of ops that we define": lambda test: test.kind == "node" and _ours(test),
        "all tests of ops that we define": _ours,
        "node tests of ops that exporters write": lambda test: test.kind == "node" and _noted(test),
        "all tests of ops that exporters write": _noted,
    },
    True: {kind: lambda test, kind=kind: test.kind == kind for kind in suite.KINDS},  # type: ignore[misc]
}


def _show(what: str, verdicts: Mapping[str, suite.Verdict], *, misses: bool) -> None:
    faults = {name: found.fault for name, found in verdicts.items() if found.fault}
    foreign = sum(bool(found.foreign) for found in verdicts.values())
    part = f", {foreign} of them with values from the fallback" if foreign else ""
    print(f"  {what}: {len(verdicts) - len(faults)} of {len(verdicts)}{part}")
    if misses:
        for name, fault in sorted(faults.items()):
            print(f"    {name}: {_reason(name, fault)}")
    else:
        for reason, count in Counter(_reason(name, fault) for name, fault in faults.items()).most_common():
            print(f"    {count} x {reason}")


def _reason(name: str, fault: str) -> str:
    if fault == _UNDEFINED:
        missing = sorted(suite.ops_of(suite.model_of(suite.tests()[name])) - suite.OURS)
        if missing and all(op in LEFT_TO_THE_FALLBACK for op in missing):
            reasons = dict.fromkeys(LEFT_TO_THE_FALLBACK[op] for op in missing)
            return f"{', '.join(missing)}: {'; '.join(reasons)}"
        return f"not defined here: {', '.join(missing)}"
    return FAILING.get(name) or RANDOM.get(name) or fault


def _expected(name: str, found: suite.Verdict, fallback: bool) -> bool:
    if name in FAILING or name in RANDOM:
        return True
    patterns = [reason for pattern, reason in WITHOUT_FALLBACK.items() if fnmatch.fnmatchcase(name, pattern)]
    refused = not fallback and found.fault.startswith("fallback-refused")
    return refused and (not _ours(suite.tests()[name]) or found.fault.partition(": ")[2] in patterns)


if __name__ == "__main__":
    sys.exit(main())
