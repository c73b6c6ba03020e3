"""The elementwise ops that every backend which carries out loop nests has an expression for."""

from __future__ import annotations

SCALAR_OPS = frozenset({
    "abs", "acos", "acosh", "add", "and", "asin", "asinh", "atan", "atanh", "bit_and", "bit_not", "bit_or", "bit_xor",
    "broadcast", "cast", "ceil", "cos", "cosh", "div", "elu", "eq", "erf", "exp", "floor", "floor_div", "fmod", "ge",
    "gelu", "gt", "identity", "le", "leaky_relu", "log", "lt", "max", "min", "mul", "ne", "neg", "normal", "not",
    "or", "pow", "prelu", "relu", "reshape", "round", "shift_left", "shift_right", "sigmoid", "sign", "sin", "sinh",
    "softplus", "sqrt", "stop_gradient", "sub", "tan", "tanh", "transpose", "uniform", "where",
})  # fmt: skip
