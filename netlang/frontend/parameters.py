"""`param`, `frozen`, `buffer` and `update`: tensors that are kept between calls."""

from __future__ import annotations

from typing import Any

from netlang.frontend import ast
from netlang.frontend.context import Context
from netlang.frontend.faults import Fault
from netlang.frontend.initializers import resolve
from netlang.frontend.values import describe
from netlang.ir.build import Builder
from netlang.ir.graph import Value
from netlang.ir.types import TensorType

_ROLES = {"param": "weight", "frozen": "frozen", "buffer": "buffer"}


def declare(context: Context, s: ast.Declaration, type: TensorType, initial: Any) -> Value:
    """The parameter of a declaration: a new one, or the one that the layer has from its first application."""
    frame, name = context.frame, s.name.text
    frame.naming.take(name)
    instance = frame.naming.instance
    found = instance.params.get(name)
    if found is None:
        found = _create(context, s, type, initial, instance.join(name))
        instance.params[name] = found
        context.record(found, name)
    elif found.type != type:
        raise Fault(
            f"the shared layer '{instance.path}' needs {name} {type} here, but has {found.type} from its first use",
            hint="write the layer twice to give it parameters twice",
        )
    return context.updates.get(found.node.name, found)


def _create(context: Context, s: ast.Declaration, type: TensorType, initial: Any, path: str) -> Value:
    what = f"{s.role.text} '{s.name.text}'"
    for dim in type.shape:
        if not isinstance(dim, int):
            raise Fault(
                f"{what} is {type}, but the size {dim} is known only when the net runs",
                hint="parameters need fixed sizes: give the input fixed ones",
                span=s.type.span,
            )
    role = _ROLES[s.role.text]
    if role == "weight" and not type.dtype.is_float:
        message = f"{what} is {type}, but only floating-point tensors can be trained"
        raise Fault(message, hint="cast(x, f32) makes floating-point numbers of an input", span=s.type.span)
    init = resolve(initial, type, what)
    spans = context.places(s.name.span)[0][:1]
    value = Builder(spans).param(path, type, role, init)
    context.params[path] = value
    context.keys[path] = context.frame.naming.instance.key(s.name.text)
    return value


def update(context: Context, s: ast.Update, buffer: Any, value: Any) -> None:
    """Give a buffer its value for the next call; in training mode only."""
    name = _buffer_name(context, s, buffer)
    if not isinstance(value, Value):
        raise Fault(f"'{s.name.text}' is updated with {describe(value)}, but needs a tensor", span=s.value.span)
    if value.type != buffer.type:
        raise Fault(f"'{s.name.text}' is {buffer.type}, its update {value.type}", span=s.value.span)
    if context.training:
        context.updates[name] = value


def _buffer_name(context: Context, s: ast.Update, buffer: Any) -> str:
    """The full name of the buffer that a name stands for: the parameter itself, or its latest update."""
    own = context.frame.naming.instance.params.get(s.name.text)
    if own is None or not isinstance(buffer, Value) or own.node.attrs["role"] != "buffer":
        raise Fault(f"'{s.name.text}' is no buffer of this layer", span=s.name.span, hint="only buffers are updated")
    return own.node.name
