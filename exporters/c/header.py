"""A memory plan as a C header: constants for every offset, and tables that a runtime walks.

The header is C99 and C++11, needs the standard library's types alone, and checks itself when it is compiled: what lies
in a pool ends in it. Identifiers begin with the network's name; what follows it tells kinds of constants apart, and the
names of values cannot make two of them equal.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import cnnir
from cnnir.errors import CnnirError
from cnnir.exporters.c.tokens import comment, identifier, identifiers, string
from cnnir.exporters.placed import Placed, placed_values
from cnnir.plan import MemoryPlan, Step
from cnnir.units import format_bytes

ItemT = TypeVar("ItemT")

_IN_A_ROW = 16
"""Numbers of a table."""

_TYPES = """\
#ifndef CNNIR_PLAN_TYPES
#define CNNIR_PLAN_TYPES 1

/* One memory. */
struct cnnir_pool {
  const char *name;
  size_t bytes;     /* how much of it the plan uses */
  size_t alignment; /* of its beginning, and of every storage in it */
  size_t capacity;  /* how much there is, SIZE_MAX when that is not limited */
  int counted;      /* whether it counts towards the arena */
};

/* A value in memory; of its dims the shape comes first, then the strides in bytes. */
struct cnnir_value {
  const char *name;
  const char *dtype;
  size_t element_bytes;
  uint32_t pool;   /* among the plan's pools */
  uint32_t rank;
  uint32_t dims;   /* where its 2 x rank numbers begin among the plan's dims */
  size_t offset;   /* of its first byte, from the pool's beginning */
  size_t bytes;    /* from there to behind its last byte */
};

/* Where numbers or names begin in one of the plan's lists, and how many they are. */
struct cnnir_range {
  uint32_t first;
  uint32_t count;
};

/* One thing to be done; it reads and writes values, named by their numbers in the plan's links. */
struct cnnir_step {
  const char *algorithm;
  struct cnnir_range nodes;     /* of the names; several when they are fused */
  struct cnnir_range reads;     /* of the links */
  struct cnnir_range writes;    /* of the links */
  struct cnnir_range donations; /* of the links, in pairs: the second takes over the bytes of the first */
  struct cnnir_range tile;      /* of the dims; none when the step is done at once */
  uint32_t scratch_pool;        /* among the pools; of no meaning without scratch */
  size_t scratch_offset;
  size_t scratch_bytes;         /* workspace, free again after the step */
  size_t strip_bytes;           /* how many of these hold strips of values that are never stored whole */
};

struct cnnir_plan {
  const char *graph;
  const char *digest; /* SHA-256 of the planned network, cnnir.text.digest */
  size_t arena_bytes; /* what the counted pools take together */
  uint32_t pool_count, value_count, step_count;
  const struct cnnir_pool *pools;
  const struct cnnir_value *values;
  const struct cnnir_step *steps;
  struct cnnir_range inputs;  /* of the links */
  struct cnnir_range outputs; /* of the links */
  const size_t *dims;
  const uint32_t *links;
  const char *const *names;
};

#define CNNIR_PLAN_CHECK(name, holds) typedef char name[(holds) ? 1 : -1]

