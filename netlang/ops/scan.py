"""scan: a body carried out once for every step of a sequence, with states that go from step to step.

The parts and their order are those of `netlang.ir.scan`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netlang.ir.dims import Dim
from netlang.ir.graph import Attrs, Graph
from netlang.ir.opdef import REQUIRED, Array, BodyRules, OpDef, RunBody, ShapeError, Types, define
from netlang.ir.scan import SCAN
from netlang.ir.types import TensorType
from netlang.ops.scan_gradient import scan_gradient


def _by_body(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    raise ShapeError("a scan has the types that its body makes")


def _run_body(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    raise AssertionError("the executor runs the body of a scan")


def _plain(types: Types) -> list[TensorType]:
    return [t.with_layout("") for t in types]


def _infer(types: Types, attrs: Attrs, body: Graph) -> Sequence[TensorType]:
    states, sequences, length = attrs["states"], attrs["sequences"], attrs["length"]
    if not 0 <= states <= states + sequences <= len(types):
        raise ShapeError(f"scan has {len(types)} inputs, fewer than {states} states and {sequences} sequences")
    if isinstance(length, int) and length < 0:
        raise ShapeError(f"scan cannot make {length} steps")
    if attrs["checkpoint"] < 0:
        raise ShapeError(f"scan keeps states every so many steps, not {attrs['checkpoint']}")
    _check_inputs(_plain(types), attrs, _plain([v.type for v in body.inputs]))
    made = _plain([v.type for _, v in body.outputs])
    if made[:states] != _plain(types[:states]):
        given, found = (", ".join(map(str, t)) for t in (types[:states], made[:states]))
        raise ShapeError(f"the states of a scan keep their types: at first {given}, after a step {found}")
    return [*made[:states], *(t.with_shape((length, *t.shape)) for t in made[states:])]


def _check_inputs(types: Types, attrs: Attrs, inside: Types) -> None:
    """What is given, slices for sequences, is what the body takes."""
    first = attrs["states"]
    expected = list(types)
    for i in range(first, first + attrs["sequences"]):
        if not types[i].rank or types[i].shape[0] != attrs["length"]:
            raise ShapeError(f"a sequence of a scan over {attrs['length']} steps has type {types[i]}")
        expected[i] = types[i].with_shape(types[i].shape[1:])
    if expected != list(inside):
        given, wanted = (", ".join(map(str, t)) or "nothing" for t in (expected, inside))
        raise ShapeError(f"a step of the scan is given {given}, its body takes {wanted}")


def _meaning(run: RunBody, arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    first = attrs["states"]
    second = first + attrs["sequences"]
    states, sequences, constants = list(arrays[:first]), arrays[first:second], arrays[second:]
    stacks = [np.empty(t.concrete({}), t.dtype.numpy) for t in types[first:]]
    steps = range(attrs["length"])
    for t in reversed(steps) if attrs["reverse"] else steps:
        made = run([*states, *(x[t, ...] for x in sequences), *constants])
        states = list(made[:first])
        for stack, emitted in zip(stacks, made[first:], strict=True):
            stack[t, ...] = emitted
    return (*states, *stacks)


def _steps(attrs: Attrs) -> Dim:
    length: Dim = attrs["length"]
    return length


define(
    OpDef(
        SCAN,
        "A body carried out for every step of sequences, with states that go from step to step.",
        _by_body,
        _run_body,
        gradient=scan_gradient,
        attrs={"states": REQUIRED, "sequences": REQUIRED, "length": REQUIRED, "reverse": False, "checkpoint": 0},
        arity=(0, None),
        body=BodyRules(_infer, _meaning, _steps),
    )
)
