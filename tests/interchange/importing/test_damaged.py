"""Files that are no ONNX files, or none any more, and data beside them that is not where it should be."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from netlang.diagnostics import NetError

onnx = pytest.importorskip("onnx")

from onnx import ModelProto, TensorProto, helper  # noqa: E402
from onnx.helper import make_node as node  # noqa: E402

from netlang.interchange.importing import import_onnx  # noqa: E402
from tests.interchange.importing.making import imported, model  # noqa: E402


def small() -> ModelProto:
    """A convolution, a shape that is computed, a dense layer: a bit of everything that a file has."""
    rng = np.random.default_rng(0)
    weights = {
        "k": rng.normal(0, 1, (2, 1, 3, 3)).astype(np.float32),
        "w": rng.normal(0, 1, (18, 3)).astype(np.float32),
        "zero": np.array([0], np.int64),
        "open": np.array([-1], np.int64),
    }
    nodes = [
        node("Conv", ["x", "k"], ["c"], name="conv", kernel_shape=[3, 3], strides=[1, 1]),
        node("Relu", ["c"], ["r"], name="relu"),
        node("Shape", ["x"], ["s"], name="shape"),
        node("Gather", ["s", "zero"], ["n"], name="batch", axis=0),
        node("Concat", ["n", "open"], ["t"], name="target", axis=0),
        node("Reshape", ["r", "t"], ["f"], name="flat"),
        node("Gemm", ["f", "w"], ["y"], name="dense", alpha=1.0, transB=0),
    ]
    return model(*nodes, inputs={"x": ["N", 1, 5, 5]}, weights=weights)


def test_the_small_one_is_right(tmp_path: Path) -> None:
    found = imported(small(), tmp_path)
    assert "conv(2, 3" in found.text and "dense(3" in found.text and found.folded == 3


@pytest.mark.parametrize("seed", range(8))
def test_random_damage(seed: int, tmp_path: Path) -> None:
    """50 files each: cut off, bytes changed, bytes put in. Each is told or read; anything else would fail here."""
    draw, whole = random.Random(seed), small().SerializeToString()
    path, told = tmp_path / "damaged.onnx", 0
    for _ in range(50):
        data = bytearray(whole)
        match draw.randrange(3):
            case 0:
                del data[draw.randrange(len(data)) :]
            case 1:
                for _ in range(draw.choice([1, 2, 10])):
                    data[draw.randrange(len(data))] = draw.randrange(256)
            case _:
                place = draw.randrange(len(data))
                data[place:place] = draw.randbytes(draw.randrange(1, 9))
        path.write_bytes(data)
        try:
            import_onnx(path)
        except NetError as fault:
            told += 1
            assert len(str(fault)) < 2000
    assert told > 20


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "there is no graph in it"),
        (b"net digits {\n  input x: f32[N]\n}\n", "is no ONNX file"),
        (b"\x00" * 1000, "is no ONNX file"),
        (b"\xff" * 1000, "is no ONNX file"),
        (b"PK\x03\x04" + b"\x00" * 100, "is no ONNX file"),
    ],
)
def test_other_files(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(data)
    with pytest.raises(NetError, match=message):
        import_onnx(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, message in {
        tmp_path: "it is a folder",
        tmp_path / "nothing": "No such file or directory",
        Path("/dev/zero"): "it is a device or a pipe",
        pipe: "it is a device or a pipe",
        Path("a\0b"): "cannot read",
    }.items():
        with pytest.raises(NetError, match=message):
            import_onnx(path)


# ---- data beside the file

OUTSIDE = np.arange(6, dtype=np.float32).reshape(3, 2)


def beside(folder: Path, **told: str) -> ModelProto:
    """A product with weights that lie in another file of the folder."""
    made = model(node("MatMul", ["x", "w"], ["y"]))
    tensor = made.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=OUTSIDE.shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in told.items():
        tensor.external_data.add(key=key, value=value)
    (folder / "weights.bin").write_bytes(b"\0" * 4 + OUTSIDE.tobytes())
    return made


def test_data_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    found = imported(beside(tmp_path, location="weights.bin", offset="4", length="24"), tmp_path)
    (array,) = found.weights.values()
    assert np.array_equal(array, OUTSIDE.T)
    os.replace(tmp_path / "weights.bin", tmp_path / "deep" / "weights.bin")
    found = imported(beside(tmp_path, location="deep/weights.bin", offset="4"), tmp_path)
    assert np.array_equal(next(iter(found.weights.values())), OUTSIDE.T)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({}, "none is named"),
        ({"location": "../secret"}, "lie outside of the model's folder"),
        ({"location": "/etc/passwd"}, "lie outside of the model's folder"),
        ({"location": "link"}, "lie outside of the model's folder"),
        ({"location": "around/secret"}, "lie outside of the model's folder"),
        ({"location": "/dev/zero"}, "lie outside of the model's folder"),
        ({"location": "zeros"}, "lie outside of the model's folder"),
        ({"location": "pipe"}, "is no file of that folder"),
        ({"location": "missing"}, "is no file of that folder"),
        ({"location": "."}, "is no file of that folder"),
        ({"location": "a\0b"}, "cannot be read"),
        ({"location": "weights.bin", "offset": "5"}, "does not have them at 5"),
        ({"location": "weights.bin", "offset": "-4"}, "does not have them"),
        ({"location": "weights.bin", "offset": str(1 << 80)}, "does not have them"),
        ({"location": "weights.bin", "offset": "9" * 5000}, "cannot be read"),
        ({"location": "weights.bin", "offset": "four"}, "cannot be read"),
        ({"location": "weights.bin", "length": str(1 << 62)}, "does not have them"),
        ({"location": "weights.bin", "length": "12"}, "does not have them"),
    ],
)
def test_data_that_is_elsewhere(told: dict[str, str], message: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"\0" * 100)
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "around").symlink_to(tmp_path, target_is_directory=True)
    (folder / "zeros").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe")
    with pytest.raises(NetError, match=message):
        imported(beside(folder, **told), folder)


def test_large_data_beside_the_file_is_mapped(tmp_path: Path) -> None:
    """Nothing of it is read before somebody needs it: here 4 GB, of which the disk holds none."""
    rows = 1 << 30
    made = model(node("Gather", ["w", "i"], ["y"]), weights={"i": np.array([1], np.int64)})
    tensor = made.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[rows, 1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    with (tmp_path / "weights.bin").open("wb") as file:
        file.truncate(rows * 4)
    assert imported(made, tmp_path).folded == 1


# ---- time and memory

_MEASURED = """
import json, resource, sys, time
from netlang.diagnostics import NetError
from netlang.interchange.importing import import_onnx
from netlang.interchange.proto import onnx_package
onnx_package()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
told = {}
for path in sys.argv[1:]:
    try:
        told[path] = import_onnx(path).text
    except NetError as fault:
        told[path] = str(fault)
