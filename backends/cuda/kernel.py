"""What a GPU kernel is: a structure that names it, the source text of one function, and how a block of it looks.

The text is that of one Python function, `def kernel(<argument names>):`, in Numba's CUDA language, which reaches memory
and special instructions by calling intrinsics by their plain names. It never sees an array: only addresses and numbers,
of the types that `arguments` lists. Promises that everything else relies on:

- equal keys mean equal code: sizes are arguments, and stand in the key only where code is unrolled for them;
- what is computed does not depend on the order in which blocks run, bit for bit: no atomic sums of floats;
- shared memory is dynamic alone, `shared` bytes from the address that `shared_base()` gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

ARGUMENT_BYTES = {"p": 8, "i": 4, "l": 8}
"""Kinds of arguments: `p` an address (uint64), `i` int32, `l` int64; and how many bytes each takes in a launch."""

WARP = 32
"""Threads of a warp."""
MOST_THREADS = 1024
"""Threads that a block can have on any GPU."""


@dataclass(frozen=True)
class Kernel:
    """`source` is called once in a process: its text is part of what compiled code is kept under.

    arguments       one letter of ARGUMENT_BYTES per argument of the function
    threads         of a block, in one dimension
    shared          bytes of dynamic shared memory; the address is a multiple of 1024
    blocks_per_sm   launch bound: at least so many blocks are to fit on a multiprocessor at a time, which limits
                    registers; 0 for no bound beyond `threads`
    """

    key: str
    source: Callable[[], str] = field(compare=False, repr=False)
    arguments: str
    threads: int
    shared: int = 0
    blocks_per_sm: int = 0

    def __post_init__(self) -> None:
        assert set(self.arguments) <= set(ARGUMENT_BYTES), f"{self.key}: arguments '{self.arguments}'"
        assert 0 < self.threads <= MOST_THREADS, f"{self.key}: {self.threads} threads"
        assert self.shared >= 0 and self.blocks_per_sm >= 0, self.key
