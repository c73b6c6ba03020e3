"""Which sources something is made by."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from netlang.backends.common import sources
from netlang.backends.common.sources import imported, is_module, is_ours

PACKAGE = Path(sources.__file__).parent.parent


def imports(path: Path) -> Iterator[str]:
    """What a file imports from netlang, by its syntax tree."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if is_ours(whole) and is_module(whole) else str(node.module)


def test_imports_are_read_from_sources_as_python_reads_them() -> None:
    for path in PACKAGE.rglob("*.py"):
        wanted = {name for name in imports(path) if is_ours(name)}
        assert imported(path.read_text(encoding="utf-8")) >= wanted, path


def test_the_forms_of_an_import() -> None:
    text = """
from netlang import config, storage  # a comment, netlang.ops
from netlang.backends.cpu import (
    cache,
    Cpu as Backend,  # not a module
    loader as machine_code,
)
import netlang.ir.text as text, numpy
def late():
    from netlang.ir.dims import Dim
"""
    cpu = "netlang.backends.cpu"
    assert imported(text) == {
        *("netlang.config", "netlang.storage", "netlang.ir.text", "netlang.ir.dims"),
        *(cpu, f"{cpu}.cache", f"{cpu}.loader"),
    }


def test_a_library_that_is_missing_changes_the_fingerprint_as_another_version_does() -> None:
    roots = frozenset({sources.__name__})
    assert sources.fingerprint(roots, ()) != sources.fingerprint(roots, ("numpy",))
    assert sources.fingerprint(roots, ("numpy",)) != sources.fingerprint(roots, ("no-such-library",))
    assert sources.library_version("no-such-library") == ""
