"""Tables of names give out what a plain search from the beginning would."""

import itertools
import random

import pytest

from cnnir.names import NameTable

WISHES = ("a", "a_1", "a_1_2", "_", "", "b_007", "c_" + "9" * 5000, "٣_٣")


@pytest.mark.parametrize("seed", range(5))
def test_fresh_names_are_the_first_that_are_free(seed: int) -> None:
    draw = random.Random(seed)
    table: NameTable[int] = NameTable()
    for turn in range(2000):
        if table and draw.random() < 0.4:
            del table[draw.choice([*table])]
        elif draw.random() < 0.002:
            table.clear()
        else:
            taken = [draw.choice([*table])] if table else []
            wish = draw.choice([*WISHES, *taken])
            numbered = (f"{wish}_{number}" for number in itertools.count(1))
            expected = next(name for name in itertools.chain([wish], numbered) if name not in table)
            assert table.fresh(wish) == expected
            table[expected] = turn


def test_a_name_that_is_wished_for_often_is_not_searched_for_from_the_beginning() -> None:
    """So many names would take minutes."""
    table: NameTable[int] = NameTable()
    for number in range(100_000):
        table[table.fresh("conv")] = number
    assert list(table)[-1] == "conv_99999"
    del table["conv_77"]
    assert [table.fresh("conv"), table.fresh("conv_78")] == ["conv_77", "conv_78_1"]
