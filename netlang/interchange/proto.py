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
_MAPPED = 1 << 20
"""Bytes from which on a tensor beside the file is mapped rather than read."""
_MOST_AXES = 32
_TOLD = 200
"""Letters of a name from a file that a message shows."""
_FIELDS = {
    "FLOAT": "float_data", "DOUBLE": "double_data", "INT64": "int64_data", "UINT64": "uint64_data",
    "UINT32": "uint64_data", "INT32": "int32_data", "INT16": "int32_data", "INT8": "int32_data",
    "UINT16": "int32_data", "UINT8": "int32_data", "BOOL": "int32_data", "FLOAT16": "int32_data",
    "BFLOAT16": "int32_data",
}  # fmt: skip
"""The element types that are read, and where elements stand that are not raw bytes."""


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
        if not place.is_file() and place.exists():
            raise NetError(f"{place} is no ONNX file: it is {'a folder' if place.is_dir() else 'a device or a pipe'}")
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
    what = f"tensor '{brief(tensor.name)}'" if tensor.name else "a tensor"
    if len(tensor.dims) > _MOST_AXES:
        raise NetError(f"{what} has {len(tensor.dims):,} axes; at most {_MOST_AXES} are read")
    shape = tuple(int(d) for d in tensor.dims)
    if any(d < 0 for d in shape):
        raise NetError(f"{what} has a size below 0: {list(shape)}")
    kinds = onnx.TensorProto.DataType
    name = kinds.Name(tensor.data_type) if tensor.data_type in kinds.values() else str(tensor.data_type)
    if name not in _FIELDS:
        raise NetError(f"{what} has elements {name}, which netlang has not")
    dtype, count = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)), prod(shape)
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        elements = _outside(tensor, what, dtype, count, folder)
    elif tensor.HasField("raw_data"):
        _check_count(what, shape, count, len(tensor.raw_data) / dtype.itemsize)
        elements = np.frombuffer(tensor.raw_data, dtype.newbyteorder("<") if dtype.kind in "iuf" else dtype)
        elements = elements.astype(dtype, copy=False)
    else:
        field = getattr(tensor, _FIELDS[name])
        _check_count(what, shape, count, len(field))
        elements = _listed(what, field, dtype)
    if name == "BOOL":
        elements = elements.view(np.uint8) != 0  # bytes above 1 are no booleans
    try:
        return elements.reshape(shape)
    except ValueError as fault:  # no elements, but sizes that no array has
        raise NetError(f"{what} is {list(shape)}: {_first_line(fault)}") from None


def _listed(what: str, field: Any, dtype: np.dtype[Any]) -> Array:
    """Elements as protocol buffers list them: short floats by their bits, small integers as larger ones."""
    if dtype.kind == "V" or dtype == np.float16:
        return _narrowed(what, field, np.dtype(np.uint16)).view(dtype)
    if dtype.kind == "f":
        return np.array(field, dtype)
    return _narrowed(what, field, np.dtype(np.uint8 if dtype.kind == "b" else dtype)).view(dtype)


def _narrowed(what: str, field: Any, dtype: np.dtype[Any]) -> Array:
    wide = np.array(field, np.uint64 if dtype.kind == "u" and dtype.itemsize >= 4 else np.int64)
    narrow = wide.astype(dtype)
    if (narrow != wide).any():
        raise NetError(f"{what} has elements that are no {dtype}")
    return narrow


def _check_count(what: str, shape: tuple[int, ...], count: int, held: float) -> None:
    if held != count:
        raise NetError(f"{what} is {list(shape)}, {count:,} elements, but the file holds {held:,.0f} of it")


def _outside(tensor: Any, what: str, dtype: np.dtype[Any], count: int, folder: Path | None) -> Array:
    """Elements that lie in another file, of the folder of the model or one in it."""
    told = {entry.key: entry.value for entry in tensor.external_data}
    location = told.get("location", "")
    shown = brief(location)
    if folder is None or not location:
        raise NetError(f"the elements of {what} lie in another file, but none is named")
    try:
        place = (folder / location).resolve()
        first, size = int(told.get("offset", 0)), count * dtype.itemsize
        length = int(told.get("length", size))
        if os.path.isabs(location) or not place.is_relative_to(folder.resolve()):
            raise NetError(f"the elements of {what} lie outside of the model's folder: '{shown}'")
        if not place.is_file():
            raise NetError(f"the elements of {what} lie in '{shown}', which is no file of that folder")
        if length != size or not 0 <= size <= _LARGEST_TENSOR or first < 0 or first + size > place.stat().st_size:
            raise NetError(f"{what} takes {size:,} bytes, but '{shown}' does not have them at {first:,}")
        if size < _MAPPED:
            return np.fromfile(place, dtype, count, offset=first)
        return np.memmap(place, dtype, "r", first, count)
    except (OSError, ValueError) as fault:
        raise NetError(f"the elements of {what} cannot be read from '{shown}': {_first_line(fault)}") from None


def brief(name: str) -> str:
    """A name from a file, as a message shows it."""
    return name if len(name) <= _TOLD else f"{name[:_TOLD]}..."


def _first_line(fault: Exception) -> str:
    return brief((str(fault).splitlines() or [type(fault).__name__])[0])
