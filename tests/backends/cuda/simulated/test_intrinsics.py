"""What words mean in the simulator, against NumPy and ml_dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from netlang.backends.cuda.intrinsics import WORDS, conversions
from netlang.backends.cuda.simulator import Memory, run

Array = NDArray[Any]
RNG = np.random.default_rng(0)


def floats() -> Array:
    """float32 of every size, ties of rounding and special values."""
    bits = RNG.integers(0, 1 << 32, 2000, dtype=np.uint32)
    ties = (RNG.integers(0, 1 << 16, 500, dtype=np.uint32) << 16) | 0x8000
    ties_tf32 = (RNG.integers(0, 1 << 19, 500, dtype=np.uint32) << 13) | 0x1000
    named = np.array([0.0, -0.0, 1, -1, np.inf, -np.inf, 65504, 65520, 3.4e38, 1e-45, 6e-8], np.float32)
    values = np.concatenate([np.concatenate([bits, ties, ties_tf32]).view(np.float32), named])
    return values[~np.isnan(values)]


@pytest.mark.parametrize(("name", "dtype"), [("bf16", ml_dtypes.bfloat16), ("f16", np.float16)])
def test_16_bit_formats_bit_for_bit(name: str, dtype: Any) -> None:
    values = floats()
    to_bits, to_number = WORDS[f"{name}_bits"].meaning, WORDS[f"{name}_number"].meaning
    with np.errstate(over="ignore"):
        assert [to_bits(v) for v in values] == values.astype(dtype).view(np.uint16).tolist()
    every = np.arange(1 << 16, dtype=np.uint16)[::7]
    got = np.array([to_number(int(b)) for b in every], np.float32)
    np.testing.assert_array_equal(got, every.view(dtype).astype(np.float32))
    assert np.isnan(to_number(to_bits(np.float32(np.nan))))
    pack = WORDS[f"pack_{name}x2"].meaning
    assert pack(np.float32(1), np.float32(-2)) == to_bits(np.float32(1)) << 16 | to_bits(np.float32(-2))


def test_tf32_is_rounded_to_the_nearest_and_ties_away_from_zero() -> None:
    values = floats()
    values = values[np.abs(values) < 2.0**126]
    got = np.array([conversions.tf32_bits(v) for v in values], np.uint32)
    assert not (got & 0x1FFF).any()
    scale = 2.0 ** (np.floor(np.log2(np.maximum(np.abs(values.astype(np.float64)), 2.0**-126))) - 10)
    exact = values / scale
    want = np.sign(exact) * np.floor(np.abs(exact) + 0.5) * scale
    np.testing.assert_array_equal(got.view(np.float32).astype(np.float64), want)


@pytest.mark.parametrize("kind", ["f32", "f64", "f16", "bf16", "i8", "i32", "i64", "bool", "u32"])
def test_elements_are_stored_as_they_are_loaded(kind: str) -> None:
    dtypes: dict[str, Any] = {
        "f32": np.float32,
        "f64": np.float64,
        "f16": np.float16,
        "bf16": ml_dtypes.bfloat16,
        "i8": np.int8,
        "i32": np.int32,
        "i64": np.int64,
        "bool": np.bool_,
        "u32": np.uint32,
    }
    dtype = np.dtype(dtypes[kind])
    drawn = RNG.integers(0, 2, 32) if kind == "bool" else RNG.integers(-100, 100, 32)
    values = np.abs(drawn).astype(dtype) if kind == "u32" else drawn.astype(dtype)
    text = f"""
def kernel(x, y):
    at = i32({dtype.itemsize} * thread())
    s = shared_base()
    store_shared_{kind}(s, at, load_{kind}(x, at))
    sync()
    store_{kind}(y, at, load_shared_{kind}(s, at))
"""
    memory = Memory()
    x, y = memory.allocate(32 * dtype.itemsize), memory.allocate(32 * dtype.itemsize)
    memory.view(x, dtype, (32,))[:] = values
    run(text, (x, y), (1, 1, 1), 32, memory, shared=32 * dtype.itemsize)
    assert np.array_equal(memory.view(y, dtype, (32,)), values)


def test_numbers_wrap_and_saturate_as_on_a_gpu() -> None:
    names = run_values("i32(4294967295)", "i32(2147483648)", "u32(-1)", "i32(f32(-2.7))", "i32(f32(3e9))")
    assert names == [-1, -(2**31), 0xFFFFFFFF, -2, 2**31 - 1]
    assert run_values("div_u32(7, 2)", "rem_u32(7, 4)", "mulhi_u32(4294967295, 4294967295)") == [3, 3, 0xFFFFFFFE]
    assert run_values("max_i32(-3, 2)", "min_i64(-3, 2)") == [2, -3]
    nan, one = np.float32(np.nan), np.float32(1)
    for name in ("max_f32", "min_f32", "max_f64", "min_f64"):
        extreme = WORDS[name].meaning
        assert np.isnan(extreme(nan, one)) and np.isnan(extreme(one, nan)) and extreme(one, one) == 1
    assert WORDS["max_f32"].meaning(one, 2.0) == 2 and WORDS["min_f32"].meaning(one, 2.0) == 1


def run_values(*expressions: str) -> list[int]:
    """Integers that expressions of a kernel give."""
    stores = "\n    ".join(f"store_i64(y, {8 * i}, {expression})" for i, expression in enumerate(expressions))
    memory = Memory()
    y = memory.allocate(8 * len(expressions))
    run(f"def kernel(y):\n    {stores}", (y,), (1, 1, 1), 1, memory)
    return [int(v) for v in memory.view(y, np.int64, (len(expressions),))]


def test_fma_rounds_once() -> None:
    a = np.float32(1 + 2.0**-12)
    assert WORDS["fma_f32"].meaning(a, a, np.float32(-1)) == np.float32(2.0**-11 + 2.0**-24)
    assert type(WORDS["fma_f32"].meaning(a, a, a)) is np.float32


@pytest.mark.parametrize("type", ["f32", "f64", "i32", "i64"])
@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("shuffle", lambda lane: 5),
        ("shuffle_down", lambda lane: lane + 5 if lane < 27 else lane),
        ("shuffle_up", lambda lane: lane - 5 if lane >= 5 else lane),
        ("shuffle_xor", lambda lane: lane ^ 5),
    ],
)
def test_shuffles(name: str, source: Callable[[int], int], type: str) -> None:
    text = f"""
def kernel(y):
    mine = {type}(100 + thread())
    store_{type}(y, 8 * thread(), {name}_{type}(mine, 5))
"""
    dtype = np.dtype({"f32": np.float32, "f64": np.float64, "i32": np.int32, "i64": np.int64}[type])
    memory = Memory()
    y = memory.allocate(64 * 8)
    run(text, (y,), (1, 1, 1), 64, memory)
    got = memory.view(y, dtype, (64, 8 // dtype.itemsize))[:, 0]
    assert got.tolist() == [100 + 32 * (t // 32) + source(t % 32) for t in range(64)]


def test_ballot() -> None:
    memory = Memory()
    y = memory.allocate(4 * 32)
    run("def kernel(y): store_u32(y, 4 * lane(), ballot(lane() == 1 or lane() >= 30))", (y,), (1, 1, 1), 32, memory)
    assert (memory.view(y, np.uint32, (32,)) == 0xC0000002).all()
