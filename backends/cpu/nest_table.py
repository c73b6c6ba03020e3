"""The argument table of a nest's kernel."""

from __future__ import annotations

from netlang.backends.common.element import BYTES
from netlang.backends.common.nest import Nest, axis_kinds
from netlang.backends.common.steps import Arg, At

CHUNK = 16384
"""Elements that one thread takes at a time from a long axis; results do not depend on it unless it splits a sum."""
VECTOR_CHUNK = 256
"""The same in vectors, along an axis before the lanes of blocked channels."""


def arguments(nest: Nest) -> list[Arg]:
    """The argument table: sizes of the axes, chunk, numbers, then per operand its address and its run-time strides.

    Strides are in bytes. `NestEmitter` reads them in the same order.
    """
    args: list[Arg] = [a.size for a in nest.axes]
    args.append(VECTOR_CHUNK if "l" in axis_kinds(nest) else CHUNK)
    args += nest.numbers
    for o in nest.operands:
        width = BYTES[o.dtype]
        args.append(o.buffer if o.offset == 0 else At(o.buffer, o.offset * width))
        last = len(o.strides) - 1
        args += [s * width for i, s in enumerate(o.strides) if s != 0 and not (i == last and s == 1)]
    return args
