"""A model of the characters of a text, which afterwards goes on with the beginning of its last tenth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from progress import Lines

import netlang
from netlang.pictures import save

LENGTH = 64
PICTURE = "written.png"
WIDTH, MARGIN = 420, 8.0
TEMPERATURE = 0.6
FILE = Path(__file__).parent / "shakespeare.net"


def learn(data: netlang.Dataset, seed: int, epochs: int | None) -> tuple[dict[str, float], Callable[[Path], None]]:
    """Figures, and what draws the picture."""
    size = {"vocabulary": len(data.vocabulary)}
    model = netlang.compile(FILE, arguments=size)
    trainer = model.trainer(seed)
    trainer.fit(data, netlang.Options(epochs=epochs), Lines())
    given = data.test["text"][:1]
    warmth = np.full((1, 1), TEMPERATURE, np.float32)
    codes = model.nets["write"](text=given, temperature=warmth, seed=seed)[0]
    read, written = ("".join(data.vocabulary[c] for c in row) for row in (given[0], codes))
    print(f"{read}|{written}\n")
    found = trainer.evaluate(data)
    return {"bits": found["bits"], "accuracy": found["accuracy"]}, lambda path: draw(read, written, path)


def draw(read: str, written: str, path: Path) -> None:
    """What was given in grey, what was written in black."""
    image = Image.new("RGB", (WIDTH, 330), "white")
    pen = ImageDraw.Draw(image)
    x, y = MARGIN, MARGIN
    for number, character in enumerate(read + written):
        if character == "\n" or (character == " " and x > WIDTH - 80):
            x, y = MARGIN, y + 15
            continue
        pen.text((x, y), character, (150, 150, 150) if number < len(read) else (20, 20, 20))
        x += pen.textlength(character)
    save(image.crop((0, 0, WIDTH, min(330, round(y) + 22))), path)
