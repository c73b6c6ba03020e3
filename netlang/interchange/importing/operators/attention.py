"""Attention, where it is that of the standard library; otherwise ONNX's own definition is written out."""

from __future__ import annotations

from math import isclose, sqrt
from typing import Any

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.operator import Call, Declined, Result, operator
from netlang.interchange.importing.sheet import Tensor
from netlang.ir.types import DType

_PLAIN: dict[str, Any] = {
    "left_window_size": -1, "right_window_size": -1, "qk_matmul_output_mode": 0, "softcap": 0.0,
    "softmax_precision": None,
}  # fmt: skip


@operator("Attention", **_PLAIN, is_causal=0, kv_num_heads=None, q_num_heads=None, scale=None)
def attention(call: Call) -> Result:
    """Queries, keys, values are [N, heads, steps, features], or [N, steps, heads * features]; a mask is of true and
    false."""
    q, k, v = (call.tensor(place) for place in range(3))
    heads = call.attrs["q_num_heads"]
    plain = all(call.attrs[key] == usual for key, usual in _PLAIN.items())
    alone = not any(call.has(place) for place in range(4, 7)) and not any(call.reads(place) for place in range(1, 4))
    if not plain or not alone or q.dtype not in (DType.F32, DType.F64) or not _alike(call, q, k, v):
        raise Declined
    features = q.shape[-1] if q.rank == 4 else _part(q.shape[-1], heads)
    scale = call.attrs["scale"]
    if scale is not None and not (isinstance(features, int) and isclose(scale, 1 / sqrt(features), rel_tol=1e-6)):
        raise Declined
    options: dict[str, Any] = {"causal": True} if call.attrs["is_causal"] else {}
    if call.has(3):
        mask = call.tensor(3)
        if mask.dtype is not DType.BOOL or mask.rank < 2 or mask.shape[-1] != k.shape[-2 if k.rank == 4 else 1]:
            raise Declined
        options["mask"] = mask
    if q.rank == 4:
        return call.apply("attention", q, k, v, **options)
    split = [w.pipe(x, w.call("split_heads", heads)) for x in (q, k, v)]
    y = w.call("attention", *split, **options)
    whole = [q.shape[0], q.shape[1], v.shape[2]]
    return call.let(w.pipe(y, w.call("transpose", [0, 2, 1, 3]), w.call("reshape", whole)))


def _part(whole: Any, heads: Any) -> Any:
    return whole // heads if isinstance(whole, int) and isinstance(heads, int) and heads > 0 else None


def _alike(call: Call, q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether queries, keys and values have equally many heads."""
    if {q.rank, k.rank, v.rank} == {4}:
        return q.shape[1] == k.shape[1] == v.shape[1]
    heads = call.attrs["q_num_heads"]
    return {q.rank, k.rank, v.rank} == {3} and heads is not None and heads == call.attrs["kv_num_heads"]
