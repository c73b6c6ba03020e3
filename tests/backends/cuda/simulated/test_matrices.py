"""Products of tensor cores in the simulator: operands by ldmatrix and as the tables of the PTX ISA say."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from netlang.backends.cuda.simulator import Memory, SimulationError, run

Array = NDArray[Any]
DTYPES: dict[str, Any] = {"tf32": np.float32, "bf16": ml_dtypes.bfloat16, "f16": np.float16}


def integers(shape: tuple[int, ...], dtype: Any) -> Array:
    return np.random.default_rng(0).integers(-4, 5, shape).astype(dtype)


def uploaded(memory: Memory, array: Array) -> int:
    address = memory.allocate(array.nbytes)
    memory.view(address, array.dtype, array.shape)[...] = array
    return address


MMA = """
def kernel(a, b, c):
    s = shared_base()
    t = thread()
    store_shared_raw16(s, i32(16 * t), load_raw16(a, 16 * t))
    store_shared_raw16(s, i32(512 + 16 * t), load_raw16(b, 16 * t))
    sync()
    a0, a1, a2, a3 = ldmatrix_x4(u32(s + (t & 15) * 32 + (t >> 4) * 16))
    row = (t & 7) + ((t >> 4) << 3)
    b0, b1, b2, b3 = ldmatrix_x4(u32(s + 512 + row * 32 + ((t >> 3) & 1) * 16))
    zero = f32(0)
    l0, l1, l2, l3 = WORD(f32(1), zero, zero, zero, a0, a1, a2, a3, b0, b1)
    r0, r1, r2, r3 = WORD(zero, zero, zero, zero, a0, a1, a2, a3, b2, b3)
    at = i32((t >> 2) * 64 + (t & 3) * 8)
    store2_f32(c, at, (l0, l1))
    store2_f32(c, i32(at + 512), (l2, l3))
    store2_f32(c, i32(at + 32), (r0, r1))
    store2_f32(c, i32(at + 544), (r2, r3))
"""
"""c[16, 16] = a[16, 32 bytes] b[16, 32 bytes]^T, and 1 more where d0 of the first product goes."""


@pytest.mark.parametrize("kind", ["tf32", "bf16", "f16"])
def test_mma_of_what_ldmatrix_loads(kind: str) -> None:
    k = 32 // np.dtype(DTYPES[kind]).itemsize
    a, b = integers((16, k), DTYPES[kind]), integers((2, 16, k), DTYPES[kind])[1]
    memory = Memory()
    c = memory.allocate(4 * 256)
    run(MMA.replace("WORD", f"mma_{kind}"), (uploaded(memory, a), uploaded(memory, b), c), (1, 1, 1), 32, memory, 1024)
    want = a.astype(np.float32) @ b.astype(np.float32).T
    want[:8, 0:8:2] += 1
    assert np.array_equal(memory.view(c, np.float32, (16, 16)), want)


def test_mma_of_operands_by_the_tables_of_the_ptx_isa() -> None:
    """tf32, m16n8k8, without ldmatrix: each lane loads the elements that the tables name."""
    text = """
def kernel(a, b, c):
    g = i32(lane() >> 2)
    t = i32(lane() & 3)
    a0 = bits_of_f32(load_f32(a, 4 * (g * 8 + t)))
    a1 = bits_of_f32(load_f32(a, 4 * ((g + 8) * 8 + t)))
    a2 = bits_of_f32(load_f32(a, 4 * (g * 8 + t + 4)))
    a3 = bits_of_f32(load_f32(a, 4 * ((g + 8) * 8 + t + 4)))
    b0 = bits_of_f32(load_f32(b, 4 * (t * 8 + g)))
    b1 = bits_of_f32(load_f32(b, 4 * ((t + 4) * 8 + g)))
    d = mma_tf32(f32(0), f32(0), f32(0), f32(0), a0, a1, a2, a3, b0, b1)
    for e in range(4):
        store_f32(c, 4 * ((g + 8 * (e >> 1)) * 8 + 2 * t + (e & 1)), d[e])
