"""Rows of `simplify` for elementwise ops and reductions. `simplify` says what its marks mean."""

from __future__ import annotations

from collections.abc import Callable

from netlang.ir.build import Builder
from netlang.ir.graph import Node, Value
from netlang.ir.rewrite import Replacement, Row
from netlang.ir.types import DType
from netlang.passes.constants import has_exact_reciprocal, is_normal, scaled, uniform

Replace = Callable[[Builder, Node], Replacement]


def _always(node: Node) -> bool:
    return True


def _fit(build: Builder, value: Value, node: Node) -> Value:
    """`value` in the shape of the node it replaces: the other operand may have been the larger one."""
    return build.broadcast(value, node.out.shape)


def _is_float(node: Node) -> bool:
    return node.out.dtype.is_float


def _right_is(number: float) -> Callable[[Node], bool]:
    return lambda node: uniform(node.inputs[1]) == number


def _left_is(number: float) -> Callable[[Node], bool]:
    return lambda node: uniform(node.inputs[0]) == number


def _keep(index: int) -> Replace:
    """The node is its input number `index`."""
    return lambda build, node: _fit(build, node.inputs[index], node)


def _negated(index: int) -> Replace:
    return lambda build, node: _fit(build, build.neg(node.inputs[index]), node)


def _input_is(index: int, *ops: str) -> Callable[[Node], bool]:
    return lambda node: node.inputs[index].node.op in ops


def _inner(node: Node, index: int = 0) -> Value:
    """The first input of the producer of an input."""
    return node.inputs[index].node.inputs[0]


def _both_negated(node: Node) -> bool:
    return all(v.node.op == "neg" for v in node.inputs)


def _negates_signed(node: Node) -> bool:
    """abs(-x); what has no sign is its own absolute value."""
    return _input_is(0, "neg")(node) and not node.out.dtype.is_unsigned


def _factor(node: Node) -> tuple[Value, float, bool] | None:
    """(x, c, divided) of a node `x * c` or `x / c` on floats whose x is again such a product or quotient."""
    found = scaled(node.out, node.op) if _is_float(node) else None
    if found is None or (scaled(found[0], "mul") is None and scaled(found[0], "div") is None):
        return None
    return (*found, node.op == "div")


def _merge_factors(build: Builder, node: Node) -> Replacement:
    """(x * a) * b, (x / a) * b, (x * a) / b, (x / a) / b with one operation in place of two."""
    found = _factor(node)
    assert found is not None
    value, outer, outer_divides = found
    inner_divides = value.node.op == "div"
    inside = scaled(value, value.node.op)
    assert inside is not None
    source, inner = inside
    if not (is_normal(inner, value) and is_normal(outer, value)):
        return None
    if inner_divides and outer_divides:
        op, number = "div", inner * outer
    else:
        op, number = "mul", outer / inner if inner_divides else inner / outer if outer_divides else inner * outer
    if not is_normal(number, value):
        return None
    return _fit(build, build.op(op, source, build.scalar(number, source)), node)


def _merges(node: Node) -> bool:
    return _factor(node) is not None


def _divides_exactly(node: Node) -> bool:
    number = uniform(node.inputs[1]) if _is_float(node) else None
    return number is not None and has_exact_reciprocal(number, node.out)


def _by_reciprocal(build: Builder, node: Node) -> Replacement:
    number = uniform(node.inputs[1])
    assert number is not None
    return _fit(build, build.scale(node.inputs[0], 1 / number), node)


def _of_inner(op: str) -> Replace:
    """op(f(x)) becomes op(x)."""
    return lambda build, node: build.op(op, _inner(node), **node.attrs)


def _log_softmax(build: Builder, node: Node) -> Replacement:
    return build.op("log_softmax", _inner(node), axis=node.inputs[0].node.attrs["axis"])


def _square(build: Builder, node: Node) -> Replacement:
    return _fit(build, build.mul(node.inputs[0], node.inputs[0]), node)


def _ones(build: Builder, node: Node) -> Replacement:
    return _fit(build, build.scalar(1.0, node.out), node)


def _int_zeros(build: Builder, node: Node) -> Replacement:
    return _fit(build, build.scalar(0, node.out), node)


def _float_and(guard: Callable[[Node], bool]) -> Callable[[Node], bool]:
    return lambda node: _is_float(node) and guard(node)


def _int_and(guard: Callable[[Node], bool]) -> Callable[[Node], bool]:
    return lambda node: node.out.dtype.is_int and guard(node)


def _same_inputs(node: Node) -> bool:
    return node.inputs[0] == node.inputs[1]


def _where_known(node: Node) -> bool:
    return uniform(node.inputs[0]) is not None or node.inputs[1] == node.inputs[2]


def _where(build: Builder, node: Node) -> Replacement:
    return _fit(build, node.inputs[2] if uniform(node.inputs[0]) == 0 else node.inputs[1], node)


def _digits(dtype: DType) -> int:
    """Up to which power of two a type holds every whole number."""
    return 1 if dtype is DType.BOOL else dtype.bounds[1].bit_length() if dtype.is_int else _MANTISSA[dtype]


