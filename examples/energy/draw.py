"""Pictures of what the machines recall and dream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import netlang
from netlang.pictures import save, sheet, signed

Array = NDArray[Any]


def square(rows: Array) -> list[Array]:
    """Flat images as square ones."""
    side = int(np.sqrt(rows.shape[1]))
    return [row.reshape(side, side).clip(0, 1) for row in rows]


def filters(weight: Array, path: Path, count: int = 40) -> None:
    """What the first units of a layer see: their weights, blue below and red above zero."""
    side = int(np.sqrt(weight.shape[1]))
    images = [signed(w.reshape(side, side)) for w in weight[:count]]
    save(sheet([images[i : i + 10] for i in range(0, len(images), 10)], scale=2), path)


def chains(machine: netlang.Model, images: Array, path: Path, calls: tuple[int, ...] = (1, 4, 15, 80)) -> None:
    """Images, what the machine recalls of them, and where Gibbs sampling has gone after some calls of it."""
    out = machine(image=images, seed=0)
    rows, names = [square(images), square(out["back"])], ["given", "recalled"]
    machine.seed, state, done = 1, images, 0
    for upto in calls:
        while done < upto:
            dream = machine(image=state)["dream"]
            state, done = (dream > np.random.default_rng(done).random(dream.shape)).astype(np.float32), done + 1
        rows.append(square(dream))
        names.append(f"{10 * upto} steps")
    save(sheet(rows, names=names, scale=2), path)


def thoughts(drawing: netlang.Model, units: int, path: Path, rows: int = 6, calls: int = 6) -> None:
    """What the net `draw` makes of each label, from random states on: a row after every call."""
    rng = np.random.default_rng(3)
    label = np.eye(10, dtype=np.float32)
    shown = []
    for _ in range(rows):
        state = (rng.random((10, units)) < 0.2).astype(np.float32)
        for _ in range(calls):
            out = drawing(state=state, label=label)
            state = out["later"]
        shown.append(square(out["image"]))
    save(sheet(shown, columns=[str(n) for n in range(10)], scale=2), path)
