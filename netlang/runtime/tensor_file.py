"""Arrays by name in one file, in the safetensors format. Needs NumPy alone.

    8 bytes   length of the header, little-endian
    header    JSON: {"__metadata__": {text: text}, name: {"dtype": "F32", "shape": [...], "data_offsets": [from, to]}},
              filled up with spaces to a multiple of 8 bytes
    data      to whose start offsets refer: tensors without gaps, those of the widest elements first, then by name

Files are those that the `safetensors` package writes, byte for byte, and it reads them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from netlang.diagnostics import Diagnostic, NetError, Span, closest, did_you_mean
from netlang.ir.dims import shape_text
from netlang.runtime.files import replacing
from netlang.runtime.ports import Array, dtype_of

CHECKPOINT_ENTRY = "netlang"
"""The entry of a file's header that tells a checkpoint from weights."""

MOST_FAULTS = 20
"""Tensors that are listed where a file does not fit."""

LONGEST_HEADER = 100_000_000
"""Bytes; the format's own bound."""
_STORED = {
    "u64": "U64", "i64": "I64", "f64": "F64", "f32": "F32", "u32": "U32", "i32": "I32", "bf16": "BF16", "f16": "F16",
    "u16": "U16", "i16": "I16", "i8": "I8", "u8": "U8", "bool": "BOOL",
}  # fmt: skip
"""What the format calls element types, in the order in which it stores tensors."""
_NAMES = {stored: name for name, stored in _STORED.items()}
_BITS = {stored: 8 * dtype_of(name).itemsize for name, stored in _STORED.items()}
"""Of an element, of the types that netlang has."""


@dataclass(frozen=True)
class Tensor:
    """A tensor as a file has it: the name of its element type there, its shape, where its bytes begin in the file and
    how many they are."""

    dtype: str
    shape: tuple[int, ...]
    first: int
    bytes: int

    @property
    def element(self) -> str:
        """netlang's name of the element type, the format's own where netlang has none."""
        return _NAMES.get(self.dtype, self.dtype)

    @property
    def type(self) -> str:
        """`f32[10, 84]`"""
        return f"{self.element}{shape_text(self.shape)}"


@dataclass(frozen=True)
class TensorFile:
    """What the header of a file says."""

    path: str
    metadata: Mapping[str, str]
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class Wanted:
    """A tensor that a file is to have: netlang's name of its element type, and where the source declares it."""

    dtype: str
    shape: tuple[int, ...]
    spans: Sequence[Span] = ()

    @property
    def type(self) -> str:
        return f"{self.dtype}{shape_text(self.shape)}"


def write_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, tuple[str, Array]], metadata: Mapping[str, str]
) -> None:
    """Write arrays by name, each with netlang's name of its element type; the file is complete or unchanged.

    Raises NetError where it cannot be written.
    """
    head, names = header({name: Wanted(dtype, array.shape) for name, (dtype, array) in tensors.items()}, metadata)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(head)
        for name in names:
            file.write(np.ascontiguousarray(tensors[name][1]).reshape(-1).view(np.uint8).data)


def writable(dtype: str) -> bool:
    """Whether the format has an element type that netlang calls so."""
    return dtype in _STORED


def header(tensors: Mapping[str, Wanted], metadata: Mapping[str, str]) -> tuple[bytes, list[str]]:
    """(what a file of these tensors begins with, their names in the order of the data)."""
    order = list(_STORED)
    found: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end, names = 0, sorted(tensors, key=lambda name: (order.index(tensors[name].dtype), name))
    for name in names:
        tensor = tensors[name]
        stored = _STORED[tensor.dtype]
        first, end = end, end + prod(tensor.shape) * _BITS[stored] // 8
        found[name] = {"dtype": stored, "shape": list(tensor.shape), "data_offsets": [first, end]}
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, names


