"""Expressions: what each kind is worth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any

from netlang.diagnostics import Span, did_you_mean
from netlang.frontend import ast
from netlang.frontend.calls import apply, as_layer, call, site_of
from netlang.frontend.context import Context, tensors_among, text_of
from netlang.frontend.faults import Fault, Silenced
from netlang.frontend.limits import INTEGER
from netlang.frontend.operators import binary, truth, unary
from netlang.frontend.values import (
    BlockFunction,
    Builtin,
    Composition,
    Instance,
    Layer,
    Poison,
    Table,
    Training,
    describe,
    is_layer,
    tensors_of,
    weigh,
)
from netlang.ir.dims import size
from netlang.ir.graph import Value
from netlang.ir.opdef import ShapeError

_OTHER_NAMES = {
    "linear": "dense", "fc": "dense", "fully_connected": "dense", "conv2d": "conv", "conv1d": "conv",
    "convolution": "conv", "max_pool2d": "maxpool", "avg_pool2d": "avgpool", "pool": "maxpool",
    "batch_norm": "batchnorm", "bn": "batchnorm", "none": "none", "true": "true", "false": "false",
    "nll_loss": "cross_entropy", "crossentropy": "cross_entropy", "mse": "mean_squared_error",
    "mse_loss": "mean_squared_error", "bce": "binary_cross_entropy", "cat": "concat", "view": "reshape",
    "permute": "transpose", "swish": "silu", "padding": "pad",
}  # fmt: skip
_FEW = 12
"""Keys of a table that a message shows."""


def evaluate(context: Context, expression: ast.Expression) -> Any:
    """The value of an expression. Raises Located for a fault in it, Silenced where a fault is already recorded."""
    context.level += 1
    context.count_step(expression.span)
    try:
        return _HANDLERS[type(expression)](context, expression)
    except (Fault, ShapeError) as fault:
        raise context.locate(fault, expression.span) from None
    finally:
        context.level -= 1


# ---- literals and names


def _number(context: Context, e: ast.Number) -> Any:
    text = e.literal.text
    if text.isdigit():
        if len(text) > 19 or int(text) >= INTEGER:
            raise Fault("the whole number is too large: it must fit into 64 bits")
        return int(text)
    value = float(text)
    if not isfinite(value):
        raise Fault("the number is too large for a floating-point number")
    return value


def _string(context: Context, e: ast.String) -> Any:
    return e.literal.text[1:-1]


def _truth(context: Context, e: ast.Truth) -> Any:
    return e.literal.text == "true"


def _name(context: Context, e: ast.Name) -> Any:
    return lookup(context, e.id)


def lookup(context: Context, word: ast.Word) -> Any:
    """The value of a name. Raises Fault for an unknown one."""
    entry = context.frame.scope.find(word.text)
    if entry is None:
        raise unknown(context, word)
    if entry.span is not None:
        context.usage.used.add(entry.span)
    match entry.value:
        case Poison():
            raise Silenced
        case Training():
            return context.training
    return entry.value


def unknown(context: Context, word: ast.Word, what: str = "name") -> Exception:
    """The fault of a name that stands for nothing; silent where a failed `if` or `for` may be why."""
    if any(frame.broken for frame in context.frames if not frame.std):
        return Silenced()
    other = _OTHER_NAMES.get(word.text.lower(), "")
    hint = f"it is called '{other}' here" if other else did_you_mean(word.text, context.frame.scope.names())
    return Fault(f"unknown {what} '{word.text}'", hint=hint, span=word.span)


# ---- collections


def _list(context: Context, e: ast.List) -> Any:
    items = [evaluate(context, item) for item in e.items]
    context.charge(weigh(items).leaves, e.span)
    return items


def _tuple(context: Context, e: ast.Tuple) -> Any:
    items = tuple([evaluate(context, item) for item in e.items])
    context.charge(weigh(items).leaves, e.span)
    return items


def _table(context: Context, e: ast.Table) -> Table:
    entries: dict[int | str, Any] = {}
    for entry in e.entries:
        key, value = evaluate(context, entry.key), evaluate(context, entry.value)
        if isinstance(key, bool) or not isinstance(key, int | str):
            raise Fault(f"an entry of a table has a whole number or a word, not {describe(key)}", span=entry.key.span)
        if key in entries:
            raise Fault(f"the table has {key} already", span=entry.key.span)
        entries[key] = value
    context.charge(weigh(entries.values()).leaves, e.span)
    return Table(entries)


def _index(context: Context, e: ast.Index) -> Any:
    of, index = evaluate(context, e.of), evaluate(context, e.index)
    if isinstance(of, Table):
        return _looked_up(of, index, e.index.span)
    if isinstance(of, Value):
        raise Fault("a tensor is not indexed with []", hint="take a part of it with slice(x, axis, start, stop)")
    if not isinstance(of, list | tuple):
        raise Fault(f"{describe(of)} has no entries")
    if isinstance(index, bool) or not isinstance(index, int):
        raise Fault(f"an index is a whole number, not {describe(index)}", span=e.index.span)
    if not -len(of) <= index < len(of):
        what = "a shape or list" if isinstance(of, list) else "a tuple"
        raise Fault(f"there is no entry {index} in {what} of {len(of)}", span=e.index.span)
    return of[index]


def _looked_up(table: Table, key: Any, span: Span) -> Any:
    if isinstance(key, bool) or not isinstance(key, int | str) or key not in table.entries:
        raise Fault(f"the table has nothing for {describe(key)}", hint=f"it has {_few(table.entries)}", span=span)
    return table.entries[key]


def _few(keys: Iterable[int | str]) -> str:
    """The keys, as many as can be read at a glance."""
    names = [str(key) for key in keys]
    return ", ".join(names if len(names) <= _FEW else [*names[:_FEW], "..."])


def _slice(context: Context, e: ast.Slice) -> Any:
    of = evaluate(context, e.of)
    if isinstance(of, Value):
        raise Fault("a tensor is not sliced with []", hint="take a part of it with slice(x, axis, start, stop)")
    if not isinstance(of, list | tuple):
        raise Fault(f"{describe(of)} has no entries")
    bounds = [None if part is None else evaluate(context, part) for part in (e.start, e.stop)]
    for bound in bounds:
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int)):
            raise Fault(f"an index is a whole number, not {describe(bound)}")
    return of[bounds[0] : bounds[1]]


# ---- attributes


def _attribute(context: Context, e: ast.Attribute) -> Any:
    of, name = evaluate(context, e.of), e.name.text
    if isinstance(of, Value):
        return _of_tensor(of, e.name)
    if isinstance(of, BlockFunction) and of.is_net:
        of = context.net_layer(of)
    if isinstance(of, Layer | Composition):
        if of.instance is None or not (of.instance.params or of.instance.children):
            raise Fault("this layer was not applied yet, so it has no parameters", span=e.of.span)
        return _of_layer(of.instance, e.name)
    if isinstance(of, Instance):
        return _of_layer(of, e.name)
    raise Fault(f"{describe(of)} has no '.{name}'", span=e.name.span)


def _of_tensor(tensor: Value, name: ast.Word) -> Any:
    match name.text:
        case "shape":
            return list(tensor.shape)
        case "rank":
            return tensor.rank
        case "dtype":
            return tensor.dtype
        case "size":
            return size(tensor.shape)
    hint = did_you_mean(name.text, ("shape", "rank", "dtype", "size")) or "it has .shape, .rank, .dtype and .size"
    raise Fault(f"a tensor has no '.{name.text}'", hint=hint, span=name.span)


def _of_layer(instance: Instance, name: ast.Word) -> Any:
    if name.text in instance.params:
        return instance.params[name.text]
    if name.text in instance.children:
        return instance.children[name.text]
    known = [*instance.params, *instance.children]
    hint = did_you_mean(name.text, known) or (f"it has {', '.join(known)}" if known else "")
    raise Fault(f"the layer '{instance.path}' has no parameter '{name.text}'", hint=hint, span=name.span)


# ---- operators


def _unary(context: Context, e: ast.Unary) -> Any:
    return unary(site_of(context, e.span), e.operator.text, evaluate(context, e.operand))


def _binary(context: Context, e: ast.Binary) -> Any:
    """Chains `a + b + c` are taken from the left in a loop, so that they may be as long as they like."""
    chain: list[ast.Binary] = []
    left: ast.Expression = e
    while isinstance(left, ast.Binary):
        chain.append(left)
        left = left.left
    value = evaluate(context, left)
    for link in reversed(chain):
        context.count_step(link.span)
        try:
            value = _link(context, link, value)
        except (Fault, ShapeError) as fault:
            raise context.locate(fault, link.span) from None
    return value


def _link(context: Context, e: ast.Binary, value: Any) -> Any:
    sign = e.operator.text
    if isinstance(value, bool) and sign in ("and", "or") and value == (sign == "or"):
        return value
    other = evaluate(context, e.right)
    kind = _LAYER_NAMES.get(sign, "compare") if isinstance(value, Value) or isinstance(other, Value) else ""
    try:
        result = binary(site_of(context, e.span, kind), sign, value, other)
    except (Fault, ShapeError) as fault:
        raise context.locate(fault, e.span, tensors_among([value, other])) from None
    if isinstance(result, Value):
        context.record(result, text_of(e.span))
    return result


_LAYER_NAMES = {"+": "add", "-": "sub", "*": "mul", "/": "div", "@": "matmul", "**": "pow"}


def _conditional(context: Context, e: ast.Conditional) -> Any:
    condition = evaluate(context, e.condition)
    try:
        chosen = e.value if truth(condition) else e.otherwise
    except Fault as fault:
        raise context.locate(fault, e.condition.span) from None
    return evaluate(context, chosen)


def _pipe(context: Context, e: ast.Pipe) -> Any:
    value = evaluate(context, e.stages[0])
    if is_layer(value):
        return _composition(context, e, value)
    for stage in e.stages[1:]:
        layer = evaluate(context, stage)
        context.count_step(stage.span)
        try:
            value = _apply_stage(context, value, layer, stage)
        except (Fault, ShapeError) as fault:
            raise context.locate(fault, stage.span) from None
    return value


def _apply_stage(context: Context, value: Any, layer: Any, stage: ast.Expression) -> Any:
    inputs = tensors_of(value)
    if not is_layer(layer):
        raise _no_layer(layer, stage)
    if inputs is None:
        raise Fault(f"only tensors can go through '->', not {describe(value)}")
    result = apply(context, layer, inputs, (), {}, stage.span)
    context.record(result, text_of(stage.span), inputs[0])
    return result


def _no_layer(value: Any, stage: ast.Expression) -> Fault:
    if isinstance(value, Value) and isinstance(stage, ast.Call):
        return Fault(
            "this is a tensor, not a layer: the call is already applied to its own first argument",
            hint="give several tensors as (a, b) -> layer",
        )
    if isinstance(value, Builtin):
        return Fault(f"'{value.name}' is a compile-time function, not a layer")
    return Fault(f"a layer must stand to the right of '->', not {describe(value)}")


def _composition(context: Context, e: ast.Pipe, first: Any) -> Composition:
    parts = [as_layer(context, first, e.stages[0].span)]
    for stage in e.stages[1:]:
        layer = evaluate(context, stage)
        if not is_layer(layer):
            raise context.locate(_no_layer(layer, stage), stage.span)
        parts.append(as_layer(context, layer, stage.span))
    return Composition(tuple(parts), e.span)


# ---- calls


def _call(context: Context, e: ast.Call) -> Any:
    if isinstance(e.function, ast.Name) and context.frame.scope.find(e.function.id.text) is None:
        raise unknown(context, e.function.id, "layer or function")
    function = evaluate(context, e.function)
    positional: list[Any] = []
    keyword: dict[str, Any] = {}
    for argument in e.arguments:
        if argument.name is None:
            if keyword:
                raise Fault("arguments without a name come before those with one", span=argument.span)
            positional.append(evaluate(context, argument.value))
        elif argument.name.text in keyword:
            raise Fault(f"'{argument.name.text}' is given twice", span=argument.span)
        else:
            keyword[argument.name.text] = evaluate(context, argument.value)
    return call(context, function, positional, keyword, e.span)


_HANDLERS: dict[type[ast.Expression], Callable[[Context, Any], Any]] = {
    ast.Number: _number,
    ast.String: _string,
    ast.Truth: _truth,
    ast.Name: _name,
    ast.List: _list,
    ast.Table: _table,
    ast.Tuple: _tuple,
    ast.Index: _index,
    ast.Slice: _slice,
    ast.Attribute: _attribute,
    ast.Unary: _unary,
    ast.Binary: _binary,
    ast.Conditional: _conditional,
    ast.Pipe: _pipe,
    ast.Call: _call,
}
