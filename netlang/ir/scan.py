"""The parts of a `scan` node, and making one.

A scan carries a body out once for every step t of a sequence:

    states, emitted[t] = body(states, sequences[t], constants)

Inputs of the node: S initial states, X sequences `[T, ...]`, then constants. Inputs of the body: the states, a slice of
each sequence without its first axis, the constants. Outputs of the body: the next states, of the types of the initial
ones, then what a step emits. Results of the node: the states after the last step, then the emitted values of all steps
as stacks `[T, ...]`. A reversed scan goes from T - 1 down to 0; what it emits stands at its own t.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from netlang.ir.build import Builder, make_node
from netlang.ir.dims import Dim
from netlang.ir.graph import Graph, Node, Value, topological
from netlang.ir.types import TensorType

SCAN = "scan"

_ODD = (-0x61C8864680B583EB, -0x4AE6A4A1F3E0D0A3, 0x2545F4914F6CDD1D, -0x2917014799A6026D)
"""What the seed is moved by with every step of a loop, by the loop's depth: odd, so that no two steps collide. The
first is the golden ratio times 2**64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014)."""


@dataclass(frozen=True)
class Loop:
    """A scan taken apart; the names say what stands where. `Loop.of(node)` takes one apart, `build` makes one.

    initial, sequences, constants   values outside
    states, slices, shared          the inputs of the body that belong to them
    following, emitted              the body's outputs: next states, and what every step emits
    """

    initial: tuple[Value, ...]
    sequences: tuple[Value, ...]
    constants: tuple[Value, ...]
    states: tuple[Value, ...]
    slices: tuple[Value, ...]
    shared: tuple[Value, ...]
    following: tuple[Value, ...]
    emitted: tuple[Value, ...]
    length: Dim
    reverse: bool = False
    checkpoint: int = 0

    @staticmethod
    def of(node: Node) -> Loop:
        """The parts of a scan node."""
        assert node.op == SCAN and node.body is not None
        body, first = node.body, node.attrs["states"]
        second = first + node.attrs["sequences"]
        made = tuple(v for _, v in body.outputs)
        return Loop(
            node.inputs[:first],
            node.inputs[first:second],
            node.inputs[second:],
            body.inputs[:first],
            body.inputs[first:second],
            body.inputs[second:],
            made[:first],
            made[first:],
            node.attrs["length"],
            node.attrs["reverse"],
            node.attrs["checkpoint"],
        )

    @property
    def made(self) -> tuple[Value, ...]:
        """The outputs of the body."""
        return (*self.following, *self.emitted)

    @property
    def inside(self) -> tuple[Value, ...]:
        """The inputs of the body."""
        return (*self.states, *self.slices, *self.shared)

    @property
    def body(self) -> Graph:
        """The body as a graph of its own; its outputs are called s0, s1, ... and y0, y1, ..."""
        named = [(f"s{i}", v) for i, v in enumerate(self.following)]
        named += [(f"y{i}", v) for i, v in enumerate(self.emitted)]
        return Graph("", self.inside, (), tuple(named))

    def build(self, make: Builder) -> Node:
        """The node. Raises ShapeError where the parts do not fit together."""
        return make_node(
            SCAN,
            (*self.initial, *self.sequences, *self.constants),
            {
                "states": len(self.initial),
                "sequences": len(self.sequences),
                "length": self.length,
                "reverse": self.reverse,
                "checkpoint": self.checkpoint,
            },
            spans=make.spans,
            name=make.name,
            origin=make.origin,
            body=self.body,
            device=make.device,
        )


def stirred(make: Builder, key: Value, number: Value, depth: int) -> Value:
    """The key (seed, step) for random numbers of step `number` of a loop inside `depth` others."""
    ones = make.const([1, 0], key.dtype)
    odd = make.const([_ODD[depth % len(_ODD)], 0], key.dtype)
    return make.add(key, make.mul(odd, make.add(number, ones)))


def finals(node: Node) -> tuple[Value, ...]:
    """The results of a scan that are states after the last step."""
    return node.results[: node.attrs["states"]]


def stacks(node: Node) -> tuple[Value, ...]:
    """The results of a scan that hold what all steps emitted."""
    return node.results[node.attrs["states"] :]


def closed(
    made: Sequence[Value], bound: Sequence[Value], make: Builder, taken: Collection[str] = ()
) -> tuple[tuple[Value, ...], tuple[Value, ...], tuple[Value, ...]]:
    """Close a computation that reads `bound` (input nodes) and anything else of the graph around it.

    Returns (`made` rewritten, the inputs that were added for what it reads from outside, those values outside). What
    depends on nothing that is bound stays outside; numbers and sizes are read inside. `taken` are names in use.
    """
    order = tuple(topological(made))
    depends = set(bound)
    for node in order:
        if any(v in depends for v in node.inputs):
            depends.update(node.results)
    outside: dict[Value, Value] = {}
    names = set(taken)
    done: dict[Value, Value] = {v: v for v in bound}

    def inner(value: Value) -> Value:
        if value in done:
            return done[value]
        if is_number(value.node):
            return value
        if value not in outside:
            outside[value] = fresh_input(make, value.node.name.rsplit(".", 1)[-1] or "c", value.type, names)
        return outside[value]

    for node in order:
        if node.results and node.results[0] in depends and node.results[0] not in done:
            inputs = tuple(map(inner, node.inputs))
            new = node if inputs == node.inputs else node.with_inputs(inputs)
            done.update(zip(node.results, new.results, strict=True))
    rewritten = tuple(map(inner, made))
    return rewritten, tuple(outside.values()), tuple(outside)


def fresh_input(make: Builder, base: str, type: TensorType, taken: set[str]) -> Value:
    """A new input of a body, under a name that is not `taken` yet."""
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}{number}"
    taken.add(name)
    return make.input(name, type)


def is_number(node: Node) -> bool:
    """Whether a node is one number or a size, which a body has for itself."""
    return node.op == "extent" or (node.op == "const" and node.attrs["value"].size == 1)


def copied(roots: Sequence[Value], mapping: Mapping[Value, Value]) -> tuple[Value, ...]:
    """`roots` computed from other values: `mapping` says what stands for which."""
    done = dict(mapping)
    for node in topological(roots):
        if all(r in done for r in node.results):
            continue
        inputs = tuple(done[v] for v in node.inputs)
        new = node if inputs == node.inputs else node.with_inputs(inputs)
        for old, value in zip(node.results, new.results, strict=True):
            done.setdefault(old, value)
    return tuple(done[v] for v in roots)
