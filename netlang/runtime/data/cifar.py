"""`cifar`: CIFAR-10 (Krizhevsky 2009), 32x32 colour pictures of ten classes.

Two forms are read: the folder of the "binary version" (`data_batch_1.bin` ... `data_batch_5.bin`, `test_batch.bin`;
10,000 records each of a byte for the class and 3 x 32 x 32 bytes), and an npz file with `images` [n, 32, 32, 3] and
`labels` [n] of a part of it, of which every fifth is held out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from netlang.diagnostics import NetError
from netlang.runtime.data import npz
from netlang.runtime.data.dataset import IMAGE, LABEL, Array, Dataset, every_fifth

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST = "test_batch.bin"
RECORD = 1 + 3 * 32 * 32


def load(path: Path) -> Dataset:
    """The pictures of a folder or npz file, as bytes. Raises NetError where it does not hold CIFAR-10."""
    if path.is_dir():
        batches = [_batch(path / name) for name in TRAIN]
        train = {key: np.concatenate([b[key] for b in batches]) for key in (IMAGE, LABEL)}
        return Dataset("cifar", train, _batch(path / TEST), CLASSES, "the test batch")
    train, test = every_fifth(_part(path))
    return Dataset("cifar", train, test, CLASSES, "every fifth picture")


def _batch(path: Path) -> dict[str, Array]:
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as fault:
        raise NetError(f"cannot read {path}: {fault.strerror or fault}") from fault
    if not content.size or content.size % RECORD:
        raise NetError(f"{path} is no batch of CIFAR-10: {content.size:,} bytes are not records of {RECORD:,}")
    records = content.reshape(-1, RECORD)
    return {IMAGE: records[:, 1:].reshape(-1, 3, 32, 32), LABEL: _labels(records[:, 0], path)}


def _part(path: Path) -> dict[str, Array]:
    arrays = npz.read(path)
    for key in ("images", "labels"):
        if key not in arrays:
            raise NetError(f"{path} has no array '{key}'")
    images, labels = arrays["images"], arrays["labels"]
    if images.dtype != np.uint8 or images.shape[1:] != (32, 32, 3) or labels.shape != images.shape[:1]:
        found = f"images {images.dtype}{list(images.shape)} and labels {list(labels.shape)}"
        raise NetError(f"{path} is no part of CIFAR-10: it has {found}, not u8[n, 32, 32, 3] and [n]")
    return {IMAGE: np.ascontiguousarray(images.transpose(0, 3, 1, 2)), LABEL: _labels(labels, path)}


def _labels(numbers: Array, path: Path) -> Array:
    bad = np.flatnonzero((numbers < 0) | (numbers >= len(CLASSES)))
    if bad.size:
        raise NetError(f"{path}: picture {bad[0]} is of class {numbers[bad[0]]}; there are ten, from 0 on")
    return numbers.astype(np.int64)
