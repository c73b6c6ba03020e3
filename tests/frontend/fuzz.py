"""Random mutations of the example files: whatever a file holds, loading it ends soon, well or with a NetError.

`python -m tests.frontend.fuzz 10000` runs as many as one likes; the tests run a few hundred.
"""

from __future__ import annotations

import random
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from netlang.diagnostics import NetError
from netlang.frontend import load

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 20
"""What one file may take: far above what any takes, far below a hang."""

_TOKEN = re.compile(r"\s+|\w+|->|\*\*|//|[^\w\s]")
_TEXT = (
    "( ) [ ] { } , : = -> + - * / // % ** @ == < and or not if else for in net block train param frozen buffer update "
    "return input output loss metric target optimizer augment epochs conv dense relu maxpool flatten dropout batchnorm "
    "softmax concat split reshape grad repeat sum mean x y image label logits N 0 1 2 -1 3.5 1e999 "
    "99999999999999999999 1000000 true false none valid same f32 i64 bool he_normal() zeros() .shape .rank [0] "
    '"text" # " $ \u00e9 \n \n\n'
)
_WORDS = _TEXT.split(" ")

Mutation = Callable[[random.Random, list[str]], None]


def _delete(rng: random.Random, tokens: list[str]) -> None:
    start = rng.randrange(len(tokens))
    del tokens[start : start + rng.choice((1, 1, 1, 2, 5, 20))]


def _insert(rng: random.Random, tokens: list[str]) -> None:
    tokens.insert(rng.randrange(len(tokens) + 1), f" {rng.choice(_WORDS)} ")


def _replace(rng: random.Random, tokens: list[str]) -> None:
    tokens[rng.randrange(len(tokens))] = rng.choice(_WORDS)


def _swap(rng: random.Random, tokens: list[str]) -> None:
    a, b = rng.randrange(len(tokens)), rng.randrange(len(tokens))
    tokens[a], tokens[b] = tokens[b], tokens[a]


def _copy(rng: random.Random, tokens: list[str]) -> None:
    start, to = rng.randrange(len(tokens)), rng.randrange(len(tokens))
    tokens[to:to] = tokens[start : start + rng.choice((1, 3, 10, 40))]


def _exchange(rng: random.Random, tokens: list[str]) -> None:
    """A word of the file in the place of another one: what a tired author does."""
    words = [i for i, t in enumerate(tokens) if t[0].isalnum()]
    if words:
        tokens[rng.choice(words)] = tokens[rng.choice(words)]


def _cut(rng: random.Random, tokens: list[str]) -> None:
    del tokens[rng.randrange(len(tokens)) :]


def _character(rng: random.Random, tokens: list[str]) -> None:
    place = rng.randrange(len(tokens))
    tokens[place] += chr(rng.choice((0, 9, 13, 34, 92, 0xA0, 0x2028, 0xFEFF, 0x1F600, rng.randrange(32, 127))))


_MUTATIONS: tuple[Mutation, ...] = (
    _delete, _delete, _insert, _insert, _replace, _replace, _swap, _copy, _exchange, _exchange, _exchange, _cut,
    _character,
)  # fmt: skip


def mutants(count: int, seed: int = 0) -> Iterator[str]:
    """`count` mutated example files, always the same for a seed."""
    rng = random.Random(seed)
    texts = [path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.net"))]
    for _ in range(count):
        tokens = _TOKEN.findall(rng.choice(texts))
        for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
            if tokens:
                rng.choice(_MUTATIONS)(rng, tokens)
        yield "".join(tokens) + "\n"


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in the body when it takes longer. On the main thread only."""

    def expired(number: int, frame: object) -> None:
        raise TimeoutError(f"more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def survives(text: str) -> bool:
    """Load a text that may be wrong. True: it was accepted; False: refused with a NetError."""
    with time_limit(SECONDS):
        try:
            load(text)
        except NetError as error:
            assert error.diagnostics and all(str(d) for d in error.diagnostics)
            return False
    return True


def main(count: int) -> None:
    """Run `count` mutants and say how many were accepted; the text of a failing one is printed first."""
    accepted = 0
    for number, text in enumerate(mutants(count)):
        try:
            accepted += survives(text)
        except BaseException:
            print(f"mutant {number}:\n{text}")
            raise
    print(f"{count} mutants: {accepted} accepted, {count - accepted} refused")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
