"""Paths, texts and files that cannot be read; the examples; the reference page."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from netlang.diagnostics import NetError
from netlang.frontend import load
from netlang.ir.parse import parse_graph
from netlang.ir.text import print_graph
from netlang.ir.verify import verify

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.net"))
PAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```net\n(.*?)```", PAGE, re.DOTALL)
NET = "net n() {\n  input x: f32[N]\n  output y = x\n}\n"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_load_without_warnings_into_graphs_that_verify(path: Path) -> None:
    module = load(path)
    assert module.warnings == ()
    graphs = [*module.nets.values()]
    if module.train is not None:
        graphs += [module.train.graph, module.train.evaluation]
    for graph in graphs:
        verify(graph)
        text = print_graph(graph)
        assert print_graph(parse_graph(text)) == text


def test_all_examples_are_there() -> None:
    assert {"mlp", "convnet4", "lenet5"} <= {p.stem for p in EXAMPLES}


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_example_of_the_reference_page_loads(number: int) -> None:
    module = load(BLOCKS[number], name=f"language.md example {number}")
    assert module.warnings == ()


def test_text_and_path(tmp_path: Path) -> None:
    path = tmp_path / "n.net"
    path.write_bytes(b"\xef\xbb\xbf" + NET.encode())
    assert load(path).source.name == str(path)
    assert load(str(path)).net.name == "n"
    assert load(NET).source.name == "<text>"
    assert load(NET, name="mine").source.name == "mine"


def _message(path: object) -> str:
    with pytest.raises(NetError) as raised:
        load(path)  # type: ignore[arg-type]
    return str(raised.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "lenet5.net").write_text(NET)
    (tmp_path / "latin.net").write_bytes(b"# one\n# caf\xe9\n")
    (tmp_path / "large.net").write_bytes(b"#" * (2 << 20))
    assert _message(tmp_path / "lenet.net").endswith("lenet.net\n  hint: did you mean 'lenet5.net'?")
    assert _message(tmp_path / "nope.net").endswith("nope.net")
    with pytest.raises(NetError, match="file is empty"):
        load("")
    assert "is a directory" in _message(tmp_path)
    assert "is not UTF-8 text (line 2)" in _message(tmp_path / "latin.net")
    assert "is too large" in _message(tmp_path / "large.net")
    assert "there is no file" in _message(tmp_path / "none" / "x.net")
    assert "cannot read" in _message("a\0b")
    assert "cannot read" in _message("a" * 5000)
    assert "the text is too long" in _message("#" * (2 << 20) + "\n")


def test_the_recursion_limit_is_left_as_it_was() -> None:
    before = sys.getrecursionlimit()
    load(NET)
    assert sys.getrecursionlimit() == before
