"""Where NETLANG_DUMP shows something of generated code."""

from __future__ import annotations

import sys
from pathlib import Path

from netlang import config
from netlang.diagnostics import NetError


def put(name: str, text: str) -> str:
    """Write a text below the folder of NETLANG_DUMP, or to standard error where that is `-`; returns where it is."""
    place: str = config.get("NETLANG_DUMP")
    if place == "-":
        print(f"# {name}\n{text}", file=sys.stderr)
        return "standard error"
    path = Path(place) / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as fault:
        raise NetError(f"NETLANG_DUMP: cannot write {path}: {fault.strerror}") from fault
    return str(path)
