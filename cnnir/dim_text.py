"""Reading dims back from text: a recursive-descent parser of ``+ - * // %`` over ints, names and ``?``."""

import functools
import json
import re
from typing import NoReturn

from cnnir.dims import UNKNOWN, Dim, symbol
from cnnir.errors import CnnirError

# A bare hyphen between letters belongs to a name, as exporters write them (batch-size); a minus has spaces around it.
_TOKEN = re.compile(
    r"\s*(?:(?P<int>\d+)|(?P<name>[^\W\d]\w*(?:-[^\W\d]\w*)*)|(?P<quoted>\"(?:[^\"\\]|\\.)*\")|(?P<sign>//|[-+*%()?]))"
)

_DEEPEST = 100
"""Parentheses and signs within each other: the parser calls itself for each."""

_LONGEST = 1000
"""Digits of a number: Python reads no more than some thousands."""


@functools.lru_cache(4096)  # a file names the same few dims at every value
def parse_dim_text(text: str) -> Dim:
    """See `cnnir.dims.parse_dim`."""
    parser = _Parser(text)
    dim = parser.sum()
    if parser.token is not None:
        parser.fail("an operator or the end")
    return dim


class _Parser:
    """One token of lookahead over the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.start = 0
        self.depth = 0
        self.token: tuple[str, str] | None = None
        self.advance()

    def advance(self) -> None:
        match = _TOKEN.match(self.text, self.position)
        rest = self.text[self.position :]
        self.start = self.position + len(rest) - len(rest.lstrip())
        if match is None:
            self.token = None
            if rest.strip():
                self.fail("a dim")
            return
        kind = match.lastgroup or ""
        self.token = (kind, match[kind])
        self.position = match.end()

    def fail(self, expected: str) -> NoReturn:
        found = self.text[self.start :] or "the end"
        raise CnnirError("dim-syntax", f"column {self.start + 1} of {self.text!r}", expected=expected, got=found)

    def accept(self, *signs: str) -> str | None:
        if self.token is not None and self.token[0] == "sign" and self.token[1] in signs:
            sign = self.token[1]
            self.advance()
            return sign
        return None

    def sum(self) -> Dim:
        total = self.term()
        while sign := self.accept("+", "-"):
            other = self.term()
            total = total + other if sign == "+" else total - other
        return total

    def term(self) -> Dim:
        result = self.factor()
        while sign := self.accept("*", "//", "%"):
            other = self.factor()
            if sign == "*":
                result = result * other
                continue
            if other == 0:
                self.fail("a divisor that is not zero")
            result = result // other if sign == "//" else result % other
        return result

    def factor(self) -> Dim:
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail("fewer parentheses and signs")
        found = self.signed_factor()
        self.depth -= 1
        return found

    def signed_factor(self) -> Dim:
        if self.accept("-"):
            return -self.factor()
        if self.accept("?"):
            return UNKNOWN
        if self.accept("("):
            inner = self.sum()
            if not self.accept(")"):
                self.fail("a closing parenthesis")
            return inner
        if self.token is None or self.token[0] == "sign":
            self.fail("a number, a name or a parenthesis")
        kind, word = self.token
        self.advance()
        if kind == "int":
            if len(word) > _LONGEST:
                self.fail(f"at most {_LONGEST} digits")
            return int(word)
        name = json.loads(word) if kind == "quoted" else word
        if not name:
            self.fail("a name that is not empty")
        return symbol(name)
