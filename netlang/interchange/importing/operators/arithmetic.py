"""Element by element: arithmetic."""

from __future__ import annotations

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.operator import Call, Result, operator

_SIGNS = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/"}


@operator("Add", "Sub", "Mul", "Div")
def infix(call: Call) -> Result:
    left, right = call.operand(0), call.operand(1)
    return call.let(w.infix(left, _SIGNS[call.node.op], right))


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
