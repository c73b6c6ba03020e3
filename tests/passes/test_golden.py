"""Golden tests: tests/golden/<pass>_<what>.ir holds a graph and, behind `--- after <passes>`, what becomes of it.

Graphs that are more easily built in Python than written down have golden files of another form, see `golden.py`.
`pytest --update-golden` writes the second part anew from what the passes give now; look at the difference before
committing it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import netlang.ops  # noqa: F401
from netlang.ir.parse import parse_graph
from netlang.ir.text import print_graph
from netlang.ir.verify import verify
from netlang.passes import cse, dce, fold, fold_batchnorm, simplify
from netlang.passes.manager import PassManager

_FOLDER = Path(__file__).parent.parent / "golden"
_PASSES = {p.PASS.name: p.PASS for p in (fold, simplify, cse, dce, fold_batchnorm)}
_FILES = sorted({path for name in _PASSES for path in _FOLDER.glob(f"{name}_*.ir")})
_DIVIDER = re.compile(r"^--- after ([a-z_, ]+)\n", re.MULTILINE)


@pytest.mark.parametrize("path", _FILES, ids=lambda p: p.stem)
def test_golden(path: Path, update_golden: bool) -> None:
    before, names, expected = _DIVIDER.split(path.read_text(encoding="utf-8"))
    graph = parse_graph(before, path.name)
    verify(graph, "the golden file")
    after = PassManager(verifying=True).run(graph, [_PASSES[n] for n in names.split(", ")])
    # Spans are shown where the input has some, to see that they are kept.
    text = print_graph(after, spans=before.lstrip().startswith("source"))
    if update_golden:
        path.write_text(f"{before}--- after {names}\n{text}", encoding="utf-8")
    else:
        assert text == expected


def test_every_pass_has_a_golden_file() -> None:
    covered = {name for path in _FILES for name in _DIVIDER.split(path.read_text(encoding="utf-8"))[1].split(", ")}
    assert covered == set(_PASSES)
