"""Element by element: arithmetic."""

from __future__ import annotations

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.operator import Call, Result, operator
from netlang.interchange.importing.sheet import Tensor

_SIGNS = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/"}


@operator("Add", "Sub", "Mul", "Div", broadcast=0, axis=None)
def infix(call: Call) -> Result:
    left, right = call.operand(0), call.operand(1)
    if call.attrs["axis"] is not None and isinstance(right, Tensor):
        right = along(call, right)
    return call.let(w.infix(left, _SIGNS[call.node.op], right))


def along(call: Call, right: Tensor) -> Tensor:
    """The second operand where, before opset 7, an attribute said with which axis of the first it begins."""
    rank = len(call.value(0).shape)
    after = rank - (call.attrs["axis"] % rank) - right.rank
    return right if after <= 0 else call.let(w.call("reshape", right, [*right.shape, *[1] * after]))


@operator("Relu")
def relu(call: Call) -> Result:
    return call.through(call.tensor(0), "relu")


@operator("Sigmoid")
def sigmoid(call: Call) -> Result:
    return call.through(call.tensor(0), "sigmoid")


@operator("Softmax", axis=None)
def softmax(call: Call) -> Result:
    axis = call.attrs["axis"]
    axis = (-1 if call.version >= 13 else 1) if axis is None else axis
    x = call.tensor(0)
    axis = axis % x.rank
    return call.through(x, "softmax", **w.besides({"axis": 1}, axis=axis))
