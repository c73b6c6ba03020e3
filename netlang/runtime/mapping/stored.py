"""Files that hold arrays by name: safetensors, one or several with an index, NumPy's `.npz`, weights in a `.netc` file.

They are told by how they begin, not by what they are called. Nothing is ever unpickled.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netlang.diagnostics import NetError
from netlang.ir.dims import shape_text
from netlang.runtime.artifact.container import MAGIC, open_artifact
from netlang.runtime.artifact.damage import damage_told
from netlang.runtime.artifact.stored import parameters
from netlang.runtime.data import npz
from netlang.runtime.mapping.shards import open_shards
from netlang.runtime.ports import Array, dtype_name, dtype_of
from netlang.runtime.tensor_file import LONGEST_HEADER, TensorFile, open_tensors, read_tensors, writable

_HDF5 = b"\x89HDF\r\n\x1a\n"
_PICKLE = b"\x80"


@dataclass(frozen=True)
class Entry:
    """A tensor of a file; `dtype` is netlang's name, or a foreign one."""

    dtype: str
    shape: tuple[int, ...]
    bytes: int

    @property
    def type(self) -> str:
        """`f32[10, 84]`"""
        return f"{self.dtype}{shape_text(self.shape)}"


@dataclass(frozen=True)
class Stored:
    """An open file: what is in it, and `read`, which gives a tensor by name (NetError where that is not possible)."""

    path: str
    kind: str
    entries: Mapping[str, Entry]
    read: Callable[[str], Array]
    metadata: Mapping[str, str]

    def readable(self, name: str) -> bool:
        """Whether its elements are of a type that is read: complex numbers and some of 8 bits are not."""
        return self.kind not in ("safetensors", "shards") or writable(self.entries[name].dtype)


def open_stored(path: str | os.PathLike[str]) -> Stored:
    """Raises NetError where a file cannot be read, or holds no arrays by name."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(8)
    except OSError as fault:
        raise NetError(f"cannot read weights {path}: {fault.strerror or fault}") from fault
    except ValueError as fault:  # a path that cannot be one
        raise NetError(f"cannot read weights {str(path)!r}: {fault}") from fault
    if head == MAGIC:
        return _artifact(path)
    if head[:4] == b"PK\x03\x04":
        return _archive(path)
    if head == _HDF5:
        raise NetError(f"{path} is an HDF5 file, which is not read", hint="numpy.savez(FILE, **arrays) writes an .npz")
    if head[:1] == b"{" and int.from_bytes(head, "little") > LONGEST_HEADER:
        return _safetensors(str(path), "shards", open_shards(path), {})
    if head[:1] == _PICKLE and int.from_bytes(head, "little") > LONGEST_HEADER:
        raise _pickle(path)
    found = open_tensors(path)
    return _safetensors(found.path, "safetensors", dict.fromkeys(found.tensors, found), found.metadata)


def _safetensors(path: str, kind: str, files: Mapping[str, TensorFile], metadata: Mapping[str, str]) -> Stored:
    """`files`: the one that each tensor is in."""

    def read(name: str) -> Array:
        file = files[name]
        tensor = file.tensors[name]
        array = np.zeros(tensor.shape, _numpy(f"tensor '{name}' of {file.path}", tensor.element))
        read_tensors(file, {name: array})
        return array

    tensors = {name: file.tensors[name] for name, file in files.items()}
    entries = {name: Entry(t.element, t.shape, t.bytes) for name, t in tensors.items()}
    return Stored(path, kind, entries, read, metadata)


def _numpy(what: str, dtype: str) -> np.dtype[Any]:
    if not writable(dtype):
        raise NetError(f"{what} has elements of type {dtype}, which are not read")
    return dtype_of(dtype)


def _archive(path: str | os.PathLike[str]) -> Stored:
    """An `.npz`, whose arrays come into memory at once."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile) as fault:
        raise NetError(f"cannot read {path}: {fault}") from fault
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        raise _pickle(path)
    if not any(name.endswith(".npy") for name in names):
        raise NetError(f"{path} is an archive without arrays: an .npz holds .npy files")
    arrays = {name: _numbers(f"'{name}' of {path}", array) for name, array in npz.read(Path(path)).items()}
    entries = {name: Entry(dtype_name(a.dtype), a.shape, a.nbytes) for name, a in arrays.items()}
    return Stored(str(path), "npz", entries, arrays.__getitem__, {})


def _numbers(what: str, array: Array) -> Array:
    """In this machine's order of bytes. Raises NetError for texts, times and complex numbers."""
    if array.dtype.kind not in "fiub":
        raise NetError(f"{what} is an array of {array.dtype}, which holds no real numbers")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _artifact(path: str | os.PathLike[str]) -> Stored:
    artifact = open_artifact(path)
    with damage_told(artifact):
        content = artifact.content
        listed: dict[str, Any] = dict(content.get("weights", {}))
        for said in content["nets"].values():
            listed.update(said["params"])
        arrays = parameters(listed, artifact.member("weights"))
    entries = {n: Entry(dtype, tuple(shape), arrays[n].nbytes) for n, (dtype, shape, *_) in listed.items()}
    return Stored(str(path), "netc", entries, arrays.__getitem__, {})


def _pickle(path: str | os.PathLike[str]) -> NetError:
    save = "import sys, torch, safetensors.torch as s; d = torch.load(sys.argv[1], weights_only=True); "
    save += "s.save_file({k: v.contiguous().clone() for k, v in d.items()}, sys.argv[2])"
    return NetError(
        f"{path} is a pickle of PyTorch, and reading one can run whatever its author wrote",
        hint=f"save its state dict as safetensors: python -c '{save}' {path} weights.safetensors",
    )
