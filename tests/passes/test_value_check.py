"""The value check: open sizes, other interfaces, why nothing can be compared, and what differs first."""

import numpy as np
import pytest

from cnnir.builder import GraphBuilder
from cnnir.constraints import parse_constraint
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.ops import Add, Identity, Opaque, Reshape, Sigmoid
from cnnir.passes import REGISTRY, Match, compare_values, manager, node, registry, rule, value
from cnnir.passes.checking.trial_sizes import trial_sizes
from cnnir.rewriter import Rewriter
from cnnir.types import DType, SequenceType, TensorType
from cnnir.weights import Array


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "REGISTRY", dict(REGISTRY))


def stack(batch: int | str = "N", height: int | str = "H", width: int | str = "W") -> Graph:
    """Strided convolutions, each normalised, and a residual sum."""
    builder = GraphBuilder("stack")
    x = builder.input("image", (batch, 3, height, width))
    for filters in (4, 8):
        x = builder.conv(x, filters, kernel=3, stride=2, padding=1)
        x = builder.relu(builder.batch_norm(x))
    x = builder.add(x, builder.conv(x, 8, kernel=1, name="side"), name="sum")
    return builder.build(builder.max_pool(x, 7, name="pool"))


def classifier(size: int = 8, batch: int | str = 1) -> Graph:
    """A padded convolution and a fully connected head."""
    builder = GraphBuilder("classifier")
    x = builder.input("image", (batch, 3, size, size))
    x = builder.relu(builder.conv(x, 4, kernel=3, padding=1, name="conv"))
    x = builder.flatten(builder.max_pool(x, 2))
    return builder.build(builder.linear(x, 5, name="fc"))


# Sizes


@pytest.mark.parametrize(
    "conditions",
    [
        ["H >= 193"],
        ["H == W"],
        ["H % 32 == 0", "H == W", "W >= 65"],
        ["N == 3"],
        ["H >= W + 7", "W >= 2*N"],
        ["2*N == 4*M", "M >= 5"],
        ["(H + 1)//2 == (W + 3)//4"],
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_sizes_meet_their_conditions(conditions: list[str], seed: int) -> None:
    found = [parse_constraint(text) for text in conditions]
    sizes = trial_sizes("NMHW", found, seed)
    assert all(size >= 1 for size in sizes.values())
    assert all(one.check(sizes) is True for one in found)
    # Small: no further from the beginning than the conditions ask for.
    assert max(sizes.values()) <= 256
    assert sizes == trial_sizes("WHMN", found, seed)


def test_sizes_that_cannot_be() -> None:
    with pytest.raises(CnnirError, match=r"H.*\[sizes-not-found\]"):
        trial_sizes("H", [parse_constraint("H >= 5"), parse_constraint("3 >= H")])


def test_free_sizes_are_bound() -> None:
    """Nobody has to bind what is open, and the result says what it was bound to."""
    graph = stack()
    result = graph.apply("fold,dead-code", check="values")
    for found in (result.check, *(stage.check for stage in result.stages)):
        assert found is not None
        assert found.equal
        assert set(found.sizes) == {"N", "H", "W"}
        assert all(one.check(found.sizes) is True for one in graph.constraints)
    assert result.modified


def test_a_lie_about_free_sizes_is_found_out() -> None:
    rule("drop", node(Sigmoid, value()))(_drop)
    builder = GraphBuilder("free")
    graph = builder.build(builder.relu(builder.sigmoid(builder.input("x", ("N", 3)), name="smooth"), name="last"))
    with pytest.raises(CnnirError, match=r"smooth: the pass drop .*first in smooth \(Identity\): smooth is off by"):
        graph.apply("drop", check="values")


def _drop(found: Match, rewriter: Rewriter) -> str:
    """Leave a node out."""
    rewriter.replace_node(found.root, Identity())
    return "gone"


# Other interfaces


def test_a_size_that_opens_is_compared_at_the_native_one() -> None:
    """And the map of one position equals the scores, whatever its dims of 1."""
    result = classifier().apply("fc-to-conv", keep_interface=False, check="values")
    (stage,) = result.stages
    assert stage.preserves == "nothing"
    assert stage.check == result.check
    assert stage.check is not None
    assert stage.check.equal
    assert stage.check.sizes == {"H": 8, "W": 8}


def test_what_follows_is_compared_at_small_sizes() -> None:
    """The second pass is given symbols, and bound to what its conditions allow."""
    result = classifier().apply("fc-to-conv{keep_interface=false},fold", check="values")
    found = result.stages[1].check
    assert found is not None
    assert found.equal
    assert found.sizes["H"] >= 8
    assert result.check is not None
    assert result.check.sizes == {"H": 8, "W": 8}


def test_a_batch_that_opens_or_closes_is_compared() -> None:
    opened = classifier().apply("set-batch{batch=N}", check="values").stages[0].check
    assert opened is not None
    assert (opened.equal, opened.sizes) == (True, {"N": 1})
    closed = classifier(batch="N").apply("set-batch{batch=5}", check="values").stages[0].check
    assert closed is not None
    assert (closed.equal, closed.sizes) == (True, {"N": 5})


@pytest.mark.parametrize(
    ("graph", "pipeline", "reason"),
    [
        (classifier(), "set-batch{batch=4}", "image was float32[1, 3, 8, 8] and is float32[4, 3, 8, 8]"),
        (stack(1, 80, 80), "set-size{size=96x96}", "image was float32[1, 3, 80, 80] and is float32[1, 3, 96, 96]"),
    ],
)
def test_where_nothing_can_be_compared_the_reason_is_told(graph: Graph, pipeline: str, reason: str) -> None:
    result = graph.apply(pipeline, check="values")
    assert result.stages[0].check is result.check is None
    assert reason in result.unchecked
    assert result.unchecked == result.stages[0].unchecked
    again = graph.apply(pipeline)
    assert (again.unchecked, again.stages[0].unchecked) == ("", "")


def test_a_part_is_compared_with_the_whole() -> None:
    """Its inputs are fed with what the whole network makes there, its outputs compared with the same."""
    for text in ("cut{to=sum}", "cut{from=relu1,to=sum}", "cut{from=relu2}"):
        found = stack().apply(text, check="values").check
        assert found is not None
        assert found.absolute == 0.0


def test_what_only_keeps_the_interface_is_measured() -> None:
    """Half the bits of the weights cost something, and that is no error."""
    found = classifier().apply("half-weights", check="values").stages[0]
    assert found.preserves == "interface"
    assert found.check is not None
    assert 1e-5 < found.check.relative < 1e-2


def test_a_network_that_cannot_be_run_is_told() -> None:
    """No random numbers make a sequence; nobody evaluates a foreign op."""
    graph = Graph("sequence")
    x = graph.add_input("x", SequenceType(TensorType(DType.FLOAT32, (2,))))
    graph.set_outputs([graph.add_node(Identity(), [x]).output])
    result = graph.apply("dead-code", check="values")
    assert result.check is None
    assert "[feed-type]" in result.unchecked
    graph = Graph("foreign")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (2,)))
    graph.set_outputs([graph.add_node(Opaque("Odd", "my.own", 1), [x]).output])
    result = graph.apply("dead-code", check="values")
    assert result.check is None
    assert "Odd" in result.unchecked


