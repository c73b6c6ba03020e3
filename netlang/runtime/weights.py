"""Parameters in safetensors files: written atomically, read with every check before anything is changed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from netlang.ir.graph import Value
from netlang.runtime.arrays import Array
from netlang.runtime.parameters import settle, touch
from netlang.runtime.ports import dtype_name
from netlang.runtime.tensor_file import Wanted, check_fits, open_tensors, read_tensors, write_tensors


def save(path: str | os.PathLike[str], arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write arrays by name; the file is complete or unchanged. Raises NetError where it cannot be written."""
    settle()
    write_tensors(path, {name: (dtype_name(array.dtype), array) for name, array in arrays.items()}, metadata)


def load(
    path: str | os.PathLike[str], wanted: Iterable[Value] | Mapping[str, Value], store: Mapping[str, Array]
) -> dict[str, str]:
    """Read the parameters `wanted` (by name, if they are not to go by their own) into the arrays of `store`, all or
    none; returns the file's metadata.

    Raises NetError that lists every tensor that is missing, unknown, or of another shape or element type.
    """
    params = dict(wanted) if isinstance(wanted, Mapping) else {p.node.name: p for p in wanted}
    file = open_tensors(path)
    check_fits(file, {n: Wanted(str(p.dtype), p.type.concrete({}), p.node.spans) for n, p in params.items()})
    settle()
    read_tensors(file, {name: store[name] for name in params})
    touch()
    return dict(file.metadata)


def metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The text entries of a file's header. Raises NetError where it is no safetensors file."""
    return dict(open_tensors(path).metadata)
