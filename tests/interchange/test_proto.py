"""Tensors of ONNX files: every element type, in both ways in which its elements may stand there."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from netlang.diagnostics import NetError

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from netlang.interchange.proto import array_of, brief, opsets  # noqa: E402

FLOATS = [0.0, -0.0, 1.5, -2.25, np.inf, -np.inf, np.nan, 65504.0]
TYPES: dict[str, list[Any]] = {
    **dict.fromkeys(["float32", "float64", "float16", "bfloat16"], FLOATS),
    **{
        name: [np.iinfo(name).min, 0, 1, 2, 3, 5, 7, np.iinfo(name).max] for name in ["int8", "int16", "int32", "int64"]
    },
    **{name: [0, 1, 2, 3, 4, 5, 7, np.iinfo(name).max] for name in ["uint8", "uint16", "uint32", "uint64"]},
    "bool": [True, False] * 4,
}


def array(name: str) -> Any:
    dtype = np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)
    return np.array(TYPES[name], np.float64 if name == "bfloat16" else dtype).astype(dtype).reshape(2, 1, 4)


@pytest.mark.parametrize("name", TYPES)
def test_raw_elements(name: str) -> None:
    found = array_of(numpy_helper.from_array(array(name), "w"), None)
    assert found.dtype == array(name).dtype and found.shape == (2, 1, 4)
    assert found.tobytes() == array(name).tobytes()


@pytest.mark.parametrize("name", TYPES)
def test_listed_elements(name: str) -> None:
    wanted = array(name)
    kind = helper.np_dtype_to_tensor_dtype(wanted.dtype)
    found = array_of(helper.make_tensor("w", kind, wanted.shape, wanted.reshape(-1)), None)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    assert np.array_equal(found, wanted, equal_nan=wanted.dtype.kind in "fV")
    assert np.array_equal(np.signbit(found.astype(np.float64)), np.signbit(wanted.astype(np.float64)))


def test_shapes() -> None:
    assert array_of(numpy_helper.from_array(np.float32(3), "w"), None).shape == ()
    assert array_of(numpy_helper.from_array(np.zeros((0, 3), np.float32), "w"), None).shape == (0, 3)
    huge = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[0, 1 << 62, 4])
    with pytest.raises(NetError, match="'w' is"):
        array_of(huge, None)
    with pytest.raises(NetError, match="'w' has 100 axes"):
        array_of(TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1] * 100), None)
    with pytest.raises(NetError, match="'w' has a size below 0"):
        array_of(TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[-1]), None)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"data_type": TensorProto.FLOAT, "raw_data": b"\0" * 7}, "2 elements, but the file holds 2 of it"),
        ({"data_type": TensorProto.FLOAT, "float_data": [1.0]}, "2 elements, but the file holds 1 of it"),
        ({"data_type": TensorProto.FLOAT}, "2 elements, but the file holds 0 of it"),
        ({"data_type": TensorProto.UINT8, "int32_data": [1, 256]}, "elements that are no uint8"),
        ({"data_type": TensorProto.INT8, "int32_data": [1, -129]}, "elements that are no int8"),
        ({"data_type": TensorProto.FLOAT16, "int32_data": [1, 1 << 16]}, "elements that are no uint16"),
        ({"data_type": TensorProto.STRING, "string_data": [b"a", b"b"]}, "elements STRING, which netlang has not"),
        ({"data_type": TensorProto.COMPLEX64, "float_data": [1.0] * 4}, "elements COMPLEX64"),
        ({"data_type": TensorProto.INT4, "raw_data": b"\0"}, "elements INT4"),
        ({"data_type": TensorProto.FLOAT8E5M2, "raw_data": b"\0\0"}, "elements FLOAT8E5M2"),
        ({"data_type": 999, "raw_data": b"\0\0"}, "elements 999"),
    ],
)
def test_elements_that_are_not_those_of_the_shape(told: dict[str, Any], message: str) -> None:
    with pytest.raises(NetError, match=message):
        array_of(TensorProto(name="w", dims=[2], **told), None)


def test_booleans_are_true_or_false() -> None:
    raw = array_of(TensorProto(name="w", dims=[3], data_type=TensorProto.BOOL, raw_data=b"\0\1\2"), None)
    assert raw.tobytes() == b"\0\1\1"


def test_versions() -> None:
    def asks(**versions: int) -> Any:
        return onnx.ModelProto(opset_import=[helper.make_opsetid(d, v) for d, v in versions.items()])

    assert opsets(asks(), "a.onnx") == {"": 1}
    assert opsets(onnx.ModelProto(opset_import=[helper.make_opsetid("ai.onnx", 7)]), "a.onnx") == {"": 7}
    assert opsets(asks(own=3), "a.onnx") == {"own": 3, "": 1}
    with pytest.raises(NetError, match="is of opset 0"):
        opsets(onnx.ModelProto(opset_import=[helper.make_opsetid("", 0)]), "a.onnx")


def test_long_names_are_shortened() -> None:
    assert brief("conv1") == "conv1"
    assert len(brief("n" * 1_000_000)) < 300
