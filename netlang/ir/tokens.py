"""The words of the text form, and a cursor that reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from json import JSONDecodeError, loads
from typing import NoReturn

from netlang.diagnostics import NetError, Source, Span, error

_STRING = r'"(?:[^"\\\n]|\\.)*"'
_NAME = r"[A-Za-z_$][A-Za-z0-9_$]*(?:\.[A-Za-z0-9_$]+)*"
_TOKEN = re.compile(
    rf"""(?P<skip>[ \t\r\n]+|\#[^\n]*)
    |(?P<string>{_STRING})
    |(?P<value>%(?:{_STRING}|{_NAME}|[0-9]+))
    |(?P<float>[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)
    |(?P<int>[0-9]+)
    |(?P<name>{_NAME})
    |(?P<punct>//|[{{}}()\[\]:,=@*+-])""",
    re.VERBOSE,
)
_MAX_DEPTH = 64
_MAX_DIGITS = 40
"""More digits than any 64-bit number has; Python refuses to convert very long ones."""


@dataclass(frozen=True)
class Token:
    """A word: its kind (`string value float int name punct end`), its text and where it starts in the whole text."""

    kind: str
    text: str
    start: int


class Cursor:
    """Reads the words of a text one after the other. Every `fail` names the line and column of a word."""

    def __init__(self, text: str, name: str) -> None:
        self.source = Source(name, text)
        self._tokens = _scan(self.source)
        self._next = 0
        self._depth = 0

    @property
    def token(self) -> Token:
        """The word to be read next."""
        return self._tokens[self._next]

    @property
    def following(self) -> Token:
        """The word after that."""
        return self._tokens[min(self._next + 1, len(self._tokens) - 1)]

    def take(self) -> Token:
        token = self.token
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def at(self, *texts: str) -> bool:
        """Is the next word one of these punctuation marks or names?"""
        return self.token.kind in ("punct", "name") and self.token.text in texts

    def accept(self, text: str) -> bool:
        """Read the next word if it is `text`."""
        if not self.at(text):
            return False
        self.take()
        return True

    def expect(self, text: str) -> Token:
        if not self.at(text):
            self.fail(f"expected '{text}', found {self.describe()}")
        return self.take()

    def kind(self, kind: str, what: str) -> Token:
        """Read a word of this kind."""
        if self.token.kind != kind:
            self.fail(f"expected {what}, found {self.describe()}")
        return self.take()

    def integer(self) -> int:
        token = self.kind("int", "a number")
        if len(token.text) > _MAX_DIGITS:
            self.fail("this number has too many digits", token)
        return int(token.text)

    def string(self) -> str:
        token = self.kind("string", "a string")
        return self.unquote(token.text, token)

    def name(self) -> str:
        """A name, quoted or not."""
        return self.string() if self.token.kind == "string" else self.kind("name", "a name").text

    def unquote(self, text: str, token: Token) -> str:
        try:
            return str(loads(text))
        except JSONDecodeError as fault:
            raise self.error(f"this string is malformed: {fault.msg}", token) from fault

    def enter(self) -> None:
        """One level deeper; texts that nest too deeply are refused before Python's stack runs out."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self.fail(f"nested more than {_MAX_DEPTH} levels deep")

    def leave(self) -> None:
        self._depth -= 1

    def describe(self) -> str:
        return "the end of the text" if self.token.kind == "end" else f"'{self.token.text}'"

    def error(self, message: str, token: Token | None = None) -> NetError:
        """The error at a word, by default the one to be read next."""
        return error(message, _span(self.source, token or self.token))

    def fail(self, message: str, token: Token | None = None) -> NoReturn:
        raise self.error(message, token)


def _scan(source: Source) -> list[Token]:
    tokens: list[Token] = []
    place, text = 0, source.text
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise error(f"unexpected character {text[place]!r}", _span(source, Token("punct", text[place], place)))
        if match.lastgroup and match.lastgroup != "skip":
            tokens.append(Token(match.lastgroup, match.group(), place))
        place = match.end()
    tokens.append(Token("end", "", len(text)))
    return tokens


def _span(source: Source, token: Token) -> Span:
    line = source.text.count("\n", 0, token.start) + 1
    column = token.start - (source.text.rfind("\n", 0, token.start) + 1) + 1
    return Span(source, line, column, line, column + max(1, len(token.text)))