#elif CNNIR_PLAN_TYPES != 1
#error "this plan and another in the same file were written by versions of cnnir that do not go together"
#endif
"""


def header(plan: MemoryPlan, name: str | None = None) -> str:
    """The plan as a C header.

    Args:
        plan: Proved before it is written.
        name: What identifiers begin with; the network's own name when None.

    Returns:
        The text, ASCII.

    Raises:
        CnnirError: from `MemoryPlan.check`; ``plan-form`` for a value that is no single array; ``c-name`` for a name
            that no identifier can begin with.
    """
    plan.check()
    if not plan.steps or not plan.values:
        raise CnnirError("plan-form", "a plan of nothing has no tables", got=plan.graph)
    return "\n".join(_Header(plan, _prefix(plan.graph) if name is None else _required(name)).lines()) + "\n"


def _prefix(graph: str) -> str:
    made = identifier(graph, "plan")
    return f"net_{made}" if made[0].isdigit() else made


def _required(name: str) -> str:
    if name != identifier(name, "") or not name or name[0].isdigit():
        raise CnnirError(
            "c-name", "identifiers cannot begin with it", got=name, hint="letters, digits and single underscores"
        )
    return name


class _Header:
    """What the parts of one header share.

    Attributes:
        upper, lower: What its constants and its objects begin with.
    """

    def __init__(self, plan: MemoryPlan, prefix: str) -> None:
        self.plan = plan
        self.upper, self.lower = prefix.upper(), prefix.lower()
        self.values = placed_values(plan)
        self.pool_names = identifiers([pool.name for pool in plan.pools], "pool")
        self.value_names = identifiers([value.name for value in self.values], "value")
        self.number_of_pool = {pool.name: number for number, pool in enumerate(plan.pools)}
        self.number_of_value = {value.name: number for number, value in enumerate(self.values)}
        self.dims: list[int] = []
        self.links: list[int] = []
        self.names: list[str] = []

    def lines(self) -> Iterator[str]:
        guard = f"CNNIR_PLAN_{self.upper}_H"
        yield from self._introduction()
        yield from (f"#ifndef {guard}", f"#define {guard}", "", "#include <stddef.h>", "#include <stdint.h>", "")
        yield _TYPES
        yield from self._figures()
        yield from self._pools()
        yield from self._values()
        yield from self._checks()
        yield from (
            "#ifdef __cplusplus", 'extern "C" {', "#endif",
            f"extern const struct cnnir_plan {self.lower}_plan;",
            "#ifdef __cplusplus", "}", "#endif", "", f"#endif /* {guard} */", "",
        )  # fmt: skip
        yield from self._tables()

    def _introduction(self) -> Iterator[str]:
        plan = self.plan
        bound = plan.bounds["placement"]
        yield f"/* Memory plan of {comment(plan.graph)}: where every value lies at every step."
        yield f" * Written by cnnir {cnnir.__version__}; not to be edited."
        yield " *"
        yield f" * arena        {format_bytes(plan.arena_bytes)}"
        yield f" * lower bound  {format_bytes(bound.bytes)}, placement {bound.status}"
        yield f" * rule         {comment(plan.accounting)}"
        yield " *"
        yield " * C99 or C++11. One file of a program says"
        yield f" *   #define {self.upper}_DEFINE_PLAN"
        yield f" * before it includes this, and so holds {self.lower}_plan, the tables; any file may include it for the"
        yield " * constants. Each pool has to begin at a multiple of its alignment."
        yield " */"

    def _figures(self) -> Iterator[str]:
        yield self._constant("ARENA_BYTES", self.plan.arena_bytes)
        yield f"#define {self.upper}_DIGEST {string(self.plan.digest)}"
        yield self._constant("POOLS", len(self.plan.pools))
        yield self._constant("VALUES", len(self.values))
        yield self._constant("STEPS", len(self.plan.steps))
        yield ""

    def _pools(self) -> Iterator[str]:
        yield "/* Pools: number, bytes used, alignment. */"
        for number, pool in enumerate(self.plan.pools):
            name = self.pool_names[pool.name]
            yield self._constant(f"POOL_{name}", number)
            yield self._constant(f"SIZE_{name}", pool.bytes)
            yield self._constant(f"ALIGN_{name}", pool.alignment)
        yield ""

    def _values(self) -> Iterator[str]:
        yield "/* Values: number, offset of the first byte, bytes. What is never stored is not among them. */"
        for number, value in enumerate(self.values):
            name = self.value_names[value.name]
            shape = "x".join(map(str, value.shape)) or "scalar"
            yield f"/* {comment(value.name)}: {value.dtype} {shape}, in {comment(value.pool)} */"
            yield self._constant(f"VALUE_{name}", number)
            yield self._constant(f"OFFSET_{name}", value.offset)
            yield self._constant(f"BYTES_{name}", value.bytes)
        yield ""

    def _constant(self, name: str, number: int) -> str:
        return f"#define {self.upper}_{name} {number}u"

    def _checks(self) -> Iterator[str]:
        """What a compiler is to find true: sizes that this machine can address, and everything inside its pool."""
        for pool in self.plan.pools:
            size = f"{self.upper}_SIZE_{self.pool_names[pool.name]}"
            yield f"#if {size} > SIZE_MAX"
            yield f'#error "{size} bytes cannot be addressed"'
            yield "#endif"
        counted = [f"{self.upper}_SIZE_{self.pool_names[pool.name]}" for pool in self.plan.pools if pool.counted]
        yield f"#if {self.upper}_ARENA_BYTES != {' + '.join(counted) or '0u'}"
        yield '#error "the arena is not what the counted pools take"'
        yield "#endif"
        for value in self.values:
            name = self.value_names[value.name]
            begin, size = f"{self.upper}_OFFSET_{name}", f"{self.upper}_BYTES_{name}"
            yield self._inside(f"end_{name}", begin, size, value.pool)
            yield self._check(f"element_{name}", f"{begin} % {value.itemsize}u == 0u")
        for number, step in enumerate(self.plan.steps):
            scratch = step.scratch
            if scratch is not None:
                yield self._inside(f"scratch_{number}", f"{scratch.offset}u", f"{scratch.bytes}u", scratch.pool)
        yield ""

    def _inside(self, name: str, begin: str, size: str, pool: str) -> str:
        room = f"{self.upper}_SIZE_{self.pool_names[pool]}"
        # Not as a sum, which may wrap around: the constants are of the narrowest type that holds each.
        return self._check(name, f"{size} <= {room} && {begin} <= {room} - {size}")

    def _check(self, name: str, condition: str) -> str:
        return f"CNNIR_PLAN_CHECK({self.lower}_check_{name}, {condition});"

    # The tables

    def _tables(self) -> Iterator[str]:
        plan, low = self.plan, self.lower
        pools = [
            f"{string(pool.name)}, {pool.bytes}u, {pool.alignment}u, "
            f"{'SIZE_MAX' if pool.capacity is None else f'{pool.capacity}u'}, {int(pool.counted)}"
            for pool in plan.pools
        ]
        values = [self._value_row(value) for value in self.values]
        steps = [self._step_row(step) for step in plan.steps]
        inputs, outputs = self._linked(plan.inputs), self._linked(plan.outputs)
        mark = f"{self.upper}_PLAN_DEFINED"
        yield f"#if defined({self.upper}_DEFINE_PLAN) && !defined({mark})"
        yield f"#define {mark}"
        yield from _table(f"static const size_t {low}_dims", _numbers(self.dims))
        yield from _table(f"static const uint32_t {low}_links", _numbers(self.links))
        yield from _table(f"static const char *const {low}_names", [string(name) for name in self.names] or ["0"])
        yield from _table(f"static const struct cnnir_pool {low}_pools", [f"{{{row}}}" for row in pools])
        yield from _table(f"static const struct cnnir_value {low}_values", [f"{{{row}}}" for row in values])
        yield from _table(f"static const struct cnnir_step {low}_steps", [f"{{{row}}}" for row in steps])
        yield f"const struct cnnir_plan {low}_plan = {{"
        yield f"  {string(plan.graph)}, {self.upper}_DIGEST, {self.upper}_ARENA_BYTES,"
        yield f"  {self.upper}_POOLS, {self.upper}_VALUES, {self.upper}_STEPS,"
        yield f"  {low}_pools, {low}_values, {low}_steps, {inputs}, {outputs},"
        yield f"  {low}_dims, {low}_links, {low}_names"
        yield "};"
        yield "#endif"

    def _value_row(self, value: Placed) -> str:
        first, _ = _kept(self.dims, [*value.shape, *value.strides])
        where = f"{self.number_of_pool[value.pool]}u, {len(value.shape)}u, {first}u"
        kind = f"{string(value.name)}, {string(value.dtype)}, {value.itemsize}u"
        return f"{kind}, {where}, {value.offset}u, {value.bytes}u"

    def _step_row(self, step: Step) -> str:
        ranges = [
            _range(_kept(self.names, step.nodes)),
            self._linked(step.reads),
            self._linked(step.writes),
            self._linked([name for pair in step.donations for name in pair]),
            _range(_kept(self.dims, step.tile or ())),
        ]
        scratch = step.scratch
        workspace = [0, 0, 0, 0]
        if scratch is not None:
            workspace = [self.number_of_pool[scratch.pool], scratch.offset, scratch.bytes, scratch.strips]
        return f"{string(step.algorithm)}, {', '.join(ranges)}, {', '.join(f'{number}u' for number in workspace)}"

    def _linked(self, names: Sequence[str]) -> str:
        return _range(_kept(self.links, [self.number_of_value[name] for name in names]))


def _kept(kept: list[ItemT], items: Sequence[ItemT]) -> tuple[int, int]:
    """Put items into a list that others are in already: where they begin, and how many they are."""
    first = len(kept)
    kept.extend(items)
    return first, len(items)


def _numbers(numbers: Sequence[int]) -> list[str]:
    """Rows of a table of numbers, which C does not allow to be empty."""
    texts = [f"{number}u" for number in numbers] or ["0u"]
    return [", ".join(texts[first : first + _IN_A_ROW]) for first in range(0, len(texts), _IN_A_ROW)]


def _range(place: tuple[int, int]) -> str:
    return f"{{{place[0]}u, {place[1]}u}}"


def _table(declaration: str, rows: Sequence[str]) -> Iterator[str]:
    yield f"{declaration}[] = {{"
    yield from (f"  {row}," for row in rows)
    yield "};"
