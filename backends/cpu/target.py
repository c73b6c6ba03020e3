"""The machine that code is generated for: what LLVM says about the host, and what follows for tiles."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache

import llvmlite.binding as llvm

FUTEX_NUMBER = {"x86_64": 202, "amd64": 202, "aarch64": 98, "arm64": 98}
"""Linux's number of the system call `futex` by machine."""


LIBM = ("exp", "log", "pow", "tanh", "erf", "expm1", "log1p", "powf", "floor", "floorf", "sqrt", "sqrtf")
"""Functions of the C library that double-precision kernels may call."""


@dataclass(frozen=True)
class Target:
    """cpu and features are LLVM's; vector_bytes and registers describe the widest vector registers."""

    cpu: str
    features: str
    arch: str
    vector_bytes: int
    registers: int

    def lanes(self, element_bytes: int) -> int:
        """How many elements of this size one vector register holds."""
        return max(1, self.vector_bytes // element_bytes)


@cache
def host() -> Target:
    """The machine this process runs on."""
    features = llvm.get_host_cpu_features()
    arch = platform.machine().lower()
    if features.get("avx512f") and features.get("avx512vl"):
        width, registers = 64, 32
    elif features.get("avx2"):
        width, registers = 32, 16
    else:
        width, registers = 16, 32 if arch in ("aarch64", "arm64") else 16
    return Target(llvm.get_host_cpu_name(), features.flatten(), arch, width, registers)


@cache
def initialize() -> None:
    """Make LLVM ready to generate and to link code for this machine."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()  # kernels contain inline assembly; Numba does not initialise the parser
