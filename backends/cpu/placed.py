"""Linked code made executable: a blob is copied into memory that nobody may write to afterwards."""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from collections.abc import Sequence
from functools import cache

from netlang.backends.cpu.foreign import ALLOWED
from netlang.diagnostics import NetError

_READ, _EXECUTE = 1, 4


class Placed:
    """The blob is in memory from the address `base` on, as long as this object lives."""

    def __init__(self, blob: bytes, imports: Sequence[str]) -> None:
        """`imports`: the functions of the C library whose addresses stand at the start of the blob. Raises NetError
        where there is no such function, or code may not be made executable."""
        self._memory = mmap.mmap(-1, len(blob), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._memory.write(blob)
        addresses = [_function(name) for name in imports]
        self._memory[: 8 * len(imports)] = struct.pack(f"<{len(imports)}Q", *addresses)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mprotect(ctypes.c_void_p(self.base), ctypes.c_size_t(len(blob)), _READ | _EXECUTE):
            raise NetError(
                f"this system does not let programs make code executable: {os.strerror(ctypes.get_errno())}",
                hint="some hardened systems (SELinux, PaX) forbid it to interpreters",
            )


@cache
def _libraries() -> tuple[ctypes.CDLL, ...]:
    """Where functions of C are: some systems have those of mathematics in a library of their own."""
    found = [ctypes.CDLL(None)]
    for name in ("libm.so.6", "libm.so"):
        try:
            found.append(ctypes.CDLL(name))
        except OSError:
            continue
    return tuple(found)


@cache
def _function(name: str) -> int:
    """The address of a function of the C library."""
    if name not in ALLOWED:
        raise NetError(f"the code asks for the function '{name}', which no code of netlang calls")
    for library in _libraries():
        if hasattr(library, name):
            return int(ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0)
    raise NetError(f"this system's C library has no function '{name}'")
