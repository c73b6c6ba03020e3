"""An ONNX model as a file: the weights inside, or beside it where a file of that format could not hold them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto

from netlang.ir.opdef import Array
from netlang.runtime.files import replacing

MOST_BYTES = 2**31 - 2**20
"""What may be in the file itself: a protobuf message holds less than 2 GiB."""
ALIGNMENT = 4096
"""Where tensors begin in the file beside it: at whole pages, so that they can be mapped."""


def filled(model: ModelProto, weights: Mapping[str, Array]) -> ModelProto:
    """The model with the numbers of its weights, by their names."""
    for tensor in model.graph.initializer:
        tensor.raw_data = _little(weights[tensor.name]).tobytes()
    return model


def write(model: ModelProto, weights: Mapping[str, Array], path: str | os.PathLike[str], most: int = MOST_BYTES) -> int:
    """Write a model whose weights have no numbers yet, complete or not at all; returns the bytes of all files.

    Where the weights take more than `most` bytes they go into a file beside it, called like it with `.data` behind.
    Raises NetError for what the file system refuses.
    """
    target = Path(path)
    if sum(weights[tensor.name].nbytes for tensor in model.graph.initializer) <= most:
        with replacing(target) as temporary:
            return temporary.write_bytes(filled(model, weights).SerializeToString(deterministic=True))
    beside = target.with_name(f"{target.name}.data")
    with replacing(target) as temporary:
        with replacing(beside) as data, data.open("wb") as file:
            for tensor in model.graph.initializer:
                file.seek(-file.tell() % ALIGNMENT, os.SEEK_CUR)
                array = _little(weights[tensor.name])
                _refer(tensor, beside.name, file.tell(), array.nbytes)
                array.tofile(file)
            size = file.tell()
        return size + temporary.write_bytes(model.SerializeToString(deterministic=True))


def _little(array: Array) -> Array:
    """As ONNX stores numbers: row-major, the lowest byte first."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<") if array.dtype.byteorder == ">" else None)


def _refer(tensor: TensorProto, file: str, offset: int, length: int) -> None:
    """Say that a tensor's numbers are in another file."""
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", file), ("offset", str(offset)), ("length", str(length))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
