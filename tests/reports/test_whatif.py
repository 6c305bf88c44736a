"""What a network would take otherwise: each figure is that of the network made so."""

import json
from pathlib import Path

import jsonschema
import pytest

import cnnir
from cnnir import CnnirError, from_pattern, zoo
from cnnir.cli import main
from cnnir.dims import bind, parse_dim
from cnnir.reports.grid import whatif_text
from cnnir.reports.whatif import whatif
from tests import models

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/cnnir.whatif-1.schema.json").read_text())


@pytest.mark.parametrize("name", ["resnet18", "shufflenet_v2", "squeezenet1_1", "mobilenet_v3_small"])
def test_cases_are_the_networks_made_so(name: str) -> None:
    """Size and batch: the figures of the zoo's own network of that size and batch."""
    found = whatif(zoo.build(name), sizes=["96x64", "128x128"], batches=[1, 3])
    assert [(case.size, case.batch) for case in found.cases] == [
        ("96x64", "1"), ("96x64", "3"), ("128x128", "1"), ("128x128", "3"),
    ]  # fmt: skip
    for case in found.cases:
        assert case.size is not None
        assert case.batch is not None
        height, width = map(int, case.size.split("x"))
        made = zoo.build(name, size=(height, width), batch=int(case.batch))
        totals, plan = made.table().totals, made.plan()
        assert (case.elements, case.bytes, case.macs) == (totals.elements, totals.bytes, totals.macs)
        assert (case.arena_bytes, case.lower_bound, case.reason) == (plan.arena_bytes, plan.lower_bound, "")


