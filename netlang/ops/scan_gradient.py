"""The gradient of a scan is a scan in the other direction (backpropagation through time: Werbos 1990).

    forward     s, y[t] = f(s, x[t], c)                       emits besides what f's gradient reads: r[t]
    backward    ds, dx[t] = f'(r[t], x[t], c; ds, dy[t])      from the last step to the first

The gradient by a constant is a sum over the steps. Where a step adds a matrix product, as for every weight, the factors
are emitted and multiplied once after the loop; other sums are states of the backward scan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netlang.ir.build import Builder
from netlang.ir.gradient import depends, pullback, zeros
from netlang.ir.graph import Node, Value, topological
from netlang.ir.scan import Loop, copied, finals, fresh_input, stacks
from netlang.ops.residuals import SEED, kept_values
from netlang.ops.scan_chunks import chunked
from netlang.ops.scan_sums import Sums

Gradients = Sequence[Value | None]


def scan_gradient(make: Builder, node: Node, grads: Gradients) -> Gradients:
    """The rule of the op record."""
    loop = Loop.of(node)
    if not any(v.dtype.is_float for v in node.inputs):
        return [None] * len(node.inputs)
    if loop.checkpoint > 1:
        return _by_chunks(make, node, grads)
    return _Backward(make, node, loop, grads).gradients()


def _by_chunks(make: Builder, node: Node, grads: Gradients) -> Gradients:
    """The gradient of the scan over chunks, between stand-ins for what the node reads and what it is given: behind
    them, values may depend on each other."""
    inputs = {make.input(f"i{i}", v.type): v for i, v in enumerate(node.inputs)}
    given = {i: make.input(f"d{i}", dy.type) for i, dy in enumerate(grads) if dy is not None}
    results = chunked(make, node.with_inputs(inputs))
    found = _pulled([(results[i], d) for i, d in given.items()], list(inputs))
    outside = inputs | {d: dy for i, d in given.items() if (dy := grads[i]) is not None}
    gradients = iter(copied([g for g in found if g is not None], outside))
    return [None if g is None else next(gradients) for g in found]


def _pulled(pairs: Sequence[tuple[Value, Value]], wrt: Sequence[Value]) -> list[Value | None]:
    """The pullback by those values that are floats."""
    floats = [v for v in wrt if v.dtype.is_float]
    found = dict(zip(floats, pullback(pairs, floats), strict=True))
    return [found.get(v) for v in wrt]


class _Backward:
    """The backward scan of one node, as it is put together."""

    def __init__(self, make: Builder, node: Node, loop: Loop, grads: Gradients) -> None:
        self.make, self.node, self.loop = make, node, loop
        count = len(loop.initial)
        self.of_finals, self.of_stacks = grads[:count], grads[count:]
        self.active = self._active_states()
        self.seeds = Builder(make.spans, make.name, SEED)
        self.incoming = {i: self.seeds.input(f"d{loop.states[i].node.name}", loop.states[i].type) for i in self.active}
        self.arriving = {
            j: self.seeds.input(f"dy{j}", loop.emitted[j].type) for j, dy in enumerate(self.of_stacks) if dy is not None
        }

    def _active_states(self) -> list[int]:
        """The states whose gradient may be other than zero at some step, and that have one."""
        loop = self.loop
        active = {i for i, d in enumerate(self.of_finals) if d is not None}
        while True:
            made = [loop.following[i] for i in active]
            made += [y for y, dy in zip(loop.emitted, self.of_stacks, strict=True) if dy is not None]
            reached = {i for i, s in enumerate(loop.states) if s.dtype.is_float and depends(made, (s,))}
            if reached <= active:
                return sorted(active)
            active |= reached

    def gradients(self) -> Gradients:
        loop = self.loop
        pairs = [(loop.following[i], d) for i, d in self.incoming.items()]
        pairs += [(loop.emitted[j], d) for j, d in self.arriving.items()]
        inside = loop.inside
        found = dict(zip(inside, _pulled(pairs, inside), strict=True))
        sums = Sums(self.make, loop.length, [found[v] for v in loop.shared], loop.checkpoint == 0, self._is_per_step)
        ds = [found[loop.states[i]] or zeros(self.make, loop.states[i]) for i in self.active]
        dx = [d for v in loop.slices if (d := found[v]) is not None]
        roots = (*ds, *sums.added, *dx, *sums.wanted)
        backward, kept = self._backward(roots, len(ds), sums)
        out = stacks(backward)
        self._place = {v: out[i] for i, v in enumerate((*dx, *sums.wanted))} | kept
        states = finals(backward)
        of_states = dict(zip(self.active, states, strict=False))
        totals = sums.totals(self._place, states[len(ds) :])
        return [
            *(of_states.get(i) for i in range(len(loop.initial))),
            *(None if found[v] is None else self._place[found[v]] for v in loop.slices),  # type: ignore[index]
            *totals,
        ]

    def _is_per_step(self, value: Value) -> bool:
        """Whether a value of a step of the gradient is another one in every step."""
        still = set(self.loop.shared)
        return any(n.op == "input" and n.out not in still for n in topological((value,)))

    def _backward(self, roots: Sequence[Value], states: int, sums: Sums) -> tuple[Node, dict[Value, Value]]:
        """The backward scan, and the stacks of what the forward scan kept; `roots` are what a step makes."""
        loop = self.loop
        own = (*self.incoming.values(), *self.arriving.values(), *sums.so_far)
        given = {*own, *loop.slices, *loop.shared}
        kept = kept_values(roots, given, loop.states, loop.checkpoint > 0)
        stacked = dict(zip(kept, self._stacks(kept), strict=True))
        stacked |= dict(zip(loop.slices, loop.sequences, strict=True))
        stacked |= {v: dy for j, v in self.arriving.items() if (dy := self.of_stacks[j]) is not None}
        read = self._read(roots, stacked, sums)
        ahead = (*self.incoming.values(), *sums.so_far)
        inner = _fresh(self.make, (*ahead, *read))
        made = copied(roots, inner)
        slices = [v for v in read if v in stacked]
        shared = [v for v in read if v not in stacked]
        outside = dict(zip(loop.shared, loop.constants, strict=True))
        initial = [self.of_finals[i] or zeros(self.make, loop.initial[i]) for i in self.active]
        initial += [zeros(self.make, v) for v in sums.so_far]
        count = states + len(sums.added)
        backward = Loop(
            tuple(initial),
            tuple(stacked[v] for v in slices),
            tuple(outside[v] for v in shared),
            tuple(inner[v] for v in ahead),
            tuple(inner[v] for v in slices),
            tuple(inner[v] for v in shared),
            made[:count],
            made[count:],
            loop.length,
            not loop.reverse,
            loop.checkpoint,
        )
        return backward.build(self.make), stacked

    def _read(self, roots: Sequence[Value], stacked: dict[Value, Value], sums: Sums) -> list[Value]:
        """What a step of the gradient reads besides its states: kept values, slices, constants, arriving gradients."""
        found: dict[Value, None] = {}
        seen: set[Value] = set(self.incoming.values()) | set(sums.so_far)
        waiting = list(reversed(roots))
        shared = set(self.loop.shared)
        while waiting:
            value = waiting.pop()
            if value in seen:
                continue
            seen.add(value)
            if value in stacked or value in shared:
                found[value] = None
            else:
                waiting += reversed(value.node.inputs)
        return list(found)

    def _stacks(self, kept: Sequence[Value]) -> list[Value]:
        """The stacks of `kept`: those the forward scan emits anyway, or those of one that emits them too."""
        loop = self.loop
        more = [v for v in kept if v not in loop.emitted]
        forward = self.node
        if more:
            forward = replace(loop, emitted=(*loop.emitted, *more)).build(Builder().like(self.node, self.make.origin))
        emitted = dict(zip((*loop.emitted, *more), stacks(forward), strict=True))
        return [emitted[v] for v in kept]


def _fresh(make: Builder, values: Sequence[Value]) -> dict[Value, Value]:
    """New inputs in the place of `values`, each with a name of its own."""
    taken: set[str] = set()
    return {v: fresh_input(make, _word(v), v.type, taken) for v in values}


def _word(value: Value) -> str:
    return value.node.name.rsplit(".", 1)[-1] if value.node.op == "input" else value.node.op
