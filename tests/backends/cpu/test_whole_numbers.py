"""Every op that takes whole numbers, on every integer type, and every cast: the same bits as the reference."""

from __future__ import annotations

from functools import cache

import pytest

from netlang.backends.cpu import Cpu
from netlang.ir.types import DType
from tests.backends.whole_numbers import INTEGERS, all_ops, assert_same_bits, casts

_COMPILED_BY_NUMBA = {
    "argmax": DType.U64,
    "gather": DType.U64,
    "max_pool": DType.I8,
    "max_pool_pick": DType.U32,
    "max_pool_switch": DType.U8,
    "max_unpool": DType.I16,
    "put_along": DType.U16,
    "scatter_add": DType.I64,
    "take_along": DType.U8,
    "topk": DType.I16,
}
"""Kernels that take a second each to compile are compiled for one type: they differ by nothing but loads and stores."""


@cache
def backend() -> Cpu:
    return Cpu()


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_the_bits_of_the_reference(dtype: DType) -> None:
    left_out = frozenset(op for op, of in _COMPILED_BY_NUMBA.items() if of is not dtype)
    assert_same_bits(all_ops(dtype, left_out), backend())


def test_casts() -> None:
    assert_same_bits(casts(), backend())
