"""The Python files beside the nets of a family, as modules."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from benchmarks.family.records import EXAMPLES


def beside(family: str, name: str) -> ModuleType:
    """The module `examples/<family>/<name>.py`. Those that import each other are not for this."""
    path = Path(EXAMPLES) / family / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{family}_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
