"""Copying a whole buffer, of any type, or nothing where only sizes can tell whether it is needed."""

from __future__ import annotations

from netlang.backends.common.steps import Number, Place, Sizes, bases, evaluated
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.steps import Launch

_THREADS = 64
_BYTES = 16 * _THREADS
"""That a block copies: 16 by every thread, at once if both places are aligned so."""

_SOURCE = f"""
def kernel(target, source, count):
    start = i64(block_x()) * {_BYTES}
    first = start + i64(thread()) * 16
    if u64((target | source) & u64(15)) == u64(0) and first + 16 <= count:
        store_raw16(target, first, load_raw16(source, first))
    elif u64((target | source) & u64(15)) == u64(0):
        while first < count:
            store_raw1(target, first, load_raw1(source, first))
            first += 1
    elif u64((target | source) & u64(3)) == u64(0) and start + {_BYTES} <= count:
        for part in range(4):
            at = start + part * {4 * _THREADS} + i64(thread()) * 4
            store_raw4(target, at, load_raw4(source, at))
    else:
        at = start + i64(thread())
        while at < min_i64(count, start + {_BYTES}):
            store_raw1(target, at, load_raw1(source, at))
            at += {_THREADS}
"""


def copy_bytes(source: Place, target: Place, bytes: Number) -> Launch:
    """The step that copies so many bytes; the two do not overlap."""

    def blocks(sizes: Sizes) -> int:
        return -(-evaluated(bytes, sizes) // _BYTES)

    kernel = Kernel("copy_bytes", lambda: _SOURCE, "ppl", _THREADS)
    return Launch(kernel, (target, source, bytes), tuple(bases(target)), bytes, grid=(blocks, 1, 1))
