"""The C header compiles without a warning wherever it may, and a program that includes it finds the plan's numbers."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnnir
from cnnir.errors import CnnirError
from cnnir.exporters.c import header
from cnnir.exporters.onnx import read, read_plan, write
from cnnir.graph import Graph
from cnnir.ops import Softmax
from cnnir.plan import MemoryPlan, Piece
from tests import models
from tests.interpreter.drawing import Case
from tests.plan.plans import first_piece, with_piece
from tests.plan.samples import SAMPLES
from tests.random_graphs import random_graph

STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic")

PROGRAM = """\
#include "plan.h"
#define @_DEFINE_PLAN
#include "plan.h"
#include "plan.h"
#include <stdio.h>

static void text(const char *key, const char *value) {
  const unsigned char *at = (const unsigned char *)value;
  printf("\\"%s\\": \\"", key);
  for (; *at != 0; at++) printf("%02x", *at);
  printf("\\", ");
}
static void number(const char *key, size_t value) { printf("\\"%s\\": %lu, ", key, (unsigned long)value); }
static void links(const char *key, struct cnnir_range range) {
  uint32_t i;
  printf("\\"%s\\": [", key);
  for (i = 0; i < range.count; i++) printf("%s%lu", i ? ", " : "", (unsigned long)@@_plan.links[range.first + i]);
  printf("], ");
}
static void dims(const char *key, uint32_t first, uint32_t count) {
  uint32_t i;
  printf("\\"%s\\": [", key);
  for (i = 0; i < count; i++) printf("%s%lu", i ? ", " : "", (unsigned long)@@_plan.dims[first + i]);
  printf("], ");
}
int main(void) {
  const struct cnnir_plan *plan = &@@_plan;
  uint32_t i, j;
  printf("{");
  text("graph", plan->graph);
  text("digest", plan->digest);
  number("arena_bytes", plan->arena_bytes);
  links("inputs", plan->inputs);
  links("outputs", plan->outputs);
  printf("\\"pools\\": [");
  for (i = 0; i < plan->pool_count; i++) {
    printf("%s{", i ? ", " : "");
    text("name", plan->pools[i].name);
    number("bytes", plan->pools[i].bytes);
    number("alignment", plan->pools[i].alignment);
    number("limited", plan->pools[i].capacity != SIZE_MAX);
    printf("\\"counted\\": %d}", plan->pools[i].counted);
  }
  printf("], \\"values\\": [");
  for (i = 0; i < plan->value_count; i++) {
    printf("%s{", i ? ", " : "");
    text("name", plan->values[i].name);
    text("dtype", plan->values[i].dtype);
    number("pool", plan->values[i].pool);
    number("offset", plan->values[i].offset);
    dims("shape", plan->values[i].dims, plan->values[i].rank);
    dims("strides", plan->values[i].dims + plan->values[i].rank, plan->values[i].rank);
    printf("\\"bytes\\": %lu}", (unsigned long)plan->values[i].bytes);
  }
  printf("], \\"steps\\": [");
  for (i = 0; i < plan->step_count; i++) {
    const struct cnnir_step *step = &plan->steps[i];
    printf("%s{", i ? ", " : "");
    text("algorithm", step->algorithm);
    for (j = 0; j < step->nodes.count; j++) text(j ? "more" : "node", plan->names[step->nodes.first + j]);
    number("nodes", step->nodes.count);
    links("reads", step->reads);
    links("writes", step->writes);
    links("donations", step->donations);
    dims("tile", step->tile.first, step->tile.count);
    number("scratch_pool", step->scratch_pool);
    number("scratch_offset", step->scratch_offset);
    number("strip_bytes", step->strip_bytes);
    printf("\\"scratch_bytes\\": %lu}", (unsigned long)step->scratch_bytes);
  }
  printf("]}\\n");
  return 0;
}
"""


def compiler(name: str) -> str:
    """The path of a compiler of this machine."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"this machine has no {name}, and a header is proved by compiling it")
    return found


def compile_text(source: Path, *arguments: str, language: str = "c99") -> None:
    """Compile a file, warnings being errors."""
    command = compiler("cc" if language.startswith("c9") or language == "c11" else "c++")
    done = subprocess.run(
        [command, f"-std={language}", *STRICT, *arguments, str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:2000]


def printed(plan: MemoryPlan, folder: Path, prefix: str | None = None) -> dict[str, Any]:
    """What a program that was built with the header finds in it, texts as hexadecimal digits.

    Args:
        plan: Goes into the header.
        folder: Where it is built.
        prefix: What the network's own name is expected to give; a name is chosen when None.
    """
    (folder / "plan.h").write_text(header(plan, None if prefix else "net"), "ascii")
    prefix = prefix or "net"
    source = folder / "main.c"
    source.write_text(PROGRAM.replace("@@", prefix.lower()).replace("@", prefix.upper()))
    compile_text(source, "-o", str(folder / "program"))
    done = subprocess.run([str(folder / "program")], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def in_digits(text: str) -> str:
    """A text as the program prints it."""
    return text.encode().hex()


def assert_equal(found: dict[str, Any], plan: MemoryPlan) -> None:
    """The program's numbers are the plan's."""
    names = [name for name, value in plan.values.items() if value.pieces is not None]
    pools = [pool.name for pool in plan.pools]
    assert (found["graph"], found["digest"]) == (in_digits(plan.graph), in_digits(plan.digest))
    assert found["arena_bytes"] == plan.arena_bytes
    assert [names[i] for i in found["inputs"]] == list(plan.inputs)
    assert [names[i] for i in found["outputs"]] == list(plan.outputs)
    assert found["pools"] == [
        {"name": in_digits(pool.name), "bytes": pool.bytes, "alignment": pool.alignment,
         "limited": int(pool.capacity is not None), "counted": int(pool.counted)}
        for pool in plan.pools
    ]  # fmt: skip
    assert [entry["name"] for entry in found["values"]] == [in_digits(name) for name in names]
    for entry, name in zip(found["values"], names, strict=True):
        value = plan.values[name]
        assert value.pieces is not None
        piece = value.pieces[0]
        assert entry["dtype"] == in_digits(value.dtype)
        assert (entry["shape"], entry["strides"]) == (list(value.shape), list(piece.strides))
        assert (pools[entry["pool"]], entry["offset"]) == (piece.pool, piece.offset)
        # The planner of these tests lays every value out densely.
        assert entry["bytes"] == int(np.prod(value.shape)) * np.dtype(value.dtype).itemsize
    for entry, step in zip(found["steps"], plan.steps, strict=True):
        assert (entry["algorithm"], entry["node"]) == (in_digits(step.algorithm), in_digits(step.nodes[0]))
        assert (entry["nodes"], entry.get("more")) == (
            len(step.nodes), in_digits(step.nodes[-1]) if len(step.nodes) > 1 else None,
        )  # fmt: skip
        assert [names[i] for i in entry["reads"]] == list(step.reads)
        assert [names[i] for i in entry["writes"]] == list(step.writes)
        assert [names[i] for i in entry["donations"]] == [name for pair in step.donations for name in pair]
        assert entry["tile"] == list(step.tile or ())
        scratch = (0, 0) if step.scratch is None else (step.scratch.bytes, step.scratch.strips)
        assert (entry["scratch_bytes"], entry["strip_bytes"]) == scratch
        if step.scratch is not None:
            assert (pools[entry["scratch_pool"]], entry["scratch_offset"]) == (step.scratch.pool, step.scratch.offset)


def awkward() -> Graph:
    """Names that no language takes, two that look alike when spelt in its letters, and texts that end comments."""
    builder = cnnir.GraphBuilder('9 "nets" */ ??/ ü')
    x = builder.input("in/put:0", (2, 3, 5, 5))
    for name in ("in_put_0", "a*/b\\", "ü", "??'", "__", "int", "in put 0"):
        x = builder.relu(builder.conv(x, 3, kernel=3, padding=1, name=f"{name} c"), name=name)
    return builder.build(x)


def fused() -> MemoryPlan:
    """A step of three nodes, with values that are not stored."""
    graph = Case(Softmax((1, 2)), (np.arange(24, dtype=np.float32).reshape(2, 3, 4),)).graph()
    return read_plan(read(write(graph, plan=graph.plan())))


@pytest.mark.parametrize("name", ["squeezenet", "resnet50"])
def test_numbers_of_real_networks(name: str, tmp_path: Path) -> None:
    """Compiled, run, read, compared."""
    plan = cnnir.load(models.path(name)).plan(count_inputs=name == "resnet50")
    assert_equal(printed(plan, tmp_path), plan)


@pytest.mark.parametrize("seed", range(6))
def test_numbers_of_random_networks(seed: int, tmp_path: Path) -> None:
    """With pools, alignments and shapes of every kind."""
    graph = random_graph(np.random.default_rng([seed, 7]))
    plan = graph.plan(count_inputs=seed % 2 == 0, count_outputs=seed % 3 == 0, alignment=4 << seed)
    assert_equal(printed(plan, tmp_path), plan)


def test_names_that_no_language_takes(tmp_path: Path) -> None:
    """Each constant once; the tables have the names as they are."""
    plan = awkward().plan()
    text = header(plan)
    assert_equal(printed(plan, tmp_path, "net_9_nets"), plan)
    made = re.findall(r"^#define (NET_9_NETS_OFFSET_\w+) ", text, re.MULTILINE)
    assert len(set(made)) == len(made) == len(plan.values)
    assert not [name for name in made if "__" in name]


@pytest.mark.parametrize("name", SAMPLES)
def test_plans_of_every_form(name: str, tmp_path: Path) -> None:
    """Values over several storages, views of several, fused steps, strips."""
    plan = SAMPLES[name][1]
    found = printed(plan, tmp_path)
    assert_equal(found, plan)
    assert any(entry["strip_bytes"] for entry in found["steps"]) == (name == "pooled_in_strips")


def test_nodes_in_several_parts(tmp_path: Path) -> None:
    """What is not stored is not in the tables."""
    plan = fused()
    found = printed(plan, tmp_path)
    assert_equal(found, plan)
    assert len(found["values"]) == len(plan.values) - 2


@pytest.mark.parametrize("language", ["c99", "c11", "c++11", "c++20"])
def test_every_language(language: str, tmp_path: Path) -> None:
    """Alone, twice, with and without the tables; two networks in one file, and a user of the constants."""
    first, second = awkward().plan(), fused()
    (tmp_path / "first.h").write_text(header(first), "ascii")
    (tmp_path / "second.h").write_text(header(second, "second"), "ascii")
    kind = ("-x", "c++" if "+" in language else "c", "-fsyntax-only")
    compile_text(tmp_path / "first.h", *kind, language=language)
    source = tmp_path / "both.c"
    source.write_text(
        '#define SECOND_DEFINE_PLAN\n#include "first.h"\n#include "second.h"\n#include "first.h"\n#include "second.h"\n'
        "extern unsigned char arena[SECOND_ARENA_BYTES];\nunsigned char arena[SECOND_ARENA_BYTES];\n"
        "float *found(void);\nfloat *found(void) { return (float *)(void *)(arena + SECOND_OFFSET_node); }\n"
    )
    compile_text(source, *kind, language=language)
    compile_text(source, *kind, "-DNET_9_NETS_DEFINE_PLAN", language=language)


def test_the_header_checks_itself(tmp_path: Path) -> None:
    """A number that is spoilt, of whatever kind, does not compile."""
    text = header(SAMPLES["pooled_in_strips"][1], "net")
    spoilt = {
        "offset": re.sub(r"(NET_OFFSET_pool) \d+u", r"\1 64000u", text),
        "element": re.sub(r"(NET_OFFSET_pool) \d+u", r"\1 2u", text),
        "bytes": re.sub(r"(NET_BYTES_x) \d+u", r"\1 4294967295u", text),
        "arena": re.sub(r"(NET_ARENA_BYTES) \d+u", r"\1 64u", text),
        "scratch": re.sub(r"128u <= NET_SIZE_arena", "409600u <= NET_SIZE_arena", text),
        "size": re.sub(r"(NET_SIZE_arena) \d+u", r"\1 18446744073709551616u", text),
    }
    for name, contents in {"sound": text, **spoilt}.items():
        path = tmp_path / f"{name}.h"
        path.write_text(contents, "ascii")
        assert name == "sound" or contents != text
        done = subprocess.run(
            [compiler("cc"), "-std=c99", "-w", "-x", "c", "-fsyntax-only", str(path)], capture_output=True, check=False
        )
        assert (done.returncode == 0) == (name == "sound"), name


def test_what_has_no_header() -> None:
    """A plan that does not hold, values in scattered pieces or backwards, and names that begin no identifier."""
    plan = cnnir.from_pattern("INPUT[3x8x8] -> CONV3-4 -> RELU -> POOL2 -> FC-10").plan()
    for name in ("", "9", "a-b", "_a", "a__b", "ä"):
        with pytest.raises(CnnirError) as caught:
            header(plan, name)
        assert caught.value.code == "c-name"
    moved = replace(plan, storages=tuple(replace(storage, offset=0) for storage in plan.storages))
    with pytest.raises(CnnirError) as caught:
        header(moved)
    assert caught.value.code in ("plan-structure", "plan-overlap")
    piece = first_piece(plan.values["data"])
    last = piece.offset + (piece.shape[3] - 1) * 4
    backwards = with_piece(plan, "data", offset=last, strides=(*piece.strides[:3], -4))
    with pytest.raises(CnnirError) as caught:
        header(backwards)
    assert (caught.value.code, caught.value.node) == ("plan-form", "data")
    scattered = replace(plan.values["data"], pieces=halves(plan))
    with pytest.raises(CnnirError) as caught:
        header(replace(plan, values={**plan.values, "data": scattered}))
    assert (caught.value.code, caught.value.got) == ("plan-form", "2 pieces")


def halves(plan: MemoryPlan) -> tuple[Piece, Piece]:
    """The halves of the input's channels, each where the other one was."""
    piece = first_piece(plan.values["data"])
    half = (1, piece.shape[1] // 2, *piece.shape[2:])
    length = half[1] * piece.strides[1]
    return (
        replace(piece, shape=half, offset=piece.offset + length),
        replace(piece, shape=half, origin=(0, half[1], 0, 0)),
    )
