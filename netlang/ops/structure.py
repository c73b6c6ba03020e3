"""Ops that say how and when other ops are carried out and compute nothing themselves: fused groups, layouts, order."""

from __future__ import annotations

from collections.abc import Sequence

from netlang.ir.graph import Attrs, Graph
from netlang.ir.opdef import REQUIRED, Array, BodyRules, OpDef, RunBody, ShapeError, Types, define
from netlang.ir.types import TensorType


def _by_body(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    raise ShapeError("a fused node has the types of its body's outputs")


def _run_body(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    raise AssertionError("the executor runs the body of a fused node")


def _infer(types: Types, attrs: Attrs, body: Graph) -> Sequence[TensorType]:
    wanted = [v.type for v in body.inputs]
    if [t.with_layout("") for t in types] != [t.with_layout("") for t in wanted]:
        given, taken = (", ".join(map(str, t)) or "nothing" for t in (types, wanted))
        raise ShapeError(f"its inputs are {given}, its body's {taken}")
    return [v.type for _, v in body.outputs]


def _once(run: RunBody, arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    return run(arrays)


define(
    OpDef(
        "fused",
        "Several ops carried out as one kernel; `kind` names the pattern, the body says what it computes.",
        _by_body,
        _run_body,
        attrs={"kind": REQUIRED},
        arity=(0, None),
        body=BodyRules(_infer, _once, lambda attrs: 1),
    )
)

define(
    OpDef(
        "layout",
        "The same tensor stored another way; `to` is a layout name of TensorType.",
        infer=lambda types, attrs: (types[0].with_layout(attrs["to"]),),
        meaning=lambda arrays, attrs, types: (arrays[0],),
        attrs={"to": REQUIRED},
    )
)

define(
    OpDef(
        "after",
        "The first tensor, once the second has been computed: an order that no tensor asks for.",
        infer=lambda types, attrs: (types[0],),
        meaning=lambda arrays, attrs, types: (arrays[0],),
        arity=(2, 2),
    )
)