# Bits of a whole number that a float holds.
_MANTISSA = {DType.F16: 11, DType.BF16: 8, DType.F32: 24, DType.F64: 53}
_WIDER_FLOATS = {DType.F16: (DType.F32, DType.F64), DType.BF16: (DType.F32, DType.F64), DType.F32: (DType.F64,)}


def _holds(wide: DType, dtype: DType) -> bool:
    """Whether a type has every value of another."""
    if dtype.is_float:
        return wide in _WIDER_FLOATS.get(dtype, ())
    signed = dtype.is_int and not dtype.is_unsigned
    return wide is not DType.BOOL and _digits(wide) >= _digits(dtype) and not (signed and wide.is_unsigned)


def _cast_of_wider(node: Node) -> bool:
    """cast(cast(x)) where the first cast loses nothing, and the second one does what one alone would."""
    source = node.inputs[0].node
    if source.op != "cast":
        return False
    first, between, last = source.inputs[0].dtype, source.out.dtype, node.out.dtype
    # Too large a float becomes the largest whole number, too large a whole number wraps around.
    through_float = first.is_int and between.is_float and last.is_int
    return _holds(between, first) and (not through_float or _holds(last, first))


def _cast_once(build: Builder, node: Node) -> Replacement:
    source, dtype = _inner(node), node.attrs["dtype"]
    return source if source.dtype == dtype else build.op("cast", source, dtype=dtype)


def _reduces_nothing(node: Node) -> bool:
    shape = node.inputs[0].shape
    return all(shape[axis] == 1 for axis in node.attrs["axes"])


def _reshaped(build: Builder, node: Node) -> Replacement:
    return build.reshape(node.inputs[0], node.out.shape)


ARITHMETIC: tuple[Row, ...] = (
    Row("add", _right_is(0), _keep(0)),  # sign of zero
    Row("add", _left_is(0), _keep(1)),  # sign of zero
    Row("add", _input_is(1, "neg"), lambda b, n: b.sub(n.inputs[0], _inner(n, 1)), absorbs=(1,)),
    Row("add", _input_is(0, "neg"), lambda b, n: b.sub(n.inputs[1], _inner(n, 0)), absorbs=(0,)),
    Row("sub", _right_is(0), _keep(0)),
    Row("sub", _input_is(1, "neg"), lambda b, n: b.add(n.inputs[0], _inner(n, 1)), absorbs=(1,)),
    Row("mul", _right_is(1), _keep(0)),
    Row("mul", _left_is(1), _keep(1)),
    Row("mul", _right_is(-1), _negated(0)),
    Row("mul", _left_is(-1), _negated(1)),
    Row("mul", _int_and(_right_is(0)), _int_zeros),
    Row("mul", _int_and(_left_is(0)), _int_zeros),
    Row("mul", _both_negated, lambda b, n: b.mul(_inner(n, 0), _inner(n, 1)), absorbs=(0, 1)),
    Row("mul", _merges, _merge_factors, absorbs=(0, 1)),  # rounding
    Row("div", _right_is(1), _keep(0)),
    Row("div", _float_and(_right_is(-1)), _negated(0)),
    Row("div", _float_and(_both_negated), lambda b, n: b.div(_inner(n, 0), _inner(n, 1)), absorbs=(0, 1)),
    Row("div", _merges, _merge_factors, absorbs=(0,)),  # rounding
    Row("div", _divides_exactly, _by_reciprocal),
    Row("pow", _right_is(1), _keep(0)),
    Row("pow", _right_is(2), _square),  # rounding
    Row("pow", _right_is(0), _ones),
    Row("neg", _input_is(0, "neg"), lambda b, n: _inner(n), absorbs=(0,)),
    Row("not", _input_is(0, "not"), lambda b, n: _inner(n), absorbs=(0,)),
    Row("abs", _input_is(0, "abs"), _keep(0)),
    Row("abs", _negates_signed, _of_inner("abs"), absorbs=(0,)),
    Row("relu", _input_is(0, "relu", "sigmoid", "exp", "softmax"), _keep(0)),
    Row("sign", _input_is(0, "sign"), _keep(0)),
    Row("floor", _input_is(0, "floor"), _keep(0)),
    Row("stop_gradient", _input_is(0, "stop_gradient", "const"), _keep(0)),
    Row("log", _input_is(0, "softmax"), _log_softmax, absorbs=(0,)),  # more accurate
    Row("max", _same_inputs, _keep(0)),
    Row("min", _same_inputs, _keep(0)),
    Row("and", _same_inputs, _keep(0)),
    Row("or", _same_inputs, _keep(0)),
    Row("where", _where_known, _where),
    Row("cast", lambda n: n.inputs[0].dtype == n.attrs["dtype"], _keep(0)),
    Row("cast", _cast_of_wider, _cast_once, absorbs=(0,)),
    Row("reduce_sum", _reduces_nothing, _reshaped),  # sign of zero
    Row("reduce_mean", _reduces_nothing, _reshaped),
    Row("reduce_max", _reduces_nothing, _reshaped),
    Row("reduce_min", _reduces_nothing, _reshaped),
)
