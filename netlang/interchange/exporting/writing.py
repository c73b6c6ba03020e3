"""An ONNX model as a file: the weights inside, or beside it where a file of that format could not hold them."""

from __future__ import annotations

import os
from pathlib import Path

from onnx import ModelProto, TensorProto

from netlang.runtime.files import replacing

MOST_BYTES = 2**31 - 2**20
"""What may be in the file itself: a protobuf message holds less than 2 GiB."""
ALIGNMENT = 4096
"""Where tensors begin in the file beside it: at whole pages, so that they can be mapped."""


def write(model: ModelProto, path: str | os.PathLike[str], most: int = MOST_BYTES) -> int:
    """Write a model; returns the bytes of all files. The file is complete or unchanged.

    Where its weights take more than `most` bytes they go into a file beside it, called like it with `.data` behind.
    Raises NetError for what the file system refuses.
    """
    target = Path(path)
    weights = model.graph.initializer
    if sum(len(tensor.raw_data) for tensor in weights) <= most:
        with replacing(target) as temporary:
            return temporary.write_bytes(model.SerializeToString(deterministic=True))
    beside = target.with_name(f"{target.name}.data")
    with replacing(target) as temporary:
        with replacing(beside) as data, data.open("wb") as file:
            for tensor in weights:
                file.seek(-file.tell() % ALIGNMENT, os.SEEK_CUR)
                _move(tensor, beside.name, file.tell())
                file.write(tensor.raw_data)
                tensor.ClearField("raw_data")
            size = file.tell()
        return size + temporary.write_bytes(model.SerializeToString(deterministic=True))


def _move(tensor: TensorProto, file: str, offset: int) -> None:
    """Say that a tensor's numbers are in another file."""
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", file), ("offset", str(offset)), ("length", str(len(tensor.raw_data)))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
