"""`names:DIR`: surnames by language, one file `<language>.txt` each, as Unicode or Latin-1, folded to a few letters."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from netlang.diagnostics import NetError
from netlang.runtime.data.dataset import LABEL, Array, Dataset
from netlang.runtime.data.lines import every_tenth, padded, read_lines

LETTERS, LENGTH = "letters", "length"
VOCABULARY = ("", " ", "'", "-", *string.ascii_lowercase)
"""Number 0 is the padding."""

LONGEST = 100
"""Characters of a name that are accepted."""

_NUMBERS = {letter: number for number, letter in enumerate(VOCABULARY) if letter}
_SPELT_OUT = str.maketrans({"ß": "ss", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "’": "'"})


def load(folder: Path, length: int | None) -> Dataset:
    """The names of a folder's `.txt` files. Raises NetError where there are fewer than two, or no names in one."""
    files = sorted(folder.glob("*.txt"))
    if len(files) < 2:
        raise NetError(f"{folder} has {len(files) or 'no'} .txt file{'s' * (len(files) != 1)}, not one per language")
    languages = {}
    for path in files:
        languages[path.stem] = [folded for line in read_lines(path, LONGEST) if (folded := fold(line))]
        if not languages[path.stem]:
            raise NetError(f"{path} holds no names of letters")
    return by_language(folder.name or str(folder), languages, length)


def fold(name: str) -> str:
    """In lower case, without accents and without what is not in the vocabulary: 'Ávila' -> 'avila'."""
    plain = unicodedata.normalize("NFKD", name.lower().translate(_SPELT_OUT))
    return "".join(letter for letter in plain if letter in _NUMBERS).strip()


def by_language(name: str, languages: Mapping[str, Sequence[str]], length: int | None) -> Dataset:
    """`letters` i64[n, T], `length` i64[n] and `label` i64[n] of folded names; T is that of the longest if not given.

    A name counts once in a language, and every tenth one is held out.
    """
    parts = [every_tenth(names) for names in languages.values()]
    longest = length or max(len(n) for names in languages.values() for n in names)
    train, test = ([part[which] for part in parts] for which in (0, 1))
    return Dataset(
        name,
        _arrays(train, longest),
        _arrays(test, longest),
        tuple(languages),
        "every tenth name of each language",
        vocabulary=VOCABULARY,
    )


def _arrays(languages: Sequence[Sequence[str]], longest: int) -> dict[str, Array]:
    letters, lengths = padded([n for names in languages for n in names], _NUMBERS, 0, longest)
    labels = np.repeat(np.arange(len(languages), dtype=np.int64), [len(names) for names in languages])
    return {LETTERS: letters, LENGTH: lengths, LABEL: labels}
