"""Which sources something is made by: modules of netlang that others import, directly or not.

An edit makes stale what it may change, and nothing else. Modules are found by reading the sources: whatever a module of
netlang imports, at its top or inside a function, counts. A package's own `__init__` counts only where something is
imported from it by name.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

ROOT = "netlang"
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(netlang[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)|import[ \t]+([^\n]*))", re.MULTILINE
)


@cache
def fingerprint(roots: frozenset[str], libraries: tuple[str, ...]) -> str:
    """A hash of the sources of `roots` and all that they import of netlang, and of the versions of libraries, which are
    packages by the names of their distributions; one that is not installed counts as that."""
    seen = sha256()
    for module in sorted(dependencies(roots)):
        seen.update(f"{module} {source(module)[0]}\n".encode())
    for library in libraries:
        seen.update(library_version(library).encode())
    return seen.hexdigest()


@cache
def library_version(library: str) -> str:
    """The version of an installed package, or an empty text."""
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def dependencies(roots: Iterable[str]) -> set[str]:
    """The modules of netlang that `roots` import, directly or not, and themselves."""
    found: set[str] = set()
    waiting = [r for r in roots if is_ours(r)]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(source(module)[1])
    return found


def is_ours(module: str) -> bool:
    return module == ROOT or module.startswith(f"{ROOT}.")


@cache
def source(module: str) -> tuple[str, frozenset[str]]:
    """(hash of a module's source, modules of netlang that it imports)."""
    text = path(module).read_bytes()
    return sha256(text).hexdigest(), frozenset(imported(text.decode("utf-8")))


def imported(text: str) -> set[str]:
    """The modules of netlang that a source imports."""
    found: set[str] = set()
    for package, names, modules in _IMPORT.findall(text):
        if package:
            words = [_first_word(name) for name in re.sub(r"#[^\n]*", "", names).strip("() \t\n").split(",")]
            inside = {f"{package}.{w}" for w in words if w and is_module(f"{package}.{w}")}
            # From a package, modules can be imported as well as names of its own.
            found |= inside
            if len(inside) < sum(map(bool, words)):
                found.add(package)
        else:
            found |= {w for m in modules.split("#")[0].split(",") if is_ours(w := _first_word(m))}
    return found


def _first_word(text: str) -> str:
    return next(iter(text.split()), "")


@cache
def is_module(name: str) -> bool:
    package = name.rpartition(".")[0]
    folder = path(package)
    if folder.name != "__init__.py":
        return False
    return name in sys.modules or (find_spec(name) is not None)


@cache
def path(module: str) -> Path:
    loaded = sys.modules.get(module)
    place = getattr(loaded, "__file__", None) if loaded is not None else None
    if place is None:
        spec = find_spec(module)
        place = spec.origin if spec is not None else None
    if place is None:
        raise RuntimeError(f"the module {module} has no source file")
    return Path(place)
