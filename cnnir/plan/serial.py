"""A plan as JSON, ``cnnir.plan/1``; the schema is in ``docs/schema/cnnir.plan-1.schema.json``."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, NoReturn, TypeVar

from cnnir.errors import CnnirError
from cnnir.plan.model import SCHEMA, Bound, MemoryPlan, Piece, PlannedValue, Pool, Scratch, Status, Step, Storage

_STATUSES: Mapping[str, Status] = {"optimal": "optimal", "feasible": "feasible", "unknown": "unknown"}

_DERIVED = (
    "arena_bytes",
    "storage_bytes",
    "scratch_bytes",
    "strip_bytes",
    "workspace_bytes",
    "data_bytes",
    "peak_step",
)
"""Figures that follow from the rest."""

_KEYS = ("schema", *(item.name for item in fields(MemoryPlan)), *_DERIVED)

_DIGEST = re.compile("[0-9a-f]{64}")

ItemT = TypeVar("ItemT")


def plan_to_document(plan: MemoryPlan) -> dict[str, Any]:
    """The plan as plain lists and dicts; figures that follow from it are given for those who only read it."""
    return {
        "schema": SCHEMA,
        "graph": plan.graph,
        "digest": plan.digest,
        "bindings": dict(plan.bindings),
        "options": dict(plan.options),
        "accounting": plan.accounting,
        "arena_bytes": plan.arena_bytes,
        "storage_bytes": plan.storage_bytes,
        "scratch_bytes": plan.scratch_bytes,
        "strip_bytes": plan.strip_bytes,
        "workspace_bytes": plan.workspace_bytes,
        "data_bytes": plan.data_bytes,
        "peak_step": plan.peak_step,
        "bounds": {
            name: {"bytes": bound.bytes, "reached": bound.reached, "status": bound.status, "rule": bound.rule}
            for name, bound in plan.bounds.items()
        },
        "inputs": list(plan.inputs),
        "outputs": list(plan.outputs),
        "pools": [
            {
                "name": p.name,
                "bytes": p.bytes,
                "alignment": p.alignment,
                "counted": p.counted,
                "capacity": p.capacity,
                "cost": p.cost,
                "weights": p.weights,
            }
            for p in plan.pools
        ],
        "storages": [
            {
                "pool": s.pool,
                "offset": s.offset,
                "bytes": s.bytes,
                "first": s.first,
                "last": s.last,
                "aligned": s.aligned,
            }
            for s in plan.storages
        ],
        "values": {name: _value_document(value) for name, value in plan.values.items()},
        "steps": [_step_document(step) for step in plan.steps],
    }


def _value_document(value: PlannedValue) -> dict[str, Any]:
    pieces = None
    if value.pieces is not None:
        pieces = [
            {
                "storage": piece.storage,
                "pool": piece.pool,
                "offset": piece.offset,
                "origin": list(piece.origin),
                "shape": list(piece.shape),
                "strides": list(piece.strides),
            }
            for piece in value.pieces
        ]
    return {"dtype": value.dtype, "shape": list(value.shape), "pieces": pieces}


def _step_document(step: Step) -> dict[str, Any]:
    scratch = step.scratch
    return {
        "nodes": list(step.nodes),
        "reads": list(step.reads),
        "writes": list(step.writes),
        "donations": [list(pair) for pair in step.donations],
        "scratch": None
        if scratch is None
        else {"pool": scratch.pool, "offset": scratch.offset, "bytes": scratch.bytes, "strips": scratch.strips},
        "algorithm": step.algorithm,
        "tile": None if step.tile is None else list(step.tile),
    }


def plan_to_json(plan: MemoryPlan) -> str:
    """The plan as JSON text; the same plan gives the same text."""
    return json.dumps(plan_to_document(plan), indent=1, ensure_ascii=False) + "\n"


def plan_from_json(text: str) -> MemoryPlan:
    """The plan from JSON text; derived figures in it must be those of the plan.

    Raises:
        CnnirError: ``plan-syntax`` naming the place in the document.
    """
    try:
        document = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise CnnirError("plan-syntax", "the text is no JSON", got=error) from None
    plan = _plan(_Reader(document, "plan"))
    for name in _DERIVED:
        given, follows = _Reader(document, "plan").get(name), getattr(plan, name)
        if given.optional(_Reader.whole) != follows:
            given.fail(f"{'null' if follows is None else follows}, which follows from the plan")
    return plan


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dict, without the last of equal keys silently winning."""
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise CnnirError("plan-syntax", "a key stands twice in one object", got=twice)
    return result


