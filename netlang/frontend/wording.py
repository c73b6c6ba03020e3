"""Parse errors in words: what was expected, what stands there instead."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from netlang.diagnostics import did_you_mean
from netlang.frontend.faults import SyntaxFault
from netlang.frontend.layout import CLOSE, LINE_END, OPEN, STATEMENT_WORDS, Layout, words

_SPELLING = {
    "LPAR": "(", "RPAR": ")", "LSQB": "[", "RSQB": "]", "LBRACE": "{", "RBRACE": "}", "COMMA": ",", "COLON": ":",
    "EQUAL": "=", "_ARROW": "->", "DOT": ".",
}  # fmt: skip
_OPERATORS = words("OR AND NOT COMPARE PLUS MINUS STAR SLASH FLOOR PERCENT AT POWER _ARROW DOT IF LPAR LSQB")
_VALUES = frozenset({"NAME", "NUMBER", "STRING", "TRUE", "FALSE", "LPAR", "LSQB", "MINUS", "NOT"})
_ORDER = ("EQUAL", "COMMA", "COLON", "LPAR", "RPAR", "LSQB", "RSQB", "LBRACE", "RBRACE")

_KEYWORDS = sorted(word.lower() for word in STATEMENT_WORDS)
_OTHER_KEYWORDS = {
    "model": "net", "network": "net", "module": "net", "class": "net",
    "def": "block", "function": "block", "func": "block", "fn": "block", "layer": "block",
    "training": "train", "metrics": "metric", "optim": "optimizer", "optimiser": "optimizer",
}  # fmt: skip

_CHARACTERS = {
    '"': ("this string is not closed", "a string ends on the line it began on"),
    "'": ('unexpected character "\'"', 'strings are written with double quotes: "like this"'),
    ";": ("unexpected character ';'", "a statement ends with its line"),
    "&": ("unexpected character '&'", "write 'and'"),
    "|": ("unexpected character '|'", "write 'or'"),
    "!": ("unexpected character '!'", "write 'not'"),
    "^": ("unexpected character '^'", "the power operator is '**'"),
    "\\": ("unexpected character '\\'", "a line goes on inside brackets, or when the next one begins with '->'"),
}


def character_fault(error: UnexpectedCharacters) -> SyntaxFault:
    """A character that begins no token."""
    character = error.char
    shown = character if character.isprintable() else f"\\u{ord(character):04x}"
    usual = "names are made of the letters a-z and A-Z, digits and '_'" if character.isalpha() else ""
    message, hint = _CHARACTERS.get(character, (f"unexpected character '{shown}'", usual))
    return SyntaxFault(message, Token("CHARACTER", character, 0, error.line, error.column), hint)


def token_fault(error: UnexpectedToken, layout: Layout) -> SyntaxFault:
    """A token that cannot stand where it stands."""
    token, before = error.token, layout.before
    unclosed = _unclosed(token, layout.open)
    if unclosed is not None:
        return unclosed
    if layout.stray and token.type in CLOSE:
        return SyntaxFault(f"'{token}' closes nothing", token)
    accepted = error.accepts or error.expected
    # Behind a '{' the end of a line says nothing: what is wrong is what the next one begins with.
    if before is not None and before.type != "LBRACE" and (token.line or 0) > (before.end_line or 0):
        token = Token(LINE_END, " ", 0, before.end_line, before.end_column)
    wanted = _expected(accepted)
    return SyntaxFault(
        f"expected {wanted}, found {_found(token)}", token, _hint(token, accepted, before), _length(token)
    )


def _unclosed(token: Token, open_brackets: Sequence[Token]) -> SyntaxFault | None:
    """The true fault where a bracket was left open: a later line, or the end of the file, is only where it shows."""
    if not open_brackets:
        return None
    bracket = open_brackets[-1]
    at_end = token.type == "$END"
    line_begins = token.type in STATEMENT_WORDS or token.type in ("NAME", "RBRACE")
    if at_end or (bracket.type != "LBRACE" and (token.line or 0) > (bracket.line or 0) and line_begins):
        return SyntaxFault(
            f"'{bracket}' is never closed", bracket, f"add the missing '{_SPELLING[OPEN[bracket.type]]}'"
        )
    return None


def _expected(accepted: Collection[str]) -> str:
    kinds = set(accepted)
    found: list[str] = []
    if STATEMENT_WORDS - {"NET", "BLOCK", "TRAIN", "IMPORT"} <= kinds:
        return "a statement or '}'"
    if {"NET", "BLOCK"} <= kinds:
        return "'net', 'block', 'train' or a constant"
    if {"NAME", "NUMBER", "LPAR"} <= kinds:
        found.append("an expression")
        kinds -= _VALUES
    elif "NAME" in kinds:
        found.append("a name")
    if "STRING" in kinds:
        found.append("a string")
    if LINE_END in kinds or "$END" in kinds:
        found.append("the end of the line")
        kinds -= {"RBRACE", "COMMA"}
    closing = kinds - _OPERATORS if found or kinds - _OPERATORS else kinds
    found += [f"'{_SPELLING[k]}'" for k in _ORDER if k in closing]
    found += [f"'{k.lower()}'" for k in ("IN", "ELSE", "IF") if k in closing]
    return _listed(found) if found else "something else"


def _listed(options: list[str]) -> str:
    return options[0] if len(options) == 1 else f"{', '.join(options[:-1])} or {options[-1]}"


def _found(token: Token) -> str:
    if token.type == "$END":
        return "the end of the file"
    if token.type == LINE_END:
        return "the end of the line"
    text = str(token)
    return f"'{text}'" if len(text) <= 40 else f"'{text[:37]}...'"


def _hint(token: Token, accepted: Collection[str], before: Token | None) -> str:
    if token.type in ("IF", "FOR") and "NAME" in accepted:
        return "compile-time conditions inside an expression are written 'a if condition else b'"
    if token.type == "COMPARE" and LINE_END in accepted:
        return "comparisons are not chained: write 'a < b and b < c'"
    if token.type == "EQUAL" and "RPAR" not in accepted and LINE_END in accepted:
        return "a binding is 'name = expression'; a comparison is '=='"
    if token.type in ("LPAR", "_ARROW") and {"EQUAL", "COLON"} <= set(accepted):
        return "what a line computes needs a name: y = ..."
    if token.type == "NAME" and {"EQUAL", "COLON"} <= set(accepted) and before is not None:
        return _keyword(str(before))
    if token.type == "COLON" and {"EQUAL", "RPAR"} <= set(accepted):
        return "parameters are given as name = value"
    if token.type in ("FLOOR", "SLASH") and STATEMENT_WORDS & set(accepted):
        return "comments begin with '#'"
    if token.type in ("NUMBER", "NAME") and LINE_END in accepted and "STAR" in accepted:
        return "one statement to a line; a product is written with '*'"
    return ""


def _keyword(word: str) -> str:
    """The word that a line or an item was probably meant to begin with."""
    other = _OTHER_KEYWORDS.get(word.lower())
    return f"it is called '{other}' here" if other else did_you_mean(word, _KEYWORDS)


def _length(token: Token) -> int:
    return 1 if token.type in ("$END", LINE_END) else len(token)
