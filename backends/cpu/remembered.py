"""What choices that were measured on a processor are good for."""

from __future__ import annotations

from importlib.metadata import version

from netlang import __version__
from netlang.backends.common.remembered import ChoiceFile
from netlang.backends.cpu.target import host


def choices(threads: int) -> ChoiceFile:
    """Those for this machine and so many threads."""
    versions = {name: version(name) for name in ("numba", "llvmlite")}
    machine = {"cpu": host().cpu, "features": host().features, "threads": threads, "netlang": __version__, **versions}
    return ChoiceFile(machine)