class _Reader:
    """A place in the document; every access checks that what it needs is there."""

    def __init__(self, item: Any, path: str) -> None:
        self.item = item
        self.path = path

    def fail(self, expected: str) -> NoReturn:
        shown = json.dumps(self.item)
        raise CnnirError(
            "plan-syntax", self.path, expected=expected, got=shown if len(shown) < 60 else f"{shown[:57]}..."
        )

    def only(self, *keys: str) -> "_Reader":
        """The place itself, when it is an object with no other keys than these."""
        if not isinstance(self.item, dict):
            self.fail(f"an object with {keys[0]!r}")
        for key in self.item:
            if key not in keys:
                _Reader(self.item[key], f"{self.path}.{key}").fail("no such key")
        return self

    def get(self, key: str) -> "_Reader":
        if not isinstance(self.item, dict) or key not in self.item:
            self.fail(f"an object with {key!r}")
        return _Reader(self.item[key], f"{self.path}.{key}")

    def text(self) -> str:
        return self.item if isinstance(self.item, str) else self.fail("a text")

    def whole(self) -> int:
        return (
            self.item if isinstance(self.item, int) and not isinstance(self.item, bool) else self.fail("a whole number")
        )

    def natural(self) -> int:
        number = self.whole()
        return number if number >= 0 else self.fail("a whole number, 0 or more")

    def positive(self) -> int:
        number = self.whole()
        return number if number >= 1 else self.fail("a whole number, 1 or more")

    def flag(self) -> bool:
        return self.item if isinstance(self.item, bool) else self.fail("true or false")

    def optional(self, read: Callable[["_Reader"], ItemT]) -> ItemT | None:
        return None if self.item is None else read(self)

    def items(self, read: Callable[["_Reader"], ItemT]) -> tuple[ItemT, ...]:
        if not isinstance(self.item, list):
            self.fail("a list")
        return tuple(read(_Reader(item, f"{self.path}[{index}]")) for index, item in enumerate(self.item))

    def table(self, read: Callable[["_Reader"], ItemT]) -> dict[str, ItemT]:
        if not isinstance(self.item, dict):
            self.fail("an object")
        return {key: read(_Reader(item, f"{self.path}.{key}")) for key, item in self.item.items()}

    def numbers(self) -> tuple[int, ...]:
        return self.items(_Reader.whole)

    def naturals(self) -> tuple[int, ...]:
        return self.items(_Reader.natural)

    def names(self) -> tuple[str, ...]:
        return self.items(_Reader.text)


def _plan(at: _Reader) -> MemoryPlan:
    if at.get("schema").text() != SCHEMA:
        at.get("schema").fail(SCHEMA)
    at.only(*_KEYS)
    digest = at.get("digest").text()
    if not _DIGEST.fullmatch(digest):
        at.get("digest").fail("a SHA-256 in hexadecimal")
    return MemoryPlan(
        graph=at.get("graph").text(),
        digest=digest,
        bindings=at.get("bindings").table(_Reader.positive),
        inputs=at.get("inputs").names(),
        outputs=at.get("outputs").names(),
        pools=at.get("pools").items(_pool),
        storages=at.get("storages").items(_storage),
        values=at.get("values").table(_value),
        steps=at.get("steps").items(_step),
        bounds=_bounds(at.get("bounds")),
        options=_options(at.get("options")),
        accounting=at.get("accounting").text(),
    )


def _options(at: _Reader) -> Mapping[str, str | int | bool]:
    def read(option: _Reader) -> str | int | bool:
        return (
            option.item if isinstance(option.item, str | int | bool) else option.fail("a text, a number, true or false")
        )

    return at.table(read)


def _pool(at: _Reader) -> Pool:
    at.only("name", "bytes", "alignment", "counted", "capacity", "cost", "weights")
    return Pool(
        at.get("name").text(),
        at.get("bytes").natural(),
        at.get("alignment").positive(),
        at.get("counted").flag(),
        at.get("capacity").optional(_Reader.natural),
        at.get("cost").natural(),
        at.get("weights").natural(),
    )


def _storage(at: _Reader) -> Storage:
    at.only("pool", "offset", "bytes", "first", "last", "aligned")
    offset, size, first, last = (at.get(key).natural() for key in ("offset", "bytes", "first", "last"))
    return Storage(at.get("pool").text(), offset, size, first, last, at.get("aligned").flag())


def _value(at: _Reader) -> PlannedValue:
    at.only("dtype", "shape", "pieces")
    pieces = at.get("pieces").optional(lambda pieces: pieces.items(_piece))
    return PlannedValue(at.get("dtype").text(), at.get("shape").naturals(), pieces)


def _piece(at: _Reader) -> Piece:
    at.only("storage", "pool", "offset", "origin", "shape", "strides")
    return Piece(
        at.get("storage").natural(),
        at.get("pool").text(),
        at.get("offset").natural(),
        at.get("origin").naturals(),
        at.get("shape").naturals(),
        at.get("strides").numbers(),
    )


def _step(at: _Reader) -> Step:
    def pair(item: _Reader) -> tuple[str, str]:
        names = item.names()
        return (names[0], names[1]) if len(names) == 2 else item.fail("a pair")

    def scratch(item: _Reader) -> Scratch:
        item.only("pool", "offset", "bytes", "strips")
        numbers = [item.get(key).natural() for key in ("offset", "bytes", "strips")]
        return Scratch(item.get("pool").text(), *numbers)

    at.only("nodes", "reads", "writes", "donations", "scratch", "algorithm", "tile")
    return Step(
        at.get("nodes").names() or at.get("nodes").fail("one name or more"),
        at.get("reads").names(),
        at.get("writes").names(),
        at.get("donations").items(pair),
        at.get("scratch").optional(scratch),
        at.get("algorithm").text(),
        at.get("tile").optional(_Reader.naturals),
    )


def _bounds(at: _Reader) -> Mapping[str, Bound]:
    for name in ("placement", "order"):
        at.only("placement", "order", "traffic").get(name)
    return at.table(_bound)


def _bound(at: _Reader) -> Bound:
    at.only("bytes", "reached", "status", "rule")
    status: Status | None = _STATUSES.get(at.get("status").text())
    if status is None:
        at.get("status").fail(", ".join(_STATUSES))
    return Bound(at.get("bytes").natural(), at.get("reached").natural(), status, at.get("rule").text())
