"""A folder of images by class: `FOLDER/<class>/*.png`, or `FOLDER/train/<class>/...` with `FOLDER/test/<class>/...`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from netlang.diagnostics import NetError
from netlang.runtime.data.dataset import IMAGE, LABEL, Array, Dataset, every_fifth
from netlang.runtime.data.fitting import ImageShape

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp"})
LARGEST = 1 << 26
"""Pixels an image may have: a small file can announce a picture that fills the memory."""


def load(root: Path, wanted: ImageShape | None) -> Dataset:
    """Images as bytes [n, c, h, w], resampled to the size `wanted` (without one: to that of the first image).

    Labels count the class names in sorted order. Without `train` and `test` folders every fifth image, counted
    through all classes, is held out. Raises NetError that names an unreadable image.
    """
    parts = [root / "train", root / "test"]
    if all(p.is_dir() for p in parts):
        classes = _classes(parts[0])
        unknown = sorted(set(_classes(parts[1])) - set(classes))
        if unknown:
            raise NetError(f"{parts[1]} has the class '{unknown[0]}' that {parts[0]} has not")
        wanted = wanted or _first_size(parts[0], classes)
        train, test = (_labelled(p, classes, wanted) for p in parts)
        return Dataset(root.name, train, test, classes, "the folder 'test'")
    classes = _classes(root)
    wanted = wanted or _first_size(root, classes)
    train, test = every_fifth(_labelled(root, classes, wanted))
    return Dataset(root.name, train, test, classes, "every fifth image")


def _classes(root: Path) -> tuple[str, ...]:
    found = tuple(sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")))
    if not found:
        raise NetError(f"{root} has no folders of images, one per class")
    return found


def _files(folder: Path) -> list[Path]:
    """The images in a folder and below it, sorted. Raises OSError for a folder that must not be read."""

    def refuse(fault: OSError) -> None:
        raise fault

    found = (Path(at, name) for at, _, names in os.walk(folder, onerror=refuse) for name in names)
    return sorted(p for p in found if p.suffix.lower() in SUFFIXES and p.is_file())


def _first_size(root: Path, classes: Sequence[str]) -> ImageShape:
    for name in classes:
        for path in _files(root / name):
            with opened(path) as image:
                return 3, image.height, image.width
    raise NetError(f"{root} holds no images")


def _labelled(root: Path, classes: Sequence[str], wanted: ImageShape) -> dict[str, Array]:
    paths = [(path, label) for label, name in enumerate(classes) for path in _files(root / name)]
    if not paths:
        raise NetError(f"{root} holds no images")
    try:
        images = np.empty((len(paths), *wanted), np.uint8)
    except MemoryError as fault:
        raise NetError(f"{root}: {len(paths):,} images of {wanted} do not fit into memory") from fault
    for place, (path, _) in enumerate(paths):
        images[place] = read_image(path, wanted)
    return {IMAGE: images, LABEL: np.array([label for _, label in paths], np.int64)}


def read_image(path: Path, wanted: ImageShape) -> Array:
    """One image as bytes [c, h, w]. Raises NetError where it cannot be read or is too large."""
    channels, height, width = wanted
    if channels not in (1, 3):
        raise NetError(f"images have 1 or 3 channels, the net wants {channels}")
    with opened(path) as image:
        try:
            plain = image.convert("L" if channels == 1 else "RGB")
            if plain.size != (width, height):
                plain = plain.resize((width, height), Image.Resampling.BILINEAR)
        except (OSError, ValueError, SyntaxError) as fault:
            raise NetError(f"cannot read the image {path}: {fault}") from fault
    pixels = np.asarray(plain, np.uint8).reshape(height, width, channels)
    return pixels.transpose(2, 0, 1)


def opened(path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # there is a limit of our own below
            image = Image.open(path)
    except Image.DecompressionBombError as fault:
        raise NetError(f"the image {path} is too large: {fault}") from fault
    except UnidentifiedImageError as fault:
        raise NetError(f"{path} is called an image but is none that can be read") from fault
    except (OSError, ValueError, SyntaxError) as fault:
        raise NetError(f"cannot read the image {path}: {fault}") from fault
    if image.width * image.height > LARGEST:
        image.close()
        raise NetError(f"the image {path} has {image.width} x {image.height} pixels, more than {LARGEST:,}")
    return image
