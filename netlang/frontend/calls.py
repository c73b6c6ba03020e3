"""Calls: making layer values, applying layers, giving them their parameters' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netlang.diagnostics import Span
from netlang.frontend import limits
from netlang.frontend.context import Context, Site, first_tensor, tensors_among, text_of
from netlang.frontend.faults import Fault
from netlang.frontend.scope import Frame, Naming
from netlang.frontend.values import (
    BlockFunction,
    Builtin,
    Composition,
    Layer,
    Primitive,
    describe,
    is_layer,
    is_number,
    tensors_of,
)
from netlang.ir.graph import Value
from netlang.ir.opdef import ShapeError

DEVICE = "device"
"""The keyword that every application of a layer accepts."""


def site_of(context: Context, span: Span, kind: str = "") -> Site:
    """Where nodes made now belong: in the standard library to its layer, elsewhere each to a name of its own."""
    naming = context.frame.naming
    if context.frame.std or not kind:
        return Site(context, span, naming.instance.path)
    return Site(context, span, naming.instance.join(naming.numbered(kind)))


def call(context: Context, function: Any, positional: list[Any], keyword: dict[str, Any], span: Span) -> Any:
    """A call as written: applies where its first argument is a tensor, otherwise makes a layer value."""
    if isinstance(function, Builtin):
        return function.call(site_of(context, span), function.signature.bind(positional, keyword))
    if not is_layer(function):
        raise Fault(f"{describe(function)} cannot be called")
    if isinstance(function, Primitive) and function.number is not None and _only_numbers(positional, keyword):
        return function.number(*positional)
    inputs, rest = _leading_tensors(function, positional, keyword)
    if inputs:
        result = apply(context, function, inputs, rest, keyword, span)
        context.record(result, text_of(span), first_tensor(inputs))
        return result
    if isinstance(function, Layer | Composition):
        raise Fault("this layer has its arguments already", hint="apply it with 'x -> layer' or layer(x)")
    return _layer_value(function, positional, keyword, span)


def _only_numbers(positional: Sequence[Any], keyword: Mapping[str, Any]) -> bool:
    return bool(positional) and not keyword and all(is_number(v) for v in positional)


def _leading_tensors(
    function: Any, positional: list[Any], keyword: dict[str, Any]
) -> tuple[list[Any], tuple[Any, ...]]:
    """The inputs of a call and its other positional arguments; no inputs: the call does not apply the layer."""
    if isinstance(function, Primitive) and function.at_once:
        first = function.signature.names[0]
        inputs = [keyword.pop(first)] if first in keyword and not positional else positional[:1]
        return inputs, tuple(positional[1:])
    if positional:
        spread = tensors_of(positional[0])
        if spread is not None:
            return spread, tuple(positional[1:])
        # `max(0, x)`: a number may stand in a tensor's place
        if isinstance(function, Primitive) and any(isinstance(v, Value) for v in positional[: function.tensors]):
            return list(positional), ()
    elif isinstance(function, BlockFunction | Primitive) and function.signature.names:
        first = function.signature.names[0]
        if isinstance(keyword.get(first), Value):
            return [keyword.pop(first)], ()
    return [], ()


def _layer_value(
    function: BlockFunction | Primitive, positional: list[Any], keyword: dict[str, Any], span: Span
) -> Layer:
    """A layer that will be applied later. Its arguments are checked as far as they can be."""
    signature = function.signature
    for name in keyword:
        if name != DEVICE:
            signature.check_keyword(name)
    inputs = 0 if isinstance(function, Primitive) and function.tensors == 0 else 1
    if len(positional) > max(0, len(signature.names) - inputs):
        raise Fault(f"too many arguments for the layer '{signature.name}'", hint=signature.usage())
    return Layer(function, tuple(positional), keyword, span)


def as_layer(context: Context, value: Any, span: Span) -> Layer | Composition:
    """A layer as it is. The bare name of a block is a layer of its own, that of a net is the net itself."""
    if isinstance(value, Layer | Composition):
        return value
    if isinstance(value, BlockFunction) and value.is_net:
        return context.net_layer(value)
    return Layer(value, (), {}, span)


# ---- application


def apply(
    context: Context,
    layer: Any,
    inputs: Sequence[Any],
    positional: Sequence[Any],
    keyword: Mapping[str, Any],
    span: Span,
) -> Any:
    """Apply a layer (or a block by its bare name: a layer of its own) to tensors."""
    if isinstance(layer, Composition):
        if positional or keyword:
            raise Fault("a composition of layers takes nothing but tensors")
        return _apply_composition(context, layer, inputs, span)
    if isinstance(layer, BlockFunction | Primitive):
        layer = Layer(layer, (), {}, span) if positional or keyword else as_layer(context, layer, span)
    arguments = [*inputs, *layer.positional, *positional]
    keywords = {**layer.keyword, **keyword}
    try:
        with context.on_device(_device(layer.function, keywords)):
            if isinstance(layer.function, Primitive):
                return apply_primitive(context, layer.function, arguments, keywords, span)
            return _apply_block(context, layer, arguments, keywords, span)
    except (Fault, ShapeError) as fault:
        raise context.locate(fault, span, tensors_among(inputs)) from None


def _device(function: BlockFunction | Primitive, keyword: dict[str, Any]) -> int | None:
    """Takes `device = 1`, which every application accepts, out of the arguments, unless the block has one itself."""
    device = None if DEVICE in function.signature.names else keyword.pop(DEVICE, None)
    if device is None:
        return None
    if isinstance(device, bool) or not isinstance(device, int):
        raise Fault(f"device must be a whole number, not {describe(device)}")
    if not 0 <= device < limits.DEVICES:
        raise Fault(f"device must be a number from 0 to {limits.DEVICES - 1}, got {device}")
    return device


def apply_primitive(
    context: Context, primitive: Primitive, arguments: Sequence[Any], keyword: Mapping[str, Any], span: Span
) -> Any:
    """Make the nodes of a primitive."""
    needed = _required_tensors(primitive)
    if len(arguments) + sum(name in keyword for name in needed) < len(needed):
        hint = f"give several tensors as (a, b) -> {primitive.name}"
        raise Fault(f"{primitive.name} needs {len(needed)} tensors, got {len(arguments)}", hint=hint)
    if primitive.tensors == 0:
        tensors = [v for v in arguments if isinstance(v, Value)]
        bound = primitive.signature.bind([v for v in arguments if not isinstance(v, Value)], keyword)
        bound[""] = tensors
    else:
        bound = primitive.signature.bind(arguments, keyword)
    return primitive.build(site_of(context, span, primitive.name), bound)


def _required_tensors(primitive: Primitive) -> list[str]:
    """The names of the tensors that may not be left out."""
    return [name for name, optional in primitive.signature.parameters[: primitive.tensors] if not optional]


def _apply_block(
    context: Context, layer: Layer, arguments: Sequence[Any], keyword: Mapping[str, Any], span: Span
) -> Any:
    function = layer.function
    assert isinstance(function, BlockFunction) and context.run_block is not None
    bound = function.signature.bind(arguments, keyword)
    if layer.instance is None:
        naming = context.frame.naming
        layer.instance = naming.instance.child(naming.numbered(function.name))
    return context.run_block(context, function, bound, layer.instance, span)


def _apply_composition(context: Context, layers: Composition, inputs: Sequence[Any], span: Span) -> Any:
    """One part after the other; a fault in one is shown where that part was written."""
    outer = context.frame
    naming = outer.naming if layers.instance is None else Naming(layers.instance)
    std = outer.std
    frame = Frame("block", "->", outer.scope, naming, std, span, first_tensor(inputs))
    value: Any = list(inputs)
    with context.inside(frame):
        for part in layers.parts:
            tensors = tensors_of(value)
            if tensors is None:
                raise Fault(f"only tensors can go through '->', not {describe(value)}")
            value = apply(context, part, tensors, (), {}, part.span)
            context.record(value, text_of(part.span), tensors[0])
    return value


def name_layer(context: Context, name: str, value: Any) -> None:
    """A layer bound to a name carries that name from then on, unless it has one; of a file's list, with a number."""
    if context.frame.kind == "file" and isinstance(value, list | tuple):
        for place, entry in enumerate(value, 1):
            name_layer(context, f"{name}{place}", entry)
    if isinstance(value, Layer | Composition) and value.instance is None:
        if isinstance(value, Layer) and isinstance(value.function, Primitive):
            owner = value.keyword.get(value.function.owner)
            name_layer(context, name, owner)
            value.instance = owner.instance if isinstance(owner, Layer | Composition) else None
            return
        naming = context.frame.naming
        value.instance = naming.instance.child(naming.claimed(name))
