"""Files of tensors are those of the safetensors package, and what is none is told."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from netlang.diagnostics import NetError
from netlang.runtime.ports import dtype_name
from netlang.runtime.tensor_file import open_tensors, read_tensors, write_tensors

DRAW = np.random.default_rng(0)
ARRAYS = {
    f"{name}.{kind}": np.abs(DRAW.normal(0, 50, shape)).astype(kind)
    for kind in ("f4", "f8", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?", ml_dtypes.bfloat16)
    for name, shape in (("b.ä", (3, 5)), ("a", ()), ("none", (0, 4)))
}


def written(path: Path, arrays: dict[str, Any] = ARRAYS) -> Path:
    write_tensors(path, {n: (dtype_name(a.dtype), a) for n, a in arrays.items()}, {"net": 'a "net"'})
    return path


def test_the_bytes_of_the_package(tmp_path: Path) -> None:
    save_file(
        {n: np.asarray(a, order="C") for n, a in ARRAYS.items()}, tmp_path / "theirs", metadata={"net": 'a "net"'}
    )
    assert written(tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_each_reads_the_other(tmp_path: Path) -> None:
    path = written(tmp_path / "w")
    file, theirs = open_tensors(path), load_file(path)
    ours = {name: np.zeros_like(array) for name, array in ARRAYS.items()}
    read_tensors(file, ours)
    for name, array in ARRAYS.items():
        assert ours[name].tobytes() == theirs[name].tobytes() == array.tobytes()
        assert file.tensors[name].shape == array.shape
    assert file.metadata == {"net": 'a "net"'}
    assert file.tensors["b.ä.f4"].type == "f32[3, 5]"


def test_files_without_tensors_and_with_foreign_ones(tmp_path: Path) -> None:
    assert open_tensors(written(tmp_path / "none", {})).tensors == {}
    save_file({"u": np.zeros(3, np.uint16), "c": np.zeros((2, 2), np.complex64)}, tmp_path / "foreign")
    found = open_tensors(tmp_path / "foreign").tensors
    assert {name: tensor.type for name, tensor in found.items()} == {"u": "u16[3]", "c": "C64[2, 2]"}


def file_of(path: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"[" * 100_000,
        b'{"a": 1}',
        b'{"a": {}, "a": {}}',
        {"__metadata__": {"a": 1}},
        {"__metadata__": []},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "more": 1}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}},
        {"a": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "b": {"dtype": "I8", "shape": [4],
         "data_offsets": [0, 4]}},
        {},
    ],
    ids=range(15),
)  # fmt: skip
def test_headers_that_mean_harm(tmp_path: Path, header: Any) -> None:
    with pytest.raises(NetError, match="is not a whole safetensors file"):
        open_tensors(file_of(tmp_path / "w", header, bytes(4)))


def test_whatever_is_changed_in_a_header_never_reads_past_the_file(tmp_path: Path) -> None:
    whole, draw, path = written(tmp_path / "w").read_bytes(), random.Random(1), tmp_path / "changed"
    size, refused = int.from_bytes(whole[:8], "little") + 8, 0
    for _ in range(300):
        body = bytearray(whole[: draw.randrange(len(whole))] if draw.random() < 0.2 else whole)
        body[draw.randrange(min(size, len(body)))] = draw.randrange(256)
        path.write_bytes(body)
        try:
            found = open_tensors(path)
        except NetError:
            refused += 1
            continue
        assert all(t.first <= len(whole) for t in found.tensors.values())
    assert refused > 150
