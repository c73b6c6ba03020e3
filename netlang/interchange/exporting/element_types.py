"""Element types that ONNX operators are not made for: they compute in a wider one, and the result is rounded back.

That is what the ops mean here anyway: bfloat16 is computed in float32 and rounded once. Small whole numbers go by way
of i32, since most operators of onnxruntime have no kernels for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from netlang.interchange.exporting.record import Export, Place
from netlang.ir.build import Builder
from netlang.ir.graph import Node, Value, frozen
from netlang.ir.opdef import opdef
from netlang.ir.types import DType, TensorType

WIDER = {
    DType.BF16: DType.F32, DType.I8: DType.I32, DType.I16: DType.I32, DType.U8: DType.I32, DType.U16: DType.I32,
    DType.U32: DType.I64,
}  # fmt: skip
"""What is computed in instead."""
_AS_IT_IS = frozenset({"cast", "const", "scan", "one_hot", "iota", "extent", "max_pool_switch", "max_unpool"})
"""Ops that take every element type, or see to it themselves."""


def carried_out(place: Place, export: Export) -> Sequence[str] | str:
    """Write a node, in wider element types where that is needed."""
    node = place.node
    traits = opdef(node.op).traits
    narrow = any(t.dtype in WIDER for t in (*(v.type for v in node.inputs), *node.types))
    if not narrow or "movement" in traits or node.op in _AS_IT_IS:
        return export(place)
    wide = _widened(node)
    given = tuple(
        place.cast(name, new.dtype) if new.dtype != old.dtype else name
        for name, old, new in zip(place.inputs, node.inputs, wide.inputs, strict=True)
    )
    made = export(replace(place, node=wide, inputs=given))
    names = [made] if isinstance(made, str) else list(made)
    return [
        place.cast(name, old.dtype) if old.dtype != new.dtype else name
        for name, old, new in zip(names, node.results, wide.results, strict=True)
    ]


def _widened(node: Node) -> Node:
    """The same node with wider element types everywhere."""
    inputs = tuple(_stand_in(v) for v in node.inputs)
    attrs: Mapping[str, Any] = {k: WIDER.get(v, v) if isinstance(v, DType) else v for k, v in node.attrs.items()}
    types = tuple(_wide(t) for t in node.types)
    return Node(node.op, inputs, frozen(attrs), types, node.spans, node.name, node.body, node.origin, node.device)


def _stand_in(value: Value) -> Value:
    return Builder().input(value.node.name, _wide(value.type)) if value.dtype in WIDER else value


def _wide(type: TensorType) -> TensorType:
    return type.with_dtype(WIDER.get(type.dtype, type.dtype))
