"""What was inferred before is given again: it is what the op itself says, whatever came in between."""

from typing import Any

import numpy as np

from cnnir.ops import DEFINED, Add, ConstantOfShape, Facts, Inputs, Transpose, infer
from cnnir.types import DType, TensorType
from tests.interpreter.single_nodes import random_case
from tests.ops.sources import Given, constant, inferred, shapes, tensor
from tests.ops.test_symbolic_ops import given

SEEDS = 12


def test_in_any_order() -> None:
    """Nodes of all ops, twice each, in an order that mixes them."""
    ops = [op for op in DEFINED if op is not ConstantOfShape]  # that one goes by what its operand says alone
    cases = [random_case(op, seed) for op in ops for seed in range(SEEDS)] * 2
    for index in np.random.default_rng(3).permutation(len(cases)):
        case = cases[index]
        first = case.operands[0]
        assert first is not None
        sources, facts = given(case, first.shape), Facts("node")
        inputs = Inputs(case.op, sources)
        case.op.check(inputs)
        expected = case.op.infer(inputs, facts)
        types, found = infer(case.op, sources, "node")
        assert types == expected, str(case)
        assert found.constraints == facts.constraints


def test_contents_are_looked_at_again() -> None:
    """Other constants of the same types, and then none."""
    op = ConstantOfShape()
    assert [shapes(op, constant(2, 3)), shapes(op, constant(4, 5)), shapes(op, constant(2, 3))] == [
        [(2, 3)], [(4, 5)], [(2, 3)]
    ]  # fmt: skip
    unknown, _ = inferred(op, Given(TensorType(DType.INT64, (2,))))
    assert "?" in str(unknown[0])


def test_conditions_are_met_again() -> None:
    """Constraints name the node that is inferred."""
    op = Add()
    for node in ("first", "second"):
        _, facts = infer(op, [tensor("N"), tensor(3)], node)
        assert [constraint.node for constraint in facts.constraints] == [node]


def test_attributes_that_are_no_tuples() -> None:
    """A list cannot be looked up; it is worked out each time."""
    axes: Any = [1, 0]
    for _ in range(2):
        assert shapes(Transpose(axes), tensor(2, 3)) == [(3, 2)]
