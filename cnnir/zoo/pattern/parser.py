"""From text to a pattern, by recursive descent; every refusal points at its column.

    network  = chain [ "where" NAME "=" VALUE { "," NAME "=" VALUE } ]
    chain    = item { "->" item }
    item     = ( layer | "[" chain "]" | "{" chain { "|" chain } "}" join ) { "?" [ flag ] | "*" times }
    layer    = WORD [ size ] [ "-" filters ] [ "/" stride ] [ "(" option { "," option } ")" ]
             | "INPUT" [ "[" height "x" width "x" channels "]" ] [ "(" ... ")" ]
    option   = NAME "=" SETTING | NAME | NUMBER

Space and line breaks separate; what follows a ``#`` on a line is a comment.
"""

import re

from cnnir.errors import CnnirError
from cnnir.zoo.pattern.syntax import Branches, Chain, Item, Layer, Number, Optional, Pattern, Repeated, Setting

_SPACE = re.compile(r"(?:\s|#[^\n]*)*")
_ARROW = re.compile("->|\N{RIGHTWARDS ARROW}")
_WORD = re.compile(r"[A-Za-z]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_SIZES = re.compile(r"[0-9]+(?:x[0-9]+)*(?![0-9x])")
_COUNT = re.compile(r"[0-9]+|[A-Za-z_][A-Za-z0-9_]*")
_FILTERS = re.compile(r"-(?!>)")
_SHAPE = re.compile(r"[0-9A-WYZa-wyz_]+(?:x[0-9A-WYZa-wyz_]+)*")
_FLOAT = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z_.])|\.[0-9]+")
_WHERE = re.compile(r"where\b")
_VALUE = re.compile(r"[0-9]+|on\b|off\b|true\b|false\b")

JOINS = ("concat", "add", "sum", "mul")
"""How the ends of branches become one value: side by side along the channels, summed, multiplied."""

_FLAGS = {"on": True, "true": True, "off": False, "false": False}

_LONGEST = 18
"""Digits of a whole number: what has more is no size that a memory has."""

_DEEPEST = 50
"""Nested brackets and braces; more is no network that a person wrote."""


def parse(text: str) -> Pattern:
    """The pattern that the text stands for.

    Raises:
        CnnirError: ``pattern-syntax`` with the column, and the line where there are several.
    """
    return _Parser(text).network()


def fault(text: str, place: int, message: str, *, got: object = None, hint: str | None = None) -> CnnirError:
    """A ``pattern-syntax`` error at that place of the text."""
    return CnnirError("pattern-syntax", message, node=where(text, place), got=got, hint=hint)


def where(text: str, place: int) -> str:
    """The place in words, counted from one: ``column 7``, or ``line 2, column 7`` where there are several lines."""
    line = text.count("\n", 0, place) + 1
    column = place - (text.rfind("\n", 0, place) + 1) + 1
    return f"line {line}, column {column}" if "\n" in text.strip() else f"column {column}"


