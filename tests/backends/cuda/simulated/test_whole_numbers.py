"""Every op that takes whole numbers, on every integer type, and every cast: the simulator against the reference."""

from __future__ import annotations

import pytest

from netlang.backends.cuda import Cuda
from netlang.backends.cuda.simulator.device import Simulator
from netlang.ir.types import DType
from tests.backends.whole_numbers import INTEGERS, all_ops, assert_same_bits, casts


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_the_bits_of_the_reference(dtype: DType) -> None:
    assert_same_bits(all_ops(dtype), Cuda(device=Simulator()))


def test_casts() -> None:
    assert_same_bits(casts(), Cuda(device=Simulator()))
