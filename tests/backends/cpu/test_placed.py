"""Code in memory: it runs wherever there is room, and only known functions are called."""

from __future__ import annotations

import mmap

import pytest

from netlang.backends.cpu import loader
from netlang.backends.cpu.loader import compile_now
from netlang.backends.cpu.placed import Placed
from netlang.diagnostics import NetError
from tests.backends.cpu.test_spills import KERNELS

OBJECTS, FAR = 400, 1 << 30


def test_code_is_linked_in_a_process_with_much_memory() -> None:
    """Pieces of an object that come to lie more than 2 GB apart would not reach each other."""
    symbol, body = compile_now(KERNELS["conv of one row"])
    taken, places = [], set()
    for i in range(OBJECTS):
        name = f"{i:0{len(symbol)}}"
        places.add(loader._link(name, body.replace(symbol.encode(), name.encode())))
        taken.append(mmap.mmap(-1, FAR, prot=0))
    assert len(places) == OBJECTS


def test_functions_that_no_code_of_ours_calls_are_refused() -> None:
    with pytest.raises(NetError, match="the function 'system'"):
        Placed(bytes(64), ["system"])
