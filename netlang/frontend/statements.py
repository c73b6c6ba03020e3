"""Statements: bindings, inputs, parameters, loops; and carrying out the body of a block."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from netlang.diagnostics import Span
from netlang.frontend import ast, parameters
from netlang.frontend.calls import name_layer
from netlang.frontend.context import Context, owner_of
from netlang.frontend.expressions import evaluate, lookup
from netlang.frontend.faults import Fault, Located, Silenced, Stop
from netlang.frontend.limits import check_items
from netlang.frontend.operators import truth
from netlang.frontend.scope import Frame, Naming, Scope
from netlang.frontend.types import accept, check_promise, evaluate_type
from netlang.frontend.values import POISON, BlockFunction, Instance, Poison, describe, tensors_of
from netlang.ir.dims import Sym
from netlang.ir.graph import Value
from netlang.ir.opdef import ShapeError
from netlang.ir.types import DType, shape_text


@dataclass(frozen=True)
class Returned:
    """What a body returns; a body that reaches its end returns nothing at all."""

    value: Any


Handler = Callable[[Context, Any], Returned | None]
_HANDLERS: dict[type[ast.Statement], tuple[frozenset[str], Handler]] = {}
_ANYWHERE = frozenset({"file", "net", "train", "block"})
_HOMES = {
    "file": "the file itself",
    "net": "a net",
    "block": "a block",
    "train": "a train section",
    "alternation": "a train section that alternates",
}
_WORDS: dict[type[ast.Statement], str] = {ast.Changes: "update"}
"""What statements begin with, where that is not the name of their class."""


def handles(kind: type[ast.Statement], *frames: str) -> Callable[[Handler], Handler]:
    """Register how statements of a kind are carried out, in bodies of the kinds named (none: in all)."""

    def register(handler: Handler) -> Handler:
        _HANDLERS[kind] = (frozenset(frames) or _ANYWHERE, handler)
        return handler

    return register


def run(context: Context, statements: Sequence[ast.Statement]) -> Returned | None:
    """Carry out a body. A statement with a fault is recorded and skipped; what it would have bound is poisoned."""
    for statement in statements:
        try:
            returned = _run(context, statement)
        except Located as fault:
            context.reporter.add(fault.diagnostic)
            if context.reporter.full:
                raise Stop from None
        except Silenced:
            pass
        else:
            if returned is not None:
                return returned
            continue
        if isinstance(statement, ast.Return):
            return Returned(POISON)
        if _ends_block(context, statement):
            raise Silenced
        _poison(context, statement)
    return None


def _ends_block(context: Context, statement: ast.Statement) -> bool:
    """Whether more faults of the same application would only be consequences of this statement's."""
    return context.frame.std or (context.frame.kind == "block" and isinstance(statement, ast.Check))


def _run(context: Context, statement: ast.Statement) -> Returned | None:
    context.count_step(statement.span)
    homes, handler = _HANDLERS[type(statement)]
    try:
        if context.frame.kind not in homes:
            word = _WORDS.get(type(statement), type(statement).__name__.lower())
            word = statement.role.text if isinstance(statement, ast.Declaration) else word
            places = " or ".join(_HOMES[h] for h in _HOMES if h in homes)
            raise Fault(f"'{word}' belongs in {places}, not in {_HOMES[context.frame.kind]}")
        return handler(context, statement)
    except (Fault, ShapeError) as fault:
        raise context.locate(fault, statement.span) from None


def _poison(context: Context, statement: ast.Statement) -> None:
    for word in _bound_by(statement):
        context.frame.scope.bind(word.text, POISON, word.span, again=True)
        context.usage.used.add(word.span)
    if isinstance(statement, ast.If | ast.For):
        context.frame.broken = True


def _bound_by(statement: ast.Statement) -> Iterator[ast.Word]:
    if isinstance(statement, ast.Binding):
        yield from statement.names
    elif isinstance(statement, ast.Input | ast.Target | ast.Declaration | ast.Output):
        yield statement.name


