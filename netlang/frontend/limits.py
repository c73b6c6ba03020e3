"""How much a file may ask for. Beyond, it is refused with a message instead of taking minutes or all memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from sys import getrecursionlimit, setrecursionlimit
from typing import Any

from netlang.frontend.faults import Fault
from netlang.ir import dims
from netlang.ir.dims import Dim, Sym
from netlang.ir.types import TensorType

FILE_BYTES = 1 << 20
IMPORTS = 100
IMPORTS_DEEP = 20
"""Files imported by a file and by those it imports, in all and one inside the other."""
NODES = 50_000
STEPS = 500_000
"""Expressions and statements evaluated."""
ITEMS = 100_000
"""Entries of a list, turns of a loop."""
BLOCKS = 64
"""Blocks inside blocks."""
LEVELS = 1_000
"""Expressions being evaluated at once, over all blocks."""
DEVICES = 16
"""Devices that layers can be put on."""
TENSOR_BYTES = 1 << 40
RANK = 8
INTEGER = 1 << 63
DIM_LETTERS = 300
"""A size written out, such as `(N-4)//2`."""
DIM_TERMS = 1_000
"""Summands of the number of elements, when it is multiplied out."""

_FRAMES = 12 * LEVELS  # Python calls that LEVELS evaluations make at most


@contextmanager
def deep_evaluation() -> Iterator[None]:
    """Room on the Python stack for LEVELS evaluations, wherever this is called from."""
    before = getrecursionlimit()
    setrecursionlimit(max(before, before + _FRAMES))
    try:
        yield
    finally:
        setrecursionlimit(before)


def check_number(value: Any) -> Any:
    """`value` where it is a number or size within the limits; Fault otherwise."""
    if isinstance(value, float):
        if not isfinite(value):
            raise Fault("the number is too large for a floating-point number")
    elif isinstance(value, int):
        if not -INTEGER <= value < INTEGER:
            raise Fault("the whole number is too large: it must fit into 64 bits")
    elif isinstance(value, Sym):
        check_dim(value)
    return value


def check_dim(dim: Dim) -> None:
    """Raise Fault for a size too complicated to reason about."""
    if isinstance(dim, Sym) and len(str(dim)) > DIM_LETTERS:
        raise Fault("this size has become too complicated", hint="give the dimension a fixed size in the input's type")


def check_items(count: int) -> None:
    """Raise Fault for too long a list or loop."""
    if count > ITEMS:
        raise Fault(f"{count} entries are too many: at most {ITEMS}")


def check_type(type: TensorType) -> None:
    """Raise Fault for a tensor that no machine holds, whatever its symbolic sizes are."""
    if type.rank > RANK:
        raise Fault(f"a tensor has at most {RANK} dimensions, this one {type.rank}")
    known, terms = 1, 1
    for dim in type.shape:
        if isinstance(dim, int):
            if dim < 1:
                raise Fault(f"a tensor {type} would be empty")
            known *= dim
        else:
            check_dim(dim)
            terms *= len(dim.terms)
            known *= max(1, dims.evaluate(dim, dict.fromkeys(dims.names(dim), 1)))
    if terms > DIM_TERMS:
        raise Fault("the sizes of this tensor have become too complicated", hint="give dimensions fixed sizes")
    if known * type.dtype.size > TENSOR_BYTES:
        raise Fault(f"a tensor {type} is too large: at least {known:.3g} elements", hint="the most is 2^40 bytes")
