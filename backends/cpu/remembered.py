"""Choices on disk: what was measured on this machine, for later compilations. One JSON file per machine and threads.

The file names what it is for (processor, features, threads, versions) and for each problem the choice, with the layer
and the times that led to it, for readers. It is replaced as a whole. A file that is damaged or for another machine is
ignored with a warning, never repaired.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from netlang import __version__, config
from netlang.backends.cpu.target import host
from netlang.runtime.files import make_folder, replacing

_FORMAT = "netlang-choices-1"
MOST_BYTES = 1 << 24

Entry = dict[str, Any]
"""`choice`, the name of a candidate; `layer`, one that it was measured for; `seconds` by candidate."""


def place(threads: int) -> Path:
    """Where the choices for this machine and so many threads are kept."""
    name = sha256(json.dumps(_machine(threads), sort_keys=True).encode()).hexdigest()[:16]
    return config.cache_dir() / "tuned" / f"{name}.json"


def _machine(threads: int) -> dict[str, Any]:
    """What choices are good for."""
    versions = {name: version(name) for name in ("numba", "llvmlite")}
    return {"cpu": host().cpu, "features": host().features, "threads": threads, "netlang": __version__, **versions}


def load(threads: int) -> dict[str, Entry]:
    """What is remembered, by problem; nothing where there is no file, or none that can be trusted."""
    path = place(threads)
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as fault:
        return _ignored(path, fault.strerror or str(fault))
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return _ignored(path, "it is damaged")
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        return _ignored(path, "it is no file of choices")
    if found.get("machine") != _machine(threads):
        return _ignored(path, "it is for another machine or version")
    entries = found.get("choices")
    if not isinstance(entries, dict) or not all(map(_is_entry, entries.values())):
        return _ignored(path, "it is damaged")
    return entries


def table(entries: Mapping[str, Entry]) -> dict[str, str]:
    """The choice by problem."""
    return {problem: entry["choice"] for problem, entry in entries.items()}


def save(threads: int, entries: Mapping[str, Entry]) -> Path:
    """Remember more choices, in place of earlier ones for the same problems. Raises NetError where that is refused."""
    path = place(threads)
    make_folder(path.parent)
    whole = {
        "format": _FORMAT,
        "machine": _machine(threads),
        "choices": dict(sorted({**load(threads), **entries}.items())),
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return path


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("choice"), str)


def _ignored(path: Path, why: str) -> dict[str, Entry]:
    warnings.warn(f"the choices in {path} are ignored: {why}; tune again, or delete the file", stacklevel=3)
    return {}