def open_tensors(path: str | os.PathLike[str]) -> TensorFile:
    """Read the header of a file. Raises NetError where it cannot be read, or is not whole."""
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, LONGEST_HEADER):
                raise _broken(path, f"it has {size:,} bytes, and its header would have {length:,}")
            text = file.read(length)
    except OSError as fault:
        raise NetError(f"cannot read weights {path}: {fault.strerror or fault}") from fault
    except ValueError as fault:  # a path that cannot be one
        raise NetError(f"cannot read weights {str(path)!r}: {fault}") from fault
    try:
        said = json.loads(text, object_pairs_hook=_distinct)
        metadata = {str(key): _text(value) for key, value in said.pop("__metadata__", {}).items()}
        found = {name: _tensor(**place) for name, place in said.items()}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as fault:
        raise _broken(path, f"its header cannot be read: {fault}") from fault
    end = 0
    for name, tensor in sorted(found.items(), key=lambda item: (item[1].first, item[1].bytes)):
        bits = _BITS.get(tensor.dtype)
        fits = tensor.bytes >= 0 and (bits is None or tensor.bytes * 8 == prod(tensor.shape) * bits)
        if tensor.first != end or not fits:
            raise _broken(path, f"its tensor '{name}' is not where one can be")
        end += tensor.bytes
    if 8 + length + end != size:
        raise _broken(path, f"it has {size:,} bytes where its header tells of {8 + length + end:,}")
    start = 8 + length
    return TensorFile(str(path), metadata, {n: replace(t, first=start + t.first) for n, t in found.items()})


def read_tensors(file: TensorFile, arrays: Mapping[str, Array]) -> None:
    """Read tensors right into C-contiguous arrays of their shapes and types: no second copy of them in memory.

    Raises NetError where the file cannot be read.
    """
    try:
        with Path(file.path).open("rb") as opened:
            for name, array in arrays.items():
                opened.seek(file.tensors[name].first)
                if array.nbytes and opened.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
                    raise NetError(f"{file.path} ended while it was read")
    except OSError as fault:
        raise NetError(f"cannot read weights {file.path}: {fault.strerror or fault}") from fault


def check_fits(file: TensorFile, wanted: Mapping[str, Wanted]) -> None:
    """Raises NetError that lists the tensors that are missing, unknown, or of another shape or element type."""
    faults = _faults(file, wanted)
    if faults and CHECKPOINT_ENTRY in file.metadata and set(file.tensors) > set(wanted):
        raise NetError(f"{file.path} is a checkpoint", hint="the weights of a run are the other files in its folder")
    if len(faults) > MOST_FAULTS:
        more = Diagnostic(f"{file.path}: {len(faults) - MOST_FAULTS} more tensors do not fit")
        faults = [*faults[:MOST_FAULTS], more]
    if faults:
        raise NetError(faults)


def _faults(file: TensorFile, wanted: Mapping[str, Wanted]) -> list[Diagnostic]:
    path, found = file.path, file.tensors
    out = []
    for name, want in wanted.items():
        place = tuple(want.spans[:1])
        if name not in found:
            near = closest(name, [n for n in found if n not in wanted])
            hint = f"the file has '{near}'" if near else ""
            out.append(Diagnostic(f"{path} lacks the tensor '{name}' ({want.type})", place, hint=hint))
        elif (found[name].dtype, found[name].shape) != (_STORED[want.dtype], want.shape):
            message = f"tensor '{name}' of {path}: expected {want.type}, got {found[name].type}"
            out.append(Diagnostic(message, place))
    lacking = [n for n in wanted if n not in found]
    for name in sorted(set(found) - set(wanted)):
        hint = did_you_mean(name, lacking)
        out.append(Diagnostic(f"{path} has a tensor '{name}' that the net does not", hint=hint))
    return out


def _tensor(dtype: str, shape: list[int], data_offsets: list[int]) -> Tensor:
    """A tensor, whose place is still counted from the start of the data."""
    first, last = (_count(offset) for offset in data_offsets)
    return Tensor(_text(dtype), tuple(_count(size) for size in shape), first, last - first)


def _count(number: Any) -> int:
    if type(number) is not int or not 0 <= number < 2**63:
        raise ValueError(f"{number!r} is no count")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it says something twice")
    return found


def _broken(path: str | os.PathLike[str], reason: str) -> NetError:
    return NetError(f"{path} is not a whole safetensors file: {reason}")
