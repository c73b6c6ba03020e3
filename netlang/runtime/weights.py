"""Weights as safetensors files: written atomically, read with every check before anything is allocated."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from netlang.diagnostics import Diagnostic, NetError, closest, did_you_mean
from netlang.ir.graph import Value
from netlang.ir.types import DType, shape_text
from netlang.runtime.arrays import Array
from netlang.runtime.files import replacing
from netlang.runtime.parameters import settle, touch

CHECKPOINT_ENTRY = "netlang"
"""The entry of a file's header that tells a checkpoint from weights."""

MOST_FAULTS = 20
"""Tensors that are listed where a file does not fit."""

_STORED: dict[DType, str] = {
    DType.BOOL: "BOOL",
    DType.I8: "I8",
    DType.I32: "I32",
    DType.I64: "I64",
    DType.F16: "F16",
    DType.BF16: "BF16",
    DType.F32: "F32",
    DType.F64: "F64",
}
_NAMES = {stored: str(dtype) for dtype, stored in _STORED.items()}


def save(path: str | os.PathLike[str], arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write arrays by name; the file is complete or unchanged. Raises NetError where it cannot be written."""
    settle()
    with replacing(path) as temporary:
        try:
            save_file({n: np.asarray(a, order="C") for n, a in arrays.items()}, temporary, metadata=dict(metadata))
        except SafetensorError as fault:
            raise NetError(f"cannot write {path}: {fault}") from fault


def load(
    path: str | os.PathLike[str], wanted: Iterable[Value] | Mapping[str, Value], store: Mapping[str, Array]
) -> dict[str, str]:
    """Read the parameters `wanted` (by name, if they are not to go by their own) into the arrays of `store`, all or
    none; returns the file's metadata.

    Raises NetError that lists every tensor that is missing, unknown, or of another shape or element type.
    """
    params = dict(wanted) if isinstance(wanted, Mapping) else {p.node.name: p for p in wanted}
    with _opened(path) as file:
        faults = _faults(file, params, str(path))
        if faults and CHECKPOINT_ENTRY in (file.metadata() or {}) and set(file.keys()) > set(params):
            raise NetError(f"{path} is a checkpoint", hint="the weights of a run are the other files in its folder")
        if faults:
            more = [Diagnostic(f"{path}: {len(faults) - MOST_FAULTS} more tensors do not fit")]
            raise NetError(faults if len(faults) <= MOST_FAULTS else faults[:MOST_FAULTS] + more)
        metadata = dict(file.metadata() or {})
    settle()
    _read(path, {name: store[name] for name in params})
    touch()
    return metadata


def _read(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
    """Read tensors of a file that was checked right into C-contiguous arrays: no second copy of them in memory.

    A file is the length of its header (8 bytes, little-endian), the header (JSON), and the data, to whose start the
    header's offsets refer.
    """
    try:
        with Path(path).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
            for name, array in arrays.items():
                file.seek(8 + length + header[name]["data_offsets"][0])
                if array.nbytes and file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
                    raise NetError(f"{path} ended while it was read")
    except OSError as fault:
        raise NetError(f"cannot read weights {path}: {fault.strerror or fault}") from fault


def metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The text entries of a file's header. Raises NetError where it is no safetensors file."""
    with _opened(path) as file:
        return dict(file.metadata() or {})


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """`safe_open` whose faults are NetErrors that name the file."""
    try:
        Path(path).open("rb").close()  # safe_open's own complaints are less plain
        with safe_open(path, framework="numpy") as file:
            yield file
    except OSError as fault:
        raise NetError(f"cannot read weights {path}: {fault.strerror or fault}") from fault
    except ValueError as fault:  # a path that cannot be one
        raise NetError(f"cannot read weights {str(path)!r}: {fault}") from fault
    except SafetensorError as fault:
        raise NetError(f"{path} is not a whole safetensors file: {fault}") from fault


def _faults(file: Any, params: Mapping[str, Value], path: str) -> list[Diagnostic]:
    names = set(file.keys())
    out = []
    for name, param in params.items():
        place = param.node.spans[:1]
        if name not in names:
            spare = [n for n in names if n not in params]
            out.append(Diagnostic(f"{path} lacks the tensor '{name}' ({param.type})", place, hint=_near(name, spare)))
            continue
        piece = file.get_slice(name)
        kind, shape = piece.get_dtype(), tuple(piece.get_shape())
        if kind != _STORED[param.dtype] or shape != param.type.concrete({}):
            found = f"{_NAMES.get(kind, kind)}{shape_text(shape)}"
            out.append(Diagnostic(f"tensor '{name}' of {path}: expected {param.type}, got {found}", place))
    for name in sorted(names - set(params)):
        lacking = [n for n in params if n not in names]
        out.append(Diagnostic(f"{path} has a tensor '{name}' that the net does not", hint=did_you_mean(name, lacking)))
    return out


def _near(name: str, spare: list[str]) -> str:
    found = closest(name, spare)
    return f"the file has '{found}'" if found else ""
