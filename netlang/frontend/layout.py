"""Between lexer and parser: which line ends count, which words are keywords here, how deep brackets may nest."""

from __future__ import annotations

from collections.abc import Iterator

from lark import Token

from netlang.frontend.faults import SyntaxFault


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


LINE_END = "_NL"
OPEN = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
CLOSE = frozenset(OPEN.values())

# Words that begin a statement or an item. Anywhere else, and before `=`, `,` or `:`, they are names like any other, so
# that `cosine(epochs = 10)` and `loss = squared_error(...)` can be written.
STATEMENT_WORDS = words(
    "ALTERNATE AUGMENT BATCH BLOCK BUFFER CHECK CLIP EPOCHS FROZEN IMPORT INPUT LOSS METRIC NET OPTIMIZER OUTPUT PARAM "
    "RETURN STOP TARGET TRAIN UPDATE"
)
_NAME_FOLLOWS = frozenset({"EQUAL", "COMMA", "COLON"})

# A line does not end after one of these, nor before one of _CARRIED_ON.
_CARRY_ON = words("LBRACE COMMA EQUAL _ARROW OR AND NOT COMPARE PLUS MINUS STAR SLASH FLOOR PERCENT AT POWER _NL")
_CARRIED_ON = frozenset({"RBRACE", "_ARROW", "ELSE", LINE_END, "$END"})

DEEPEST = 100
"""How many brackets may be open at once."""
LONGEST = 100_000
"""How many tokens a file may have: what is read in a few seconds."""

LONGEST_WORD = 100


class Layout:
    """The `postlex` stage of the parser.

    When the parser has stopped, `open` holds the brackets that were open, `before` the last token it accepted;
    `stray` says that a bracket was closed which nothing opened.
    """

    always_accept = ()

    def __init__(self) -> None:
        self.open: list[Token] = []
        self.stray = False
        self.before: Token | None = None
        self._latest: Token | None = None

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """The tokens of `stream` with superfluous line ends dropped and statement words made names where they are."""
        self.open = []
        self.stray = False
        self.before = self._latest = None
        previous = LINE_END
        patterns = False  # in an `update` of patterns, which may end with a '*'
        for count, (token, following) in enumerate(_pairs(stream)):
            if count == LONGEST:
                raise SyntaxFault(f"the file is too long: more than {LONGEST} words and signs", token)
            kind = token.type
            if len(token) > LONGEST_WORD and kind in ("NAME", "NUMBER"):
                raise SyntaxFault(f"a name or number has at most {LONGEST_WORD} characters", token)
            if kind == LINE_END:
                ends = patterns and previous == "STAR"
                patterns = patterns and not ends and previous in _CARRY_ON
                if (previous in _CARRY_ON and not ends) or following in _CARRIED_ON or self._inside_brackets():
                    continue
            elif kind in STATEMENT_WORDS:
                starts = previous in (LINE_END, "LBRACE") and not self._inside_brackets()
                if not starts or following in _NAME_FOLLOWS:
                    token = Token.new_borrow_pos("NAME", str(token), token)
                patterns = token.type == "UPDATE"
            else:
                patterns = patterns and kind != "EQUAL"
                self._track(token)
            previous = token.type
            self.before, self._latest = self._latest, token
            yield token

    def _inside_brackets(self) -> bool:
        return bool(self.open) and self.open[-1].type != "LBRACE"

    def _track(self, token: Token) -> None:
        if token.type in OPEN:
            self.open.append(token)
            if len(self.open) > DEEPEST:
                raise SyntaxFault(f"brackets are nested more than {DEEPEST} deep", token)
        elif token.type in CLOSE:
            if self.open and OPEN[self.open[-1].type] == token.type:
                self.open.pop()
            else:
                self.stray = not self.open


def _pairs(stream: Iterator[Token]) -> Iterator[tuple[Token, str]]:
    """Each token with the type of the next one (`$END` after the last)."""
    held: Token | None = None
    for token in stream:
        if held is not None:
            yield held, token.type
        held = token
    if held is not None:
        yield held, "$END"
