"""`sentences:DIR`: sentences by class, one per line, cut into words as Kim (2014) did.

Y. Kim: Convolutional neural networks for sentence classification, EMNLP 2014. The polarity sentences are those of
B. Pang, L. Lee: Seeing stars, ACL 2005: `rt-polarity.neg` and `rt-polarity.pos`, in Latin-1.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from netlang.diagnostics import NetError
from netlang.runtime.data.dataset import LABEL, Array, Dataset
from netlang.runtime.data.lines import every_tenth, padded, read_lines
from netlang.runtime.data.names import LENGTH

WORDS = "words"
UNKNOWN = 1
"""The number of every word that the training part has fewer than twice; 0 is the padding."""

LONGEST = 20_000
"""Characters of a sentence that are accepted."""

POLARITY = ("rt-polarity.neg", "rt-polarity.pos")

_FOREIGN = re.compile(r"[^A-Za-z0-9(),!?'`]")
_ENDINGS = re.compile(r"('s|'ve|n't|'re|'d|'ll)")
_MARKS = re.compile(r"([,!()?])")


def load(folder: Path, length: int | None) -> Dataset:
    """The polarity sentences of a folder, or else those of its files `<class>.txt`. Raises NetError without two."""
    name = "rt-polarity"
    files = {part.rpartition(".")[2]: folder / part for part in POLARITY}
    if not all(path.is_file() for path in files.values()):
        name = folder.name or str(folder)
        files = {path.stem: path for path in sorted(folder.glob("*.txt"))}
    if len(files) < 2:
        raise NetError(f"{folder} has neither {' and '.join(POLARITY)} nor one .txt file for each of several classes")
    return by_class(name, {label: read_lines(path, LONGEST) for label, path in files.items()}, length)


def tokens(sentence: str) -> list[str]:
    """Words and marks in lower case: "It isn't, is it?" -> it is n't , is it ?"""
    text = _FOREIGN.sub(" ", sentence)
    text = _ENDINGS.sub(r" \1", text)
    return _MARKS.sub(r" \1 ", text).lower().split()


def by_class(name: str, classes: Mapping[str, Sequence[str]], length: int | None) -> Dataset:
    """`words` i64[n, T], `length` i64[n] and `label` i64[n]; T is that of the longest sentence if not given.

    Every tenth sentence of a class is held out. The vocabulary is that of the others, the most frequent words first.
    """
    parts = [every_tenth(sentences) for sentences in classes.values()]
    train, test = ([[tokens(s) for s in part[which]] for part in parts] for which in (0, 1))
    counts = Counter(word for sentences in train for words in sentences for word in words)
    frequent = sorted((w for w, count in counts.items() if count > 1), key=lambda w: (-counts[w], w))
    vocabulary = ("", "?unknown?", *frequent)
    numbers = {word: number for number, word in enumerate(vocabulary) if number > UNKNOWN}
    longest = length or max((len(words) for part in (train, test) for s in part for words in s), default=0)
    if not longest:
        raise NetError(f"{name} holds no words")
    return Dataset(
        name,
        _arrays(train, numbers, longest),
        _arrays(test, numbers, longest),
        tuple(classes),
        "every tenth sentence of each class",
        vocabulary=vocabulary,
    )


def _arrays(classes: Sequence[Sequence[list[str]]], numbers: Mapping[str, int], longest: int) -> dict[str, Array]:
    words, lengths = padded([words for sentences in classes for words in sentences], numbers, UNKNOWN, longest)
    labels = np.repeat(np.arange(len(classes), dtype=np.int64), [len(sentences) for sentences in classes])
    return {WORDS: words, LENGTH: lengths, LABEL: labels}
