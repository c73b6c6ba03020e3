"""Choices on disk: what was measured on a machine, for later compilations. One JSON file for each kind of machine.

The file names what it is for (processor or GPU, versions, whatever else measurements hold for) and for each problem the
choice, with the layer and the times that led to it, for readers. It is replaced as a whole. A file that is damaged or
for another machine is ignored with a warning, never repaired.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from netlang import config
from netlang.runtime.files import make_folder, replacing

_FORMAT = "netlang-choices-1"
MOST_BYTES = 1 << 24

Entry = dict[str, Any]
"""`choice`, the name of a candidate; `layer`, one that it was measured for; `seconds` by candidate."""


@dataclass(frozen=True)
class ChoiceFile:
    """The choices for one kind of machine, which `machine` describes: texts and numbers by name."""

    machine: Mapping[str, Any]

    @property
    def place(self) -> Path:
        """Where they are kept; the file need not be there."""
        name = sha256(json.dumps(self.machine, sort_keys=True).encode()).hexdigest()[:16]
        return _folder() / f"{name}.json"

    def load(self) -> dict[str, Entry]:
        """What is remembered, by problem; nothing where there is no file, or none that can be trusted."""
        path = self.place
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
        if found.get("machine") != json.loads(json.dumps(self.machine)):
            return _ignored(path, "it is for another machine or version")
        entries = found.get("choices")
        if not isinstance(entries, dict) or not all(map(_is_entry, entries.values())):
            return _ignored(path, "it is damaged")
        return entries

    def table(self) -> dict[str, str]:
        """What is remembered: the choice by problem."""
        return table(self.load())

    def save(self, entries: Mapping[str, Entry]) -> Path:
        """Remember more choices, in place of earlier ones for the same problems. Raises NetError where that is
        refused."""
        path = self.place
        make_folder(path.parent)
        whole = {
            "format": _FORMAT,
            "machine": dict(self.machine),
            "choices": dict(sorted({**self.load(), **entries}.items())),
        }
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
        return path


def any_kept() -> bool:
    """Whether anything may be remembered at all: to find out for which machine takes longer."""
    return _folder().is_dir()


def table(entries: Mapping[str, Entry]) -> dict[str, str]:
    """The choice by problem."""
    return {problem: entry["choice"] for problem, entry in entries.items()}


def _folder() -> Path:
    return config.cache_dir() / "tuned"


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("choice"), str)


def _ignored(path: Path, why: str) -> dict[str, Entry]:
    warnings.warn(f"the choices in {path} are ignored: {why}; tune again, or delete the file", stacklevel=3)
    return {}
