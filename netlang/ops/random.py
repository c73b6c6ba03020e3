"""Random numbers by counting: element i of a node's result is a function of (seed, step, stream, i) alone.

Philox4x32-10: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Any
backend and any number of threads gives the same numbers, and a resumed training run those it would have had.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from netlang.ir.graph import Attrs
from netlang.ir.opdef import REQUIRED, Array, OpDef, Sample, ShapeError, Types, define, elements
from netlang.ir.types import DType, TensorType

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
"""Of words 0 and 2 of the counter."""
WEYL = (0x9E3779B9, 0xBB67AE85)
"""What the two key words grow by each round: the golden ratio and the square root of 3, less 1."""
ROUNDS = 10

_LOW = 0xFFFFFFFF
BITS = {DType.F16: 11, DType.BF16: 8, DType.F32: 24, DType.F64: 24}
"""Leading bits of a word that become the number: no more than the type holds, so that none is rounded up to 1."""


def philox4x32(counter: NDArray[np.uint32], key: tuple[int, int]) -> NDArray[np.uint32]:
    """Ten rounds of Philox over counters [4, n] with a key of two 32-bit words: n blocks of four words, [4, n]."""
    c0, c1, c2, c3 = counter.astype(np.uint64)
    k0, k1 = key
    low, high = np.uint64(_LOW), np.uint64(32)
    m0, m1 = map(np.uint64, MULTIPLIERS)
    for _ in range(ROUNDS):
        p0, p1 = c0 * m0, c2 * m1
        c0, c1, c2, c3 = (p1 >> high) ^ c1 ^ np.uint64(k0), p1 & low, (p0 >> high) ^ c3 ^ np.uint64(k1), p0 & low
        k0, k1 = (k0 + WEYL[0]) & _LOW, (k1 + WEYL[1]) & _LOW
    return np.stack((c0, c1, c2, c3)).astype(np.uint32)


def philox_words(seed: int, step: int, stream: int, count: int) -> NDArray[np.uint32]:
    """The first `count` 32-bit words of a stream.

    The key is the seed's low and high word. The counter of block j holds j's low and high word, the step's low word
    and the stream's; word i of the stream is word i % 4 of block i // 4.
    """
    block = np.arange((count + 3) // 4, dtype=np.uint64)
    counter = np.empty((4, block.size), np.uint32)
    counter[0] = block & np.uint64(_LOW)
    counter[1] = block >> np.uint64(32)
    counter[2] = step & _LOW
    counter[3] = stream & _LOW
    words = philox4x32(counter, (seed & _LOW, seed >> 32 & _LOW))
    return words.T.reshape(-1)[:count]


def philox_uniform(seed: int, step: int, stream: int, count: int, dtype: DType = DType.F32) -> Array:
    """`count` numbers of [0, 1), evenly spread: (word >> 8) * 2**-24, or fewer bits where the type holds fewer."""
    bits = BITS[dtype]
    words = philox_words(seed, step, stream, count) >> np.uint32(32 - bits)
    return (words * 2.0**-bits).astype(dtype.numpy)


def _infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    key = types[0]
    if key.dtype != DType.I64 or key.shape != (2,):
        raise ShapeError(f"uniform needs its key (seed, step) as i64[2], got {key}")
    if not attrs["dtype"].is_float:
        raise ShapeError(f"uniform gives floating-point numbers, not {attrs['dtype']}")
    return (TensorType(attrs["dtype"], attrs["shape"]),)


def _meaning(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    seed, step = map(int, arrays[0])
    shape = types[0].concrete({})
    count = int(np.prod(shape, dtype=np.int64))
    return (philox_uniform(seed, step, attrs["stream"], count, types[0].dtype).reshape(shape),)


def _samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape in ((), (5,), (2, 1, 3)):
        for dtype in (DType.F16, DType.F32, DType.F64):
            yield Sample((np.array([2**40 + 7, 3]),), {"shape": shape, "stream": 1, "dtype": dtype})


define(
    OpDef(
        "uniform",
        "Random numbers of [0, 1), the same for the same key (seed, step) and stream.",
        _infer,
        _meaning,
        # Ten rounds of two multiplications make four numbers.
        madds=lambda ins, outs, attrs: 5 * elements(outs),
        samples=_samples,
        attrs={"shape": REQUIRED, "stream": REQUIRED, "dtype": DType.F32},
        traits=frozenset({"random"}),
    )
)
