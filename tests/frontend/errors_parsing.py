"""Texts that are no `.net` files."""

from __future__ import annotations

from tests.frontend.error_case import Case, Found

CASES = (
    Case(
        "empty_file",
        "\n",
        Found(1, 1, "there is no net in this file", "a net is written: net name { ... }"),
    ),
    Case(
        "only_comment",
        "# nothing\n",
        Found(1, 1, "there is no net in this file", "a net is written: net name { ... }"),
    ),
    Case(
        "character",
        "net n() { x = 1 $ 2 }",
        Found(1, 17, "unexpected character '$'"),
    ),
    Case(
        "string_open",
        """\
net n() {
  x = "abc
}
""",
        Found(2, 7, "this string is not closed", "a string ends on the line it began on"),
    ),
    Case(
        "single_quotes",
        """\
net n() {
  x = 'abc'
}
""",
        Found(2, 7, 'unexpected character "\'"', 'strings are written with double quotes: "like this"'),
    ),
    Case(
        "semicolon",
        """\
net n() {
  x = 1; y = 2
}
""",
        Found(2, 8, "unexpected character ';'", "a statement ends with its line"),
    ),
    Case(
        "paren_open",
        """\
net n() {
  a = conv(8, 3
  b = 2
}
""",
        Found(2, 11, "'(' is never closed", "add the missing ')'"),
    ),
    Case(
        "brace_open",
        """\
net n() {
  a = 1
""",
        Found(1, 9, "'{' is never closed", "add the missing '}'"),
    ),
    Case(
        "bracket_mismatch",
        """\
net n() {
  a = [1, 2)
}
""",
        Found(2, 12, "expected ',' or ']', found ')'"),
    ),
    Case(
        "closing_extra",
        """\
net n() {
  a = 1
}
}
""",
        Found(4, 1, "'}' closes nothing"),
    ),
    Case(
        "two_statements",
        """\
net n() {
  a = 1 b = 2
}
""",
        Found(
            2, 9, "expected the end of the line, found 'b'", "one statement to a line; a product is written with '*'"
        ),
    ),
    Case(
        "missing_operand",
        """\
net n() {
  a = 3 +
}
""",
        Found(2, 10, "expected an expression, found the end of the line"),
    ),
    Case(
        "pipe_end",
        """\
net n() {
  a = x ->
}
""",
        Found(2, 11, "expected an expression, found the end of the line"),
    ),
    Case(
        "bare_call",
        """\
net n() {
  conv(8, 3)
}
""",
        Found(2, 7, "expected '=', ',' or ':', found '('", "what a line computes needs a name: y = ..."),
    ),
    Case(
        "chained_comparison",
        """\
net n() {
  a = 1 < 2 < 3
}
""",
        Found(2, 13, "expected the end of the line, found '<'", "comparisons are not chained: write 'a < b and b < c'"),
    ),
    Case(
        "statement_outside",
        "input x: f32[N]\n",
        Found(1, 1, "expected 'net', 'block', 'train' or a constant, found 'input'"),
    ),
    Case(
        "expression_outside",
        "conv(3)\n",
        Found(1, 5, "expected '=', ',' or ':', found '('", "what a line computes needs a name: y = ..."),
    ),
    Case(
        "no_net_name",
        "net {\n}",
        Found(1, 5, "expected a name, found '{'"),
    ),
    Case(
        "no_type",
        """\
net n() {
  input x
}
""",
        Found(2, 10, "expected ':', found the end of the line"),
    ),
    Case(
        "type_without_colon",
        """\
net n() {
  input x f32[N]
}
""",
        Found(2, 11, "expected ':', found 'f32'"),
    ),
    Case(
        "for_without_in",
        """\
net n() {
  for i range(3) { }
}
""",
        Found(2, 9, "expected ',' or 'in', found 'range'"),
    ),
    Case(
        "else_without_if",
        """\
net n() {
  else { }
}
""",
        Found(2, 3, "expected a statement or '}', found 'else'"),
    ),
    Case(
        "if_in_expression",
        """\
net n() {
  a = if true { 1 } else { 2 }
}
""",
        Found(
            2,
            7,
            "expected an expression, found 'if'",
            "compile-time conditions inside an expression are written 'a if condition else b'",
        ),
    ),
    Case(
        "keyword_twice_equal",
        """\
net n() {
  a = b = 3
}
""",
        Found(
            2, 9, "expected the end of the line, found '='", "a binding is 'name = expression'; a comparison is '=='"
        ),
    ),
    Case(
        "nested_parens",
        "x = " + "(" * 100_000 + "1" + ")" * 100_000 + "\n",
        Found(1, 105, "brackets are nested more than 100 deep"),
    ),
    Case(
        "minus_chain",
        "x = " + "-" * 1_000 + "1\n",
        Found(1, 804, "this nests more than 200 deep"),
    ),
    Case(
        "power_chain",
        "x = " + "1 ** " * 500 + "1\n",
        Found(1, 1500, "this nests more than 200 deep"),
    ),
    Case(
        "two_items",
        """\
net a { x = }
net b { y = ; }
block c( { }
""",
        Found(1, 13, "expected an expression, found '}'"),
        Found(2, 13, "unexpected character ';'", "a statement ends with its line"),
        Found(3, 10, "expected a name or ')', found '{'"),
    ),
    Case(
        "return_nothing",
        """\
block b(x) {
  return
}
""",
        Found(2, 9, "expected an expression, found the end of the line"),
    ),
    Case(
        "ampersand",
        """\
net n() {
  a = true && false
}
""",
        Found(2, 12, "unexpected character '&'", "write 'and'"),
    ),
    Case(
        "number_name",
        """\
net n() {
  a = 3x
}
""",
        Found(
            2, 8, "expected the end of the line, found 'x'", "one statement to a line; a product is written with '*'"
        ),
    ),
    Case(
        "slashes_for_a_comment",
        "net n() {\n  // why\n}\n",
        Found(2, 3, "expected a statement or '}', found '//'", "comments begin with '#'"),
    ),
    Case(
        "word_of_a_statement",
        "net n() {\n  inptu x: f32[N]\n}\n",
        Found(2, 9, "expected '=', ',' or ':', found 'x'", "did you mean 'input'?"),
    ),
    Case(
        "word_of_an_item",
        "model n() {\n}\n",
        Found(1, 7, "expected '=', ',' or ':', found 'n'", "it is called 'net' here"),
    ),
    Case(
        "pipe_without_a_name",
        "net n() {\n  input x: f32[N]\n  x -> relu\n}\n",
        Found(3, 5, "expected '=', ',' or ':', found '->'", "what a line computes needs a name: y = ..."),
    ),
    Case(
        "colon_for_a_parameter",
        "net n() {\n  input x: f32[N]\n  output y = conv(channels: 3)\n}\n",
        Found(3, 27, "expected '=', ',' or ')', found ':'", "parameters are given as name = value"),
    ),
    Case(
        "letters_of_a_name",
        "net τ() {\n}\n",
        Found(1, 5, "unexpected character 'τ'", "names are made of the letters a-z and A-Z, digits and '_'"),
    ),
)
