"""From a kernel to PTX and, for an architecture, to machine code (a cubin) with what it takes of a GPU.

Neither a GPU nor a driver is needed, only numba-cuda with NVIDIA's compiler libraries. Results are kept on disk under
`<cache>/cuda`, each under the hash of all that it depends on: the kernel's text, arguments and bounds, the
architecture, the versions of the compilers and the sources of the intrinsics. Whatever does not read back as it was
written is made again.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from netlang import config, storage
from netlang.backends.cuda import architecture, versions
from netlang.backends.cuda.architecture import capability, is_specific
from netlang.backends.cuda.intrinsics import WORDS
from netlang.backends.cuda.kernel import Kernel

_PTX, _CUBIN = "cuda-ptx-1", "cuda-cubin-1"
_SHARED = ("75", "80")
"""Architectures whose PTX serves all until the next of them."""


@dataclass(frozen=True)
class Resources:
    """What ptxas reports of a kernel.

    registers   of a thread
    stack       bytes of local memory of a thread: arrays that are not held in registers
    spills      bytes that a thread stores to local memory and loads from it because registers did not suffice
    shared      bytes of static shared memory of a block, without what the GPU reserves for itself
    """

    registers: int
    stack: int
    spills: int
    shared: int


@dataclass(frozen=True)
class Ptx:
    """The text of a module with one entry point, for this architecture and, unless specific to it, all later ones."""

    entry: str
    arch: str
    text: str


@dataclass(frozen=True)
class Cubin:
    """Machine code of a module with one entry point."""

    entry: str
    arch: str
    code: bytes
    resources: Resources


@dataclass(frozen=True)
class Identity:
    """What tells the code of a kernel from that of others, whoever compiles it: its source text by the SHA-256."""

    source: str
    arguments: str
    threads: int
    blocks_per_sm: int


@cache
def identity(kernel: Kernel) -> Identity:
    """The identity of a kernel."""
    source = sha256(kernel.source().encode()).hexdigest()
    return Identity(source, kernel.arguments, kernel.threads, kernel.blocks_per_sm)


_offered: dict[tuple[type, Identity, str], Any] = {}


def offer(kernel: Identity, made: Ptx | Cubin) -> None:
    """Take this for the code of a kernel for its architecture, in this process, and compile nothing."""
    _offered[type(made), kernel, made.arch] = made


def ptx(kernel: Kernel, arch: str) -> Ptx:
    """The PTX of a kernel for an architecture of `architecture.PTX_VERSIONS`.

    Raises NetError where numba-cuda is missing.
    """
    offered: Ptx | None = _offered.get((Ptx, identity(kernel), arch)) if _offered else None
    return offered or _ptx(kernel, arch, entry_name(kernel, arch))


def cubin(kernel: Kernel, arch: str) -> Cubin:
    """The machine code of a kernel for an architecture of `architecture.PTX_VERSIONS`.

    Raises NetError where numba-cuda is missing.
    """
    offered: Cubin | None = _offered.get((Cubin, identity(kernel), arch)) if _offered else None
    if offered is not None:
        return offered
    base = written_for(kernel, arch)
    entry = entry_name(kernel, base)
    place = _place(entry, f"{arch}.cubin")
    kept = storage.read(place, _CUBIN)
    if kept is not None:
        head, _, code = kept.partition(b"\n")
        return Cubin(entry, arch, code, Resources(**json.loads(head)))
    made = linked(_ptx(kernel, base, entry), arch, kernel.key)
    head = json.dumps(asdict(made.resources)).encode("ascii")
    storage.write(place, _CUBIN, head + b"\n" + made.code)
    return made


def written_for(kernel: Kernel, arch: str) -> str:
    """The architecture in whose PTX a kernel is written where its machine code is to run on `arch`.

    It is the oldest that has all the kernel's words, but not older than the step from Turing to Ampere: making PTX is
    what takes long, so architectures share it, and ptxas knows the newer ones.
    """
    found = set(re.findall(r"\w+", kernel.source())) & WORDS.keys()
    needed = {WORDS[name].since for name in found} | {name for name in _SHARED if capability(name) <= capability(arch)}
    specific = [name for name in needed if is_specific(name)]
    return specific[0] if specific else max(needed, key=capability)


@cache
def entry_name(kernel: Kernel, arch: str) -> str:
    """The entry point of a kernel's code: what is readable of its key, and a hash of all that the code depends on."""
    parts = (kernel.source(), kernel.arguments, str(kernel.threads), str(kernel.blocks_per_sm), arch)
    digest = sha256("\0".join((*parts, architecture.PTX_VERSIONS[arch], versions.compilers())).encode()).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9]+', '_', kernel.key)[:60].strip('_') or 'kernel'}_{digest[:32]}"


def folder() -> Path:
    """Where compiled kernels are kept."""
    return Path(config.get("NETLANG_CACHE")) / "cuda"


def is_kept(kernel: Kernel, arch: str) -> bool:
    """Whether a kernel's machine code for an architecture seems to be kept, or the PTX that it is made from."""
    if _offered and (Cubin, identity(kernel), arch) in _offered:
        return True
    entry = entry_name(kernel, written_for(kernel, arch))
    return any(_place(entry, suffix).exists() for suffix in (f"{arch}.cubin", "ptx"))


def is_writable() -> bool:
    """Whether what is kept can be expected to be there afterwards."""
    return storage.is_writable(folder())


def linked(code: Ptx, arch: str, key: str) -> Cubin:
    """Machine code for an architecture from PTX; `key` names the kernel in an error."""
    versions.require()
    from netlang.backends.cuda import compile

    machine_code, log = compile.link(code, arch, key)
    return Cubin(code.entry, arch, machine_code, resources(log))


def resources(log: str) -> Resources:
    """The figures in a report of ptxas for one entry point. Raises ValueError where it says nothing of one."""
    registers = re.search(r"[Uu]sed (\d+) registers", log)
    stack = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", log)
    if registers is None or stack is None:
        raise ValueError(f"no report of registers and stack in: {log!r}")
    shared = re.search(r"(\d+) bytes smem", log)
    return Resources(
        registers=int(registers[1]),
        stack=int(stack[1]),
        spills=int(stack[2]) + int(stack[3]),
        shared=int(shared[1]) if shared else 0,
    )


def _ptx(kernel: Kernel, arch: str, entry: str) -> Ptx:
    kept = storage.read(_place(entry, "ptx"), _PTX)
    if kept is not None:
        return Ptx(entry, arch, kept.decode("utf-8"))
    versions.require()
    from netlang.backends.cuda import compile

    text = compile.ptx_text(kernel, arch, entry)
    storage.write(_place(entry, "ptx"), _PTX, text.encode("utf-8"))
    return Ptx(entry, arch, text)


def _place(entry: str, suffix: str) -> Path:
    digest = entry.rpartition("_")[2]
    return folder() / digest[:2] / f"{digest}.{suffix}"
