"""Functions of single elements."""

from __future__ import annotations

import math

from netlang.interchange.exporting.record import Place, element, exports, simple
from netlang.ir.build import Builder
from netlang.ir.graph import Value
from netlang.ir.types import DType

simple(
    {
        "neg": "Neg",
        "exp": "Exp",
        "log": "Log",
        "sqrt": "Sqrt",
        "abs": "Abs",
        "sign": "Sign",
        "floor": "Floor",
        "erf": "Erf",
        "add": "Add",
        "sub": "Sub",
        "mul": "Mul",
        "pow": "Pow",
        "max": "Max",
        "min": "Min",
        "eq": "Equal",
        "lt": "Less",
        "le": "LessOrEqual",
        "gt": "Greater",
        "ge": "GreaterOrEqual",
        "and": "And",
        "or": "Or",
        "not": "Not",
        "relu": "Relu",
        "sigmoid": "Sigmoid",
        "tanh": "Tanh",
        "softplus": "Softplus",
        "ceil": "Ceil",
        "round": "Round",
        **{op: op.capitalize() for op in ("sin", "cos", "tan", "asin", "acos", "atan")},
        **{op: op.capitalize() for op in ("sinh", "cosh", "asinh", "acosh", "atanh")},
    }
)

GELU = 20
"""The opset that brought the operator Gelu."""


@exports("ne")
def _ne(place: Place) -> str:
    return place.op("Not", place.op("Equal", *place.inputs))


@exports("leaky_relu")
def _leaky_relu(place: Place) -> str:
    return place.op("LeakyRelu", *place.inputs, alpha=float(place.attrs["slope"]))


@exports("elu")
def _elu(place: Place) -> str:
    return place.op("Elu", *place.inputs, alpha=float(place.attrs["alpha"]))


@exports("where")
def _where(place: Place) -> str:
    """onnxruntime chooses between numbers; between truth values it is (condition and x) or (not condition and y)."""
    condition, x, y = place.inputs
    if place.node.out.dtype is not DType.BOOL:
        return place.op("Where", condition, x, y)
    return place.op("Or", place.op("And", condition, x), place.op("And", place.op("Not", condition), y))


@exports("prelu")
def _prelu(place: Place) -> str:
    """ONNX broadcasts the slope to x, but not x to the slope, and onnxruntime takes floats alone."""
    if not place.node.out.dtype.is_float:
        x, slope = place.node.inputs
        return place.composed(lambda b: b.op("where", b.op("gt", x, b.scalar(0, x)), x, b.mul(x, slope)))[0]
    name = place.inputs[0]
    if place.node.inputs[0].shape != place.node.out.shape:
        name = place.op("Expand", name, place.shape(place.node.out.shape))
    return place.op("PRelu", name, place.inputs[1])


@exports("gelu")
def _gelu(place: Place) -> str:
    approximate = place.attrs["approximate"]
    if place.opset >= GELU:
        return place.op("Gelu", *place.inputs, approximate="tanh" if approximate else "none")
    x = place.node.inputs[0]
    return place.composed(lambda b: _gelu_of(b, x, approximate))[0]


def _gelu_of(b: Builder, x: Value, approximate: bool) -> Value:
    """x/2 (1 + erf(x / sqrt(2))), or x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))."""
    if approximate:
        cubic = b.add(x, b.scale(b.mul(x, b.mul(x, x)), 0.044715))
        curve = b.op("tanh", b.scale(cubic, math.sqrt(2 / math.pi)))
    else:
        curve = b.op("erf", b.scale(x, 1 / math.sqrt(2)))
    return b.mul(b.scale(x, 0.5), b.add(b.scalar(1.0, x), curve))


@exports("cast")
def _cast(place: Place) -> str:
    return place.op("Cast", *place.inputs, to=element(place.attrs["dtype"]))


@exports("stop_gradient", "after")
def _itself(place: Place) -> str:
    return place.inputs[0]
