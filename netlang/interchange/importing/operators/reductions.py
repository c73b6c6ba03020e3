"""Reductions over axes, and what goes along one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.axes import axes_of, axis_of
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operator import Call, Result, Results, operator
from netlang.interchange.importing.sheet import Tensor
from netlang.ir.types import DType
from netlang.runtime.ports import Array

_EMPTY: dict[str, Callable[[Array], Any]] = {
    "ReduceSum": lambda t: 0, "ReduceSumSquare": lambda t: 0, "ReduceL1": lambda t: 0, "ReduceL2": lambda t: 0,
    "ReduceProd": lambda t: 1, "ReduceMean": lambda t: np.nan, "ReduceLogSum": lambda t: -np.inf,
    "ReduceLogSumExp": lambda t: -np.inf,
    "ReduceMax": lambda t: _bounds(t)[0], "ReduceMin": lambda t: _bounds(t)[1],
}  # fmt: skip
"""What the reduction of nothing is."""


def _bounds(array: Array) -> tuple[Any, Any]:
    if array.dtype.kind == "f":
        return -np.inf, np.inf
    if array.dtype == bool:
        return False, True
    return np.iinfo(array.dtype).min, np.iinfo(array.dtype).max


@operator(*_EMPTY, axes=None, keepdims=1, noop_with_empty_axes=0)
def reduce(call: Call) -> Result:
    value, keepdims = call.value(0), bool(call.attrs["keepdims"])
    axes = _axes(call, len(value.shape))
    if isinstance(value, Known) and value.array.size == 0:
        shape = [1 if i in axes else d for i, d in enumerate(value.shape) if i not in axes or keepdims]
        number = _EMPTY[call.node.op](value.array)
        return Known(np.full(shape, number if 0 not in shape else 0, value.array.dtype))
    return _reduced(call, call.tensor(0), axes, keepdims)


def _axes(call: Call, rank: int) -> list[int]:
    """None, and an empty list unless `noop_with_empty_axes`, are all axes."""
    given = call.integers(1, "axes")
    if given or (call.attrs["noop_with_empty_axes"] and call.version >= 13):
        return sorted(axes_of(call, given or [], rank))
    return list(range(rank))


_SIMPLE = {
    "ReduceSum": "sum",
    "ReduceMean": "mean",
    "ReduceMax": "max",
    "ReduceMin": "min",
    "ReduceProd": "prod",
    "ReduceLogSumExp": "log_sum_exp",
}
_OF_MAPS = {"ReduceMean": "global_avgpool", "ReduceMax": "global_maxpool"}
"""What these are over all pixels of maps [N, channels, height, width, ...]."""
_NEEDS_FLOATS = ("ReduceMean", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp")


def _reduced(call: Call, x: Tensor, axes: Sequence[int], keepdims: bool) -> Result:
    op = call.node.op
    if op in _OF_MAPS and x.rank >= 4 and x.dtype.is_float and list(axes) == list(range(2, x.rank)):
        return call.let(w.pipe(x, w.call(_OF_MAPS[op], keepdims=True) if keepdims else _OF_MAPS[op]))
    along: dict[str, Any] = {} if len(axes) == x.rank else {"axis": axes[0] if len(axes) == 1 else list(axes)}
    if keepdims:
        along["keepdims"] = True
    between = _between(op, x)
    given: Any = x if between is None else w.call("cast", x, between)
    if op in _SIMPLE:
        y: Any = w.call(_SIMPLE[op], given, **along)
    elif op == "ReduceL1":
        y = w.call("sum", w.call("abs", given), **along)
    elif op == "ReduceLogSum":
        y = w.call("log", w.call("sum", given, **along))
    else:
        y = w.call("sum", w.infix(given, "**", 2), **along)
        y = w.call("sqrt", y) if op == "ReduceL2" else y
    return call.let(y if between is None else w.call("cast", y, x.dtype))


def _between(op: str, x: Tensor) -> DType | None:
    """The type to compute in, where the operator takes one that the language's function does not."""
    if x.dtype is DType.BOOL:
        return DType.I32
    return DType.F64 if op in _NEEDS_FLOATS and not x.dtype.is_float else None


@operator("ArgMax", "ArgMin", axis=0, keepdims=1, select_last_index=0)
def best(call: Call) -> Result:
    x = call.tensor(0)
    options: dict[str, Any] = w.besides({"axis": 1}, axis=axis_of(call, call.attrs["axis"], x.rank))
    if call.attrs["keepdims"]:
        options["keepdims"] = True
    if call.attrs["select_last_index"]:
        options["last"] = True
    return call.let(w.call(call.node.op.lower(), x, **options))


@operator("CumSum", "CumProd", exclusive=0, reverse=0)
def so_far(call: Call) -> Result:
    x, axis = call.tensor(0), call.known(1, "the axis").entries()
    if len(axis) != 1:
        raise call.refuse(f"there is one axis, not {len(axis)}")
    options: dict[str, Any] = w.besides({"axis": 1}, axis=axis_of(call, axis[0], x.rank))
    options.update({key: True for key in ("exclusive", "reverse") if call.attrs[key]})
    return call.through(x, call.node.op.lower(), **options)


@operator("TopK", axis=-1, k=None, largest=1, sorted=1)
def top_k(call: Call) -> Results:
    x, count = call.tensor(0), call.integers(1, "k")
    if count is None or len(count) != 1:
        raise call.refuse("k is one number")
    options: dict[str, Any] = w.besides({"axis": 1}, axis=axis_of(call, call.attrs["axis"], x.rank))
    if not call.attrs["largest"]:
        options["smallest"] = True
    if count[0] == 0:
        axis = axis_of(call, call.attrs["axis"], x.rank)
        shape = [0 if i == axis else d if isinstance(d, int) else 0 for i, d in enumerate(x.shape)]
        return [Known(np.zeros(shape, x.dtype.numpy)), Known(np.zeros(shape, np.int64))]
    names = [name or call.hint for name in (*call.node.outputs, "", "")[:2]]
    return list(call.sheet.several(w.pipe(x, w.call("topk", count[0], **options)), names))
