"""Reading the canonical text form back into a graph."""

import dataclasses
import json
import re
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, NoReturn

import numpy as np

from cnnir.dims import Dim, SymbolicDim, parse_dim
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import REGISTRY
from cnnir.ops.base import Op
from cnnir.text.printer import GIVEN
from cnnir.types import DType, OptionalType, SequenceType, TensorType, Type, UnknownType, known_shape
from cnnir.weights import Fill, Seeded, Weight

_TOKEN = re.compile(
    r'\s*(?:(?P<name>%(?:"(?:[^"\\]|\\.)*"|[A-Za-z0-9_./:\-]*[A-Za-z0-9_./\-]))|(?P<text>"(?:[^"\\]|\\.)*")'
    r"|(?P<number>-?(?:0x[0-9a-f]+|(?:\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|inf|nan)\b))|(?P<word>[A-Za-z_]\w*)|(?P<sign>//|\S))"
)


def parse_graph(text: str, weights: Mapping[str, Weight] | None = None) -> Graph:
    """The graph that `print_graph` printed.

    Args:
        text: Canonical text.
        weights: Contents of the weights that the text gives as ``given``, by name.

    Raises:
        CnnirError: ``text-syntax`` with line and column, ``weight-missing``, ``type-mismatch`` when a printed type is
            not the inferred one, or whatever building the graph raises.
    """
    return _Parser(text, weights or {}).graph()


