"""Every NETLANG_* environment variable, in one table. `netc env` prints it; nothing else reads the environment."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from netlang.diagnostics import NetError


class Variable(NamedTuple):
    """One variable.

    name      as it is set in the environment
    default   the text that stands for it where it is not set or empty
    meaning   one line for `netc env`
    parse     text -> value; raises ValueError, whose text says what is expected
    """

    name: str
    default: str
    meaning: str
    parse: Callable[[str], Any] = str

    @property
    def is_set(self) -> bool:
        return bool(os.environ.get(self.name))

    @property
    def text(self) -> str:
        """What is set, or the default."""
        return os.environ.get(self.name) or self.default

    def get(self) -> Any:
        """The parsed value at this moment. Raises NetError for a text that means nothing."""
        try:
            return self.parse(self.text)
        except ValueError as fault:
            raise NetError(f"the environment variable {self.name} is '{self.text}': {fault}") from fault


def _flag(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("expected 1 or 0")


def _threads(text: str) -> int | None:
    """None means as many as the process may use."""
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 1024:
        raise ValueError("expected a number from 1 to 1024")
    return int(text)


def _cache(text: str) -> Path:
    if text:
        return Path(text).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "netlang"


VARIABLES: dict[str, Variable] = {
    variable.name: variable
    for variable in (
        Variable("NETLANG_BACKEND", "", "use this backend (reference, cpu) whatever the command or program asks for"),
        Variable("NETLANG_CACHE", "", "folder for compiled kernels and downloaded data; ~/.cache/netlang", _cache),
        Variable("NETLANG_DATA", "", "folder in which data sets are looked for first"),
        Variable("NETLANG_DUMP", "", "write the IR after each pass into this folder; '-' means standard error"),
        Variable(
            "NETLANG_EXACT", "0", "1: compute convolutions without Winograd's transforms, which round more", _flag
        ),
        Variable("NETLANG_THREADS", "", "number of threads of compiled code; all cores the process may use", _threads),
        Variable("NETLANG_TIMING", "0", "1: print how long each pass takes to standard error", _flag),
        Variable("NETLANG_TRACEBACK", "0", "1: show the Python traceback of an internal error", _flag),
        Variable("NETLANG_TUNED", "1", "0: ignore what `netc compile --tune` has found out on this machine", _flag),
        Variable("NETLANG_VERIFY", "1", "0: do not verify the graph after each pass", _flag),
    )
}


def get(name: str) -> Any:
    """The value of a variable: a text, a flag, a number or None, a path. KeyError for one not in the table."""
    return VARIABLES[name].get()


def cache_dir() -> Path:
    """Where compiled kernels and downloaded data are kept. It need not exist yet."""
    path: Path = get("NETLANG_CACHE")
    return path
