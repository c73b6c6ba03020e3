"""Functions of the C library that machine code may call."""

LIBM = (
    "exp", "log", "pow", "tanh", "erf", "expm1", "log1p", "powf", "floor", "floorf", "sqrt", "sqrtf",
    "exp2", "exp2f", "ldexp", "ldexpf", "ceil", "ceilf", "rint", "rintf", "fmod", "fmodf",
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh",
    "sinf", "cosf", "tanf", "asinf", "acosf", "atanf", "sinhf", "coshf", "asinhf", "acoshf", "atanhf",
)  # fmt: skip
"""Those that kernels may call; some are what LLVM makes of powers of 2 and of 0.5, or of rounding."""

ALLOWED = frozenset((*LIBM, "syscall", "sched_yield", "SwitchToThread", "clock_gettime", "memset", "memcpy", "memmove"))
"""What object code may leave to the linker."""