print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, told]))
"""


def test_little_memory(tmp_path: Path) -> None:
    """Constants by the billion in the forms that were worst, in a process of their own: less than 300 MB all together,
    in an address space of 8 GB."""
    large = {"s": np.array([1 << 16, 1 << 16], np.int64)}
    lines = {"a": np.zeros((1, 1 << 16), np.int64), "i": np.zeros(1 << 16, np.int64)}
    scales = {"r": np.array([1, 1, 1, 1e9], np.float32)}
    image = {"x": [1, 1, 4, 4]}
    worst = {
        "shape": model(node("ConstantOfShape", ["s"], ["c"]), node("ReduceSum", ["c"], ["y"]), weights=large),
        "gather": model(node("Gather", ["a", "i"], ["y"], axis=0), weights=lines),
        "resize": model(node("Resize", ["x", "", "r"], ["y"], mode="linear"), inputs=image, weights=scales),
        "random": model(node("RandomNormal", [], ["y"], shape=[1 << 16, 1 << 16])),
        "range": model(
            node("Range", ["a", "b", "c"], ["y"]),
            weights={"a": np.int64(0), "b": np.int64(1 << 40), "c": np.int64(1)},
        ),
    }
    for name, made in worst.items():
        (tmp_path / name).write_bytes(made.SerializeToString())
    command = [sys.executable, "-c", _MEASURED, *(str(tmp_path / name) for name in worst)]

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))

    done = subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=limited)
    taken, told = json.loads(done.stdout)
    assert taken < 300_000, taken
    for name in worst:
        assert "error:" in told[str(tmp_path / name)], told[str(tmp_path / name)]


def test_no_room_for_functions(tmp_path: Path) -> None:
    """A constant of a megabyte in a function that is called a million times is not written out."""
    tensor = onnx.numpy_helper.from_array(np.zeros(1 << 18, np.float32))
    inner = helper.make_function(
        "own", "F", ["x"], ["y"],
        [node("Constant", [], ["c"], value=tensor), node("Add", ["x", "c"], ["y"])], [helper.make_opsetid("", 17)],
    )  # fmt: skip
    names = ["x", *(f"v{i}" for i in range(2000)), "y"]
    nodes = [node("F", [a], [b], domain="own") for a, b in pairwise(names)]
    with pytest.raises(NetError, match="bytes when its functions are written out: too many"):
        imported(model(*nodes, functions=[inner]), tmp_path)
