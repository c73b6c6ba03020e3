"""Arrays from callers: element types, layouts, foreign arrays, sizes of symbolic dims."""

import numpy as np
import pytest

from netlang.diagnostics import NetError
from netlang.ir.build import Builder
from netlang.ir.dims import Dim, sym
from netlang.ir.graph import Value
from netlang.ir.types import DType, TensorType
from netlang.runtime.arrays import aligned_zeros, as_array, bind_sizes, by_name

N, T = sym("N"), sym("T")
F32 = TensorType(DType.F32, (N, 3))


def value(name: str, *shape: Dim, dtype: DType = DType.F32) -> Value:
    return Builder().input(name, TensorType(dtype, shape))


@pytest.mark.parametrize("shape", [(), (3,), (5, 7), (0, 4)])
def test_arrays_are_aligned(shape: tuple[int, ...]) -> None:
    array = aligned_zeros(shape, np.dtype(np.float32))
    assert array.ctypes.data % 64 == 0 or array.size == 0
    assert array.shape == shape and array.flags.c_contiguous and not array.any()


def test_a_suitable_array_is_not_copied() -> None:
    array = np.ones((2, 3), np.float32)
    assert as_array(array, F32, "x") is array


def test_dlpack_and_the_array_protocol_are_not_copied() -> None:
    array = np.ones((2, 3), np.float32)

    class SpeaksDLPack:
        def __dlpack__(self, **options: object) -> object:
            return array.__dlpack__()

        def __dlpack_device__(self) -> tuple[int, int]:
            return array.__dlpack_device__()

    class SpeaksArray:
        def __array__(self, dtype: object = None, copy: object = None) -> object:
            return array

    assert np.shares_memory(as_array(SpeaksDLPack(), F32, "x"), array)
    assert np.shares_memory(as_array(SpeaksArray(), F32, "x"), array)


def test_a_transposed_array_becomes_contiguous() -> None:
    array = np.ones((3, 2), np.float32).T
    found = as_array(array, F32, "x")
    assert found.flags.c_contiguous and found.shape == (2, 3)


def test_lists_and_numbers_take_the_wanted_type() -> None:
    assert as_array([[1, 2, 3]], F32, "x").dtype == np.float32
    assert as_array(2, TensorType(DType.F32, ()), "x").shape == ()


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.ones((2, 3)), "input 'x': expected f32[N, 3], got f64[2, 3]"),
        (np.ones((2, 3), np.uint8), "got u8[2, 3]"),
        (np.ones((2, 3), ">f4"), "got >f4[2, 3]"),
        (np.array([None]), "got object[1]"),
        ([[1], [2, 3]], "got a list"),
        ("hello", "got a str"),
    ],
)
def test_other_types_are_refused(array: object, text: str) -> None:
    with pytest.raises(NetError) as fault:
        as_array(array, F32, "input 'x'")
    assert text in str(fault.value)


def test_sizes_are_bound_across_inputs() -> None:
    inputs = (value("a", N, 2 * T + 1), value("b", T, N))
    assert bind_sizes(inputs, {"a": (4, 7), "b": (3, 4)}) == {"N": 4, "T": 3}


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        ({"a": (4, 7, 1), "b": (3, 4)}, "input 'a': expected f32[N, 1+2*T], got f32[4, 7, 1]"),
        ({"a": (4, 8), "b": (3, 4)}, "input 'a': expected"),
        ({"a": (4, 7), "b": (3, 5)}, "N is 4 in input 'a' and 5 in input 'b'"),
    ],
)
def test_sizes_that_do_not_fit(shapes: dict[str, tuple[int, ...]], text: str) -> None:
    inputs = (value("a", N, 2 * T + 1), value("b", T, N))
    with pytest.raises(NetError) as fault:
        bind_sizes(inputs, shapes)
    wanted = text.replace("1+2*T", str(2 * T + 1))
    assert wanted in str(fault.value)


def test_arguments_by_name() -> None:
    inputs = (value("image", N), value("label", N))
    assert by_name(inputs, (1,), {"label": 2}, "f") == {"image": 1, "label": 2}
    for args, named, text in [
        ((1, 2, 3), {}, "takes 2 inputs (image, label), got 3"),
        ((1,), {}, "needs input label"),
        ((), {}, "needs inputs image, label"),
        ((1,), {"image": 2, "label": 1}, "got input 'image' twice"),
        ((1,), {"lable": 2}, "did you mean 'label'?"),
    ]:
        with pytest.raises(NetError) as fault:
            by_name(inputs, args, named, "f")
        assert text in str(fault.value)


def test_fractions_in_a_list_do_not_become_whole_numbers() -> None:
    labels = TensorType(DType.I64, (N,))
    assert as_array([1, 2], labels, "x").dtype == np.int64
    with pytest.raises(NetError, match=r"x: expected i64\[N\], got f64\[2\]"):
        as_array([1.0, 2.5], labels, "x")


def test_whole_numbers_in_a_list_must_fit() -> None:
    pixels = TensorType(DType.U8, (N,))
    assert as_array([0, 255], pixels, "x").tolist() == [0, 255]
    for wrong in (-1, 256):
        with pytest.raises(NetError, match=rf"x: expected u8\[N\], got {wrong}$"):
            as_array([1, wrong], pixels, "x")
    with pytest.raises(NetError, match=r"got i64\[2\]") as fault:
        as_array(np.array([1, 2]), pixels, "x")
    assert "hint: convert it with .astype('uint8')" in str(fault.value)


@pytest.mark.parametrize("wrong", [None, {"image": 1}, {1, 2}, object()])
def test_what_is_no_array(wrong: object) -> None:
    with pytest.raises(NetError, match="that is no array"):
        as_array(wrong, F32, "x")
