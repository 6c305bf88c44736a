"""Reading the canonical text form back into a graph; the grammar stands in `cnnir.text`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches

import numpy as np

from cnnir.dims import Dim
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import REGISTRY
from cnnir.ops.base import Op
from cnnir.text.fields import parse_dtype, parse_fields
from cnnir.text.printer import GIVEN
from cnnir.text.tokens import Tokens
from cnnir.types import DType, OptionalType, SequenceType, TensorType, Type, UnknownType, known_shape
from cnnir.weights import Fill, Seeded, Weight


def parse_graph(text: str, weights: Mapping[str, Weight] | None = None) -> Graph:
    """The graph that `print_graph` printed; every type is inferred anew and must be the one in the text.

    Args:
        text: Canonical text.
        weights: Contents of the weights that the text gives as ``given``, by name.

    Raises:
        CnnirError: ``text-syntax`` with line and column, ``weight-missing``, ``type-mismatch`` when a printed type is
            not the inferred one, ``value-unknown``, ``op-unknown``, ``name-taken``, or whatever inference raises.
    """
    return _Parser(Tokens(text), weights or {}).graph()


class _Parser:
    """Recursive descent: a method for each rule of the grammar."""

    def __init__(self, tokens: Tokens, weights: Mapping[str, Weight]) -> None:
        self.tokens = tokens
        self.weights = weights
        self.result = Graph()
        self.outputs: list[Value] = []

    def graph(self) -> Graph:
        tokens, result = self.tokens, self.result
        tokens.expect("graph")
        result.name = tokens.string()
        result.provenance.opsets.clear()
        tokens.expect("{")
        while not tokens.accept("}"):
            self._statement()
        if tokens.kind != "end":
            tokens.fail("the end")
        result.set_outputs(self.outputs)
        return result

    def _statement(self) -> None:
        tokens = self.tokens
        if tokens.kind == "name" or tokens.text == "=":
            self._node()
        elif tokens.accept("input"):
            with self._at(tokens.position):
                self.result.add_input(*self._definition())
        elif tokens.accept("weight"):
            with self._at(tokens.position):
                self.result.add_weight(*self._weight())
        elif tokens.accept("output"):
            self.outputs.append(self._operand())
        else:
            self._provenance()

    def _provenance(self) -> None:
        tokens, source = self.tokens, self.result.provenance
        if tokens.accept("ir"):
            source.ir_version = tokens.integer()
        elif tokens.accept("opset"):
            domain = tokens.string()
            source.opsets[domain] = tokens.integer()
        elif tokens.accept("field"):
            name = tokens.string()
            source.fields[name] = tokens.string()
        elif tokens.accept("metadata"):
            key = tokens.string()
            source.metadata[key] = tokens.string()
        elif tokens.accept("listed"):
            source.listed += (tokens.name(),)
        elif tokens.accept("extra"):
            name = tokens.string()
            source.extras[name] = tokens.hexadecimal()
        else:
            tokens.fail("input, weight, output, ir, opset, field, metadata, listed, extra, a node or }")

    @contextmanager
    def _at(self, position: int) -> Iterator[None]:
        """Give the place of a token to errors that name none."""
        try:
            yield
        except CnnirError as error:
            raise error.at(self.tokens.place(position)) from None

    # Values and types

    def _definition(self) -> tuple[str, Type]:
        name = self.tokens.name()
        self.tokens.expect(":")
        return name, self._type()

    def _operand(self) -> Value:
        start = self.tokens.position
        name = self.tokens.name()
        with self._at(start):
            return self.result.value(name)

    def _type(self) -> Type:
        tokens = self.tokens
        if tokens.accept("sequence"):
            return SequenceType(self._element())
        if tokens.accept("optional"):
            return OptionalType(self._element())
        if tokens.accept("unknown"):
            return self._unknown()
        dtype = parse_dtype(tokens)
        dims: list[Dim] = []
        tokens.expect("[")
        open_list = not tokens.accept("]")
        while open_list:
            start = tokens.position
            dims.append(tokens.dim())
            if isinstance(dims[-1], int) and dims[-1] < 0:
                tokens.position = start
                tokens.fail("a dim that is not negative")
            open_list = tokens.more("]")
        return TensorType(dtype, tuple(dims))

    def _element(self) -> Type:
        self.tokens.expect("(")
        element = self._type()
        self.tokens.expect(")")
        return element

    def _unknown(self) -> UnknownType:
        tokens = self.tokens
        if not tokens.accept("("):
            return UnknownType()
        if tokens.kind != "word":
            declared = tokens.hexadecimal()
            tokens.expect(")")
            return UnknownType(None, declared)
        dtype = parse_dtype(tokens)
        if not tokens.more(")"):
            return UnknownType(dtype)
        declared = tokens.hexadecimal()
        tokens.expect(")")
        return UnknownType(dtype, declared)

    # Weights

    def _weight(self) -> tuple[str, Weight]:
        start = self.tokens.position
        name, type_ = self._definition()
        if not isinstance(type_, TensorType):
            self.tokens.position = start
            self.tokens.fail("a weight with the type of a tensor")
        shape = known_shape(type_.shape)
        self.tokens.expect("=")
        weight = self._contents(name, type_.dtype, shape)
        if weight.type != type_:
            raise CnnirError("type-mismatch", "the given weight differs", node=name, expected=type_, got=weight.type)
        return name, weight

    def _contents(self, name: str, dtype: DType, shape: tuple[int, ...]) -> Weight:
        tokens = self.tokens
        if tokens.accept(GIVEN):
            if name not in self.weights:
                hint = "pass the contents of weights that are given, by name"
                raise CnnirError("weight-missing", "the text does not tell the weight's contents", node=name, hint=hint)
            return self.weights[name]
        if tokens.accept("fill"):
            tokens.expect("(")
            weight: Weight = Fill(dtype, shape, self._element_value(dtype))
        elif tokens.accept("seeded"):
            tokens.expect("(")
            seed = tokens.integer()
            tokens.expect(",")
            key = tokens.integer()
            tokens.expect(",")
            weight = Seeded(dtype, shape, seed, key, tokens.real())
        else:
            tokens.fail(f"fill(...), seeded(...) or {GIVEN}")
        tokens.expect(")")
        return weight

    def _element_value(self, dtype: DType) -> np.generic:
        digits = self.tokens.text[2:]
        if self.tokens.kind != "bytes" or dtype is DType.STRING or len(digits) != 2 * dtype.numpy.itemsize:
            self.tokens.fail(f"0x and the bytes of one {dtype.value} in hexadecimal")
        self.tokens.position += 1
        element: np.generic = np.frombuffer(bytes.fromhex(digits), dtype.numpy)[0]
        return element

    # Nodes

    def _node(self) -> None:
        tokens, start = self.tokens, self.tokens.position
        defined: list[tuple[str, Type]] = []
        open_list = not tokens.accept("=")
        while open_list:
            defined.append(self._definition())
            open_list = tokens.more("=")
        op_class = self._op_class()
        inputs = self._inputs()
        op = parse_fields(tokens, op_class)
        if tokens.accept("as"):
            name = tokens.name()
        elif defined:
            name = defined[0][0]
        else:
            tokens.fail("as and a name, for a node without outputs")
        metadata = self._metadata() if tokens.accept("with") else {}
        with self._at(start):
            if self.result.fresh_name(name, node=True) != name:
                raise CnnirError("name-taken", "a second node of one name", got=name)
            node = self.result.add_node(op, inputs, name=name, outputs=[new for new, _ in defined], metadata=metadata)
        _agree(node, [type_ for _, type_ in defined])

    def _op_class(self) -> type[Op]:
        place, name = self.tokens.place, self.tokens.take("word", "the name of an op")
        if name not in REGISTRY:
            close = get_close_matches(name, REGISTRY, n=3)
            raise CnnirError(
                "op-unknown",
                "no op of this name is defined",
                node=place(self.tokens.position - 1),
                got=name,
                hint=f"did you mean {' or '.join(close)}?" if close else f"defined are {', '.join(REGISTRY)}",
            )
        return REGISTRY[name]

    def _inputs(self) -> list[Value | None]:
        tokens = self.tokens
        inputs: list[Value | None] = []
        tokens.expect("(")
        open_list = not tokens.accept(")")
        while open_list:
            inputs.append(None if tokens.accept("_") else self._operand())
            open_list = tokens.more(")")
        return inputs

    def _metadata(self) -> dict[str, str]:
        tokens = self.tokens
        found: dict[str, str] = {}
        tokens.expect("{")
        open_list = not tokens.accept("}")
        while open_list:
            key = tokens.string()
            tokens.expect(":")
            found[key] = tokens.string()
            open_list = tokens.more("}")
        return found


def _agree(node: Node, printed: list[Type]) -> None:
    """Printed types must be the inferred ones; where nothing is inferred they are taken over."""
    for value, type_ in zip(node.outputs, printed, strict=True):
        if isinstance(value.type, UnknownType):
            value.type = type_
        elif value.type != type_:
            raise CnnirError(
                "type-mismatch",
                f"{value.name} has another type than is printed",
                node=node.label,
                expected=value.type,
                got=type_,
            )
