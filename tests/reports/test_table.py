"""The table: accounting, unknowns, symbolic dims, and its forms."""

import json

import pytest

from cnnir.builder import GraphBuilder
from cnnir.graph import Graph
from cnnir.ops import Opaque, Relu
from cnnir.reports import table
from cnnir.reports.text import WIDE, format_count, format_field, format_shape, format_stride, grouped, table_text
from cnnir.types import DType, TensorType, UnknownType
from tests import models


def residual() -> Graph:
    """A block with a shared weight, a residual sum and a view."""
    builder = GraphBuilder("residual")
    x = builder.input("x", (1, 8, 4, 4))
    a = builder.relu(builder.conv(x, 8, kernel=3, padding=1, name="a"), name="ra")
    b = builder.conv(a, 8, kernel=1, name="b")
    c = builder.add(a, b, name="sum")
    return builder.build(builder.flatten(builder.relu(c, name="rc"), name="flat"))


def test_each_storage_counts_once() -> None:
    """The input, both convolutions; the sum lies in place, the flattened map is a view."""
    found = residual().table()
    assert [row.name for row in found.rows if row.elements] == ["x", "a", "b"]
    assert found.totals.elements == 3 * 8 * 4 * 4
    assert {row.name: row.shares for row in found.rows}["flat"] == "view of rc"


def test_rows_sum_up_to_the_totals() -> None:
    """On real networks, for every figure."""
    for name in ("squeezenet", "shufflenet", "densenet121"):
        import cnnir  # noqa: PLC0415  the module's own import is lazy

        found = cnnir.load(models.path(name)).table()
        for figure in ("elements", "bytes", "weights", "biases", "params", "weight_bytes", "macs"):
            assert getattr(found.totals, figure) == sum(getattr(row, figure) for row in found.rows)


def test_activations_agree_with_the_plan() -> None:
    """What the table counts is what the plan stores: both follow one decision of what shares bytes."""
    graph = residual()
    plan = graph.plan()
    assert table(graph).totals.bytes == sum(storage.bytes for storage in plan.storages)


def test_unknown_is_said_to_be_unknown() -> None:
    """A node of unknown cost and type: the totals are unknown and the reason names it."""
    graph = Graph("odd")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 4)))
    odd = graph.add_node(Opaque("acme", "Mystery", 1, b"", (True,), 0, "no definition"), [x], name="odd")
    odd.outputs[0].type = UnknownType()
    relu = graph.add_node(Relu(), odd.outputs, name="relu")
    graph.set_outputs(relu.outputs)
    found = graph.table()
    assert (found.totals.elements, found.totals.bytes, found.totals.macs) == (None, None, None)
    assert not found.totals.known
    assert any(reason.startswith("odd (acme::Mystery): ") for reason in found.reasons)
    text = str(found)
    assert "activations, forward                  unknown elements, unknown" in text
    assert "not known: odd (acme::Mystery)" in text
    as_data = json.loads(found.to_json())
    assert as_data["totals"]["bytes"] is None
    assert as_data["rows"][1]["bytes"] is None
    assert as_data["rows"][1]["reasons"]


def test_symbolic_dims_give_formulas() -> None:
    """A batch of N: formulas that bind to the numbers of each batch."""
    builder = GraphBuilder("free")
    x = builder.input("x", ("N", 3, 8, 8))
    graph = builder.build(builder.conv(x, 4, kernel=3, name="conv"))
    found = graph.table()
    assert format_count(found.totals.elements) == "336*N"
    assert format_count(found.totals.macs) == "3888*N"
    as_data = json.loads(found.to_json())["totals"]
    assert as_data["elements"] is None
    assert as_data["formulas"]["elements"] == "336*N"
    for batch in (1, 7):
        assert graph.bind(N=batch).table().totals.elements == 336 * batch


def test_text_leaves_silent_rows_to_the_row_before() -> None:
    """What takes nothing stands beside what it follows, or in a row of its own on request."""
    found = residual().table()
    assert [len(followers) for _, followers in grouped(found.rows)] == [0, 1, 3]
    assert "3x3 Conv, 8 + Relu" in table_text(found)
    assert "\nflat " in table_text(found, every_row=True)
    assert "\nflat " not in table_text(found)


@pytest.mark.parametrize("width", [30, 50, 80, WIDE])
def test_text_keeps_to_the_width(width: int) -> None:
    """No line is wider."""
    assert max(map(len, table_text(residual().table(), width=width).splitlines())) <= width


def test_html_is_escaped() -> None:
    """A name cannot break the page."""
    builder = GraphBuilder("<b>&")
    x = builder.input("<script>", (1, 3, 8, 8))
    graph = builder.build(builder.conv(x, 4, kernel=3))
    page = graph._repr_html_() + graph.table()._repr_html_() + graph.plan()._repr_html_()
    assert "<script>" not in page
    assert "<b>&<" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("shape", "expected"), [((), "scalar"), ((1, 3), "1x3"), (None, "unknown"), ((1, 0, 2), "1x0x2")]
)
def test_shapes_in_words(shape: tuple[int, ...] | None, expected: str) -> None:
    """Sizes with an x between."""
    assert format_shape(shape) == expected


def test_receptive_fields_stand_in_the_table() -> None:
    """Size and stride in words; what is lost is told of once, and no total is the less known for it."""
    builder = GraphBuilder("fields")
    x = builder.input("x", (1, 3, 16, 32))
    a = builder.conv(x, 4, kernel=(3, 5), stride=(1, 2), padding=(1, 2), name="a")
    up = builder.upsample(a, name="up")
    flat = builder.flatten(up, name="flat")
    back = builder.conv(builder.reshape(flat, (1, 4, 32, 32), name="back"), 2, kernel=3, name="behind")
    graph = builder.build(builder.global_average_pool(a, name="gap"), back)
    found = graph.table()
    texts = {row.name: (format_field(row.fields), format_stride(row.fields)) for row in found.rows}
    assert texts["x"] == ("1", "1")
    assert texts["a"] == ("3x5", "1x2")
    assert texts["up"] == ("3x5", "1/2x1")
    assert texts["gap"] == ("18x35 (all)", "-")
    assert texts["behind"] == ("unknown", "unknown")
    assert found.totals.known
    assert [reason for reason in found.reasons if "back" in reason] == [
        "receptive fields: back (Reshape): the axis is cut into parts"
    ]
    rows = {row["name"]: row for row in json.loads(found.to_json())["rows"]}
    assert [field["stride"] for field in rows["up"]["receptive_fields"]] == ["1/2", 1]
    assert rows["behind"]["receptive_fields"][0]["size"] is None


def test_columns_of_choice() -> None:
    """Those asked for, in any order; without pictures there are no fields."""
    head = table_text(residual().table(), width=80, columns=("field", "layer", "stride")).splitlines()[0]
    assert head.split() == ["field", "layer", "stride"]
    builder = GraphBuilder("flat")
    graph = builder.build(builder.linear(builder.input("x", (1, 8)), 4))
    assert "stride" not in table_text(graph.table()).splitlines()[0]