def test_what_ran_has_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that ran and does not any more is no comparison that failed: the promise to keep values is broken."""
    graph, lost = chain(), chain()
    Rewriter(lost).replace_node(lost.node("smooth"), Opaque("Odd", "my.own", 1), allow_retype=True)
    with pytest.raises(CnnirError, match=r"it ran before and does not any more: .*Odd"):
        compare_values(graph, lost)

    def refuse(*_: object) -> None:
        raise CnnirError("value-lost", "it ran before and does not any more")

    monkeypatch.setattr(manager, "compare_values", refuse)
    with pytest.raises(CnnirError, match="it ran before"):
        graph.apply("dead-code", check="values")
    assert graph.apply("half-weights", check="values").unchecked != ""


# Where it differs first


def chain() -> Graph:
    """A convolution with a bias, activations, and a fully connected layer of a flat map."""
    builder = GraphBuilder("chain")
    x = builder.relu(builder.conv(builder.input("x", (1, 3, 5, 5)), 4, kernel=5, name="conv"), name="relu")
    x = builder.sigmoid(builder.flatten(x, name="flat"), name="smooth")
    return builder.build(builder.linear(x, 3, name="fc"))


def spoilt(graph: Graph, name: str) -> None:
    """Other numbers in a layer's weight."""
    found = graph.node(name).inputs[1]
    assert found is not None
    assert found.weight is not None
    other = graph.add_weight("other", Array.of(np.asarray(found.weight.array()) * np.float32(1.5)))
    Rewriter(graph).set_operand(graph.node(name), 1, other)


@pytest.mark.parametrize("name", ["conv", "fc"])
def test_the_first_value_that_differs(name: str) -> None:
    before, after = chain(), chain()
    spoilt(after, name)
    found = compare_values(before, after)
    assert not found.equal
    assert found.divergence is not None
    assert (found.first, found.divergence.partner, found.divergence.shapes) == (name, name, None)
    assert found.divergence.relative == pytest.approx(0.5, rel=1e-3) or name == "fc"


