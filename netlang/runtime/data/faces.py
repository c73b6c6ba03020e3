"""`faces`: the AT&T Database of Faces (Samaria & Harter 1994), eight shots of each of forty people.

The file holds `images` [320, 112, 92] of bytes, `subject` (1 ... 40) and `shot` (1 ... 8).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from netlang.diagnostics import NetError
from netlang.runtime.data import npz
from netlang.runtime.data.dataset import IMAGE, LABEL, Dataset

HELD_OUT_SHOTS = (7, 8)
"""The shots of every person that are the test: a net that tells these people apart is judged by them."""


def load(path: Path) -> Dataset:
    """Pictures with the number of the person (from 0) as label. Raises NetError where the file does not suit."""
    arrays = npz.read(path)
    missing = [name for name in ("images", "subject", "shot") if name not in arrays]
    if missing:
        raise NetError(f"{path} has no array '{missing[0]}'")
    images, shot = arrays["images"], arrays["shot"]
    people, person = np.unique(arrays["subject"], return_inverse=True)
    if not len(images) == len(shot) == len(person):
        raise NetError(f"{path}: {len(images)} images, {len(person)} subjects and {len(shot)} shots")
    held = np.isin(shot, HELD_OUT_SHOTS)
    both = {IMAGE: images, LABEL: person.reshape(-1).astype(np.int64)}
    train, test = ({name: array[rows] for name, array in both.items()} for rows in (~held, held))
    return Dataset("faces", train, test, tuple(f"person {p}" for p in people), "shots 7 and 8 of each person")
