"""Making the height and width of the input symbolic, once nothing in the network is tied to one size."""

from collections.abc import Iterator

from cnnir.constraints import Constraint
from cnnir.dims import Dim, is_known, symbol, symbols
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Cast, Identity, PRelu, Reshape, Transpose
from cnnir.ops.elementwise import Broadcasting
from cnnir.ops.function import Function
from cnnir.passes.base import Refusal
from cnnir.rewriter import Rewriter
from cnnir.types import TensorType

_TRIED = 1024
"""How many larger sizes are tried: conditions on branches that meet (a Concat) may hold for few of them."""

_SHUFFLED = (0, 2, 1, 3, 4)
_TO_CHANNELS_FIRST = (0, 3, 1, 2)


def image_axes(value: Value) -> tuple[int, int] | None:
    """The axes of height and width of an input; None for what is no image.

    An image is channels-last when all that reads it is a transpose to channels-first, as tf2onnx writes it; pixels may
    be scaled and shifted before that.
    """
    if not isinstance(value.type, TensorType) or value.type.rank != 4:
        return None
    return (1, 2) if _turned(value) else (2, 3)


def _turned(value: Value) -> bool:
    """True when everything that reads the value, or what is computed of it pixel by pixel, turns channels first."""
    for node in value.users:
        if isinstance(node.op, Broadcasting | Function | Cast | Identity | PRelu):
            if _shape(node) != tensor(value).shape or not _turned(node.output):
                return False
        elif not isinstance(node.op, Transpose) or node.op.permutation != _TO_CHANNELS_FIRST:
            return False
    return bool(value.users)


def tensor(value: Value) -> TensorType:
    """The type of a value that is a tensor.

    Raises:
        CnnirError: ``operand-type`` when it is none.
    """
    if not isinstance(value.type, TensorType):
        raise CnnirError("operand-type", "a tensor is needed", node=value.name, got=value.type)
    return value.type


def open_sizes(graph: Graph) -> Refusal | None:
    """Make height and width of the images symbolic; symbols that are there are kept.

    Args:
        graph: Changed in place; of no use any more when the answer is a refusal.

    Returns:
        What is still tied to the native size, None when nothing is.
    """
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if isinstance(node.op, Reshape):
            _loosen_shuffle(rewriter, node)
    native: dict[str, int] = {}
    images = [(value, axes) for value in graph.inputs if (axes := image_axes(value)) is not None]
    if not images:
        return Refusal("no input is an image of four axes, so that there is no height and width to be made symbolic")
    for value, axes in images:
        type_ = tensor(value)
        shape = list(type_.shape)
        for axis, wish in zip(axes, "HW", strict=True):
            shape[axis] = _symbol(shape[axis], wish, native, graph)
        try:
            rewriter.set_type(value, type_.with_shape(tuple(shape)))
        except CnnirError as error:
            return Refusal(f"tied to the native size: {error.message}", (error.node,) if error.node else ())
    return _still_tied(graph, native)


def _symbol(dim: Dim, wish: str, native: dict[str, int], graph: Graph) -> Dim:
    """A symbol for a size: the one that stands for the same native size already, or a new one."""
    if not is_known(dim):
        native.update({name: 1 for name in symbols(dim) if name not in native})
        return dim
    taken = set(native) | {name for value in graph.inputs for name in _names(value)}
    number, name = 1, wish
    while name in taken and native.get(name) != dim:
        number, name = number + 1, f"{wish}{number + 1}"
    native[name] = dim
    return symbol(name)


def _names(value: Value) -> Iterator[str]:
    if isinstance(value.type, TensorType):
        for dim in value.type.shape:
            yield from symbols(dim)


def _still_tied(graph: Graph, native: dict[str, int]) -> Refusal | None:
    """Whether some larger image is taken, and every output is a map that grows with it."""
    conditions = graph.constraints
    failed: Constraint | None = None
    for more in range(1, max(_TRIED, *native.values()) + 1):
        sizes = {name: size + more for name, size in native.items()}
        failed = next((one for one in conditions if one.check(sizes) is False), None)
        if failed is None:
            break
    if failed is not None:
        return Refusal(f"tied to the native size: {failed.reason}", (failed.node,) if failed.node else ())
    for value in graph.outputs:
        if not isinstance(value.type, TensorType) or value.type.rank != 4:
            return Refusal(f"output {value.name} does not become a map, it is {value.type}", _label(value.producer))
        grows = [bool(symbols(dim) & set(native)) for dim in value.type.shape[2:]]
        if not (all(grows) if len(native) > 1 else any(grows)):
            return Refusal(f"output {value.name} is one score for any size of image", _label(value.producer))
    return None


def _label(node: Node | None) -> tuple[str, ...]:
    return () if node is None else (node.label,)


def _loosen_shuffle(rewriter: Rewriter, first: Node) -> None:
    """A channel shuffle (Zhang et al., "ShuffleNet", 2018, section 3.1) without the size of its map.

    It is written ``[N, g*c, H, W] -> [N, g, c, H, W] -> [N, c, g, H, W] -> [N, c*g, H, W]``. ONNX can copy a dim at its
    own place only and infer one more: ``(0, g, c, 0, -1)`` makes ``[N, g, c, W, H]`` of it, the same elements in the
    same order, for the transpose leaves the last two axes together; ``(0, c*g, -1, 0)`` takes W back from axis 3.
    """
    second = _only_reader(first)
    last = _only_reader(second) if second is not None else None
    if second is None or last is None or not isinstance(second.op, Transpose) or not isinstance(last.op, Reshape):
        return
    before, between, after = (_shape(node) for node in (first, second, last))
    if second.op.permutation != _SHUFFLED or _input_shape(first) != after or len(after) != 4 or len(before) != 5:
        return
    if before[3:] != after[2:] or between[3:] != after[2:] or before[0] != after[0] or not all(map(is_known, after)):
        return
    rewriter.replace_node(first, Reshape((0, before[1], before[2], 0, -1)), allow_retype=True)
    rewriter.replace_node(last, Reshape((0, after[1], -1, 0)), allow_retype=True)


def _only_reader(node: Node) -> Node | None:
    users = node.outputs[0].users
    return users[0] if len(users) == 1 else None


def _shape(node: Node) -> tuple[Dim, ...]:
    type_ = node.outputs[0].type
    return type_.shape if isinstance(type_, TensorType) else ()


def _input_shape(node: Node) -> tuple[Dim, ...]:
    type_ = node.operands[0].type
    return type_.shape if isinstance(type_, TensorType) else ()
