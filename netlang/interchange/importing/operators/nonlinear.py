"""Activations, and softmax and its relatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.axes import axis_of
from netlang.interchange.importing.operands import elementwise
from netlang.interchange.importing.operator import Call, Result, operator
from netlang.interchange.importing.sheet import Tensor
from netlang.ir.dims import size
from netlang.ir.types import DType

_PLAIN = {
    "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Softsign": "softsign", "Mish": "mish",
    "HardSwish": "hard_swish",
}  # fmt: skip


@elementwise(*_PLAIN)
def plain(call: Call) -> Result:
    return call.through(call.tensor(0), _PLAIN[call.node.op])


@elementwise("Relu")
def relu(call: Call) -> Result:
    x = call.tensor(0)
    return call.through(x, "relu") if x.dtype.is_float else call.let(w.call("max", x, 0))


def _with_numbers(call: Call, function: str, defaults: dict[str, float]) -> Result:
    """`x -> function(number, ...)`, without numbers that the function has anyway."""
    given = {key: np.float32(call.attrs[key]) for key in defaults}
    changed: dict[str, Any] = {key: value for key, value in given.items() if value != np.float32(defaults[key])}
    return call.through(call.tensor(0), function, **changed)


@elementwise("LeakyRelu", alpha=0.01)
def leaky_relu(call: Call) -> Result:
    slope = np.float32(call.attrs["alpha"])
    return call.through(call.tensor(0), "leaky_relu", *([] if slope == np.float32(0.01) else [slope]))


@elementwise("Elu", alpha=1.0)
def elu(call: Call) -> Result:
    return _with_numbers(call, "elu", {"alpha": 1.0})


@elementwise("Selu", alpha=1.6732632423543772, gamma=1.0507009873554805)
def selu(call: Call) -> Result:
    return _with_numbers(call, "selu", {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805})


@elementwise("Celu", alpha=1.0)
def celu(call: Call) -> Result:
    return _with_numbers(call, "celu", {"alpha": 1.0})


@elementwise("HardSigmoid", alpha=0.2, beta=0.5)
def hard_sigmoid(call: Call) -> Result:
    return _with_numbers(call, "hard_sigmoid", {"alpha": 0.2, "beta": 0.5})


@elementwise("ThresholdedRelu", alpha=1.0)
def thresholded_relu(call: Call) -> Result:
    return _with_numbers(call, "thresholded_relu", {"alpha": 1.0})


@elementwise("PRelu")
def prelu(call: Call) -> Result:
    return call.let(w.call("prelu", call.tensor(0), call.tensor(1)))


@elementwise("Gelu", approximate="none")
def gelu(call: Call) -> Result:
    kinds: dict[str, dict[str, Any]] = {"none": {}, "tanh": {"approximate": True}}
    if call.attrs["approximate"] not in kinds:
        raise call.refuse(f"approximate '{call.attrs['approximate']}' is not one of ONNX's")
    return call.through(call.tensor(0), "gelu", **kinds[call.attrs["approximate"]])


@elementwise("Swish", alpha=1.0)
def swish(call: Call) -> Result:
    x, alpha = call.tensor(0), np.float32(call.attrs["alpha"])
    if alpha == 1:
        return call.through(x, "silu")
    return call.let(w.infix(x, "*", w.call("sigmoid", w.infix(alpha, "*", x))))


@elementwise("Shrink", bias=0.0, lambd=0.5)
def shrink(call: Call) -> Result:
    """Whole numbers are compared and moved as floats, and lose their fraction afterwards."""
    x, limit, bias = call.tensor(0), np.float32(call.attrs["lambd"]), np.float32(call.attrs["bias"])
    given: dict[str, Any] = {}
    if limit != np.float32(0.5):
        given["limit"] = limit
    if bias:
        given["bias"] = bias
    if x.dtype.is_float:
        return call.through(x, "shrink", **given)
    wide = w.pipe(w.call("cast", x, DType.F64), w.call("shrink", **given) if given else "shrink")
    return call.let(w.call("cast", wide, x.dtype))


# ---- along an axis


@operator("Softmax", "LogSoftmax", "Hardmax", axis=None)
def softmax(call: Call) -> Result:
    """Before opset 13 everything from the axis on is one axis."""
    kind = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Hardmax": "hardmax"}[call.node.op]
    given = call.attrs["axis"]
    x = call.tensor(0)
    axis = axis_of(call, (-1 if call.version >= 13 else 1) if given is None else given, x.rank)
    if call.version >= 13 or all(d == 1 for d in x.shape[axis + 1 :]):
        return _along(call, x, kind, axis)
    rows = call.sheet.let(w.call("reshape", x, [size(x.shape[:axis]), size(x.shape[axis:])]), f"{call.hint}_rows")
    return call.apply("reshape", _along(call, rows, kind, 1), list(x.shape))


def _along(call: Call, x: Tensor, kind: str, axis: int) -> Tensor:
    return call.through(x, kind, **w.besides({"axis": 1}, axis=axis))
