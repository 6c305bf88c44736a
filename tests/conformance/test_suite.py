"""onnx's own conformance suite against `cnnir.backend`: a seeded sample, and whatever is expected to fail.

All of it runs by ``python -m benchmarks.conformance``.
"""

import fnmatch

import pytest

from tests.conformance import suite
from tests.conformance.expected import FAILING, LEFT_TO_THE_FALLBACK, RANDOM, WITHOUT_FALLBACK

SEED, PARTS = 5, 4


def expected(name: str) -> set[str]:
    """What may be wrong with a test of our own ops without the fallback: nothing, but for what is listed."""
    reasons = [reason for pattern, reason in WITHOUT_FALLBACK.items() if fnmatch.fnmatchcase(name, pattern)]
    return {f"fallback-refused: {reason}" for reason in reasons} or {""}


def ours() -> list[str]:
    """Tests that are made of our ops alone."""
    return [name for name, test in suite.tests().items() if suite.ops_of(suite.model_of(test)) <= suite.OURS]


@pytest.mark.parametrize("part", range(PARTS))
def test_sample(part: int) -> None:
    """A third of the suite passes with the fallback."""
    names = [name for name in suite.sample(600, SEED)[part::PARTS] if name not in FAILING and name not in RANDOM]
    faults = {name: found.fault for name in names if (found := suite.verdict(suite.tests()[name])).fault}
    assert faults == {}


@pytest.mark.parametrize("part", range(PARTS))
def test_our_ops_need_no_fallback(part: int) -> None:
    """Every test of our own ops passes on our own kernels, or is listed with its reason."""
    wrong = {}
    for name in ours()[part::PARTS]:
        if name in FAILING:
            continue
        found = suite.verdict(suite.tests()[name], fallback=False).fault
        if found not in expected(name):
            wrong[name] = found
    assert wrong == {}


@pytest.mark.parametrize("name", FAILING)
def test_listed_tests_fail(name: str) -> None:
    """The list may only shrink."""
    assert suite.verdict(suite.tests()[name]).fault


def test_random_ones_are_there() -> None:
    """Each listed name is a test whose outputs are random: two runs differ, or a seed gives others than shipped."""
    assert set(RANDOM) <= set(suite.tests())
    assert all("Bernoulli" in ops or "RandomUniformLike" in ops
               for name in RANDOM for ops in [suite.ops_of(suite.model_of(suite.tests()[name]))])  # fmt: skip


@pytest.mark.parametrize("pattern", WITHOUT_FALLBACK)
def test_no_stale_pattern(pattern: str) -> None:
    """Each pattern stands for a test of our own ops that is still refused for its reason."""
    names = [name for name in ours() if fnmatch.fnmatchcase(name, pattern)]
    found = {suite.verdict(suite.tests()[name], fallback=False).fault for name in names}
    assert f"fallback-refused: {WITHOUT_FALLBACK[pattern]}" in found


@pytest.mark.parametrize(
    "name",
    [
        "test_if", "test_if_seq",
        "test_if_opt", "test_loop11",
        "test_loop13_seq", "test_scan9_sum",
        "test_range_float_type_positive_delta_expanded", "test_sequence_insert_at_back",
        "test_optional_get_element_sequence", "test_optional_has_element_empty_optional_input",
        "test_sequence_map_add_2_sequences", "test_string_split_basic",
        "test_strnormalizer_export_monday_casesensintive_lower", "test_regex_full_match_basic",
        "test_scatter_with_axis", "test_not_2d",
        "test_PReLU_2d_multiparam", "test_sequence_model5",
    ],
)  # fmt: skip
def test_control_flow_sequences_and_strings(name: str) -> None:
    """What is no tensor computation of ours runs through the fallback, and old opsets through the converter."""
    assert suite.verdict(suite.tests()[name]).fault == ""


def test_what_is_left_to_the_fallback() -> None:
    """None of these ops has become ours, and each is asked for by some test."""
    assert set(LEFT_TO_THE_FALLBACK) & suite.OURS == set()
    asked = {op for test in suite.tests().values() for op in suite.ops_of(suite.model_of(test))}
    assert set(LEFT_TO_THE_FALLBACK) - asked == set()
