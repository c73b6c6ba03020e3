"""The elementwise ops that every backend which carries out loop nests has an expression for."""

from __future__ import annotations

SCALAR_OPS = frozenset({
    "abs", "add", "and", "broadcast", "cast", "div", "elu", "eq", "erf", "exp", "floor", "ge", "gelu", "gt",
    "identity", "le", "leaky_relu", "log", "lt", "max", "min", "mul", "ne", "neg", "normal", "not", "or", "pow",
    "prelu", "relu", "reshape", "sigmoid", "sign", "softplus", "sqrt", "stop_gradient", "sub", "tanh", "transpose",
    "uniform", "where",
})  # fmt: skip
