"""The words of the text form, one at a time, with their places for messages."""

import json
import re
from functools import lru_cache
from typing import NoReturn

from cnnir.dims import Dim, parse_dim
from cnnir.errors import CnnirError

# A plain name does not end in a colon: one stands behind the name where a value is made.
_PLAIN_NAME = r"[A-Za-z0-9_./:\-]*[A-Za-z0-9_./\-]"
_STRING = r"\"(?:[^\"\\\n]|\\.)*\""
_TOKEN = re.compile(
    rf"(?:[ \t\r\n]+|\#[^\n]*)*(?:(?P<name>%(?:{_PLAIN_NAME}|{_STRING}))|(?P<sign>//|[-+*%?()\[\]{{}}:,=])"
    rf"|(?P<string>{_STRING})|(?P<bytes>0x[0-9a-f]*)|(?P<number>[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?)"
    r"|(?P<word>[^\W\d]\w*)|(?P<end>\Z)|(?P<nothing>.))"
)
_PLAIN = re.compile(_PLAIN_NAME)
_OPENING, _CLOSING = frozenset("(["), frozenset(")]}")


@lru_cache(maxsize=1 << 16)
def print_name(name: str) -> str:
    """A value's or node's name: ``%conv1`` or ``%"a name"``."""
    return f"%{name}" if _PLAIN.fullmatch(name) else f"%{json.dumps(name)}"


class Tokens:
    """The tokens of a text, with one of lookahead."""

    def __init__(self, text: str) -> None:
        self.source = text
        found = ((match, match.lastgroup or "") for match in _TOKEN.finditer(text))
        self.tokens = [(kind, match[kind], match.start(kind)) for match, kind in found]
        self.position = 0

    @property
    def kind(self) -> str:
        """What the next token is."""
        return self.tokens[self.position][0]

    @property
    def text(self) -> str:
        """The next token."""
        return self.tokens[self.position][1]

    def peek(self) -> str:
        """The token behind the next one."""
        return self.tokens[min(self.position + 1, len(self.tokens) - 1)][1]

    def place(self, position: int | None = None) -> str:
        """Line and column of a token, of the next one when None."""
        offset = self.tokens[self.position if position is None else position][2]
        line = self.source.count("\n", 0, offset) + 1
        column = offset - (self.source.rfind("\n", 0, offset) + 1) + 1
        return f"line {line}, column {column}"

    def fail(self, expected: str) -> NoReturn:
        """Refuse the next token.

        Raises:
            CnnirError: ``text-syntax``, always.
        """
        raise CnnirError(
            "text-syntax",
            "the text does not read",
            node=self.place(),
            expected=expected,
            got=ascii(self.text) if self.kind == "nothing" else self.text or "the end",
        )

    def take(self, kind: str, expected: str) -> str:
        """The next token, which must be of that kind."""
        found, text, _ = self.tokens[self.position]
        if found != kind:
            self.fail(expected)
        self.position += 1
        return text

    def accept(self, text: str) -> bool:
        """Step over the next token when it is this one."""
        if self.tokens[self.position][1] != text:
            return False
        self.position += 1
        return True

    def expect(self, text: str) -> None:
        """Step over the next token, which must be this one."""
        if not self.accept(text):
            self.fail(text)

    def more(self, closing: str) -> bool:
        """Inside a list with commas, behind an item: step over a comma (True) or the closing sign (False)."""
        if self.accept(","):
            return True
        if not self.accept(closing):
            self.fail(f", or {closing}")
        return False

    def integer(self) -> int:
        """A whole number with its sign."""
        negative = self.accept("-")
        if not self.text.isdigit():
            self.fail("a whole number")
        number = int(self.take("number", "a whole number"))
        return -number if negative else number

    def real(self) -> float:
        """A number, ``inf`` or ``nan``, with its sign."""
        negative = self.accept("-")
        word = self.text if self.text in ("inf", "nan") else self.take("number", "a number")
        if word in ("inf", "nan"):
            self.position += 1
        return -float(word) if negative else float(word)

    def string(self) -> str:
        """A JSON string."""
        start = self.position
        return self._unquoted(self.take("string", "a text in double quotes"), start)

    def name(self) -> str:
        """The name of a value or a node, without its sign."""
        start = self.position
        text = self.take("name", "a name, which begins with %")[1:]
        return self._unquoted(text, start) if text.startswith('"') else text

    def hexadecimal(self) -> bytes:
        """Bytes, two digits each, as a string."""
        start = self.position
        try:
            return bytes.fromhex(self.string())
        except ValueError:
            self.position = start
            self.fail("hexadecimal digits in double quotes, two a byte")

    def dim(self) -> Dim:
        """A dim: everything up to the next comma or closing bracket at its own level."""
        start, depth = self.position, 0
        while (token := self.tokens[self.position])[0] != "end":
            if not depth and (token[1] == "," or token[1] in _CLOSING):
                break
            depth += (token[1] in _OPENING) - (token[1] in _CLOSING)
            self.position += 1
        if start == self.position:
            self.fail("a dim")
        source = self.source[self.tokens[start][2] : self.tokens[self.position][2]]
        try:
            return int(source) if source.isascii() and source.isdigit() else parse_dim(source)
        except CnnirError as error:
            raise CnnirError(
                "text-syntax",
                "a dim does not read",
                node=self.place(start),
                expected=error.expected,
                got=source.strip(),
            ) from None

    def _unquoted(self, text: str, position: int) -> str:
        try:
            return str(json.loads(text))
        except ValueError:
            self.position = position
            self.fail("a text that JSON reads")
