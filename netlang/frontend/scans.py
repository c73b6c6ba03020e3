"""`scan`: a cell carried out for every step of sequences.

    h, c, hs = x -> scan(cell, state = [h0, c0])       a cell from (slices, states) to (next states, emitted)

The cell is applied once, to stand-ins for one step's slices and states; what it computes from them becomes the body of
a `scan` node, and what it reads besides (parameters, tensors among its arguments) the node's constants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from netlang.frontend import geometry
from netlang.frontend.calls import apply
from netlang.frontend.cells import USAGE, carried_out, check_states, stand_ins
from netlang.frontend.context import Site
from netlang.frontend.faults import Fault
from netlang.frontend.limits import check_dim
from netlang.frontend.signature import Signature
from netlang.frontend.values import BlockFunction, Layer, Primitive, describe, is_dim, is_layer
from netlang.ir.dims import Dim
from netlang.ir.graph import Value, topological
from netlang.ir.scan import Loop, closed
from netlang.ir.types import DType, shape_text

SIGNATURE = Signature.of("scan", "cell", state=(), axis=1, reverse=False, lengths=None, checkpoint=0, steps=None)


def scan(site: Site, arguments: Mapping[str, Any]) -> Any:
    """The layer `scan(cell, ...)`. With `steps` there are no sequences to wait for: it is carried out at once."""
    cell = arguments["cell"]
    if not is_layer(cell):
        raise Fault(f"scan needs a cell, which is a layer, not {describe(cell)}", hint=USAGE)
    if isinstance(cell, BlockFunction | Primitive):
        cell = Layer(cell, (), {}, site.span)
    layer = Layer(PRIMITIVE, (), {**arguments, "cell": cell}, site.span)
    return layer if arguments["steps"] is None else apply(site.context, layer, [], (), {}, site.span)


def _build(site: Site, arguments: Mapping[str, Any]) -> Any:
    """What the cell returns: the states after the last step, then what it emits, stacked along the axis."""
    sequences: list[Value] = arguments[""]
    length, axis = _length(sequences, arguments)
    initial = _initial(site, arguments["state"], sequences)
    step = stand_ins(site, arguments["cell"], sequences, axis, initial)
    made = carried_out(site, arguments["cell"], step)
    check_states(initial, made)
    # A cell that emits nothing emits its first state.
    made += made[:1] if len(made) == len(initial) else []
    following, emitted = made[: len(initial)], made[len(initial) :]
    if arguments["lengths"] is not None:
        alive = site.emit("lt", step.number, _lengths(site, arguments["lengths"]))
        following = [_kept(site, alive, new, old) for new, old in zip(following, step.states, strict=True)]
        emitted = [_kept(site, alive, y, site.scalar(False if y.dtype is DType.BOOL else 0, y.dtype)) for y in emitted]
    major = tuple(_moved(site, x, axis, 0) for x in sequences)
    # Only training keeps states for a gradient.
    checkpoint = _every(arguments["checkpoint"]) if site.context.training else 0
    reverse = _flag(arguments["reverse"])
    loop = Loop(
        initial, major, (), step.states, step.slices, (), tuple(following), tuple(emitted), length, reverse, checkpoint
    )
    node = _closed(site, loop, step.number).build(site.builder)
    site.context.count_nodes(1, site.span)
    states, stacks = node.results[: len(initial)], node.results[len(initial) :]
    out = (*states, *(_moved(site, y, 0, min(axis, y.rank - 1)) for y in stacks))
    return out[0] if len(out) == 1 else out


# ---- what is given


def _length(sequences: Sequence[Value], arguments: Mapping[str, Any]) -> tuple[Dim, int]:
    """The number of steps, and the axis they go along."""
    steps, axis = arguments["steps"], arguments["axis"]
    if steps is None and not sequences:
        raise Fault("scan needs sequences, or the number of steps", hint="scan(cell, state = h0, steps = 20)")
    if steps is not None:
        if not is_dim(steps) or (isinstance(steps, int) and steps < 0):
            raise Fault(f"scan makes a whole number of steps, not {describe(steps)}")
        check_dim(steps)
        return steps, geometry.axis(axis, 8)
    places = [geometry.axis(axis, x.rank) for x in sequences]
    found = [x.shape[i] for x, i in zip(sequences, places, strict=True)]
    for x, length in zip(sequences, found, strict=True):
        if length != found[0]:
            shapes = f"{shape_text(sequences[0].shape)} and {shape_text(x.shape)}"
            raise Fault(f"the sequences of a scan have one length, but axis {axis} of {shapes} differs")
    if len(set(places)) > 1:
        raise Fault(f"axis {axis} is not the same one in sequences of different rank", hint="count it from the front")
    return found[0], places[0]


def _initial(site: Site, given: Any, sequences: Sequence[Value]) -> tuple[Value, ...]:
    """The states before the first step: tensors, or shapes for zeros."""
    if isinstance(given, Value) or _is_shape(given):
        given = [given]
    if not isinstance(given, list | tuple):
        raise Fault(f"a state is a tensor, or a shape for zeros, not {describe(given)}")
    dtype = next((x.dtype for x in sequences if x.dtype.is_float), DType.F32)
    found = []
    for entry in given:
        if isinstance(entry, Value):
            found.append(entry)
        elif _is_shape(entry):
            found.append(site.emit("broadcast", site.scalar(0.0, dtype), shape=geometry.dims(entry)))
        else:
            raise Fault(f"a state is a tensor, or a shape for zeros, not {describe(entry)}")
    return tuple(found)


def _is_shape(given: Any) -> bool:
    return isinstance(given, list) and bool(given) and all(map(is_dim, given))


def _lengths(site: Site, given: Any) -> Value:
    if not isinstance(given, Value) or not given.dtype.is_int or given.rank != 1:
        raise Fault(f"lengths are whole numbers, one for each sequence: i64[N], not {describe(given)}")
    return given if given.dtype is DType.I64 else site.emit("cast", given, dtype=DType.I64)


def _every(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise Fault(f"checkpoint is a whole number of steps, not {describe(given)}")
    return given


def _flag(given: Any) -> bool:
    if not isinstance(given, bool):
        raise Fault(f"reverse is true or false, not {describe(given)}")
    return given


# ---- around the cell


def _kept(site: Site, alive: Value, new: Value, old: Value) -> Value:
    """`new` for the sequences that go on, `old` for those that have ended."""
    if not new.rank or new.shape[0] != alive.shape[0]:
        text = f"lengths are for {alive.shape[0]} sequences, but a state or emitted value is {new.type}"
        raise Fault(text, hint="with lengths, axis 0 of everything is the batch")
    column = site.builder.reshape(alive, (alive.shape[0], *(1,) * (new.rank - 1)))
    return site.emit("where", column, new, old)


def _closed(site: Site, loop: Loop, number: Value) -> Loop:
    """The loop with all that it reads from outside as constants; the number of the step where it is read."""
    bound = (*loop.states, *loop.slices, number)
    names = {v.node.name for v in bound}
    made, inner, outer = closed((*loop.following, *loop.emitted), bound, site.builder, names)
    count = len(loop.states)
    loop = replace(loop, following=made[:count], emitted=made[count:], constants=outer, shared=inner)
    if any(number in node.inputs for node in topological(made)) or number in made:
        steps = site.emit("iota", size=loop.length, dtype=number.dtype)
        loop = replace(loop, sequences=(*loop.sequences, steps), slices=(*loop.slices, number))
    return loop


def _moved(site: Site, x: Value, start: int, end: int) -> Value:
    """`x` with its axis `start` at the place `end`."""
    if start == end:
        return x
    order = [i for i in range(x.rank) if i != start]
    order.insert(end, start)
    return site.emit("transpose", x, perm=tuple(order))


PRIMITIVE = Primitive(SIGNATURE, 0, _build, owner="cell")
