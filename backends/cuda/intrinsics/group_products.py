"""What wgmma means: products that run beside the threads, from the statement that asks for one to the wait for it.

Both ends are checked: the tiles are read when a product is asked for and again when it has been waited for, and must
be the same; sums cannot be looked at in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlang.backends.cuda.intrinsics.machine import Machine
from netlang.backends.cuda.intrinsics.matrices import READERS, Array

DESCRIPTOR = (1 << 62) | (64 << 32) | (1 << 16)
"""A descriptor without its address: 128-byte swizzle, 1024 bytes from 8 rows to the next 8."""
SUMS = 64
ROWS, COLUMNS = 64, 128
THREADS = 128


def _places() -> tuple[Array, Array]:
    """Row and column [thread, sum] of the sums that a thread holds."""
    thread, sums = np.arange(THREADS)[:, None], np.arange(SUMS)[None]
    rows = 16 * (thread // 32) + thread % 32 // 4 + 8 * (sums % 4 // 2)
    return rows, 8 * (sums // 4) + 2 * (thread % 4) + sums % 2


_PLACES = _places()


def _tile(machine: Machine, descriptor: int, rows: int) -> Array:
    """The words [rows, 8] that a descriptor names."""
    if descriptor & ~0x3FFF != DESCRIPTOR:
        raise ValueError(f"the descriptor {descriptor:#x} has other fields than WGMMA_DESCRIPTOR")
    start = (descriptor & 0x3FFF) << 4
    if start % 1024 not in (0, 32, 64, 96):
        raise ValueError(f"a descriptor names {start:#x}: expected a multiple of 1024, + 32, 64 or 96")
    load = machine.shared.loader("u32", 4)
    words = np.empty((rows, 8), np.uint32)
    for row in range(rows):
        for half in range(2):
            at = (start + 128 * row + 16 * half) ^ ((row & 7) << 4)
            machine.check_fenced(at, 16)
            words[row, 4 * half : 4 * half + 4] = load(at, 0)
    return words


class Product:
    """One product of a warp group that may be unfinished."""

    def __init__(self, machine: Machine, kind: str, descriptors: tuple[int, int]) -> None:
        self._machine, self._descriptors = machine, descriptors
        self._tiles = self._read()
        a, b = (READERS[kind](tile).reshape(len(tile), -1).astype(np.float64) for tile in self._tiles)
        self.sums = (a @ b.T)[_PLACES]
        """What it adds to the sums of each thread [thread, sum]."""

    def _read(self) -> tuple[Array, Array]:
        a, b = self._descriptors
        return _tile(self._machine, a, ROWS), _tile(self._machine, b, COLUMNS)

    def finish(self) -> None:
        """It has been waited for."""
        if not all(map(np.array_equal, self._tiles, self._read())):
            raise ValueError("a tile was overwritten before the product that reads it had been waited for")


@dataclass(frozen=True)
class Unfinished:
    """The sums of one thread: what they were, and the products to add."""

    before: Sequence[Any]
    products: tuple[Product, ...]

    def __getitem__(self, index: int) -> Any:
        raise ValueError("sums are read before wgmma_wait0 has given them back")

    def finished(self, thread: int) -> tuple[Any, ...]:
        """The sums, rounded after each product."""
        sums = np.array(self.before, np.float32)
        for product in self.products:
            sums = (sums + product.sums[thread]).astype(np.float32)
        return tuple(sums)


def product(kind: str) -> Callable[[Machine, list[Any]], list[Any]]:
    """The meaning of wgmma: (sums, descriptor of A, descriptor of B) of every thread -> sums."""

    def meaning(machine: Machine, arguments: list[Any]) -> list[Any]:
        named = {(a, b) for _, a, b in arguments}
        if len(named) > 1:
            raise ValueError("the threads of a warp group name different tiles")
        made = Product(machine, kind, named.pop())
        machine.products.ask(machine.thread, made)
        known = [(s.before, s.products) if isinstance(s, Unfinished) else (s, ()) for s, _, _ in arguments]
        return [Unfinished(before, (*products, made)) for before, products in known]

    return meaning


def commit(machine: Machine, arguments: list[Any]) -> list[None]:
    """What the warp group has asked for since the last commit is a group."""
    machine.products.commit(machine.thread)
    return [None] * len(arguments)


def wait(pending: int) -> Callable[[Machine, list[Any]], list[Any]]:
    """No more than so many groups are unfinished; sums that were handed in are handed back, to be read."""

    def meaning(machine: Machine, arguments: list[Any]) -> list[Any]:
        for done in machine.products.finished(machine.thread, pending):
            done.finish()
        sums = [given[0] if given else None for given in arguments]
        return [s.finished(t) if isinstance(s, Unfinished) else s for t, s in enumerate(sums)]

    return meaning
