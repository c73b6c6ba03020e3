"""From a path to its text, or to the reason why there is none."""

from __future__ import annotations

import os
from pathlib import Path

from netlang.diagnostics import NetError, Source, closest
from netlang.frontend.limits import FILE_BYTES

_TEXT_NAME = "<text>"


def is_text(path_or_text: str | os.PathLike[str]) -> bool:
    """Whether this is the text of a file rather than its path."""
    return isinstance(path_or_text, str) and ("\n" in path_or_text or "{" in path_or_text)


def read(path_or_text: str | os.PathLike[str], name: str | None = None) -> Source:
    """The text that `load` works on. Raises NetError where there is no readable file of that name."""
    if is_text(path_or_text):
        text = str(path_or_text)
        if len(text) > FILE_BYTES:
            raise NetError(f"the text is too long: more than {FILE_BYTES} characters")
        return Source(name or _TEXT_NAME, text.removeprefix("\ufeff"))
    if not str(path_or_text):
        raise NetError("the path of the .net file is empty")
    path = Path(path_or_text)
    return Source(name or str(path_or_text), _decoded(path, _bytes(path)))


def _bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise NetError(f"{path} is a directory", hint="give the path of a .net file")
        with path.open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except FileNotFoundError:
        raise NetError(f"there is no file {path}", hint=_nearby(path)) from None
    except (OSError, ValueError) as error:
        raise NetError(f"cannot read {str(path)!r}: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > FILE_BYTES:
        raise NetError(f"{path} is too large: more than {FILE_BYTES} bytes")
    return data


def _decoded(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise NetError(f"{path} is not UTF-8 text (line {line})", hint="save it as UTF-8") from None


def _nearby(path: Path) -> str:
    """A file of a similar name beside the one that is missing."""
    try:
        files = {p.stem: p.name for p in path.parent.iterdir() if p.suffix == ".net"}
    except OSError:
        return ""
    # Without the suffix, which makes any two short names look alike.
    found = closest(path.stem, files)
    return f"did you mean '{files[found]}'?" if found else ""
