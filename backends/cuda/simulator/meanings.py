"""What the names in a kernel's source stand for in the simulator.

Integers are Python's and wrap where a kernel says so, as Numba's wide ones do; floats are NumPy's scalars.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from netlang.backends.cuda.intrinsics import CONSTANTS, WORDS
from netlang.backends.cuda.intrinsics.machine import Machine

_INTEGERS = (int, np.integer, np.bool_)


def wrapping(bits: int, signed: bool) -> Callable[[Any], int]:
    """A conversion to integers of so many bits."""
    least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    modulus = 1 << bits

    def convert(value: Any) -> int:
        if type(value) is not int:
            if not isinstance(value, _INTEGERS):
                return _of_float(value, bits, least, most)
            value = int(value)
        whole: int = value
        return whole if least <= whole <= most else (whole - least) % modulus + least

    return convert


def _of_float(value: Any, bits: int, least: int, most: int) -> int:
    """PTX's cvt.rzi: towards zero, to the nearest that there is; of NaN the top bit alone if one side has 64 bits."""
    if value != value:
        return 0 if bits == 32 and isinstance(value, np.float32) else -(1 << bits - 1) if least else 1 << bits - 1
    return int(min(max(value, least), most)) if np.isinf(value) else min(max(int(value), least), most)


i32, i64, u32, u64 = wrapping(32, True), wrapping(64, True), wrapping(32, False), wrapping(64, False)
_NUMBERS: dict[str, Callable[[Any], Any]] = {
    "i32": i32,
    "i64": i64,
    "u32": u32,
    "u64": u64,
    "f32": np.float32,
    "f64": np.float64,
}


def meanings(machine: Machine, used: Collection[str]) -> dict[str, Any]:
    """The names that are used, but for the collective words, which `coroutines` turns into something else."""
    words = {
        name: word.meaning(machine) if word.scope == "bound" else word.meaning
        for name, word in WORDS.items()
        if name in used and not word.collective
    }
    return {**CONSTANTS, **_NUMBERS, **words}
