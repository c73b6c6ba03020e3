"""Copying a whole buffer, of any type, or nothing where only sizes can tell whether it is needed."""

from __future__ import annotations

from netlang.backends.common.steps import Number, Place, Sizes, bases, evaluated
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.steps import Launch

_THREADS = 256
_SOURCE = """
def kernel(target, source, count):
    at = i64(block_x()) * i64(STEP) + i64(thread())
    if at < count:
        store_raw1(target, at, load_raw1(source, at))
"""


def copy_bytes(source: Place, target: Place, bytes: Number) -> Launch:
    """The step that copies so many bytes; the two do not overlap."""

    def blocks(sizes: Sizes) -> int:
        return -(-evaluated(bytes, sizes) // _THREADS)

    kernel = Kernel("copy_bytes", lambda: _SOURCE.replace("STEP", str(_THREADS)), "ppl", _THREADS)
    return Launch(kernel, (target, source, bytes), tuple(bases(target)), bytes, grid=(blocks, 1, 1))