class _Parser:
    """One pass over the text; `position` is where the next thing begins."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.depth = 0
        self._skip()

    def network(self) -> Pattern:
        chain = self._chain()
        values: dict[str, int | bool] = {}
        if self._take(_WHERE):
            self._given(values)
            while self._take(","):
                self._given(values)
        if self.position < len(self.text):
            raise self._fault("an arrow was expected")
        return Pattern(chain, values)

    def _given(self, values: dict[str, int | bool]) -> None:
        place = self.position
        name = self._expect(_NAME, "a variable or a flag was expected")
        if name in values:
            raise fault(self.text, place, f"{name} has a value already")
        self._expect("=", f"'=' was expected after {name}")
        place = self.position
        value = self._expect(_VALUE, "a whole number, on or off was expected")
        values[name] = _FLAGS[value] if value in _FLAGS else self._whole(value, place)

    def _chain(self) -> Chain:
        items = [self._item()]
        while self._take(_ARROW):
            items.append(self._item())
        return Chain(tuple(items))

    def _item(self) -> Item:
        place = self.position
        item = self._unit()
        while True:
            here = self.position
            if self._take("?"):
                flag = self._take(_NAME)
                if flag is None and not isinstance(item, Layer):
                    raise fault(self.text, here, "a flag was expected after '?'", hint="[...]?deep")
                item = Optional(item, flag or item.word.lower() if isinstance(item, Layer) else flag or "", place)
            elif self._take("*"):
                item = Repeated(item, self._number("how many times was expected after '*'"), place)
                self._skip()
            else:
                return item

    def _unit(self) -> Item:
        place = self.position
        if self._take("["):
            self._enter(place)
            chain = self._chain()
            self._close("]", place)
            return chain
        if self._take("{"):
            self._enter(place)
            chains = [self._chain()]
            while self._take("|"):
                chains.append(self._chain())
            self._close("}", place)
            return Branches(tuple(chains), self._join(), place)
        return self._layer()

    def _enter(self, place: int) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise fault(self.text, place, f"brackets are nested more than {_DEEPEST} deep")

    def _close(self, bracket: str, opened: int) -> None:
        if self.position >= len(self.text):
            raise fault(self.text, opened, f"'{self.text[opened]}' is not closed")
        if not self._take(bracket):
            raise self._fault(f"an arrow or '{bracket}' was expected")
        self.depth -= 1

    def _join(self) -> str:
        place = self.position
        join = self._expect(_WORD, f"what joins the branches was expected: {', '.join(JOINS)}").lower()
        if join not in JOINS:
            raise fault(self.text, place, "no such join", got=join, hint=f"there are {', '.join(JOINS)}")
        return join

    def _layer(self) -> Layer:
        place = self.position
        match = _WORD.match(self.text, place)
        if match is None:
            raise self._fault("a layer was expected")
        self.position = match.end()  # what belongs to the layer follows without a space
        word = match.group().upper()
        sizes = self._sizes(self._here(_SIZES) or "", match.end())
        shape = self._shape() if word == "INPUT" and self.text.startswith("[", self.position) else ()
        filters = self._number("the number of filters was expected") if self._here(_FILTERS) else None
        stride = self._strides() if self._here("/") else ()
        options = self._options() if self._here("(") else ()
        self._skip()
        return Layer(word, sizes, filters, stride, options, shape, place)

    def _shape(self) -> tuple[Number, ...]:
        opened = self.position
        self._take("[")
        place = self.position
        sizes = self._expect(_SHAPE, "height x width x channels was expected").split("x")
        self._close("]", opened)
        return tuple(self._whole(size, place) if size.isdigit() else size for size in sizes)

    def _strides(self) -> tuple[int, ...]:
        match = _SIZES.match(self.text, self.position)
        if match is None:
            raise self._fault("a stride was expected after '/'")
        self.position = match.end()
        return self._sizes(match.group(), match.start())

    def _options(self) -> tuple[tuple[str, Setting], ...]:
        opened = self.position - 1
        self._skip()
        found = [self._option()]
        while self._take(","):
            place = self.position
            found.append(self._option())
            if found[-1][0] in {name for name, _ in found[:-1]}:
                raise fault(self.text, place, "an option is given once")
        self._close(")", opened)
        return tuple(found)

    def _option(self) -> tuple[str, Setting]:
        place = self.position
        number = self._take(_FLOAT)
        if number is not None:
            return "", self._finite(number, place)
        name = self._expect(_NAME, "an option was expected").lower()
        if not self._take("="):
            return name, True
        place = self.position
        sizes = self._take(_SIZES) if not _FLOAT.match(self.text, self.position) else None
        if sizes is not None:
            return name, self._sizes(sizes, place)
        number = self._take(_FLOAT)
        if number is not None:
            whole = number.isdigit() and len(number) <= _LONGEST
            return name, int(number) if whole else self._finite(number, place)
        return name, self._expect(_NAME, f"a value was expected for {name}")

    def _number(self, message: str) -> Number:
        match = _COUNT.match(self.text, self.position)
        if match is None:
            raise self._fault(message)
        self.position = match.end()
        return self._whole(match.group(), match.start()) if match.group().isdigit() else match.group()

    def _sizes(self, text: str, place: int) -> tuple[int, ...]:
        """``3x5``; none of an empty text."""
        return tuple(self._whole(size, place) for size in text.split("x")) if text else ()

    def _whole(self, digits: str, place: int) -> int:
        if len(digits) > _LONGEST:
            raise fault(self.text, place, f"a whole number has at most {_LONGEST} digits", got=len(digits))
        return int(digits)

    def _finite(self, number: str, place: int) -> float:
        found = float(number)
        if found == float("inf"):
            raise fault(self.text, place, "the number is too large", got=number[:20])
        return found

    def _expect(self, wanted: "str | re.Pattern[str]", message: str) -> str:
        found = self._take(wanted)
        if found is None:
            raise self._fault(message)
        return found

    def _take(self, wanted: "str | re.Pattern[str]") -> str | None:
        """What is wanted, and the space after it, when it stands here."""
        found = self._here(wanted)
        if found is not None:
            self._skip()
        return found

    def _here(self, wanted: "str | re.Pattern[str]") -> str | None:
        """What is wanted when it stands here."""
        if isinstance(wanted, str):
            found = wanted if self.text.startswith(wanted, self.position) else None
        else:
            match = wanted.match(self.text, self.position)
            found = match.group() if match else None
        self.position += len(found or "")
        return found

    def _skip(self) -> None:
        match = _SPACE.match(self.text, self.position)
        self.position = match.end() if match else self.position

    def _fault(self, message: str) -> CnnirError:
        rest = self.text[self.position :].split(maxsplit=1)
        return fault(self.text, self.position, message, got=rest[0][:20] if rest else "the end")
