"""Types as written, `f32[N, 3, 28, 28]`, and whether they agree with what is there."""

from __future__ import annotations

from typing import Any

from netlang.diagnostics import did_you_mean
from netlang.frontend import ast
from netlang.frontend.context import Context, text_of
from netlang.frontend.expressions import evaluate
from netlang.frontend.faults import Fault
from netlang.frontend.limits import check_dim, check_type
from netlang.frontend.values import describe, is_dim
from netlang.ir.dims import Dim, sym
from netlang.ir.graph import Value
from netlang.ir.types import DType, TensorType


def evaluate_type(context: Context, type: ast.Type, *, introduce: bool = False) -> TensorType:
    """A tensor type. With `introduce`, a name that stands for nothing yet becomes a size known only later."""
    dtype = _dtype(context, type.dtype)
    shape: list[Dim] = []
    for expression in type.dims:
        if introduce and isinstance(expression, ast.Name) and _is_new(context, expression.id.text):
            word = expression.id
            context.frame.scope.bind(word.text, sym(word.text), word.span, again=True)
            context.usage.used.add(word.span)
        shape += _dims(evaluate(context, expression), expression)
    found = TensorType(dtype, tuple(shape))
    try:
        check_type(found)
    except Fault as fault:
        raise Fault(str(fault), hint=fault.hint, span=type.span) from None
    return found


_OTHER_NAMES = {
    "float": "f32", "float16": "f16", "float32": "f32", "float64": "f64", "bfloat16": "bf16", "half": "f16",
    "double": "f64", "int": "i64", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "long": "i64",
    "uint": "u64", "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64", "byte": "u8", "boolean": "bool",
}  # fmt: skip


def _is_new(context: Context, name: str) -> bool:
    """Whether a name is free to be a size: unknown, or known only as a function of the language."""
    entry = context.frame.scope.find(name)
    return entry is None or (entry.span is None and not is_dim(entry.value))


def _dtype(context: Context, expression: ast.Expression) -> DType:
    if isinstance(expression, ast.Name) and context.frame.scope.find(expression.id.text) is None:
        names = [d.value for d in DType]
        other = _OTHER_NAMES.get(expression.id.text.lower())
        hint = f"it is called '{other}' here" if other else did_you_mean(expression.id.text, names)
        hint = hint or f"there are {', '.join(names)}"
        raise Fault(f"unknown element type '{expression.id.text}'", hint=hint, span=expression.span)
    value = evaluate(context, expression)
    if not isinstance(value, DType):
        raise Fault(f"a type begins with an element type such as f32, not {describe(value)}", span=expression.span)
    return value


def _dims(value: Any, expression: ast.Expression) -> list[Dim]:
    """One size, or the sizes of a list."""
    found: list[Dim] = []
    for entry in value if isinstance(value, list) else [value]:
        if not is_dim(entry):
            raise Fault(f"a size is a whole number, not {describe(entry)}", span=expression.span)
        if isinstance(entry, int) and entry < 1:
            raise Fault(f"a size is at least 1, got {entry}", span=expression.span)
        check_dim(entry)
        found.append(entry)
    return found


def check_promise(context: Context, name: ast.Word, type: ast.Type, value: Any) -> None:
    """Raise Fault unless `value` is a tensor of the type that was promised for it."""
    promised = evaluate_type(context, type)
    if not isinstance(value, Value):
        raise Fault(f"'{name.text}' is promised to be {promised}, but is {describe(value)}", span=type.span)
    if value.type != promised:
        raise context.locate(
            Fault(f"'{name.text}' is promised to be {promised}, but is {value.type}"), type.span, [value]
        )


def accept(context: Context, name: ast.Word, type: ast.Type, value: Any) -> None:
    """Check what an input of a net is given where the net is applied as a layer; new names of sizes become its sizes.

    Raises Fault where it does not suit.
    """
    wanted = f"{text_of(type.span)}"
    if not isinstance(value, Value):
        raise Fault(f"input '{name.text}' takes a tensor {wanted}, not {describe(value)}", span=type.span)
    fault = Fault(f"input '{name.text}' is {wanted}, but is given {value.type}", span=type.span)
    if value.dtype != _dtype(context, type.dtype):
        raise fault
    place = 0
    for expression in type.dims:
        left = value.shape[place:]
        if left and isinstance(expression, ast.Name) and _is_new(context, expression.id.text):
            context.frame.scope.bind(expression.id.text, left[0], expression.id.span, again=True)
            context.usage.used.add(expression.id.span)
            place += 1
            continue
        sizes = _dims(evaluate(context, expression), expression)
        if left[: len(sizes)] != tuple(sizes):
            raise fault
        place += len(sizes)
    if place != value.rank:
        raise fault
