"""The backend's simulator and Numba's carry kernels out alike. For the latter Numba has to be told when it starts:
NUMBA_ENABLE_CUDASIM=1."""

from __future__ import annotations

import numpy as np
import pytest

from netlang.backends.cuda.simulator import Memory, run
from tests.backends.cuda import needs
from tests.backends.cuda.simulated import in_numba
from tests.backends.cuda.simulated.test_matrices import MMA, WGMMA

pytestmark = pytest.mark.skipif(not needs.SIMULATED, reason="runs with NUMBA_ENABLE_CUDASIM=1")

REDUCTION = """
def kernel(x, y, n):
    s = shared_base()
    total = f32(0)
    for i in range(thread(), n, 64):
        total = f32(total + load_f32(x, 4 * i))
    for k in range(5):
        total = f32(total + shuffle_down_f32(total, i32(16 >> k)))
    if lane() == 0:
        store_shared_f32(s, 4 * warp(), total)
    sync()
    if thread() == 0:
        store_f32(y, 0, f32(load_shared_f32(s, 0) + load_shared_f32(s, 4)))
    store_u32(y, 4 + 4 * thread(), ballot(load_shared_f32(s, 4 * warp()) > f32(thread())))
"""
STAGES = """
def kernel(x, y, n):
    s = shared_base()
    t = thread()
    cp_async16(u32(s + 16 * t), x + u64(16 * t), 16)
    cp_commit()
    total = f32(0)
    stage = i32(0)
    while stage < n:
        if stage + 1 < n:
            cp_async16(u32(s + 512 * ((stage + 1) & 1) + 16 * t), x + u64(512 * (stage + 1) + 16 * t), 16)
        cp_commit()
        cp_wait1()
        sync()
        a, b, c, d = load4_shared_f32(s, 512 * (stage & 1) + 16 * (31 - t))
        total = f32(f32(total * f32(0.5)) + f32(f32(a + b) + f32(c + d)))
        sync()
        stage = i32(stage + 1)
    store_f32(y, 4 * t, total)
"""
CASES = {
    "reduction": (REDUCTION, 200, 64),
    "stages": (STAGES, 5, 32),
    "mma": (MMA.replace("WORD", "mma_tf32"), None, 32),
    "wgmma": (WGMMA.replace("WORD", "wgmma_tf32"), None, 128),
}


@pytest.mark.parametrize("name", CASES)
def test_both_simulators_give_the_same_bits(name: str) -> None:
    text, n, threads = CASES[name]
    data = np.random.default_rng(0).standard_normal(64 * 32 + 128 * 32).astype(np.float32)
    results = []
    for own in (True, False):
        memory = Memory()
        x, y = memory.allocate(data.nbytes), memory.allocate(4 * 64 * 128)
        memory.view(x, np.float32, data.shape)[:] = data
        memory.view(y, np.float32, (64 * 128,))[:] = 0
        arguments = (x, y, n) if n is not None else (x, x + 64 * 128, y)
        if own:
            run(text, arguments, (1, 1, 1), threads, memory, shared=24 * 1024)
        else:
            in_numba.run(text, arguments, threads, memory, shared=24 * 1024)
        results.append(memory.view(y, np.uint32, (64 * 128,)).copy())
    assert results[0].any()
    assert np.array_equal(*results)
