"""Ahead of a loop: what its steps compute from slices and constants alone, for all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netlang.ir.build import Builder
from netlang.ir.graph import Node, Value, topological
from netlang.ir.opdef import opdef
from netlang.ir.scan import Loop, copied, fresh_input, is_number
from netlang.ops.residuals import is_free
from netlang.passes.all_steps import Given, at_once


def ahead(build: Builder, loop: Loop) -> Loop:
    """`loop` with stacks and constants for what need not be computed in it; the same object where there is nothing."""
    outside = outside_values(build, loop)
    stacked = {v for v, (_, is_stack) in outside.items() if is_stack}
    chosen = _chosen(loop, outside.keys() - loop.inside, stacked)
    wanted = _read_by_the_rest(loop, chosen)
    if not wanted:
        return loop
    taken = {v.node.name for v in loop.inside}
    new = {v: fresh_input(build, v.node.op, v.type, taken) for v in wanted}
    made = copied(loop.made, {**{v: v for v in loop.inside}, **new})
    count = len(loop.states)
    slices, shared = ([v for v in wanted if (v in stacked) == kind] for kind in (True, False))
    return replace(
        loop,
        sequences=(*loop.sequences, *(outside[v][0] for v in slices)),
        slices=(*loop.slices, *(new[v] for v in slices)),
        constants=(*loop.constants, *(outside[v][0] for v in shared)),
        shared=(*loop.shared, *(new[v] for v in shared)),
        following=made[:count],
        emitted=made[count:],
    )


def outside_values(build: Builder, loop: Loop) -> dict[Value, tuple[Value, bool]]:
    """The values of a step that can be computed outside: what they are there, and whether as a stack of all steps."""
    found = {v: (x, True) for v, x in zip(loop.slices, loop.sequences, strict=True)}
    found |= {v: (c, False) for v, c in zip(loop.shared, loop.constants, strict=True)}
    for node in topological(loop.made):
        if is_number(node):
            found[node.out] = node.out, False
            continue
        if node.op == "input" or not node.inputs or any(v not in found for v in node.inputs):
            continue
        inputs = tuple(found[v][0] for v in node.inputs)
        moves = tuple(found[v][1] for v in node.inputs)
        if not any(moves):
            found.update(
                {old: (new, False) for old, new in zip(node.results, node.with_inputs(inputs).results, strict=True)}
            )
        elif not loop.checkpoint:
            results = at_once(Given(build.like(node), node, inputs, moves, loop.length))
            if results is not None:
                found.update({old: (new, True) for old, new in zip(node.results, results, strict=True)})
    return found


def _chosen(loop: Loop, possible: set[Value], stacked: set[Value]) -> set[Value]:
    """What is worth it: costly values, all of constants, and cheap ones made of these that are no larger."""
    found: set[Value] = set()
    for node in topological(loop.made):
        if node.out not in possible or is_number(node):
            continue
        if not any(v in stacked for v in node.inputs):
            worth = node.op not in ("broadcast", "reshape", "stop_gradient")
        else:
            worth = is_costly(node) or _goes_along(node, found, stacked)
        if worth:
            found.update(node.results)
    return found


def is_costly(node: Node) -> bool:
    """Whether doing a node for all steps at once saves more than reading its results costs."""
    return node.op in ("gather", "one_hot") or not (is_free(node.op) or "movement" in opdef(node.op).traits)


def _goes_along(node: Node, found: set[Value], stacked: set[Value]) -> bool:
    """A cheap elementwise op on something that was chosen, and on nothing else that moves."""
    if "elementwise" not in opdef(node.op).traits:
        return False
    moving = [v for v in node.inputs if v in stacked]
    return all(v in found for v in moving) and any(v.shape == node.out.shape for v in moving)


def _read_by_the_rest(loop: Loop, chosen: set[Value]) -> Sequence[Value]:
    """The chosen values that what stays in the loop reads, or that are its outputs."""
    found: dict[Value, None] = {}
    seen: set[Node] = set()
    waiting = list(reversed(loop.made))
    while waiting:
        value = waiting.pop()
        if value in chosen:
            found[value] = None
        elif value.node not in seen:
            seen.add(value.node)
            waiting += reversed(value.node.inputs)
    return list(found)
