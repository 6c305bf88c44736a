"""Plans as JSON: they come back equal, fit their schema, and what is malformed is refused at its place."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings

from cnnir.errors import CnnirError
from cnnir.plan import MemoryPlan, Scratch
from tests.plan import plans
from tests.random_graphs import random_graph

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "schema" / "cnnir.plan-1.schema.json"

VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))

GRAPHS = plans.graphs()

TEXT = GRAPHS["views"].plan().to_json()


def document() -> dict[str, Any]:
    """A plan's document to be spoilt."""
    found: dict[str, Any] = json.loads(TEXT)
    return found


def refusal(spoilt: Any) -> str:
    with pytest.raises(CnnirError) as caught:
        MemoryPlan.from_json(spoilt if isinstance(spoilt, str) else json.dumps(spoilt))
    assert caught.value.code == "plan-syntax"
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_round_trip(plan: MemoryPlan) -> None:
    text = plan.to_json()
    again = MemoryPlan.from_json(text)
    assert again == plan
    assert again.to_json() == text
    VALIDATOR.validate(json.loads(text))


# Round trips


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(VALIDATOR.schema)


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("options", [{}, {"in_place": False}, {"count_inputs": False, "count_outputs": False}])
def test_plans_come_back_equal(name: str, options: dict[str, Any]) -> None:
    assert_round_trip(GRAPHS[name].plan(**options))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.integers(1, 20), st.sampled_from([4, 16, 64, 256]))
def test_random_plans_come_back_equal(seed: int, nodes: int, alignment: int) -> None:
    assert_round_trip(random_graph(np.random.default_rng(seed), nodes).plan(alignment=alignment))


def test_all_that_no_planner_makes_yet_comes_back_too() -> None:
    """Scratch, tiles, limits, bindings, names beyond ASCII, values that are not stored."""
    plan = plans.with_pool(dataclasses.replace(GRAPHS["residual"].plan(), bindings={"N": 1}), 0, capacity=1 << 20)
    plan = plans.with_step(plan, 0, scratch=Scratch("arena", 0, 64), tile=(1, 8), algorithm="winograd")
    plan = plans.with_value(plan, "relu1", pieces=None)
    plan = plans.with_piece(plan, "relu2", strides=(-4, 4, 8, 12))
    assert_round_trip(dataclasses.replace(plan, graph='grün "quoted"\n', options={"text": "a", "flag": True, "n": -3}))


def test_the_text_is_the_same_every_time() -> None:
    assert len({plans.residual_network().plan().to_json() for _ in range(3)}) == 1


# Malformed


