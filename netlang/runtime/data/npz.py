"""`FILE.npz`: named arrays. Those called `test_<name>` (or `<name>_test`) are the held-out samples of `<name>`.

Also `.npy` files, because an npz is an archive of these.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from netlang.diagnostics import NetError
from netlang.memory import machine_memory
from netlang.runtime.data.dataset import Array, Dataset, check_rows, every_fifth, same_length


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
    for part in (train, test):
        for key, array in part.items():
            check_rows(str(path), key, array)
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
            if total > machine_memory():
                raise NetError(f"{path} unpacks to {total:,} bytes, more than this machine's memory")
            return {i.filename.removesuffix(".npy"): _array(archive, i) for i in members}
    except (EOFError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile) as fault:
        # RuntimeError: what zipfile says of encrypted files and of compression methods it does not know.
        raise NetError(f"cannot read {path}: {fault}") from fault
    except OSError as fault:
        raise NetError(f"cannot read {path}: {fault.strerror or fault}") from fault


def read_npy(path: Path) -> Array:
    """The array of a .npy file, checked like those of an npz."""
    try:
        with path.open("rb") as file:
            _checked(file, path.stat().st_size, str(path))
            file.seek(0)
            array: Array = npy.read_array(file, allow_pickle=False)
    except (EOFError, ValueError) as fault:
        raise NetError(f"cannot read {path}: {fault}") from fault
    except OSError as fault:
        raise NetError(f"cannot read {path}: {fault.strerror or fault}") from fault
    return array


def _announced(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> int:
    """Bytes of an array as its own header has it, which must be what the archive's directory says."""
    with archive.open(member) as file:
        return _checked(file, member.file_size, f"{path}: '{member.filename.removesuffix('.npy')}'")


def _checked(file: IO[bytes], length: int, what: str) -> int:
    """Bytes of the array in a .npy file of `length` bytes. Raises NetError where its header says something else."""
    shape, dtype = _header(file)
    if dtype.hasobject:
        raise NetError(f"{what} holds Python objects, which are not read from data files")
    size = int(dtype.itemsize)
    for dim in shape:
        size *= int(dim)
    if file.tell() + size != length:
        raise NetError(f"{what} announces {size:,} bytes, the file has {length - file.tell():,}")
    return size


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    start = file.read(len(npy.MAGIC_PREFIX))
    if start != npy.MAGIC_PREFIX:
        raise ValueError("it does not begin as a .npy file does")
    file.seek(0)
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, _, dtype = read_header(file)
    except Exception as fault:  # NumPy evaluates the header as Python, which fails in many ways
        raise ValueError("the header of the array is damaged") from fault
    if any(type(dim) is not int or not 0 <= dim < 2**63 for dim in shape):
        raise ValueError(f"an array cannot have the shape {list(shape)}")
    return shape, dtype


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    with archive.open(member) as file:
        array: Array = npy.read_array(file, allow_pickle=False)
    return array
