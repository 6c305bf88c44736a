"""Columns of text: aligned, folded between words, never wider than there is room for words."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cnnir.columns import Columns, folded

words = st.text(alphabet="ab -/1\N{CJK UNIFIED IDEOGRAPH-5377}\N{LATIN SMALL LETTER E WITH ACUTE}", max_size=30).map(
    lambda text: " ".join(text.split())
)


def test_aligned() -> None:
    """Words stand left, numbers right, with a line under the headings."""
    table = Columns(("name", "count"), [("conv1", "12"), ("x", "1,024")], right=(1,), width=80)
    assert table.lines() == ["name    count", "\u2500" * 13, "conv1      12", "x       1,024"]
    assert table.width == 13


def test_folded_between_words() -> None:
    """What does not fit goes on below; the widest column of words gives way, numbers never do."""
    table = Columns(("op", "title", "MACs"), [("conv", "a rather long title", "123,456")], right=(2,), width=26, gap=2)
    assert table.lines()[2:] == ["conv  a rather     123,456", "      long title"]
    narrow = Columns(("MACs",), [("123,456,789",)], right=(0,), width=4)
    assert narrow.lines()[2:] == ["123,456,789"]


def test_wide_letters() -> None:
    """A letter that takes two places counts two."""
    table = Columns(("name", "n"), [("\u5377\u79ef", "1"), ("conv", "2")], right=(1,), width=80, gap=1)
    assert [cell_len(line) for line in table.lines()] == [6, 6, 6, 6]


@given(words, st.integers(8, 40))
def test_folding_loses_nothing(text: str, width: int) -> None:
    """Every letter is there, in lines that fit."""
    lines = folded(text, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(cell_len(line) <= width for line in lines)


@given(st.lists(st.tuples(words, words, st.integers(0, 10**9)), max_size=6), st.integers(40, 90))
def test_lines_fit(rows: list[tuple[str, str, int]], width: int) -> None:
    """Two columns of words and one of numbers always fit into 40 letters, and every number stands at the end."""
    cells = [(one, two, str(number)) for one, two, number in rows]
    table = Columns(("one", "two", "number"), cells, right=(2,), width=width)
    assert all(cell_len(line) <= width for line in table.lines())
    for row in cells:
        assert table.row(row)[0].endswith(row[2])
        assert cell_len(table.row(row)[0]) == table.width