def places(item: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document, from the outside in."""
    yield path
    entries = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for key, part in entries:
        yield from places(part, (*path, key))


def shown(path: tuple[str | int, ...]) -> str:
    """The path as errors write it."""
    return "plan" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


def at(item: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        item = item[key]
    return item


FREE_TABLES = ("values", "options", "bindings")


def test_every_key_is_needed() -> None:
    whole = document()
    keys = [path for path in places(whole) if path and isinstance(path[-1], str) and path[:-1] != ()]
    keys = [path for path in keys if path[-2:-1][0] not in FREE_TABLES or len(path) > 2]
    keys += [(key,) for key in whole]
    assert len(keys) > 200
    for path in keys:
        spoilt = document_without(path)
        assert str(path[-1]) in refusal(spoilt)


def document_without(path: tuple[str | int, ...]) -> Any:
    spoilt = document()
    del at(spoilt, path[:-1])[path[-1]]
    return spoilt


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("pools", 0),
        ("storages", 1),
        ("values", "x"),
        ("values", "x", "pieces", 0),
        ("steps", 2),
        ("bounds", "order"),
    ],
)
def test_no_key_is_added(path: tuple[str | int, ...]) -> None:
    spoilt = document()
    at(spoilt, path)["surplus"] = 1
    message = refusal(spoilt)
    assert shown((*path, "surplus")) in message


def test_no_key_is_added_to_scratch() -> None:
    plan = plans.with_step(GRAPHS["views"].plan(), 1, scratch=Scratch("arena", 0, 4))
    spoilt = json.loads(plan.to_json())
    spoilt["steps"][1]["scratch"]["more"] = 0
    assert "plan.steps[1].scratch.more" in refusal(spoilt)


def test_every_part_has_its_type() -> None:
    """Something of another type in any place is refused, and the place is named."""
    whole = document()
    strange: list[Any] = [None, True, 1, -1, 1.5, "text", [], {}, [[]], {"a": {}}]
    tried = 0
    for path in places(whole):
        # One of each kind is enough.
        if path[:1] in {("pools",), ("storages",), ("values",), ("steps",)} and path[1:2] not in {
            (),
            (0,),
            (4,),
            ("x",),
        }:
            continue
        for other in strange:
            spoilt = document()
            if path:
                at(spoilt, path[:-1])[path[-1]] = other
            else:
                spoilt = other
            if not VALIDATOR.is_valid(spoilt):
                tried += 1
                assert shown(path) in refusal(spoilt)
    assert tried > 500


@pytest.mark.parametrize(
    ("path", "number"),
    [
        (("storages", 0, "offset"), -64),
        (("storages", 0, "bytes"), -1),
        (("storages", 2, "first"), -1),
        (("pools", 0, "alignment"), 0),
        (("pools", 0, "bytes"), -64),
        (("values", "x", "shape", 1), -6),
        (("values", "x", "pieces", 0, "storage"), -1),
        (("values", "x", "pieces", 0, "offset"), -4),
        (("values", "x", "pieces", 0, "origin", 0), -1),
        (("bounds", "placement", "bytes"), -1),
    ],
)
def test_no_size_is_negative(path: tuple[str | int, ...], number: int) -> None:
    spoilt = document()
    at(spoilt, path[:-1])[path[-1]] = number
    message = refusal(spoilt)
    assert shown(path) in message
    assert str(number) in message


@pytest.mark.parametrize("version", ["cnnir.plan/2", "cnnir.plan/0", "", "CNNIR.PLAN/1", 1])
def test_another_version_is_refused(version: object) -> None:
    message = refusal({**document(), "schema": version})
    assert "plan.schema" in message
    # Whatever a later version adds or drops, it is the version that is named.
    assert "plan.schema" in refusal({"schema": version, "novelty": 1})


@pytest.mark.parametrize(
    "name", ["arena_bytes", "storage_bytes", "scratch_bytes", "workspace_bytes", "data_bytes", "peak_step"]
)
def test_derived_figures_must_follow(name: str) -> None:
    spoilt = document()
    spoilt[name] += 1
    message = refusal(spoilt)
    assert f"plan.{name}" in message
    assert str(spoilt[name] - 1) in message


@pytest.mark.parametrize(
    "text",
    ["", "{", "nothing", "[" * 100_000, "1" * 5000, "\ud800", '{"schema": "cnnir.plan/1", "schema": "cnnir.plan/1"}'],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    refusal(text)


@pytest.mark.parametrize("text", ["null", "[]", "1", '"plan"', "{}", "true", "NaN"])
def test_what_is_no_plan_is_refused(text: str) -> None:
    assert re.match("plan: ", refusal(text)) or "plan" in refusal(text)


def test_a_digest_is_a_digest() -> None:
    for wrong in ("", "0" * 63, "0" * 65, "G" * 64, "0" * 64 + "\n"):
        assert "plan.digest" in refusal({**document(), "digest": wrong})


def test_lives_outside_of_the_steps_are_read_and_not_proved() -> None:
    """Reading asks for the form; the proof asks for the rest."""
    spoilt = document()
    spoilt["storages"][-1]["last"] = 10**6
    plan = MemoryPlan.from_json(json.dumps(spoilt))
    with pytest.raises(CnnirError, match="plan-life"):
        plan.check()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_what_is_read_fits_the_schema(data: st.DataObject) -> None:
    """Reader and schema draw the same line, and nothing but a refusal comes of any document."""
    spoilt = document()
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from([path for path in places(spoilt) if path]))
        holder = at(spoilt, path[:-1])
        what = data.draw(st.sampled_from(["drop", "replace", "number", "copy"]))
        if what == "drop":
            del holder[path[-1]]
        elif what == "replace":
            holder[path[-1]] = data.draw(st.sampled_from([None, [], {}, "a", 1.5, False]))
        elif what == "number":
            holder[path[-1]] = data.draw(st.integers(-2, 100))
        else:
            holder[path[-1]] = at(
                spoilt, data.draw(st.sampled_from([p for p in places(spoilt) if p != path[: len(p)]]))
            )
    try:
        plan = MemoryPlan.from_json(json.dumps(spoilt))
    except CnnirError as error:
        assert error.code == "plan-syntax"  # noqa: PT017  both ways are fine
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert VALIDATOR.is_valid(spoilt)
        assert_round_trip(plan)
