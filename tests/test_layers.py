"""Imports point one way, and `import netlang` stays cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent

_LEVELS = {
    "diagnostics": 0,
    "config": 0,
    "memory": 0,
    "storage": 0,
    "placement": 0,
    "ir": 1,
    "pictures": 1,
    "ops": 2,
    "grammar": 2,
    "frontend": 3,
    "passes": 3,
    "runtime": 3,
    "interchange": 4,
    "backends": 4,
    "driver": 5,
    "shipping": 5,
    "cli": 6,
}
"""What may import what: modules of lower levels, and one's own group. Groups side by side do not import each other."""

_ALLOWED_BESIDE = {("config", "diagnostics")}
_HEAVY = ("numba", "llvmlite", "torch", "lark", "sklearn", "rich", "PIL", "safetensors", "scipy", "onnx")


def _modules() -> Iterator[tuple[str, Path]]:
    """(group, file) of every module below netlang, as installed."""
    for path in (_ROOT / "netlang").rglob("*.py"):
        first = path.relative_to(_ROOT / "netlang").parts[0]
        yield first.removesuffix(".py"), path
    for group in ("backends", "grammar"):
        for path in (_ROOT / group).rglob("*.py"):
            yield group, path


def _imported(path: Path) -> Iterator[tuple[str, int]]:
    """The groups of netlang that a file imports, with the line; also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            module = node.module or ""
            names = [f"{module}.{a.name}" for a in node.names] if module == "netlang" else [module]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "netlang" and len(parts) > 1:
                yield parts[1], node.lineno


MODULES = sorted(_modules(), key=str)


@pytest.mark.parametrize(("group", "path"), MODULES, ids=[str(p.relative_to(_ROOT)) for _, p in MODULES])
def test_imports_point_one_way(group: str, path: Path) -> None:
    if group in ("__init__", "__main__"):
        return
    assert group in _LEVELS, f"{path} belongs to no level"
    for other, line in _imported(path):
        if other == group or other not in _LEVELS:
            continue
        allowed = _LEVELS[other] < _LEVELS[group] or (group, other) in _ALLOWED_BESIDE
        assert allowed, f"{path}:{line}: {group} must not import {other}"


def test_only_the_driver_names_backends() -> None:
    for group, path in MODULES:
        if group in ("backends", "driver"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("netlang.backends."):
                assert node.module == "netlang.backends.base", f"{path}:{node.lineno} imports {node.module}"


def test_import_netlang_loads_nothing_heavy() -> None:
    code = f"import sys, netlang; print([m for m in {_HEAVY!r} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=_ROOT / "tests"
    )
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["netlang.passes", "netlang.ir.parse", "netlang.ops", "netlang.backends.reference"])
def test_the_core_needs_neither_compiler_nor_parser_generator(module: str) -> None:
    heavy = ("numba", "llvmlite", "torch", "lark", "sklearn")
    code = f"import sys, {module}; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=_ROOT / "tests"
    )
    assert found.stdout.strip() == "[]"
