"""ONNX files as protocol buffers, read defensively: what they claim is compared with what is there.

The `onnx` package parses and writes the messages; tensors are taken out of them here, because a shape that a file
claims must not make anyone allocate it.
"""

from __future__ import annotations

import os
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from netlang.diagnostics import NetError
from netlang.interchange.texts import broken_text
from netlang.runtime.ports import Array

_LARGEST_FILE = 2**31 - 1
"""Bytes: what a protocol buffer can have at most."""
_LARGEST_TENSOR = 1 << 36
"""Bytes of a tensor beside the file, as a whole."""
_SPLIT = {"COMPLEX64", "COMPLEX128"}
_FIELDS = {
    "FLOAT": "float_data", "DOUBLE": "double_data", "INT64": "int64_data", "UINT64": "uint64_data",
    "UINT32": "uint64_data",
}  # fmt: skip
"""Where elements stand that are not raw bytes; those of other types are in `int32_data`."""


def onnx_package() -> ModuleType:
    """The `onnx` package. Raises NetError where it is not installed."""
    try:
        import onnx
    except ImportError:
        raise NetError("the onnx package is not installed", hint="pip install 'netlang[onnx]'") from None
    return onnx


def read_model(path: str | os.PathLike[str]) -> Any:
    """The ModelProto of a file. Raises NetError for what is none."""
    onnx, place = onnx_package(), Path(path)
    try:
        if place.stat().st_size > _LARGEST_FILE:
            raise NetError(f"{place} is too large for an ONNX file: a protocol buffer has less than 2 GB")
        data = place.read_bytes()
    except (OSError, ValueError) as fault:
        raise NetError(f"cannot read {str(place)!r}: {getattr(fault, 'strerror', None) or fault}") from None
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as fault:  # protobuf's own class differs between its implementations
        raise NetError(f"{place} is no ONNX file: {_first_line(fault)}", hint="it may be damaged or cut off") from None
    if (text := broken_text(model)) is not None:
        raise NetError(f"{place} is no ONNX file: {text[:60]!r} in it is no text in UTF-8", hint="it may be damaged")
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise NetError(f"{place} is no ONNX file: there is no graph in it")
    return model


def opsets(model: Any, path: str | os.PathLike[str]) -> dict[str, int]:
    """The version of each domain that a model asks for. Raises NetError for ones that nobody here knows."""
    found = {("" if o.domain == "ai.onnx" else o.domain): int(o.version) for o in model.opset_import}
    newest = onnx_package().defs.onnx_opset_version()
    version = found.setdefault("", 1)
    if not 1 <= version <= newest:
        raise NetError(
            f"{path} is of opset {version}; opsets 1 to {newest} are read", hint="a newer onnx package may know it"
        )
    return found


def array_of(tensor: Any, folder: Path | None) -> Array:
    """The array of a TensorProto; `folder` is where data outside of the file may lie, None where none may.

    Raises NetError where the elements are not those of the shape.
    """
    onnx = onnx_package()
    what = f"tensor '{tensor.name}'" if tensor.name else "a tensor"
    shape = tuple(int(d) for d in tensor.dims)
    if any(d < 0 for d in shape):
        raise NetError(f"{what} has a size below 0: {list(shape)}")
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
        name = onnx.TensorProto.DataType.Name(tensor.data_type)
    except (KeyError, ValueError, TypeError):
        raise NetError(f"{what} has elements of an unknown type {tensor.data_type}") from None
    if name == "STRING" or name in _SPLIT or "4" in name.removesuffix("64"):
        raise NetError(f"{what} has elements {name}, which netlang has not")
    count = prod(shape)
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return _outside(tensor, what, dtype, count, folder).reshape(shape)
    if tensor.HasField("raw_data"):
        _check_count(what, shape, count, len(tensor.raw_data) / dtype.itemsize)
        little = np.frombuffer(tensor.raw_data, dtype.newbyteorder("<") if dtype.kind in "iuf" else dtype)
        return little.astype(dtype, copy=False).reshape(shape)
    field = getattr(tensor, _FIELDS.get(name, "int32_data"))
    _check_count(what, shape, count, len(field))
    array: Array = onnx.numpy_helper.to_array(tensor)
    return array


def _check_count(what: str, shape: tuple[int, ...], count: int, held: float) -> None:
    if held != count:
        raise NetError(f"{what} is {list(shape)}, {count:,} elements, but the file holds {held:,.0f} of it")


def _outside(tensor: Any, what: str, dtype: np.dtype[Any], count: int, folder: Path | None) -> Array:
    """Elements that lie in another file, of the folder of the model or one in it."""
    told = {entry.key: entry.value for entry in tensor.external_data}
    location = told.get("location", "")
    if folder is None or not location:
        raise NetError(f"the elements of {what} lie in another file, but none is named")
    try:
        place = (folder / location).resolve()
        first, size = int(told.get("offset", 0)), count * dtype.itemsize
        length = int(told.get("length", size))
        if os.path.isabs(location) or not place.is_relative_to(folder.resolve()):
            raise NetError(f"the elements of {what} lie outside of the model's folder: '{location}'")
        if not place.is_file():
            raise NetError(f"the elements of {what} lie in '{location}', which is not there")
        if length != size or not 0 <= size <= _LARGEST_TENSOR or first < 0 or first + size > place.stat().st_size:
            raise NetError(f"{what} takes {size:,} bytes, but '{location}' does not have them at {first:,}")
        return np.fromfile(place, dtype, count, offset=first)
    except (OSError, ValueError) as fault:
        raise NetError(f"the elements of {what} cannot be read from '{location}': {_first_line(fault)}") from None


def _first_line(fault: Exception) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0][:200]
