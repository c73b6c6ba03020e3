"""Which sources a kernel's machine code depends on: the modules that its emitter imports, directly or not.

An edit makes the kernels stale whose code it may change, and no others. Modules are found by reading the sources:
whatever a module of netlang imports, at its top or inside a function, counts. A package's own `__init__` counts only
where something is imported from it by name: it makes no code.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache, partial
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

from netlang.backends.cpu.kernel import Emitted, Kernel

ROOT = "netlang"
COMPILER = "netlang.backends.cpu.compile"
"""What every kernel goes through."""
_LIBRARIES = ("numba", "llvmlite")
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(netlang[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)|import[ \t]+([^\n]*))", re.MULTILINE
)


def revision(kernel: Kernel) -> str:
    """A hash of all sources that the machine code of a kernel depends on, and of the versions of what compiles it."""
    return _revision(frozenset({COMPILER, *_origins(kernel)}))


@cache
def _revision(roots: frozenset[str]) -> str:
    seen = sha256()
    for module in sorted(dependencies(roots)):
        seen.update(f"{module} {_source(module)[0]}\n".encode())
    for library in _LIBRARIES:
        seen.update(_version(library).encode())
    return seen.hexdigest()


@cache
def _version(library: str) -> str:
    return version(library)


def dependencies(roots: Iterable[str]) -> set[str]:
    """The modules of netlang that `roots` import, directly or not, and themselves."""
    found: set[str] = set()
    waiting = [r for r in roots if _is_ours(r)]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(_source(module)[1])
    return found


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
    return {module for module in found if _is_ours(module)}


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


def _is_ours(module: str) -> bool:
    return module == ROOT or module.startswith(f"{ROOT}.")


@cache
def _source(module: str) -> tuple[str, frozenset[str]]:
    """(hash of a module's source, modules of netlang that it imports)."""
    text = _path(module).read_bytes()
    return sha256(text).hexdigest(), frozenset(imported(text.decode("utf-8")))


def imported(text: str) -> set[str]:
    """The modules of netlang that a source imports."""
    found: set[str] = set()
    for package, names, modules in _IMPORT.findall(text):
        if package:
            words = [_first_word(name) for name in re.sub(r"#[^\n]*", "", names).strip("() \t\n").split(",")]
            inside = {f"{package}.{w}" for w in words if w and _is_module(f"{package}.{w}")}
            # From a package, modules can be imported as well as names of its own.
            found |= inside
            if len(inside) < sum(map(bool, words)):
                found.add(package)
        else:
            found |= {w for m in modules.split("#")[0].split(",") if _is_ours(w := _first_word(m))}
    return found


def _first_word(text: str) -> str:
    return next(iter(text.split()), "")


@cache
def _is_module(name: str) -> bool:
    package = name.rpartition(".")[0]
    folder = _path(package)
    if folder.name != "__init__.py":
        return False
    return name in sys.modules or (find_spec(name) is not None)


@cache
def _path(module: str) -> Path:
    loaded = sys.modules.get(module)
    place = getattr(loaded, "__file__", None) if loaded is not None else None
    if place is None:
        spec = find_spec(module)
        place = spec.origin if spec is not None else None
    if place is None:
        raise RuntimeError(f"the module {module} has no source file")
    return Path(place)
