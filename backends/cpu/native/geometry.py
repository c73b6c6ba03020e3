"""Arguments and helpers that the plain window kernels share. Every window is three-dimensional: missing axes are 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

from netlang.backends.cpu.intrinsics import quotient


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """For helpers of kernels: a call that is not inlined could raise, and would need the interpreter. Inlined before
    types are known, nothing of it is compiled for this machine where the kernel is for another."""
    made: Callable[..., Any] = njit(inline="always", error_model="numpy")(function)
    return made


@inlined
def share(total: int, tid: int, threads: int) -> Any:
    """First and end of one thread's share of `total` units."""
    return quotient(total * tid, threads), quotient(total * (tid + 1), threads)


@inlined
def outputs_of_tap(size: int, out: int, offset: int, stride: int) -> Any:
    """First and end of the outputs o for which `o * stride + offset` lies in 0 .. size - 1."""
    first = 0
    if offset < 0:
        first = quotient(stride - 1 - offset, stride)
    room = size - 1 - offset
    end = 0
    if room >= 0:
        end = min(out, quotient(room, stride) + 1)
    return first, max(first, end)
