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
"""What is computed in instead, by most ops."""
_POOLED = {DType.BF16: DType.F32, **dict.fromkeys((DType.I16, DType.U16, DType.I32, DType.U32), DType.F64)}
_PADDED = {DType.BF16: DType.F32, DType.I16: DType.I32, DType.U16: DType.I32}
_SCATTERED = {**WIDER, DType.F16: DType.F32}
_WRAPPED = {**WIDER, DType.U64: DType.I64}
_OTHERWISE: dict[str, Mapping[DType, DType]] = {
    **{op: {} for op in ("cast", "const", "scan", "one_hot", "iota", "extent", "max_unpool")},
    **dict.fromkeys(("max_pool", "max_pool_switch"), _POOLED),
    **dict.fromkeys(("pad", "slice_grad"), _PADDED),
    **dict.fromkeys(("put_along", "scatter_add", "scatter_along"), _SCATTERED),
    **dict.fromkeys(("where", "neg", "pow", "reduce_sum"), _WRAPPED),
    "broadcast": {DType.BF16: DType.F32},
}
"""By ops that take more types, or fewer, or see to it themselves. Ops that only move elements take all of them."""


def wider(op: str) -> Mapping[DType, DType]:
    """The element types that an op does not compute in, and what it computes in instead."""
    return _OTHERWISE.get(op, {} if "movement" in opdef(op).traits else WIDER)


def carried_out(place: Place, export: Export) -> Sequence[str] | str:
    """Write a node, in wider element types where that is needed."""
    node, instead = place.node, wider(place.node.op)
    if not any(t.dtype in instead for t in (*(v.type for v in node.inputs), *node.types)):
        return export(place)
    wide = _widened(node, instead)
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


def _widened(node: Node, instead: Mapping[DType, DType]) -> Node:
    """The same node with wider element types everywhere."""

    def wide(type: TensorType) -> TensorType:
        return type.with_dtype(instead.get(type.dtype, type.dtype))

    def stand_in(value: Value) -> Value:
        return Builder().input(value.node.name, wide(value.type)) if value.dtype in instead else value

    attrs: Mapping[str, Any] = {k: instead.get(v, v) if isinstance(v, DType) else v for k, v in node.attrs.items()}
    inputs, types = tuple(map(stand_in, node.inputs)), tuple(map(wide, node.types))
    return Node(node.op, inputs, frozen(attrs), types, node.spans, node.name, node.body, node.origin, node.device)
