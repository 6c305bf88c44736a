"""A plan as JSON, ``cnnir.plan/1``; the schema is in ``docs/schema/cnnir.plan-1.schema.json``."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from cnnir.errors import CnnirError
from cnnir.plan.model import SCHEMA, Bound, MemoryPlan, Piece, PlannedValue, Pool, Scratch, Status, Step, Storage

_STATUSES: Mapping[str, Status] = {"optimal": "optimal", "feasible": "feasible", "unknown": "unknown"}

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
        "peak_step": plan.peak_step,
        "bounds": {
            name: {"bytes": bound.bytes, "reached": bound.reached, "status": bound.status, "rule": bound.rule}
            for name, bound in plan.bounds.items()
        },
        "inputs": list(plan.inputs),
        "outputs": list(plan.outputs),
        "pools": [
            {"name": p.name, "bytes": p.bytes, "alignment": p.alignment, "counted": p.counted, "capacity": p.capacity}
            for p in plan.pools
        ],
        "storages": [
            {"pool": s.pool, "offset": s.offset, "bytes": s.bytes, "first": s.first, "last": s.last}
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
        else {"pool": scratch.pool, "offset": scratch.offset, "bytes": scratch.bytes},
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
        document = json.loads(text)
    except ValueError as error:
        raise CnnirError("plan-syntax", "the text is no JSON", got=error) from None
    plan = _plan(_Reader(document, "plan"))
    for name in ("arena_bytes", "storage_bytes", "scratch_bytes", "peak_step"):
        if document.get(name) != getattr(plan, name):
            raise CnnirError(
                "plan-syntax",
                f"{name} is not what follows from the plan",
                expected=getattr(plan, name),
                got=document.get(name),
            )
    return plan


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

    def names(self) -> tuple[str, ...]:
        return self.items(_Reader.text)


def _plan(at: _Reader) -> MemoryPlan:
    if at.get("schema").text() != SCHEMA:
        at.get("schema").fail(SCHEMA)
    return MemoryPlan(
        graph=at.get("graph").text(),
        digest=at.get("digest").text(),
        bindings=at.get("bindings").table(_Reader.whole),
        inputs=at.get("inputs").names(),
        outputs=at.get("outputs").names(),
        pools=at.get("pools").items(_pool),
        storages=at.get("storages").items(_storage),
        values=at.get("values").table(_value),
        steps=at.get("steps").items(_step),
        bounds=at.get("bounds").table(_bound),
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
    return Pool(
        at.get("name").text(),
        at.get("bytes").whole(),
        at.get("alignment").whole(),
        at.get("counted").flag(),
        at.get("capacity").optional(_Reader.whole),
    )


def _storage(at: _Reader) -> Storage:
    numbers = (at.get(key).whole() for key in ("offset", "bytes", "first", "last"))
    return Storage(at.get("pool").text(), *numbers)


def _value(at: _Reader) -> PlannedValue:
    pieces = at.get("pieces").optional(lambda pieces: pieces.items(_piece))
    return PlannedValue(at.get("dtype").text(), at.get("shape").numbers(), pieces)


def _piece(at: _Reader) -> Piece:
    return Piece(
        at.get("storage").whole(),
        at.get("pool").text(),
        at.get("offset").whole(),
        at.get("origin").numbers(),
        at.get("shape").numbers(),
        at.get("strides").numbers(),
    )


def _step(at: _Reader) -> Step:
    def pair(item: _Reader) -> tuple[str, str]:
        names = item.names()
        return (names[0], names[1]) if len(names) == 2 else item.fail("a pair")

    def scratch(item: _Reader) -> Scratch:
        return Scratch(item.get("pool").text(), item.get("offset").whole(), item.get("bytes").whole())

    return Step(
        at.get("nodes").names(),
        at.get("reads").names(),
        at.get("writes").names(),
        at.get("donations").items(pair),
        at.get("scratch").optional(scratch),
        at.get("algorithm").text(),
        at.get("tile").optional(_Reader.numbers),
    )


def _bound(at: _Reader) -> Bound:
    status: Status | None = _STATUSES.get(at.get("status").text())
    if status is None:
        at.get("status").fail(", ".join(_STATUSES))
    return Bound(at.get("bytes").whole(), at.get("reached").whole(), status, at.get("rule").text())
