"""netc env, netc version: what this installation is and what steers it."""

from __future__ import annotations

import argparse
import os
import platform
from importlib.metadata import PackageNotFoundError, version

from netlang import __version__, config
from netlang.backends.base import Tunable
from netlang.cli.arguments import Verbs
from netlang.cli.output import table
from netlang.diagnostics import NetError
from netlang.driver import BACKENDS, backend_for, gpus_found

_LIBRARIES = ("numpy", "numba", "llvmlite", "lark", "ml-dtypes", "pillow", "scikit-learn")


def add_verbs(verbs: Verbs) -> None:
    new = verbs.add_parser("env", help="the NETLANG_* variables and what this installation consists of")
    new.set_defaults(carry_out=show_environment)
    new = verbs.add_parser("version", help="print the version")
    new.set_defaults(carry_out=show_version)


def show_environment(args: argparse.Namespace) -> None:
    rows = [(v.name, v.text or "-", "set" if v.is_set else "default", v.meaning) for v in config.VARIABLES.values()]
    table("", ("variable", "value", "from", "meaning"), rows, text_columns=4)
    print()
    cores = len(os.sched_getaffinity(0))
    facts = [
        ("netlang", __version__),
        ("python", platform.python_version()),
        *((name, _version(name)) for name in _LIBRARIES),
        ("machine", f"{platform.machine()}, {cores} cores, {platform.system()}"),
        ("targets", ", ".join(BACKENDS)),
        ("cache", str(config.cache_dir())),
        *_tuned(),
        *gpus_found(),
    ]
    table("", ("part", "version"), facts, text_columns=2)


def _tuned() -> list[tuple[str, str]]:
    """What is remembered of measurements on this machine, and on its GPU if it has one."""
    rows = []
    for target, name in (("cpu", "tuned"), ("cuda", "tuned for the gpu")):
        try:
            backend = backend_for(target)
            if backend.name != target or not isinstance(backend, Tunable):  # another one is forced
                continue
            number, place = backend.remembered()
        except NetError as fault:
            # A variable that means nothing, which the table above shows; or no GPU, of which there is a row below.
            rows += [(name, str(fault))] if target == "cpu" else []
            continue
        rows.append((name, f"{number} choices in {place}" if number else "nothing; see netc compile --tune"))
    return rows


def show_version(args: argparse.Namespace) -> None:
    print(f"netc {__version__}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
