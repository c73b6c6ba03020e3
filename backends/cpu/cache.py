"""Object code on disk: a second process compiles nothing and does not import Numba.

One file per kernel under `<cache>/kernels`: the symbol in a line of its own, then the object. The file's name is the
hash of everything the code depends on: the kernel's key, the sources that make it (see `revision`), the versions of
Numba and llvmlite, the processor and its features. Whatever does not read back as it was written is compiled again.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from netlang import config, storage
from netlang.backends.cpu.kernel import Kernel
from netlang.backends.cpu.revision import revision
from netlang.backends.cpu.target import Target

_KIND = "kernel-2"


@cache
def digest(kernel: Kernel, target: Target) -> str:
    """The name of a kernel's object code for a target."""
    machine = (target.triple, target.cpu, target.features)
    parts = (kernel.key, repr(kernel.fastmath), kernel.signature, *machine, revision(kernel))
    return sha256("\0".join(parts).encode()).hexdigest()[:40]


def folder() -> Path:
    """Where the objects are."""
    return Path(config.get("NETLANG_CACHE")) / "kernels"


def is_writable() -> bool:
    """Whether what is written can be expected to be there afterwards."""
    return storage.is_writable(folder())


def read(name: str) -> tuple[str, bytes] | None:
    """(symbol, object) of the kernel with this digest, or None where it is missing or damaged."""
    kept = storage.read(_place(name), _KIND)
    if kept is None:
        return None
    symbol, _, body = kept.partition(b"\n")
    return symbol.decode("ascii"), body


def write(name: str, symbol: str, body: bytes) -> None:
    """Keep an object. Where the folder cannot be written it is not kept, and the next process compiles again."""
    storage.write(_place(name), _KIND, symbol.encode("ascii") + b"\n" + body)


def _place(name: str) -> Path:
    return folder() / name[:2] / name