def test_names_do_not_matter() -> None:
    """Every value inside is called otherwise, the first that differs is still found."""
    before, after = chain(), chain()
    spoilt(after, "fc")
    for number, one in enumerate(after.values):
        if one.producer is not None and not after.is_output(one):
            Rewriter(after).rename(one, f"v{number}")
    found = compare_values(before, after)
    assert found.divergence is not None
    assert (found.divergence.value, found.divergence.partner) == ("fc", "fc")
    after = chain()
    spoilt(after, "conv")
    Rewriter(after).rename(after.value("conv"), "other_name")
    Rewriter(after).rename(after.value("relu"), "conv")
    found = compare_values(before, after)
    assert found.divergence is not None
    assert (found.divergence.value, found.divergence.partner) == ("other_name", "conv")
    assert "other_name (before: conv) is off by 0.5" in str(found.divergence)


def test_a_name_that_means_something_else_now_is_no_difference() -> None:
    """After folding, the convolution makes what the normalisation made; what is wrong lies behind it."""
    builder = GraphBuilder("folded")
    x = builder.batch_norm(builder.conv(builder.input("x", (1, 3, 5, 5)), 4, kernel=3, name="conv"), name="norm")
    generator = np.random.default_rng(0)
    for one in builder.graph.node("norm").operands[1:]:
        one.weight = Array.of(generator.uniform(0.5, 2, 4).astype(np.float32))
    before = builder.build(builder.conv(builder.relu(x, name="relu"), 2, kernel=3, name="last"))
    after = before.apply("fold", check="values").graph
    assert "norm" not in {one.name for one in after.nodes}
    spoilt(after, "last")
    assert compare_values(before, after).first == "last"


def test_dims_of_one_do_not_matter() -> None:
    """``[1, 4, 1, 1]`` against ``[1, 4]`` on the way; the layer behind is the one that is wrong."""
    before, after = chain(), chain()
    flat = after.node("flat")
    rewriter = Rewriter(after)
    smooth = rewriter.insert(Sigmoid(), [after.value("relu")], before=flat).output
    again = rewriter.insert(Reshape((1, 4)), [smooth], before=after.node("fc")).output
    rewriter.set_operand(after.node("fc"), 0, again)
    rewriter.remove_unused()
    rewriter.rename(smooth, "smooth")
    assert compare_values(before, after).equal
    spoilt(after, "fc")
    assert compare_values(before, after).first == "fc"


def test_another_shape_is_told() -> None:
    """Twice as many elements are no number's difference."""
    before, after = chain(), chain()
    last = after.value("fc")
    twice = Rewriter(after).insert(Add(), [last, after.add_weight("w", Array.of(np.zeros((2, 1), np.float32)))]).output
    after.set_outputs([twice])
    found = compare_values(before, after)
    assert found.relative == float("inf")
    assert str(found.divergence) == f"{twice.name} (before: fc) has another shape, [2, 3] after [1, 3]"


def test_what_is_fed_may_be_given() -> None:
    """Zeros hide a weight, ones do not."""
    before, after = chain(), chain()
    spoilt(after, "conv")
    assert compare_values(before, after, feed={"x": np.zeros((1, 3, 5, 5), np.float32)}).equal
    assert not compare_values(before, after, feed={"x": np.ones((1, 3, 5, 5), np.float32)}).equal


# Half precision


def half(shift: float = 0.0) -> Graph:
    """A float16 convolution, normalised; the weights moved by a factor."""
    builder = GraphBuilder("half", dtype=DType.FLOAT16)
    x = builder.input("image", (2, 3, 8, 8))
    x = builder.batch_norm(builder.conv(x, 8, kernel=3, name="conv"), name="norm")
    generator = np.random.default_rng(0)
    for one in builder.graph.node("norm").operands[1:]:
        one.weight = Array.of(generator.uniform(0.5, 2, 8).astype(np.float16))
    (weight,) = (one for one in builder.graph.weights if isinstance(one.type, TensorType) and one.type.rank == 4)
    drawn = generator.standard_normal((8, 3, 3, 3)) * (1 + shift)
    weight.weight = Array.of(drawn.astype(np.float16))
    return builder.build(builder.relu(x, name="relu"))


def test_half_precision_may_round_elsewhere() -> None:
    """The folded network differs by roundings, which single precision does not allow; by no more than those."""
    found = half().apply("fold", check="values").check
    assert found is not None
    assert found.equal
    assert 1e-4 < found.relative < 5e-3


def test_half_precision_is_no_excuse() -> None:
    """Weights that are off by a twentieth are another network, and the layer is named."""
    found = compare_values(half(), half(0.05))
    assert not found.equal
    assert found.first == "conv"
