"""Lowerings in terms of loop nests and copies, for any backend's table: each module has `register(table)`."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from netlang.backends.common.lowerings import AnyLowerings


def register_all(table: AnyLowerings) -> None:
    """Put the lowerings of all modules here into a backend's table."""
    for name in sorted(m.name for m in iter_modules(__path__)):
        import_module(f"{__name__}.{name}").register(table)
