"""Functions of the C library that machine code may call."""

LIBM = (
    "exp", "log", "pow", "tanh", "erf", "expm1", "log1p", "powf", "floor", "floorf", "sqrt", "sqrtf",
    "exp2", "exp2f", "ldexp", "ldexpf",
)  # fmt: skip
"""Those that kernels may call; the second row: what LLVM makes of powers of 2 and of 0.5."""

ALLOWED = frozenset((*LIBM, "syscall", "sched_yield", "SwitchToThread", "clock_gettime", "memset", "memcpy", "memmove"))
"""What object code may leave to the linker."""