def bind(context: Context, word: ast.Word, value: Any, what: str) -> None:
    """Bind a name in the body at hand and watch whether anything reads it."""
    frame = context.frame
    frame.scope.bind(word.text, value, word.span, again=frame.inner > 0)
    if not frame.std:
        context.usage.declare(word.span, word.text, what)


# ---- values


@handles(ast.Binding)
def _binding(context: Context, s: ast.Binding) -> None:
    value = evaluate(context, s.value)
    if s.type is not None:
        if len(s.names) > 1:
            raise Fault("only a single name can be given a type", span=s.type.span)
        check_promise(context, s.names[0], s.type, value)
    for word, part in zip(s.names, _parts(value, s), strict=True):
        bind(context, word, part, "binding")
        name_layer(context, word.text, part)
        if isinstance(part, Value) and part not in context.trail:
            context.record(part, word.text)


def _parts(value: Any, s: ast.Binding) -> Sequence[Any]:
    if len(s.names) == 1:
        return (value,)
    if not isinstance(value, tuple | list):
        raise Fault(f"{len(s.names)} names need {len(s.names)} values, not {describe(value)}", span=s.value.span)
    if len(value) != len(s.names):
        raise Fault(f"{len(s.names)} names, but {len(value)} values", span=s.value.span)
    return value


@handles(ast.Input, "net")
def _input(context: Context, s: ast.Input) -> None:
    given = context.frame.given
    if given is not None:
        accept(context, s.name, s.type, given[s.name.text])
        bind(context, s.name, given[s.name.text], "input")
        return
    type = evaluate_type(context, s.type, introduce=True)
    if s.name.text in context.inputs:
        raise Fault(f"there is an input '{s.name.text}' already", span=s.name.span)
    bind(context, s.name, context.add_input(s.name.text, type, s.name.span), "input")


@handles(ast.Output, "net")
def _output(context: Context, s: ast.Output) -> None:
    name, outputs = s.name.text, context.frame.outputs
    if name in outputs:
        raise Fault(f"there is an output '{name}' already", span=s.name.span)
    outputs[name] = None
    if s.value is None:
        value = lookup(context, s.name)
    else:
        value = evaluate(context, s.value)
        bind(context, s.name, value, "binding")
        context.usage.used.add(s.name.span)
    if not isinstance(value, Value):
        span = s.name.span if s.value is None else s.value.span
        hint = "give every output a name of its own" if tensors_of(value) else ""
        raise Fault(f"an output must be a tensor, not {describe(value)}", span=span, hint=hint)
    context.record(value, name) if value not in context.trail else None
    outputs[name] = (value, s.name.span)


@handles(ast.Declaration, "net", "block", "train")
def _declaration(context: Context, s: ast.Declaration) -> None:
    type = evaluate_type(context, s.type)
    if s.value is None:
        raise Fault(
            f"{s.role.text} '{s.name.text}' needs an initial value", hint="for example '= he_normal()' or '= zeros()'"
        )
    value = parameters.declare(context, s, type, evaluate(context, s.value))
    bind(context, s.name, value, s.role.text)


@handles(ast.Update, "net", "block")
def _update(context: Context, s: ast.Update) -> None:
    parameters.update(context, s, lookup(context, s.name), evaluate(context, s.value))


@handles(ast.Return, "block")
def _return(context: Context, s: ast.Return) -> Returned:
    return Returned(evaluate(context, s.value))


# ---- control


@handles(ast.If)
def _if(context: Context, s: ast.If) -> Returned | None:
    rest: ast.If | tuple[ast.Statement, ...] | None = s
    while isinstance(rest, ast.If):
        if _condition(context, rest.condition):
            return _inner(context, rest.body)
        rest = rest.otherwise
    return _inner(context, rest) if rest else None


def _condition(context: Context, e: ast.Expression) -> bool:
    try:
        return truth(evaluate(context, e))
    except Fault as fault:
        raise context.locate(fault, e.span) from None


