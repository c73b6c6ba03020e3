"""Text files as data: decoded, bounded, cut into lines; rows of symbols as padded arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from netlang.diagnostics import NetError
from netlang.runtime.data.dataset import Array

LARGEST = 1 << 30
"""Bytes of text that are read."""

PADDING = 0
"""The number that fills rows of symbols up to a common length."""


def read_text(path: Path) -> str:
    """A file of UTF-8, or else Latin-1, with line ends as \\n. Raises NetError for an empty or a binary file."""
    try:
        if not path.is_file():
            raise NetError(f"{path} is not a file" if path.exists() else f"there is no file {path}")
        size = path.stat().st_size
        if size > LARGEST:
            raise NetError(f"{path} has {size:,} bytes, more than the {LARGEST:,} that are read as text")
        content = path.read_bytes()
    except OSError as fault:
        raise NetError(f"cannot read {path}: {fault.strerror or fault}") from fault
    if b"\0" in content:
        raise NetError(f"{path} is not text: byte {content.index(0):,} is 0")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if not text.strip():
        raise NetError(f"{path} is empty")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path, longest: int) -> list[str]:
    """The lines of a file without those that are blank. Raises NetError for one of more than `longest` characters."""
    kept = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if len(line) > longest:
            raise NetError(f"{path}:{number}: a line of {len(line):,} characters; at most {longest:,} are accepted")
        if line.strip():
            kept.append(line.strip())
    return kept


def padded(rows: Sequence[Sequence[str]], numbers: Mapping[str, int], unknown: int, length: int) -> tuple[Array, Array]:
    """(symbols i64[n, length], lengths i64[n]) of rows of symbols; what exceeds `length` is cut off.

    A symbol that has no number gets `unknown`; rows are filled up with PADDING.
    """
    out = np.full((len(rows), length), PADDING, np.int64)
    lengths = np.array([min(len(row), length) for row in rows], np.int64)
    for row, symbols in zip(out, rows, strict=True):
        kept = [numbers.get(symbol, unknown) for symbol in symbols[:length]]
        row[: len(kept)] = kept
    return out, lengths


def every_tenth(rows: Sequence[str]) -> tuple[list[str], list[str]]:
    """Rows without repetitions, in their order: (those that are kept, rows 9, 19, 29, ... which are held out)."""
    single = list(dict.fromkeys(rows))
    return [r for i, r in enumerate(single) if i % 10 != 9], single[9::10]
