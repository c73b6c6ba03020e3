"""Generated scenes of one or two coloured shapes, and the sentence that says what is seen.

The sentence is a function of the scene: of two shapes the upper one is named first ("above"), beside each other the
left one ("left of"), and one in front of the other is "on" it.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

import netlang

Array = NDArray[Any]

SIZE = 32
"""Pixels along a side."""

RADII = {"small": 3.2, "large": 6.4}
COLOURS = {"red": (0.9, 0.15, 0.15), "green": (0.15, 0.75, 0.2), "blue": (0.2, 0.3, 0.95), "yellow": (0.95, 0.9, 0.2)}
SHAPES = ("circle", "square", "triangle", "cross")
RELATIONS = ("above", "left of", "on")

VOCABULARY = ("", "a", *RADII, *COLOURS, *SHAPES, "above", "left", "of", "on")
"""Number 0 is silence: it comes before the first word and after the last one."""

LENGTH = 11
"""Words of the longest sentence, and the silence after it."""

_NUMBERS = {word: number for number, word in enumerate(VOCABULARY)}


@dataclass(frozen=True)
class Thing:
    """What a sentence says of one shape."""

    size: str
    colour: str
    shape: str

    def __str__(self) -> str:
        return f"a {self.size} {self.colour} {self.shape}"


def data(train: int, test: int, seed: int) -> tuple[netlang.Dataset, netlang.Dataset]:
    """(data set whose held-out scenes are of combinations that were seen, one whose are of unseen ones).

    `image` u8[n, 3, 32, 32]; `words` i64[n, 11], the sentence after a silence, and `next` i64[n, 11], before one. A
    tenth of all sentences of two shapes never occurs in training.
    """
    random = np.random.default_rng(seed)
    learned, seen, unseen = (
        _scenes(count, new, random) for count, new in ((train, False), (test, False), (test, True))
    )
    said = {sentence_of(words) for words in learned["next"]}
    fresh = sum(sentence_of(words) not in said for words in unseen["next"])
    held = f"new scenes; {fresh} of {test} sentences never occur in training"
    return (
        netlang.Dataset("scenes", learned, seen, held_out="new scenes", vocabulary=VOCABULARY),
        netlang.Dataset("unseen combinations", learned, unseen, held_out=held, vocabulary=VOCABULARY),
    )


def sentence_of(words: Array) -> str:
    """The words up to the silence: numbers [T] to text."""
    return " ".join(VOCABULARY[w] for w in words[: np.argmax(words == 0) if (words == 0).any() else None])


def _scenes(count: int, new: bool, random: np.random.Generator) -> dict[str, Array]:
    images = np.empty((count, 3, SIZE, SIZE), np.uint8)
    words = np.zeros((count, LENGTH + 1), np.int64)
    for i in range(count):
        images[i], sentence = _scene(new, random)
        numbers = [_NUMBERS[word] for word in sentence.split()]
        words[i, 1 : len(numbers) + 1] = numbers
    return {"image": images, "words": words[:, :-1].copy(), "next": words[:, 1:].copy()}


def _scene(new: bool, random: np.random.Generator) -> tuple[Array, str]:
    if not new and random.random() < 0.25:
        thing = _thing(random)
        return _painted([(thing, _anywhere(thing, random))], random), str(thing)
    while True:
        relation, first, second = str(random.choice(RELATIONS)), _thing(random), _thing(random)
        if relation == "on":
            first, second = Thing("small", first.colour, first.shape), Thing("large", second.colour, second.shape)
        sentence = f"{first} {relation} {second}"
        visible = relation != "on" or first.colour != second.colour
        if visible and _is_held_out(sentence) == new:
            return _painted(_placed(relation, first, second, random), random), sentence


def _is_held_out(sentence: str) -> bool:
    return blake2b(sentence.encode(), digest_size=1).digest()[0] % 10 == 0


def _thing(random: np.random.Generator) -> Thing:
    return Thing(*(str(random.choice(list(words))) for words in (RADII, COLOURS, SHAPES)))


def _anywhere(thing: Thing, random: np.random.Generator) -> Array:
    margin = RADII[thing.size] + 0.5
    return random.uniform(margin, SIZE - margin, 2)


def _placed(relation: str, first: Thing, second: Thing, random: np.random.Generator) -> list[tuple[Thing, Array]]:
    """Things with their centres (x, y), those behind first."""
    behind = _anywhere(second, random)
    if relation == "on":
        return [(second, behind), (first, behind + random.uniform(-1.5, 1.5, 2))]
    apart = RADII[first.size] + RADII[second.size] + 1
    along = 1 if relation == "above" else 0
    while True:
        one, two = _anywhere(first, random), _anywhere(second, random)
        gap = two - one
        # Clearly above, or clearly beside: the other offset is less than half of this one.
        if gap[along] >= apart and abs(gap[1 - along]) < gap[along] / 2:
            return [(first, one), (second, two)]


def _painted(things: list[tuple[Thing, Array]], random: np.random.Generator) -> Array:
    """Bytes [3, 32, 32]: shapes with soft edges on a grey ground, and a little noise."""
    image = np.full((3, SIZE, SIZE), random.uniform(0.0, 0.35))
    for thing, centre in things:
        colour = np.clip(np.array(COLOURS[thing.colour]) * random.uniform(0.85, 1.1), 0, 1)
        cover = _cover(thing, centre, random.uniform(0.92, 1.08))
        image += cover * (colour[:, None, None] - image)
    noisy = image + random.normal(0, 0.02, image.shape)
    return np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)


def _cover(thing: Thing, centre: Array, stretch: float) -> Array:
    """How much of every pixel a shape covers, 0 ... 1."""
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5 - centre[::-1, None, None]
    radius = RADII[thing.size] * stretch
    distance = {
        "circle": np.hypot(x, y) - radius,
        "square": np.maximum(abs(x), abs(y)) - 0.88 * radius,
        "triangle": np.maximum(0.87 * abs(x) - 0.5 * y - 0.5 * radius, y - 0.75 * radius),
        "cross": np.maximum(np.maximum(abs(x), abs(y)) - radius, np.minimum(abs(x), abs(y)) - 0.34 * radius),
    }[thing.shape]
    return np.clip(0.5 - distance, 0, 1)