"""
    a, b = integers((16, 8), np.float32), integers((8, 8), np.float32)
    memory = Memory()
    c = memory.allocate(4 * 128)
    run(text, (uploaded(memory, a), uploaded(memory, b), c), (1, 1, 1), 32, memory)
    assert np.array_equal(memory.view(c, np.float32, (16, 8)), a @ b)


def test_mma_of_half_the_depth_for_turing_and_transposed_loads() -> None:
    """b lies in memory as [k, n] and is transposed while it is loaded."""
    text = """
def kernel(a, b, c):
    s = shared_base()
    t = thread()
    if t < 16:
        store_shared_raw16(s, i32(16 * t), load_raw16(a, 16 * t))
    if t < 8:
        store_shared_raw16(s, i32(256 + 16 * t), load_raw16(b, 16 * t))
    sync()
    a0, a1 = ldmatrix_x2(u32(s + 16 * (t & 15)))
    b0, b1 = ldmatrix_x2_trans(u32(s + 256 + 16 * (t & 7)))
    d = mma_f16_k8(f32(0), f32(0), f32(0), f32(0), a0, a1, b0)
    for e in range(4):
        store_f32(c, 4 * (((t >> 2) + 8 * (e >> 1)) * 8 + 2 * (t & 3) + (e & 1)), d[e])
"""
    a, b = integers((16, 8), np.float16), integers((8, 8), np.float16)
    memory = Memory()
    c = memory.allocate(4 * 128)
    run(text, (uploaded(memory, a), uploaded(memory, b), c), (1, 1, 1), 32, memory, shared=384)
    assert np.array_equal(memory.view(c, np.float32, (16, 8)), a.astype(np.float32) @ b.astype(np.float32))


def test_tensor_cores_ignore_what_tf32_has_no_bits_for() -> None:
    one = np.float32(1 + 2.0**-11)
    a, b = np.full((16, 8), one), np.eye(16, 8, dtype=np.float32)
    memory = Memory()
    c = memory.allocate(4 * 256)
    run(MMA.replace("WORD", "mma_tf32"), (uploaded(memory, a), uploaded(memory, b), c), (1, 1, 1), 32, memory, 1024)
    assert memory.view(c, np.float32, (16, 16))[8, 0] == 1


STORE = "\n".join(
    f"    store2_f32(c, i32(at + {32 * j + 2048 * half}), (acc[{4 * j + half}], acc[{4 * j + half + 1}]))"
    for j in range(16)
    for half in (0, 2)
)
"""A thread's sums, one by one: what indexes a tuple has to be a constant, or registers become branches."""

WGMMA = """
def kernel(a, b, c):
    s = shared_base()
    t = thread()
    row = t >> 3
    chunk = t & 7
    to = u32(s + row * 128 + ((chunk ^ (row & 7)) << 4))
    for q in range(4):
        cp_async16(u32(to + 2048 * q), a + u64(16 * t + 2048 * q), 16)
    for q in range(8):
        cp_async16(u32(to + 8192 + 2048 * q), b + u64(16 * t + 2048 * q), 16)
    cp_commit()
    cp_wait0()
    fence_async_shared()
    sync()
    tile_a = u64(WGMMA_DESCRIPTOR | (s >> 4))
    tile_b = u64(WGMMA_DESCRIPTOR | ((s + 8192) >> 4))
    acc = wgmma_fence(zeros64())
    for k in range(4):
        acc = WORD(acc, u64(tile_a + 2 * k), u64(tile_b + 2 * k))
    wgmma_commit()
    acc = wgmma_wait0(acc)
    at = i32((16 * (t >> 5) + ((t & 31) >> 2)) * 512 + (t & 3) * 8)
"""
WGMMA += STORE
"""c[64, 128] = a[64, 128 bytes] b[128, 128 bytes]^T by one warp group."""


