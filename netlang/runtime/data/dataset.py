"""What a data source yields, and what a trainer takes from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlang.diagnostics import NetError
from netlang.ir.types import DType
from netlang.runtime.parameters import generator

Array = NDArray[Any]

IMAGE, LABEL = "image", "label"
"""The names that sources of labelled images give their arrays."""

WHITE = np.float32(255)


@dataclass(frozen=True)
class Dataset:
    """A data source as it is, before it was made to suit a net.

    `train` and `test` are arrays by name with one row per sample; u8 arrays are images, [n, h, w] or [n, h, w, c] or
    [n, c, h, w], 0 being black. `held_out` says in words which samples are the test. `vocabulary` is what the numbers
    in rows of letters or words stand for.
    """

    name: str
    train: Mapping[str, Array]
    test: Mapping[str, Array]
    classes: tuple[str, ...] = ()
    held_out: str = ""
    vocabulary: tuple[str, ...] = ()


@dataclass(frozen=True)
class Columns:
    """Samples that suit the inputs of a net: `arrays` has its shapes, `dtypes` the element types it wants.

    Images stay bytes until a batch is taken, which quarters the memory of a data set.
    """

    arrays: Mapping[str, Array]
    dtypes: Mapping[str, DType]

    def __len__(self) -> int:
        return min((len(a) for a in self.arrays.values()), default=0)

    def take(self, rows: Array | slice) -> dict[str, Array]:
        """The rows as C-contiguous arrays of the wanted types; bytes become floats in 0 ... 1."""
        return {name: _converted(array[rows], self.dtypes[name]) for name, array in self.arrays.items()}

    def digest(self) -> str:
        """A hash of all samples: tells whether a run goes on with the data it began with."""
        total = blake2b(digest_size=16)
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name])
            total.update(f"{name} {array.dtype} {array.shape}".encode())
            total.update(array.data if array.size else b"")
        return total.hexdigest()


def _converted(rows: Array, dtype: DType) -> Array:
    if rows.dtype == np.uint8 and dtype.is_float:
        return np.ascontiguousarray((rows / WHITE).astype(dtype.numpy, copy=False))
    return np.ascontiguousarray(rows, dtype.numpy)


@dataclass(frozen=True)
class Fitted:
    """A data set that suits a net."""

    name: str
    train: Columns
    test: Columns
    classes: tuple[str, ...] = field(default=())
    held_out: str = ""
    vocabulary: tuple[str, ...] = field(default=())


def order(seed: int, epoch: int, count: int) -> Array:
    """The order of the samples in an epoch: a permutation that depends on nothing else."""
    return generator(seed, "order", epoch).permutation(count)


def batches(count: int, size: int, start: int = 0) -> Iterator[tuple[int, slice]]:
    """(number, rows) of the batches of an epoch from batch `start` on; the last may be smaller."""
    for number in range(start, -(-count // size)):
        yield number, slice(number * size, min(count, (number + 1) * size))


def every_fifth(arrays: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Split off samples 4, 9, 14, ... (counting from 0) as the held-out fifth."""
    count = min(len(a) for a in arrays.values())
    held = np.arange(count) % 5 == 4
    return {n: a[~held] for n, a in arrays.items()}, {n: a[held] for n, a in arrays.items()}


def check_rows(name: str, key: str, array: Array) -> None:
    """Raise NetError unless an array has rows, and something in each."""
    if array.ndim == 0:
        raise NetError(f"{name}: '{key}' is a single number, not one row per sample")
    if len(array) and (array.size == 0 or array.dtype.itemsize == 0):
        raise NetError(f"{name}: there is nothing in the rows of '{key}': its shape is {list(array.shape)}")


def same_length(name: str, arrays: Mapping[str, Array]) -> None:
    """Raise NetError unless all arrays have the same number of rows."""
    counts = {n: len(a) for n, a in arrays.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"'{n}' {c}" for n, c in counts.items())
        raise NetError(f"{name}: arrays differ in their number of samples: {listed}")
