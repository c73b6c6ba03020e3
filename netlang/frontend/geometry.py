"""Attributes as people write them (`stride = 2`, `pad = same`, `axis = -1`) made into what the op records take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netlang.frontend.faults import Fault
from netlang.frontend.values import describe, is_dim, tensors_of
from netlang.ir.dims import Dim, Shape, Sym, exact_quotient, size
from netlang.ir.types import shape_text

PADS = ("valid", "same", "full")


def axis(value: Any, rank: int) -> int:
    """An axis counted from the front; negative ones count from the back."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Fault(f"an axis is a whole number, not {describe(value)}")
    if not -rank <= value < rank:
        raise Fault(f"there is no axis {value} in a tensor of {rank} dimensions")
    return value % rank


def axes(value: Any, rank: int) -> tuple[int, ...]:
    """One axis, a list of axes, or none for all; sorted."""
    if value is None:
        return tuple(range(rank))
    given = value if isinstance(value, list | tuple) else [value]
    found = sorted([axis(v, rank) for v in given])
    if len(set(found)) != len(found):
        raise Fault("an axis is named twice")
    return tuple(found)


def in_order(value: Any, rank: int) -> tuple[int, ...]:
    """One axis or a list of axes, in the order in which they are named."""
    axes(value, rank)
    return tuple([axis(v, rank) for v in (value if isinstance(value, list | tuple) else [value])])


def per_axis(value: Any, count: int, what: str) -> tuple[int, ...]:
    """One number for all `count` spatial axes, or a list with one for each."""
    given = list(value) if isinstance(value, list | tuple) else [value] * count
    if len(given) != count:
        raise Fault(f"{what} has {len(given)} entries for {count} spatial dimensions")
    return tuple([_whole(v, what, 1) for v in given])


def pads(value: Any, kernel: Sequence[int], dilation: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """(low, high) for every spatial axis.

    valid: none. same: an output of ceil(input / stride); odd totals put the larger half at the end. full: every
    position that the kernel touches at all. A number: on every side. A list: one entry, or a pair, for each axis.
    """
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if isinstance(value, str):
        if value not in PADS:
            raise Fault(f"pad is valid, same, full or numbers, not {value}")
        if value == "valid":
            return ((0, 0),) * len(reach)
        return tuple((r, r) if value == "full" else (r // 2, r - r // 2) for r in reach)
    return sides(value, len(reach), "pad")


def sides(value: Any, count: int, what: str, least: int = 0) -> tuple[tuple[int, int], ...]:
    """A number, a number for each axis, or a [low, high] for each axis."""
    if not isinstance(value, list | tuple):
        number = _whole(value, what, least)
        return ((number, number),) * count
    if len(value) != count:
        raise Fault(f"{what} has {len(value)} entries for {count} dimensions", hint="[[low, high], ...] names sides")
    return tuple([_side(entry, what, least) for entry in value])


def _side(entry: Any, what: str, least: int) -> tuple[int, int]:
    if not isinstance(entry, list | tuple):
        number = _whole(entry, what, least)
        return number, number
    if len(entry) != 2:
        raise Fault(f"{what} has a low and a high side, got {len(entry)} numbers")
    return _whole(entry[0], what, least), _whole(entry[1], what, least)


def _whole(value: Any, what: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Fault(f"{what} must be a whole number, not {describe(value)}")
    if value < least:
        raise Fault(f"{what} must be at least {least}, got {value}")
    return value


def dims(value: Any, what: str = "a shape") -> tuple[Dim, ...]:
    """A list of sizes; lists inside it are spliced in."""
    if not isinstance(value, list | tuple):
        raise Fault(f"{what} is a list of sizes, not {describe(value)}")
    found: list[Dim] = []
    for entry in value:
        if isinstance(entry, list) and not tensors_of(entry):
            found += dims(entry, what)
        elif is_dim(entry):
            found.append(entry)
        else:
            raise Fault(f"a size is a whole number, not {describe(entry)}")
    return tuple(found)


def completed(shape: tuple[Dim, ...], like: Shape) -> Shape:
    """A shape in which one -1 may stand for whatever is left of the elements of `like`."""
    if shape.count(-1) > 1:
        raise Fault("only one size of a shape may be -1")
    for dim in shape:
        if isinstance(dim, int) and dim < 1 and dim != -1:
            raise Fault(f"a size is at least 1, got {dim}")
    if -1 not in shape:
        return shape
    total = size(like)
    left = exact_quotient(total, size([d for d in shape if d != -1]))
    if left is None:
        raise Fault(f"reshape cannot divide {shape_text(like)} ({total} elements) into {shape_text(shape)}")
    return tuple(left if d == -1 else d for d in shape)


def bounds(start: Any, stop: Any, length: Dim) -> tuple[int, Any]:
    """Start and stop of a slice; none and negative numbers are counted from the end, which must then be known."""
    begin = _bound(0 if start is None else start, length)
    end = length if stop is None else _bound(stop, length)
    if isinstance(begin, Sym):
        raise Fault(f"a slice must start at a fixed place, not at {begin}")
    return begin, end


def _bound(value: Any, length: Dim) -> Any:
    if not is_dim(value):
        raise Fault(f"the bounds of a slice are whole numbers, not {describe(value)}")
    return length + value if isinstance(value, int) and value < 0 else value
