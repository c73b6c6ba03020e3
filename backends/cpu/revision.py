"""Which sources a kernel's machine code depends on: the modules that its emitter imports, directly or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from netlang.backends.common.sources import fingerprint, is_ours
from netlang.backends.cpu.kernel import Emitted, Kernel

COMPILER = "netlang.backends.cpu.compile"
"""What every kernel goes through."""
_LIBRARIES = ("numba", "llvmlite")


def revision(kernel: Kernel) -> str:
    """A hash of all sources that the machine code of a kernel depends on, and of the versions of what compiles it."""
    return fingerprint(frozenset({COMPILER, *_origins(kernel)}), _LIBRARIES)


def _origins(kernel: Kernel) -> set[str]:
    """The modules in which a kernel's code begins: of its functions, and of what they were given."""
    if not isinstance(kernel.source, Emitted):
        return {kernel.source.module}
    found: set[str] = set()
    waiting: list[Any] = [kernel.source.emit]
    seen: set[int] = set()
    while waiting:
        value = waiting.pop()
        if id(value) not in seen:
            seen.add(id(value))
            found.add(getattr(value, "__module__", None) or "")
            found.add(type(value).__module__)
            waiting.extend(_parts(value))
    return {module for module in found if is_ours(module)}


def _parts(value: Any) -> Iterator[Any]:
    """What a function or a description is made of."""
    if isinstance(value, partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, FunctionType):
        yield from (cell.cell_contents for cell in value.__closure__ or ())
        yield from value.__defaults__ or ()
    elif is_dataclass(value) and not isinstance(value, type):
        yield from (getattr(value, field.name) for field in fields(value))
    elif isinstance(value, tuple | list | set | frozenset):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()
