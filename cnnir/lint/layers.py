"""L: layers, their activations, and what nobody uses."""

from collections.abc import Iterator

from cnnir.dims import is_known
from cnnir.graph import Node, Value
from cnnir.lint.model import Found, Subject, rule, shape
from cnnir.lint.view import LAYERS, MOVING, behind
from cnnir.ops import (
    Add,
    BatchNormalization,
    Clip,
    Conv,
    Gemm,
    HardSigmoid,
    MaxPool,
    ReduceMean,
    Relu,
    Sigmoid,
    Softmax,
)
from cnnir.ops.activation import Activation
from cnnir.ops.pooling import AveragePool, GlobalPool


@rule(
    "L001",
    "a bias before batch normalisation",
    why="Batch normalisation subtracts the mean of each channel, and with it whatever a bias has added; its own shift"
    " does the bias's work. The bias is a parameter that is stored, updated and never matters (Ioffe and Szegedy,"
    ' "Batch Normalization", 2015, section 3.2).',
    fix="Make the layer without a bias; at inference, fold the normalisation into the layer.",
)
def bias_before_normalisation(subject: Subject) -> Iterator[Found]:
    """A layer with a bias whose output goes to a batch normalisation alone."""
    for node in subject.graph.nodes:
        bias = node.inputs[2] if isinstance(node.op, Conv | Gemm) and len(node.inputs) > 2 else None
        users = node.outputs[0].users
        if subject.graph.is_output(node.outputs[0]):
            continue  # the bias is in what the network gives out
        if bias is None or len(users) != 1 or not isinstance(users[0].op, BatchNormalization):
            continue
        (count,) = shape(bias)[-1:] or (0,)
        yield Found(
            node,
            f"its bias ({count} parameters) is undone by {users[0].name}, which subtracts the mean",
            f"bias=False: {count} parameters less, the same network",
        )


_LOOKED_THROUGH = (*MOVING, MaxPool)
"""Ops behind which values still are what an activation made of them."""


@rule(
    "L002",
    "an activation behind an activation",
    why="The second one finds values that the first has already bent: ReLU behind ReLU does nothing, Softmax behind"
    " Softmax or Sigmoid flattens probabilities, Sigmoid behind ReLU never says less than one half, and a ReLU before"
    " the last Softmax takes every negative score away. It is usually left over from an edit.",
    fix="Keep one of them.",
)
def doubled(subject: Subject) -> Iterator[Found]:
    """Two activations with nothing but views and maximum pooling between."""
    for node in subject.graph.nodes:
        if not isinstance(node.op, Activation | Softmax):
            continue
        source = behind(node.inputs[0], _LOOKED_THROUGH)
        first = source.producer if source is not None else None
        if first is None or not isinstance(first.op, Activation | Softmax):
            continue
        effect = "changes nothing" if _is_idle(first, node) else "bends it a second time"
        yield Found(
            node,
            f"{node.op.kind} behind {first.label} {effect}",
            f"drop {node.name if _is_idle(first, node) else first.name}",
        )


def _is_idle(first: Node, second: Node) -> bool:
    """Whether the second leaves all that the first can give as it is."""
    if isinstance(second.op, Relu):
        low = first.op.low if isinstance(first.op, Clip) else None
        return isinstance(first.op, Relu | Sigmoid | HardSigmoid | Softmax) or (low is not None and low >= 0)
    return isinstance(second.op, Clip) and first.op == second.op


@rule(
    "L003",
    "no activation behind the last layer",
    why="The network gives raw scores. That is right for training with a loss that has its own Softmax, and for the"
    " order of the classes; but raw scores are no probabilities, and whoever sets a threshold or averages them over"
    " crops, as if they were, gets other answers. A model that leaves training should say which it is.",
    fix="End with Softmax (one class of several) or Sigmoid (each class for itself), or ignore this rule for models"
    " whose scores or regressed values are meant to be raw.",
)
def raw_scores(subject: Subject) -> Iterator[Found]:
    """Outputs of one vector an image, of two or more entries, that come from a layer with no activation behind."""
    for value in dict.fromkeys(subject.graph.outputs):
        sizes = shape(value)
        if len(sizes) < 2 or any(size != 1 for size in sizes[2:]) or sizes[1] == 1:
            continue
        layer = _layer_of(value)
        if layer is not None:
            count = sizes[1] if is_known(sizes[1]) else "raw"
            yield Found(
                layer,
                f"the output {value.name} is {count} raw scores",
                "add a Softmax, or a Sigmoid for classes that do not exclude each other",
            )


def _layer_of(value: Value) -> Node | None:
    """The layer that makes a value, seen through averages and an added bias."""
    averaged = behind(value, (*MOVING, GlobalPool, AveragePool, ReduceMean))
    node = averaged.producer if averaged is not None else None
    if node is not None and isinstance(node.op, Add):
        operands = [operand for operand in node.operands if operand.weight is None]
        node = operands[0].producer if len(operands) == 1 else None
    return node if node is not None and isinstance(node.op, LAYERS) else None


@rule(
    "L004",
    "a layer whose output nobody uses",
    why="It is computed, or at least stored, for nothing: a head that was cut off, an output that was forgotten, or a"
    " branch that an edit has left behind.",
    fix="Make its output one of the network's, or remove it (the pass dead-code does).",
)
def unused(subject: Subject) -> Iterator[Found]:
    """Nodes none of whose outputs is read or given out; those that serve them alone are counted."""
    graph = subject.graph
    needed: set[Node] = set()
    serves: dict[Node, int] = {}
    for node in reversed(graph.nodes):
        if any(graph.is_output(value) or any(user in needed for user in value.users) for value in node.outputs):
            needed.add(node)
    for node in graph.nodes:
        if node in needed:
            continue
        before = {value.producer for value in node.operands if value.producer in serves}
        serves[node] = 1 + sum(serves[producer] for producer in before if producer is not None)
        if not any(value.users for value in node.outputs):
            more = serves[node] - 1
            yield Found(
                node,
                "nobody uses its output"
                + (f"; {more} more {'nodes serve' if more > 1 else 'node serves'} it alone" if more else ""),
                f"make {node.outputs[0].name} an output of the network, or remove it" if node.outputs else "remove it",
            )
