"""Grammar and parser: conflicts, spans, line ends, statement words, and the tree that comes out."""

from __future__ import annotations

import pytest
from lark import Lark

from netlang.diagnostics import Source
from netlang.frontend import ast
from netlang.frontend.faults import Reporter
from netlang.frontend.parser import parse
from netlang.grammar import grammar_text


def parsed(text: str) -> ast.File:
    reporter = Reporter()
    file = parse(Source("file.net", text), reporter)
    assert file is not None, "\n".join(map(str, reporter.errors))
    return file


def body(text: str) -> tuple[ast.Statement, ...]:
    (net,) = parsed(f"net n() {{\n{text}\n}}\n").items
    assert isinstance(net, ast.Net)
    return net.body


def expression(text: str) -> ast.Expression:
    (binding,) = parsed(f"x = {text}\n").items
    assert isinstance(binding, ast.Binding)
    return binding.value


def shown(e: ast.Node | None) -> str:
    """An expression with all its brackets."""
    match e:
        case ast.Name():
            return e.id.text
        case ast.Number():
            return e.literal.text
        case ast.Binary():
            return f"({shown(e.left)} {e.operator.text} {shown(e.right)})"
        case ast.Unary():
            return f"({e.operator.text} {shown(e.operand)})"
        case ast.Pipe():
            return "<" + " -> ".join(shown(s) for s in e.stages) + ">"
        case ast.Conditional():
            return f"({shown(e.value)} if {shown(e.condition)} else {shown(e.otherwise)})"
        case ast.Call():
            return f"{shown(e.function)}({', '.join(shown(a.value) for a in e.arguments)})"
        case ast.Index():
            return f"{shown(e.of)}[{shown(e.index)}]"
        case ast.Attribute():
            return f"{shown(e.of)}.{e.name.text}"
    raise AssertionError(e)


def test_the_grammar_has_no_conflicts_and_no_colliding_tokens() -> None:
    pytest.importorskip("interegular", reason="lark checks tokens for collisions only where interegular is installed")
    Lark(grammar_text(), start="file", parser="lalr", lexer="basic", maybe_placeholders=True, strict=True)


def test_every_rule_has_a_class_and_every_class_a_rule() -> None:
    lark = Lark(grammar_text(), start="file", parser="lalr", lexer="basic", maybe_placeholders=True)
    names = {rule.alias or rule.origin.name for rule in lark.rules}
    rules = {str(n) for n in names if not str(n).startswith("_") and not str(n).endswith("_")}
    classes = {"".join(p.capitalize() for p in rule.split("_")) for rule in rules - ast.SEQUENCES}
    abstract = {"Node", "Expression", "Statement", "Word"}
    assert classes == set(ast.CLASSES) - abstract


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("1 + 2 * 3", "(1 + (2 * 3))"),
        ("1 - 2 - 3", "((1 - 2) - 3)"),
        ("-a ** 2", "(- (a ** 2))"),
        ("a ** -b ** c", "(a ** (- (b ** c)))"),
        ("a @ b / c % d // e", "((((a @ b) / c) % d) // e)"),
        ("not a and b or c", "(((not a) and b) or c)"),
        ("a + b < c", "((a + b) < c)"),
        ("a -> f -> g + h", "<a -> f -> (g + h)>"),
        ("a -> f if c else b -> g", "(<a -> f> if c else <b -> g>)"),
        ("a if b else c if d else e", "(a if b else (c if d else e))"),
        ("x.shape[1](2).y", "x.shape[1](2).y"),
        ("(a + b) * c", "((a + b) * c)"),
    ],
)
def test_precedence(text: str, meaning: str) -> None:
    assert shown(expression(text)) == meaning


def test_where_lines_go_on() -> None:
    statements = body("a = x\n  -> f\n\n  # a comment between\n  -> g\nb = [1,\n 2]\nc = 1 +\n 2\nd = f(\n)\n\n")
    assert len(statements) == 4
    assert isinstance(statements[0], ast.Binding) and shown(statements[0].value) == "<x -> f -> g>"


def test_else_may_stand_on_a_line_of_its_own() -> None:
    (statement,) = body("if a {\n b = 1 }\nelse if c { b = 2 }\nelse {\n b = 3\n}")
    assert isinstance(statement, ast.If) and isinstance(statement.otherwise, ast.If)
    assert isinstance(statement.otherwise.otherwise, tuple)


def test_statement_words_are_names_elsewhere() -> None:
    statements = body("loss = f(epochs = batch, net = loss)\ninput, output = loss\nstop: f32[2] = update")
    assert [type(s) for s in statements] == [ast.Binding] * 3
    (item,) = parsed("net = 3\n").items
    assert isinstance(item, ast.Binding) and item.names[0].text == "net"


def test_spans_are_exact() -> None:
    text = "net n() {\n  y = image -> conv(6, 5)\n        -> (relu)\n}\n"
    (net,) = parsed(text).items
    assert isinstance(net, ast.Net)
    (binding,) = net.body
    assert isinstance(binding, ast.Binding) and isinstance(binding.value, ast.Pipe)
    places = [(s.span.line, s.span.column, s.span.end_column) for s in binding.value.stages]
    assert places == [(2, 7, 12), (2, 16, 26), (3, 13, 17)]
    assert (net.span.line, net.span.end_line) == (1, 4)


def test_carriage_returns_tabs_and_comments_do_not_matter() -> None:
    text = "net n() {\r\n\tinput x: f32[N]  # here\r\n\r\n\toutput y = x\r\n}\r\n# end"
    (net,) = parsed(text).items
    assert isinstance(net, ast.Net) and len(net.body) == 2


def test_empty_bodies_and_trailing_commas() -> None:
    assert parsed("block b(x, y = 2,) { }\nnet n { }\n").items
    assert shown(expression("f(1, 2,)")) == "f(1, 2)"


def test_a_long_sum_is_no_deep_nesting() -> None:
    e = expression(" + ".join(["1"] * 3000))
    assert isinstance(e, ast.Binary)


def test_numbers_of_all_forms() -> None:
    for text in ("1", "1.", ".5", "1.5e-3", "2E8"):
        assert shown(expression(text)) == text
