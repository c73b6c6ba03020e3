"""`FILE.npz`: named arrays. Those called `test_<name>` (or `<name>_test`) are the held-out samples of `<name>`."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from netlang.diagnostics import NetError
from netlang.runtime.data.dataset import Array, Dataset, every_fifth, same_length


def load(path: Path) -> Dataset:
    """The arrays of a file. Where none is marked as test, every fifth sample is held out.

    Raises NetError for a file that is no npz, holds Python objects, or is larger than memory.
    """
    train: dict[str, Array] = {}
    test: dict[str, Array] = {}
    for name, array in read(path).items():
        if name.startswith("test_") or name.endswith("_test"):
            test[name.removeprefix("test_").removesuffix("_test")] = array
        else:
            train[name.removeprefix("train_").removesuffix("_train")] = array
    if not train:
        raise NetError(f"{path} holds no arrays to train with")
    if any(a.ndim == 0 for a in (*train.values(), *test.values())):
        raise NetError(f"{path}: an array is a single number, not one row per sample")
    if test and set(test) != set(train):
        lone = sorted(set(test) ^ set(train))
        raise NetError(f"{path}: '{lone[0]}' is only among the {'test' if lone[0] in test else 'training'} arrays")
    if test:
        return Dataset(path.name, train, test, (), "the test arrays")
    same_length(str(path), train)
    train, test = every_fifth(train)
    return Dataset(path.name, train, test, (), "every fifth sample")


def read(path: Path) -> dict[str, Array]:
    """All arrays of an npz file by name, each checked against its header before it is given memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [i for i in archive.infolist() if i.filename.endswith(".npy")]
            total = sum(_announced(archive, i, path) for i in members)
            if total > _memory():
                raise NetError(f"{path} unpacks to {total:,} bytes, more than this machine's memory")
            return {i.filename.removesuffix(".npy"): _array(archive, i) for i in members}
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, NotImplementedError) as fault:
        raise NetError(f"cannot read {path}: {fault}") from fault


def _announced(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> int:
    """Bytes of an array as its own header has it, which must be what the archive's directory says."""
    with archive.open(member) as file:
        shape, dtype = _header(file)
        start = file.tell()
    name = member.filename.removesuffix(".npy")
    if dtype.hasobject:
        raise NetError(f"{path}: '{name}' holds Python objects, which are not read from data files")
    size = int(dtype.itemsize)
    for dim in shape:
        size *= int(dim)
    if start + size != member.file_size:
        raise NetError(f"{path}: '{name}' announces {size:,} bytes, the archive has {member.file_size - start:,}")
    return size


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_header(file)
    return shape, dtype


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    with archive.open(member) as file:
        array: Array = npy.read_array(file, allow_pickle=False)
    return array


def _memory() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