def test_element_types_change_bytes_alone() -> None:
    """A quarter of the bytes in int8; alignment may round the arena up."""
    graph = zoo.build("vgg16{size=64,classes=10}")
    wide, half, byte = whatif(graph, dtypes=["float32", "float16", "int8"]).cases
    assert wide.arena_bytes == graph.plan().arena_bytes
    assert (wide.bytes, wide.macs) == (graph.table().totals.bytes, graph.table().totals.macs)
    assert wide.bytes is not None
    assert (half.bytes, byte.bytes) == (wide.bytes // 2, wide.bytes // 4)
    assert (half.elements, byte.elements) == (wide.elements, wide.elements)
    assert wide.arena_bytes is not None
    assert byte.arena_bytes is not None
    assert wide.arena_bytes / 4 <= byte.arena_bytes < wide.arena_bytes / 4 + 64 * len(graph)


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1"])
@pytest.mark.parametrize("size", [(64, 64), (97, 130)])
def test_formula(name: str, size: tuple[int, int]) -> None:
    """At any size it gives what the table gives."""
    formula = whatif(zoo.build(name)).formula
    assert formula is not None
    totals = zoo.build(name, size=size).table().totals
    values = dict(zip("HW", size, strict=True))
    for text, figure in (
        (formula.elements, totals.elements),
        (formula.bytes, totals.bytes),
        (formula.macs, totals.macs),
    ):
        assert bind(parse_dim(text), values) == figure


def test_a_formula_whose_names_are_taken() -> None:
    """H is the height and W the width, whatever the network calls them; a batch of that name is no height."""
    formulas = [
        whatif(from_pattern(f"INPUT[{size}x3] -> CONV1x3-4/1x2")).formula
        for size in ("HxW", "WxH", "8x9", "Hx9", "AxH")
    ]
    assert formulas[0] is not None
    assert formulas[0].macs == "36*H*((W + 1)//2)"
    assert formulas == [formulas[0]] * 5
    for batch in "HW":
        found = whatif(from_pattern(f"INPUT[8x8x3](batch={batch}) -> CONV3-4"))
        assert found.formula is None
        assert found.no_formula == f"{batch} stands for another size of the inputs"


def test_a_size_that_is_not_taken() -> None:
    """The node that refuses, what would help, and that it does help."""
    graph = zoo.build("vgg16{classes=10,hidden=64}")
    taken, refused = whatif(graph, sizes=["224x224", "384x384"]).cases
    assert taken.reason == ""
    assert refused.arena_bytes is None
    assert "fc6 (Gemm)" in refused.reason
    pipeline = refused.remedy.split(" makes it")[0]
    assert (
        str(graph.apply(pipeline).graph.apply("set-size", size="384x384").graph.outputs[0].type)
        == "float32[1, 10, 6, 6]"
    )
    small = whatif(graph, sizes=["16x16"]).cases[0]
    assert "pool5 (MaxPool)" in small.reason
    assert "larger input" in small.remedy
    no_formula = whatif(graph).no_formula
    assert "fc6 (Gemm)" in no_formula
    assert "(H//32)*(W//32) == 49" in no_formula


def test_unknown_stays_unknown() -> None:
    """Open dims give no plan; a batch that is asked for binds them."""
    graph = zoo.build("resnet18{batch=N}")
    (open_case,) = whatif(graph).cases
    assert open_case.arena_bytes is None
    assert open_case.macs is None
    assert "N" in open_case.reason
    (bound,) = whatif(graph, batches=[2]).cases
    assert bound.arena_bytes == zoo.build("resnet18{batch=2}").plan().arena_bytes


def test_a_batch_that_is_not_taken() -> None:
    """One that mixes images names the node."""
    builder = cnnir.GraphBuilder("mixed")
    x = builder.image(4, 8, name="x")
    graph = builder.build(builder.softmax(x, axis=0, name="across"))
    one, two = whatif(graph, batches=[1, 2]).cases
    assert one.reason == ""
    assert "across (Softmax)" in two.reason


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"sizes": ["224"]}, "size"),
        ({"sizes": ["0x224"]}, "dim-negative"),
        ({"batches": ["two images"]}, "dim-syntax"),
        ({"dtypes": ["float12"]}, "dtype-unknown"),
        ({"dtypes": ["int4"]}, "dtype-unknown"),
        ({"dtypes": ["string"]}, "dtype-unknown"),
    ],
)
def test_questions_that_make_no_sense(options: dict[str, list[str]], code: str) -> None:
    """They are errors, not cases."""
    with pytest.raises(CnnirError) as caught:
        whatif(zoo.build("resnet18"), **options)
    assert caught.value.code == code


def test_text_fits_the_width() -> None:
    """Words are broken between, never a formula's term."""
    graph = zoo.build("vgg16{classes=10,hidden=64}")
    text = whatif_text(whatif(graph, sizes=["224x224", "384x384"], batches=[1, 8], dtypes=["int8"]), width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("fc6 (Gemm)") == 2  # once for the size, once for the formula
    formula = whatif_text(whatif(zoo.build("resnet18")), width=80)
    assert all(line.count("(") == line.count(")") for line in formula.splitlines() if "//" in line)


def test_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The grid, the JSON by its schema, and the exit codes."""
    arguments = ["whatif", "zoo:resnet18", "--size", "64x64,32x32", "--batch", "1,2", "--dtype", "float16"]
    assert main(arguments) == 0
    assert "64x64" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMA)
    assert len(found["cases"]) == 4
    path = str(models.path("bvlc_alexnet"))
    assert main(["whatif", path, "--size", "300x300", "-o", str(tmp_path / "grid.json")]) == 1
    jsonschema.validate(json.loads((tmp_path / "grid.json").read_text()), SCHEMA)
    capsys.readouterr()
    assert main(["whatif", "zoo:resnet18", "--size", "64x64", "--size", "32x32", "--json"]) == 0
    assert [case["size"] for case in json.loads(capsys.readouterr().out)["cases"]] == ["64x64", "32x32"]
    assert main(["whatif", "zoo:resnet18", "--size", "64x64,,32x32"]) == 2
    assert main(["whatif", "zoo:resnet18{batch=N}"]) == 1
