"""Trees as text: what is parsed from it is the same tree, lines are no wider than they may be, and it reads well."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.diagnostics import Source
from netlang.frontend import ast
from netlang.frontend.expression_text import WIDTH, number_text
from netlang.frontend.faults import Reporter
from netlang.frontend.parser import parse
from netlang.frontend.printing import text_of_file
from tests.frontend.trees import FILES, difference

ROOT = Path(__file__).parents[2]
TEXTS = [*sorted((ROOT / "examples").rglob("*.net")), *sorted((ROOT / "netlang" / "frontend" / "std").glob("*.net"))]


def parsed(text: str) -> ast.File:
    reporter = Reporter()
    file = parse(Source("file.net", text), reporter)
    assert file is not None, "\n".join(map(str, reporter.errors))
    return file


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.stem)
def test_files_are_printed_as_what_they_are(path: Path) -> None:
    tree = parsed(path.read_text())
    text = text_of_file(tree)
    assert difference(tree, parsed(text)) == ""
    assert text == text_of_file(parsed(text))
    for line in text.splitlines():
        assert len(line) <= WIDTH or '"' in line  # words between quotes are not broken
        assert line == line.rstrip()


@settings(max_examples=100)
@given(FILES)
def test_any_tree_is_what_its_text_is_parsed_to(tree: ast.File) -> None:
    text = text_of_file(tree)
    assert difference(tree, parsed(text)) == "", text


@given(st.floats(min_value=0, allow_infinity=False, allow_nan=False) | st.integers(0, 2**63 - 1))
def test_numbers_are_read_as_they_were(value: float) -> None:
    (binding,) = parsed(f"x = {number_text(value)}\n").items
    assert isinstance(binding, ast.Binding) and isinstance(binding.value, ast.Number)
    assert type(value)(binding.value.literal.text) == value


def test_the_style_of_the_examples() -> None:
    text = """\
import "blocks.net"

width = 16
rounds = [1, 2]

block unit(x, channels, stride = 1) {
  return x -> conv(channels, 3, stride = stride, pad = 1, bias = false) -> batchnorm
}

block shortcut(x, stride) {
  if stride == 1 { return x }
  return x -> maxpool(1, stride = stride)
}

net n(depth = 20) {
  input image: f32[N, 3, 32, 32]
  a, b = image -> split(2)
  for i in range(2) { a = a -> unit(-width) }
  h = (a, -b ** 2) -> concat
  output y = relu(h + (a + b) * 2 - (a - (b - a)))
}

train {
  target label: i64[N]
  loss cross_entropy(y, label)
}
"""
    assert text_of_file(parsed(text)) == text


def test_long_lines_go_on_deeper() -> None:
    layer = "conv(channels, 3, stride = stride, pad = 1, bias = false)"
    text = f"net n {{\n  y = x -> {' -> '.join([layer] * 3)}\n  z = [{', '.join(['1.25'] * 30)}]\n}}\n"
    assert (
        text_of_file(parsed(text))
        == f"""\
net n {{
  y = x -> {layer}
      -> {layer}
      -> {layer}
  z = [{"1.25, " * 18}1.25,
      {"1.25, " * 10}1.25]
}}
"""
    )


def test_a_long_sum_is_printed_without_recursion() -> None:
    tree = parsed("x = " + " + ".join(["1"] * 3000) + "\n")
    text = text_of_file(tree)
    assert difference(tree, parsed(text)) == ""
    assert max(map(len, text.splitlines())) <= WIDTH