class _Parser:
    """One token of lookahead."""

    def __init__(self, text: str, weights: Mapping[str, Weight]) -> None:
        self.text = text
        self.weights = weights
        self.position = 0
        self.start = 0
        self.kind = ""
        self.word = ""
        self.advance()

    # Tokens

    def advance(self) -> str:
        """Step to the next token; gives the one stepped over."""
        old = self.word
        match = _TOKEN.match(self.text, self.position)
        if match is None or match.lastgroup is None:
            self.kind = self.word = ""
            self.start = len(self.text)
        else:
            self.kind, self.word = match.lastgroup, match[match.lastgroup]
            self.start, self.position = match.start(match.lastgroup), match.end()
        return old

    def fail(self, expected: str) -> NoReturn:
        before = self.text[: self.start]
        line, column = before.count("\n") + 1, self.start - before.rfind("\n")
        got = self.word or "the end"
        raise CnnirError("text-syntax", f"line {line}, column {column}", expected=expected, got=got)

    def accept(self, word: str) -> bool:
        if self.word == word and self.kind in ("sign", "word"):
            self.advance()
            return True
        return False

    def expect(self, word: str) -> None:
        if not self.accept(word):
            self.fail(word)

    def string(self) -> str:
        if self.kind != "text":
            self.fail("a quoted text")
        return str(json.loads(self.advance()))

    def integer(self) -> int:
        if self.kind != "number":
            self.fail("a number")
        try:
            return int(self.word)
        except ValueError:
            self.fail("a whole number")
        finally:
            self.advance()

    def name(self) -> str:
        if self.kind != "name":
            self.fail("a name")
        word = self.advance()[1:]
        return str(json.loads(word)) if word.startswith('"') else word

    # The graph

    def graph(self) -> Graph:
        self.expect("graph")
        graph = Graph(self.string())
        graph.provenance.opsets.clear()
        outputs: list[Value] = []
        listed: list[str] = []
        self.expect("{")
        while not self.accept("}"):
            if self.kind == "word" and self.word in ("ir", "opset", "field", "metadata", "listed", "extra"):
                self._provenance(graph, listed)
            elif self.accept("input"):
                name, type_ = self._definition()
                graph.add_input(name, type_)
            elif self.accept("weight"):
                name, type_ = self._definition()
                graph.add_weight(name, self._weight(name, type_))
            elif self.accept("output"):
                outputs.append(graph.value(self.name()))
            else:
                self._node(graph)
        if self.kind:
            self.fail("the end")
        graph.provenance.listed = tuple(listed)
        graph.set_outputs(outputs)
        return graph

    def _provenance(self, graph: Graph, listed: list[str]) -> None:
        kind, source = self.advance(), graph.provenance
        if kind == "ir":
            source.ir_version = self.integer()
        elif kind == "opset":
            domain = self.string()
            source.opsets[domain] = self.integer()
        elif kind == "listed":
            listed.append(self.name())
        elif kind == "extra":
            key = self.string()
            source.extras[key] = bytes.fromhex(self.string())
        else:
            key = self.string()
            (source.fields if kind == "field" else source.metadata)[key] = self.string()

    def _definition(self) -> tuple[str, Type]:
        name = self.name()
        self.expect(":")
        return name, self._type()

    def _node(self, graph: Graph) -> None:
        defined = []
        while self.kind == "name":
            defined.append(self._definition())
            if not self.accept(","):
                break
        self.expect("=")
        op_class = REGISTRY.get(self.word)
        if op_class is None:
            self.fail("the name of an op")
        self.advance()
        self.expect("(")
        inputs: list[Value | None] = []
        while not self.accept(")"):
            inputs.append(None if self.accept("_") else graph.value(self.name()))
            if self.word != ")":
                self.expect(",")
        op = self._op(op_class)
        name = self.name() if self.accept("as") else defined[0][0] if defined else None
        metadata = self._metadata() if self.accept("with") else {}
        node = graph.add_node(op, inputs, name=name, outputs=[name for name, _ in defined], metadata=metadata)
        _agree(node, [type_ for _, type_ in defined])

    def _metadata(self) -> dict[str, str]:
        found = {}
        self.expect("{")
        while not self.accept("}"):
            key = self.string()
            self.expect(":")
            found[key] = self.string()
            if self.word != "}":
                self.expect(",")
        return found

    # Types and weights

    def _type(self) -> Type:
        word = self.advance()
        if word in ("sequence", "optional"):
            self.expect("(")
            element = self._type()
            self.expect(")")
            return SequenceType(element) if word == "sequence" else OptionalType(element)
        if word == "unknown":
            return self._unknown()
        dtype = self._dtype(word)
        return TensorType(dtype, self._dims())

    def _unknown(self) -> UnknownType:
        dtype: DType | None = None
        declared = b""
        if self.accept("("):
            if self.kind == "word":
                dtype = self._dtype(self.advance())
                self.accept(",")
            if self.kind == "text":
                declared = bytes.fromhex(self.string())
            self.expect(")")
        return UnknownType(dtype, declared)

    def _dtype(self, word: str) -> DType:
        try:
            return DType(word)
        except ValueError:
            self.fail("an element type")

    def _dims(self) -> tuple[Dim, ...]:
        self.expect("[")
        dims = []
        while self.word != "]":
            dims.append(self._dim())
            if self.word != "]":
                self.expect(",")
        self.expect("]")
        return tuple(dims)

    def _dim(self) -> Dim:
        """The text up to the comma or bracket outside of all parentheses, read as a dim."""
        begin, depth = self.start, 0
        while self.kind and not (depth == 0 and self.word in (",", "]")):
            depth += (self.word == "(") - (self.word == ")")
            self.advance()
        if begin == self.start or not self.kind:
            self.fail("a dim")
        return parse_dim(self.text[begin : self.start])

    def _weight(self, name: str, type_: Type) -> Weight:
        self.expect("=")
        if not isinstance(type_, TensorType):
            self.fail("a tensor type for a weight")
        shape = known_shape(type_.shape, name)
        if self.accept(GIVEN):
            if name not in self.weights:
                raise CnnirError("weight-missing", "the text does not tell the weight's contents", node=name)
            return self.weights[name]
        if self.accept("fill"):
            self.expect("(")
            raw = bytes.fromhex(self.advance().removeprefix("0x"))
            self.expect(")")
            return Fill(type_.dtype, shape, np.frombuffer(raw, type_.dtype.numpy)[0])
        self.expect("seeded")
        self.expect("(")
        seed = self.integer()
        self.expect(",")
        key = self.integer()
        self.expect(",")
        scale = float(self.advance())
        self.expect(")")
        return Seeded(type_.dtype, shape, seed, key, scale)

    # Ops

    def _op(self, op_class: type[Op]) -> Op:
        found: dict[str, Any] = {}
        hints = _field_types(op_class)
        if self.accept("{"):
            while not self.accept("}"):
                if self.word not in hints:
                    self.fail(f"an attribute of {op_class.__name__}")
                field = self.advance()
                self.expect("=")
                found[field] = self._attribute(hints[field])
                if self.word != "}":
                    self.expect(",")
        missing = [f.name for f in dataclasses.fields(op_class) if f.default is dataclasses.MISSING and f.name not in found]
        if missing:
            self.fail(f"the attribute {missing[0]} of {op_class.__name__}")
        return op_class(**found)

    def _attribute(self, hint: Any) -> Any:
        options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
        if type(None) in options and self.accept("null"):
            return None
        if self.word == "[":
            return self._items(next(option for option in options if typing.get_origin(option) is tuple))
        if self.kind == "text":
            text = self.string()
            return bytes.fromhex(text) if bytes in options else text
        if self.kind == "word" and self.word in ("true", "false"):
            return self.advance() == "true"
        if DType in options:
            return self._dtype(self.advance())
        return self._number(options)

    def _items(self, hint: Any) -> tuple[Any, ...]:
        element = typing.get_args(hint)[0]
        if SymbolicDim in typing.get_args(element):
            return self._dims()
        self.expect("[")
        items = []
        while not self.accept("]"):
            items.append(self._attribute(element))
            if self.word != "]":
                self.expect(",")
        return tuple(items)

    def _number(self, options: tuple[Any, ...]) -> int | float:
        if self.kind != "number":
            self.fail("an attribute's value")
        word = self.advance()
        is_whole = re.fullmatch(r"-?\d+", word) is not None
        return int(word) if is_whole and int in options else float(word)


@cache
def _field_types(op_class: type[Op]) -> Mapping[str, Any]:
    hints = typing.get_type_hints(op_class)
    return {field.name: hints[field.name] for field in dataclasses.fields(op_class)}


def _agree(node: Node, printed: list[Type]) -> None:
    """Printed types must be the inferred ones; where nothing is inferred they are taken over."""
    for value, type_ in zip(node.outputs, printed, strict=True):
        if isinstance(value.type, UnknownType):
            value.type = type_
        elif value.type != type_:
            raise CnnirError(
                "type-mismatch", f"{value.name} has another type than is printed", node=node.label,
                expected=value.type, got=type_,
            )  # fmt: skip
