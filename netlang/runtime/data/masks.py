"""Pictures with a class for every pixel: `DIR/image/NAME.png` with `DIR/label/NAME.png`.

A label picture holds class numbers. Where it holds only 0 and 255 it is a mask, and 255 is class 1; beside other
numbers 255 is void, as in PASCAL VOC: the pixel belongs to no class. Void comes out as the number after the last class,
so that a net which knows `classes` classes leaves out what is not below `classes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from netlang.diagnostics import NetError
from netlang.runtime.data.dataset import IMAGE, LABEL, Array, Dataset, every_fifth
from netlang.runtime.data.fitting import ImageShape
from netlang.runtime.data.folder import SUFFIXES, opened, read_image

VOID = 255


def load(root: Path, wanted: ImageShape | None, classes: Sequence[str] = ()) -> Dataset:
    """Images as bytes [n, c, h, w], labels as numbers [n, h, w]; every fifth picture is held out.

    Both are resampled to the size `wanted` (without one: to that of the first picture), labels by the nearest pixel.
    `classes`: names, where they are known; numbers from their count on are void then. Raises NetError for a picture
    without its label, one that cannot be read, and for a folder without pictures.
    """
    pairs = _pairs(root)
    channels, height, width = wanted or _first_size(pairs[0][0])
    images = np.stack([read_image(image, (channels, height, width)) for image, _ in pairs])
    raw = np.stack([_label(label, height, width) for _, label in pairs])
    labels, names = _numbered(raw, classes)
    train, test = every_fifth({IMAGE: images, LABEL: labels})
    return Dataset(root.name, train, test, names, "every fifth picture")


def _pairs(root: Path) -> list[tuple[Path, Path]]:
    """(image, label) files of the same name, sorted by name; suffixes may differ."""
    images, labels = (
        {p.stem: p for p in sorted((root / part).glob("*")) if p.suffix.lower() in SUFFIXES}
        for part in ("image", "label")
    )
    if not images:
        raise NetError(f"{root} has no pictures in a folder 'image'", hint="masks lie in a folder 'label' beside it")
    for lone in sorted(set(images) ^ set(labels)):
        has, lacks = ("image", "label") if lone in images else ("label", "image")
        raise NetError(f"{root}: '{lone}' is in the folder '{has}' but not in '{lacks}'")
    return [(images[name], labels[name]) for name in sorted(images, key=_by_number)]


def _by_number(name: str) -> tuple[int, str]:
    """Numbered pictures in the order of their numbers, others by name after them."""
    return (int(name), "") if name.isascii() and name.isdigit() else (1 << 62, name)


def _first_size(path: Path) -> ImageShape:
    with opened(path) as image:
        return 1 if image.mode in ("1", "L", "I;16") else 3, image.height, image.width


def _label(path: Path, height: int, width: int) -> Array:
    """Bytes [height, width]: the numbers of a label picture, those of the palette where it has one."""
    with opened(path) as image:
        if image.mode not in ("1", "L", "P"):
            raise NetError(f"the label {path} is no picture of class numbers: its pixels are {image.mode}")
        try:
            plain = image.convert("L") if image.mode == "1" else image
            if plain.size != (width, height):
                plain = plain.resize((width, height), Image.Resampling.NEAREST)
            return np.asarray(plain, np.uint8)
        except (OSError, ValueError, SyntaxError) as fault:
            raise NetError(f"cannot read the label {path}: {fault}") from fault


def _numbered(raw: Array, classes: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
    """Class numbers with void as the last, and the names of the classes."""
    found = np.unique(raw)
    if set(found) <= {0, VOID}:
        return (raw == VOID).astype(np.int64), tuple(classes) or ("background", "object")
    names = tuple(classes) or tuple(f"class {c}" for c in range(int(found[found != VOID].max()) + 1))
    return np.minimum(raw, len(names)).astype(np.int64), names
