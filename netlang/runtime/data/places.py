"""Where data sets are looked for: in NETLANG_DATA, then beside the project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from netlang import config
from netlang.diagnostics import NetError


def roots() -> list[Path]:
    """The folders in which data sets may lie, in the order in which they are looked at."""
    given = [Path(config.get("NETLANG_DATA"))] if config.get("NETLANG_DATA") else []
    return [*given, Path("..") / "shared" / "data"]


def find(what: str, names: Sequence[str], hint: str) -> Path:
    """The first of `names`, files or folders, that one of the roots has.

    Raises NetError that says where was looked; `what` are the data in words, `hint` is another way to give them.
    """
    for root in roots():
        for name in names:
            if (root / name).exists():
                return root / name
    looked = " and ".join(str(root / name) for root in roots() for name in names)
    raise NetError(f"{what} are not on this machine; looked for {looked}", hint=f"set NETLANG_DATA, or {hint}")
