"""`text:FILE`: a model of characters. Windows of a file, and the same windows one character further."""

from __future__ import annotations

from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

from netlang.diagnostics import NetError
from netlang.runtime.data.dataset import Array, Dataset
from netlang.runtime.data.lines import read_text

TEXT, NEXT = "text", "next"
LENGTH = 64
"""Characters of a window, where the net does not say."""


def load(path: Path | None, length: int | None) -> Dataset:
    """Windows of `length` characters of a file; without one, of the manual that Python itself carries.

    `text` i64[n, length] are numbers of characters in the sorted vocabulary of the whole file, `next` the same shape,
    one character later. Training windows follow each other in the first nine tenths, held-out ones in the last tenth;
    what does not fill a window is left out. Raises NetError for a file that is too short, or no text.
    """
    if path is None:
        return windows("Python's manual", "\n".join(topics[name] for name in sorted(topics)), length or LENGTH)
    return windows(path.name, read_text(path), length or LENGTH)


def windows(name: str, text: str, length: int) -> Dataset:
    """The data set of a text; `name` is what it is called."""
    vocabulary = tuple(sorted(set(text)))
    numbers = {character: number for number, character in enumerate(vocabulary)}
    codes = np.fromiter((numbers[c] for c in text), np.int64, len(text))
    border = len(codes) * 9 // 10
    if len(codes) - border <= length:
        need = f"a tenth of it, which is held out, must hold a window of {length} and the character after it"
        raise NetError(f"{name} has {len(codes):,} characters: {need}")
    train, test = _cut(codes[:border], length), _cut(codes[border:], length)
    return Dataset(name, train, test, vocabulary=vocabulary, held_out="the last tenth of the text")


def _cut(codes: Array, length: int) -> dict[str, Array]:
    count = (len(codes) - 1) // length
    return {
        TEXT: codes[: count * length].reshape(count, length),
        NEXT: codes[1 : count * length + 1].reshape(count, length),
    }