@handles(ast.For)
def _for(context: Context, s: ast.For) -> Returned | None:
    items = evaluate(context, s.items)
    if not isinstance(items, list | tuple):
        raise Fault(f"'for' goes over a list, not {describe(items)}", span=s.items.span, hint="for example range(3)")
    check_items(len(items))
    for item in items:
        values = (item,) if len(s.names) == 1 else item
        if not isinstance(values, list | tuple) or len(values) != len(s.names):
            raise Fault(f"{len(s.names)} names cannot take {describe(item)}", span=s.items.span)
        for word, value in zip(s.names, values, strict=True):
            context.frame.scope.bind(word.text, value, word.span, again=True)
        returned = _inner(context, s.body)
        if returned is not None:
            return returned
    return None


def _inner(context: Context, body: Sequence[ast.Statement]) -> Returned | None:
    frame = context.frame
    frame.inner += 1
    try:
        return run(context, body)
    finally:
        frame.inner -= 1


@handles(ast.Check)
def _check(context: Context, s: ast.Check) -> None:
    if not _condition(context, s.condition):
        hint = _filled(context, s.hint) if s.hint is not None else ""
        raise Fault(_filled(context, s.message), hint=hint, span=s.condition.span)


_FIELD = re.compile(r"\{(\w+)((?:\.\w+)?)\}")


def _filled(context: Context, message: ast.Word) -> str:
    """The text of a string with `{name}`, `{x.shape}`, `{x.rank}` and `{x.dtype}` filled in."""

    def fill(match: re.Match[str]) -> str:
        value = lookup(context, ast.Word(message.span, match[1]))
        if match[2]:
            value = getattr(value, match[2][1:], None) if isinstance(value, Value) else None
        if isinstance(value, Value):
            return str(value.type)
        if isinstance(value, tuple | list):
            return shape_text(tuple(value))
        plain = isinstance(value, int | float | str | Sym | DType) and not isinstance(value, bool)
        return str(value) if plain else describe(value)

    return _FIELD.sub(fill, message.text[1:-1])


# ---- blocks


def run_block(context: Context, block: BlockFunction, arguments: dict[str, Any], instance: Instance, span: Span) -> Any:
    """What a block returns, or a net puts out, for these arguments. Raises Silenced where that failed."""
    subject = next((v for a in arguments.values() for v in (tensors_of(a) or [])), None)
    kind = "net" if block.is_net else "block"
    frame = Frame(kind, block.name, Scope(block.scope), Naming(instance), block.std, span, subject)
    with context.inside(frame):
        for parameter in block.parameters:
            word = parameter.name
            given = arguments[word.text] if word.text in arguments else _default(context, block, parameter)
            bind(context, word, given, "parameter")
        if block.is_net:
            frame.given = {name: arguments[name] for name in block.inputs}
            return _outputs(context, block)
        returned = run(context, block.definition.body)
        if returned is None and not frame.broken:
            fault = Fault(f"block '{block.name}' returns nothing", hint="end it with 'return ...'")
            raise context.locate(fault, block.definition.name.span)
        if returned is None or isinstance(returned.value, Poison):
            raise Silenced
        return returned.value


def _outputs(context: Context, net: BlockFunction) -> Any:
    """What a net that is applied as a layer puts out: a tensor, or a tuple of its several outputs."""
    run(context, net.definition.body)
    found = [output and output[0] for output in context.frame.outputs.values()]
    if not found and not context.frame.broken:
        fault = Fault(f"net '{net.name}' has no output", hint="name what the net computes: output y = ...")
        raise context.locate(fault, net.definition.name.span)
    if None in found or not found:
        raise Silenced
    return found[0] if len(found) == 1 else tuple(found)


def _default(context: Context, block: BlockFunction, parameter: ast.Parameter) -> Any:
    assert parameter.default is not None  # else the signature would have asked for it
    value = evaluate(context, parameter.default)
    return context.settings.get(owner_of(block.definition), {}).get(parameter.name.text, value)
