"""The machine that code is generated for: what LLVM needs to know of it, and what follows for tiles.

Nothing else asks which machine this is: what depends on a target is given one, and code can be generated for others.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from functools import cache

import llvmlite.binding as llvm

from netlang.backends.cpu.processors import available
from netlang.diagnostics import NetError, did_you_mean

X86, ARM = frozenset({"x86_64", "amd64"}), frozenset({"aarch64", "arm64"})
"""What systems call the two architectures."""


@dataclass(frozen=True)
class Target:
    """cpu, features and triple are LLVM's; vector_bytes and registers describe the widest vector registers.

    needs       LLVM's names of the features that a machine of this architecture must have to run the code
    processors  how many threads tasks are cut for, and have working memory of their own in kernels that need it
    """

    cpu: str
    features: str
    arch: str
    vector_bytes: int
    registers: int
    triple: str = field(default_factory=llvm.get_process_triple)
    needs: frozenset[str] = frozenset()
    processors: int = field(default_factory=available)

    def lanes(self, element_bytes: int) -> int:
        """How many elements of this size one vector register holds."""
        return max(1, self.vector_bytes // element_bytes)

    @property
    def masks_are_free(self) -> bool:
        """Whether masks have registers of their own, and FMAs read one number from memory into all lanes: AVX-512."""
        return self.vector_bytes >= 64

    def runs_here(self) -> bool:
        """Whether this process can run its code."""
        if self == host():
            return True
        same = any({self.arch, host().arch} <= names for names in (X86, ARM))
        found = llvm.get_host_cpu_features() if same else {}
        return same and all(found.get(feature) for feature in self.needs)


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
        width, registers = 16, 32 if arch in ARM else 16
    return Target(llvm.get_host_cpu_name(), features.flatten(), arch, width, registers)


@cache
def initialize() -> None:
    """Make LLVM ready to generate and to link code for this machine."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()  # kernels contain inline assembly; Numba does not initialise the parser


_V2 = frozenset({"cx16", "popcnt", "sahf", "sse3", "sse4.1", "sse4.2", "ssse3"})
_V3 = _V2 | {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"}
_V4 = _V3 | {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"}
_LINUX_X86, _LINUX_ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"

_BEYOND_V4 = (
    "-adx,-aes,-avx512bf16,-avx512bitalg,-avx512ifma,-avx512vbmi,-avx512vbmi2,-avx512vnni,-avx512vpopcntdq,-clflushopt,"
    "-clwb,-clzero,-fsgsbase,-gfni,-invpcid,-mwaitx,-pclmul,-pku,-prfchw,-rdpid,-rdpru,-rdrnd,-rdseed,-sha,-shstk,"
    "-sse4a,-vaes,-vpclmulqdq,-wbnoinvd,-xsavec,-xsaveopt,-xsaves"
)
"""What Zen 4 has beyond x86-64-v4, turned off. LLVM's own idea of that level are early machines, whose clock fell with
wide vectors: it avoids them, and orders the loads of a tile so that sums are spilled."""

LEVELS = {
    "x86-64-v2": Target("x86-64-v2", "", "x86_64", 16, 16, _LINUX_X86, _V2),
    "x86-64-v3": Target("x86-64-v3", "", "x86_64", 32, 16, _LINUX_X86, _V3),
    "x86-64-v4": Target("znver4", _BEYOND_V4, "x86_64", 64, 32, _LINUX_X86, _V4),
    "aarch64": Target("generic", "+neon", "aarch64", 16, 32, _LINUX_ARM, frozenset({"neon"})),
}
"""Classes of Linux machines by name: SSE4.2, AVX2 with FMA, AVX-512 (levels of the ABI of x86-64), and NEON."""


def named(name: str) -> Target:
    """`host`, or one of `LEVELS`. Raises NetError for any other name."""
    if name == "host":
        return host()
    if name not in LEVELS:
        known = ("host", *LEVELS)
        hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
        raise NetError(f"there is no processor '{name}'", hint=hint)
    return LEVELS[name]
