"""Machine code from a file: the level that this machine can run, and its pool of threads."""

from __future__ import annotations

import platform
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from zlib import decompressobj
from zlib import error as ZlibError

from netlang.backends.cpu.placed import Placed
from netlang.backends.cpu.threads import Pool
from netlang.diagnostics import NetError
from netlang.runtime.artifact import Artifact

LONGEST = 256 << 20
"""Bytes of the longest member that is compressed: far more than any net has of code, or its program of text."""
_LINUX_NAMES = {"cx16": "cx16", "sahf": "lahf_lm", "sse3": "pni", "bmi": "bmi1", "lzcnt": "abm", "neon": "asimd"}
"""What `/proc/cpuinfo` calls features that it does not call as LLVM does."""
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


class Code:
    """The code of one level, and the threads that carry programs out by it. It is never given back: threads may be
    inside it until the very end."""

    def __init__(self, blob: bytes, imports: Sequence[str], entries: Mapping[str, int]) -> None:
        """Raises ValueError for places that are not in the blob."""
        if 8 * len(imports) > len(blob) or not all(type(e) is int and 0 <= e < len(blob) for e in entries.values()):
            raise ValueError(f"the code has {len(blob)} bytes, and is entered beside them")
        self.bytes, self._entries = len(blob), entries
        self._placed = Placed(blob, imports)
        self.pool = Pool(self.address)

    def address(self, kernel: Any) -> int:
        """The address of a kernel, by its place in the blob, or of one of the walker's."""
        return self._placed.base + (kernel if isinstance(kernel, int) else self._entries[kernel.key])


_codes: dict[bytes, Code] = {}
_lock = threading.Lock()


def code_of(artifact: Artifact, level: Mapping[str, Any]) -> Code:
    """The code of a level of a file: one for all models of this process that have the same."""
    name = f"code/{level['name']}"
    body = artifact.member(name)
    key = artifact.members[name].digest
    with _lock:
        if key not in _codes:
            size = level["bytes"]
            if type(size) is not int or not 0 < size <= LONGEST:
                raise ValueError(f"no code has {size!r} bytes")
            _codes[key] = Code(unpacked_bytes(artifact, body, size), level["imports"], level["entries"])
        return _codes[key]


def unpacked_bytes(artifact: Artifact, body: memoryview, most: int = LONGEST) -> bytes:
    """What was compressed in a member. Raises NetError for what was not, and for more bytes than there may be."""
    try:
        stream = decompressobj()
        found = stream.decompress(body, most + 1)
    except ZlibError as fault:
        raise NetError(f"{artifact.path} is damaged: {fault}") from fault
    if len(found) > most or not stream.eof:
        raise NetError(f"{artifact.path} is damaged: what is compressed has not the bytes that it should have")
    return found


def chosen_level(artifact: Artifact, wanted: str | None = None) -> Mapping[str, Any]:
    """The best level that this machine can run, or the `wanted` one. Raises NetError where there is none."""
    levels = artifact.content["levels"]
    if wanted is not None:
        levels = [level for level in levels if level["name"] == wanted]
        if not levels:
            known = ", ".join(level["name"] for level in artifact.content["levels"])
            raise NetError(f"{artifact.path} has no code for {wanted}", hint=f"it has code for {known}")
    lacking: list[str] = []
    for level in levels:
        lacking = missing_features(level)
        if not lacking:
            return level  # type: ignore[no-any-return]
    known = ", ".join(level["name"] for level in levels)
    raise NetError(
        f"{artifact.path} has code for {known}: this machine, {sys.platform} on {_architecture()}, cannot run it",
        hint=f"it lacks {', '.join(lacking)}",
    )


def missing_features(level: Mapping[str, Any]) -> list[str]:
    """What this machine lacks for a level."""
    if sys.platform != "linux":
        return ["Linux"]
    if level["arch"] != _architecture():
        return [f"a processor of the architecture {level['arch']}"]
    return [name for name in level["needs"] if _linux_name(name) not in _features()]


def _linux_name(feature: str) -> str:
    return _LINUX_NAMES.get(feature, feature.replace(".", "_"))


def _architecture() -> str:
    machine = platform.machine().lower()
    return _ARCHITECTURES.get(machine, machine)


@cache
def _features() -> frozenset[str]:
    """What the processor can do, as Linux tells it."""
    with open("/proc/cpuinfo", "rb") as file:
        for line in file:
            name, _, value = line.partition(b":")
            if name.strip() in (b"flags", b"Features"):
                return frozenset(value.decode("utf-8", "replace").split())
    return frozenset()