@pytest.mark.parametrize("kind", ["tf32", "bf16", "f16"])
def test_wgmma_of_swizzled_tiles(kind: str) -> None:
    k = 128 // np.dtype(DTYPES[kind]).itemsize
    a, b = integers((64, k), DTYPES[kind]), integers((2, 128, k), DTYPES[kind])[1]
    memory = Memory()
    c = memory.allocate(4 * 64 * 128)
    text = WGMMA.replace("WORD", f"wgmma_{kind}")
    run(text, (uploaded(memory, a), uploaded(memory, b), c), (1, 1, 1), 128, memory, shared=24 * 1024)
    assert np.array_equal(memory.view(c, np.float32, (64, 128)), a.astype(np.float32) @ b.astype(np.float32).T)


def test_wgmma_refuses_other_descriptors() -> None:
    text = WGMMA.replace("WORD", "wgmma_tf32").replace("((s + 8192) >> 4)", "((s + 8320) >> 4)")
    memory = Memory()
    a, b = (uploaded(memory, np.zeros((rows, 32), np.float32)) for rows in (64, 128))
    with pytest.raises(SimulationError, match="expected a multiple of 1024"):
        run(text, (a, b, memory.allocate(4)), (1, 1, 1), 128, memory, shared=24 * 1024)


OVERWRITE = """\
    wgmma_commit()
    if t == 0:
        store_shared_f32(s, 0, f32(7))
        fence_async_shared()
"""


@pytest.mark.parametrize(
    ("statement", "instead", "message"),
    [
        ("    fence_async_shared()\n", "", r"thread 0 has written without fence_async_shared"),
        ("    acc = wgmma_wait0(acc)\n", "", r"sums are read before wgmma_wait0"),
        ("    acc = wgmma_wait0(acc)\n", "    wgmma_wait1()\n", r"sums are read before wgmma_wait0"),
        ("    sync()\n", "", r"a race"),
        ("    wgmma_commit()\n", OVERWRITE, "a tile was overwritten before the product"),
        ("    wgmma_commit()\n", OVERWRITE.replace("t == 0", "t == 1"), "a race: it writes 4 bytes at 0x400, read by"),
    ],
)
def test_wgmma_takes_its_time(statement: str, instead: str, message: str) -> None:
    text = WGMMA.replace("WORD", "wgmma_tf32")
    assert statement in text
    memory = Memory()
    a, b = (uploaded(memory, np.zeros((rows, 32), np.float32)) for rows in (64, 128))
    with pytest.raises(SimulationError, match=message):
        run(
            text.replace(statement, instead),
            (a, b, memory.allocate(4 * 64 * 128)),
            (1, 1, 1),
            128,
            memory,
            shared=24 * 1024,
        )


def test_tiles_may_be_written_again_once_their_products_are_done() -> None:
    """Two stages; the second product of a round is still unfinished while the first one's tiles are written."""
    text = """
def kernel(a, b, c):
    s = shared_base()
    t = thread()
    acc = zeros64()
    for k in range(5):
        stage = i32(24576 * (k & 1))
        row = t >> 3
        to = u32(s + stage + row * 128 + (((t & 7) ^ (row & 7)) << 4))
        for q in range(4):
            store_shared_raw16(to, 2048 * q, load_raw16(a, 16 * t + 2048 * q))
        for q in range(8):
            store_shared_raw16(to, i32(8192 + 2048 * q), load_raw16(b, 16 * t + 2048 * q))
        fence_async_shared()
        sync()
        acc = wgmma_fence(acc)
        tile = u64(WGMMA_DESCRIPTOR | ((s + stage) >> 4))
        acc = wgmma_bf16(acc, tile, u64(tile + 512))
        wgmma_commit()
        wgmma_wait1()
        sync()
    acc = wgmma_wait0(acc)
    at = i32((16 * (t >> 5) + ((t & 31) >> 2)) * 512 + (t & 3) * 8)
"""
    text += STORE
    a, b = integers((64, 64), ml_dtypes.bfloat16), integers((2, 128, 64), ml_dtypes.bfloat16)[1]
    memory = Memory()
    arguments = (uploaded(memory, a), uploaded(memory, b), memory.allocate(4 * 64 * 128))
    run(text, arguments, (1, 1, 1), 128, memory, shared=48 * 1024)
    want = 5 * (a[:, :16].astype(np.float32) @ b[:, :16].astype(np.float32).T)
    assert np.array_equal(memory.view(arguments[2], np.float32, (64, 128)), want)
