"""Which of NVIDIA's compilers are installed, without importing any."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from netlang.backends.common.sources import fingerprint, library_version
from netlang.diagnostics import NetError

PACKAGES = ("numba-cuda", "numba", "llvmlite", "cuda-core", "cuda-bindings")
LIBRARIES = {
    "nvvm": ("nvidia-nvvm", "nvidia-cuda-nvcc-cu12"),
    "nvJitLink": ("nvidia-nvjitlink", "nvidia-nvjitlink-cu12"),
}
"""NVIDIA's libraries, and the wheels of CUDA 13 and 12 that have them. They may come with a toolkit instead."""
HINT = "pip install netlang[cuda]"
_MODULES = ("numba", "numba_cuda", "cuda.core", "cuda.bindings", "cuda.pathfinder")
_COMPILER = "netlang.backends.cuda.compile"
_MEANINGS = ("netlang.backends.cuda.intrinsics", "netlang.backends.cuda.language")


@cache
def compilers() -> str:
    """A hash of what turns a kernel's text into code: versions, and the sources that give names their meaning."""
    roots = frozenset({_COMPILER, *(name for package in _MEANINGS for name in modules(package))})
    wheels = tuple(wheel for found in LIBRARIES.values() for wheel in found)
    seen = sha256(fingerprint(roots, (*PACKAGES, *wheels)).encode())
    if not all(any(map(library_version, found)) for found in LIBRARIES.values()):
        seen.update("".join(map(_file, LIBRARIES)).encode())
    return seen.hexdigest()


def require() -> None:
    """Raises NetError where something is missing that compiling needs."""
    missing = [name.replace("_", "-").replace(".", "-") for name in _MODULES if not is_module(name)]
    missing = missing or [name for name in LIBRARIES if not _file(name)]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise NetError(f"compiling for cuda needs {', '.join(missing)}, which {verb} not installed", hint=HINT)


def installed() -> dict[str, str]:
    """Package or library -> its version, or an empty text where no package of it is installed."""
    found = {name: library_version(name) for name in PACKAGES}
    for library, wheels in LIBRARIES.items():
        found[library] = next(filter(None, map(library_version, wheels)), "")
    return found


def is_module(name: str) -> bool:
    """Whether there is a module of that name, which is not imported."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # a package that it is in
        return False


@cache
def _file(library: str) -> str:
    """Where a library of NVIDIA's is and how old it is, or an empty text."""
    if not is_module("cuda.pathfinder"):
        return ""
    from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib

    try:
        place = str(load_nvidia_dynamic_lib(library).abs_path)
    except DynamicLibNotFoundError:
        return ""
    return f"{place} {Path(place).stat().st_mtime_ns}"


def modules(package: str) -> set[str]:
    """The modules of a package, by its files: they need not import each other."""
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec is not None else None
    files = [path for place in places or () for path in Path(place).glob("*.py")]
    return {package if path.stem == "__init__" else f"{package}.{path.stem}" for path in files}
