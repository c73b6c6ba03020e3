"""Random numbers by counting: element i of a node's result is a function of (seed, step, stream, i) alone.

Philox4x32-10: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Any
backend and any number of threads gives the same numbers, and a resumed training run those it would have had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from netlang.ir.graph import Attrs
from netlang.ir.opdef import REQUIRED, Array, OpDef, Sample, ShapeError, Types, define, elements
from netlang.ir.types import DType, TensorType
from netlang.ops.quantile import normal_quantile

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


def philox_normal(seed: int, step: int, stream: int, count: int, dtype: DType = DType.F32) -> Array:
    """`count` numbers of the standard normal distribution, at most 6.3 from 0; see `netlang.ops.quantile`."""
    exact = normal_quantile(philox_words(seed, step, stream, count))
    return exact if dtype == DType.F64 else exact.astype(np.float32).astype(dtype.numpy)


_Numbers = Callable[[int, int, int, int, DType], Array]
"""(seed, step, stream, count, element type) -> so many numbers."""


def _infer(name: str) -> Callable[[Types, Attrs], Sequence[TensorType]]:
    def infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
        key = types[0]
        if key.dtype != DType.I64 or key.shape != (2,):
            raise ShapeError(f"{name} needs its key (seed, step) as i64[2], got {key}")
        if not attrs["dtype"].is_float:
            raise ShapeError(f"{name} gives floating-point numbers, not {attrs['dtype']}")
        return (TensorType(attrs["dtype"], attrs["shape"]),)

    return infer


def _meaning(numbers: _Numbers) -> Callable[[Sequence[Array], Attrs, Types], Sequence[Array]]:
    def meaning(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
        seed, step = map(int, arrays[0])
        shape = types[0].concrete({})
        count = int(np.prod(shape, dtype=np.int64))
        return (numbers(seed, step, attrs["stream"], count, types[0].dtype).reshape(shape),)

    return meaning


def _samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape in ((), (5,), (2, 1, 3)):
        for dtype in (DType.F16, DType.F32, DType.F64):
            yield Sample((np.array([2**40 + 7, 3]),), {"shape": shape, "stream": 1, "dtype": dtype})


def _define(name: str, summary: str, numbers: _Numbers, madds: int) -> None:
    define(
        OpDef(
            name,
            summary,
            _infer(name),
            _meaning(numbers),
            madds=lambda ins, outs, attrs: madds * elements(outs),
            samples=_samples,
            attrs={"shape": REQUIRED, "stream": REQUIRED, "dtype": DType.F32},
            traits=frozenset({"random"}),
        )
    )


# Ten rounds of two multiplications make four numbers; a normal one takes two quotients of polynomials and a logarithm.
_define("uniform", "Random numbers of [0, 1), the same for the same key (seed, step) and stream.", philox_uniform, 5)
_define(
    "normal", "Standard normal random numbers, the same for the same key (seed, step) and stream.", philox_normal, 50
)
