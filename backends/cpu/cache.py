"""Object code on disk: a second process compiles nothing and does not import Numba.

One file per kernel under `<cache>/kernels`: a line with the format, the symbol and a checksum, then the object. The
file's name is the hash of everything the code depends on: the kernel's key, the sources of this package, the versions
of Numba and llvmlite, the processor and its features. Files are written under another name, synced and renamed, so a
reader sees a whole file or none; whatever does not read back as it should is compiled again.
"""

from __future__ import annotations

import os
import tempfile
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from netlang import config
from netlang.backends.cpu.kernel import Kernel
from netlang.backends.cpu.target import Target

_FORMAT = "netlang-kernel-1"


@cache
def revision() -> str:
    """A hash of this package's sources and of the versions of what compiles them."""
    seen = sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        seen.update(str(path.relative_to(root)).encode())
        seen.update(path.read_bytes())
    for library in ("numba", "llvmlite"):
        seen.update(version(library).encode())
    return seen.hexdigest()


def digest(kernel: Kernel, target: Target) -> str:
    """The name of a kernel's object code on this machine."""
    parts = (kernel.key, repr(kernel.fastmath), kernel.signature, target.cpu, target.features, revision())
    return sha256("\0".join(parts).encode()).hexdigest()[:40]


def folder() -> Path:
    """Where the objects are."""
    return Path(config.get("NETLANG_CACHE")) / "kernels"


def is_writable() -> bool:
    """Whether what is written can be expected to be there afterwards."""
    place = folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(place, os.W_OK | os.X_OK)


def read(name: str) -> tuple[str, bytes] | None:
    """(symbol, object) of the kernel with this digest, or None where it is missing or damaged."""
    try:
        data = (folder() / name[:2] / name).read_bytes()
    except OSError:
        return None
    head, _, body = data.partition(b"\n")
    fields = head.decode("ascii", errors="replace").split(" ")
    if len(fields) != 3 or fields[0] != _FORMAT or fields[2] != _checksum(fields[1], body):
        return None
    return fields[1], body


def write(name: str, symbol: str, body: bytes) -> None:
    """Keep an object. Where the folder cannot be written it is not kept, and the next process compiles again."""
    place = folder() / name[:2]
    try:
        place.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=place, prefix=".new-")
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(f"{_FORMAT} {symbol} {_checksum(symbol, body)}\n".encode("ascii") + body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, place / name)
    except OSError:  # a full or read-only disk: the cache is a convenience
        Path(temporary).unlink(missing_ok=True)


def _checksum(symbol: str, body: bytes) -> str:
    return sha256(symbol.encode() + b"\0" + body).hexdigest()
