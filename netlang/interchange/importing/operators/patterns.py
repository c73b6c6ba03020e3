"""Tensors that follow from places alone, and what depends on which elements there are."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.axes import axis_of
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operands import option
from netlang.interchange.importing.operator import Call, Result, Results, element_type, operator
from netlang.interchange.importing.sheet import Tensor, element_of
from netlang.ir.dims import Dim
from netlang.ir.types import DType

_LARGEST = 4096
"""Elements of a range that is known rather than counted when the net runs."""


@operator("OneHot", axis=-1)
def one_hot(call: Call) -> Result:
    depth = call.known(1, "the depth").entries()
    if len(depth) != 1:
        raise call.refuse(f"the depth is one number, not {len(depth)}")
    x, classes = call.tensor(0), int(depth[0]) if isinstance(depth[0], float) else depth[0]
    axis = axis_of(call, call.attrs["axis"], x.rank + 1)
    options: dict[str, Any] = {} if axis == x.rank else {"axis": axis}
    off, on, dtype = _values(call)
    if not isinstance(on, Tensor) and (off, on) == (0, 1):
        options |= w.besides({"dtype": DType.F32}, dtype=dtype)
    else:
        options |= {"on": on, "off": off, **w.besides({"dtype": DType.F32}, dtype=dtype)}
    return call.through(x, "one_hot_values", classes, **options)


def _values(call: Call) -> tuple[Any, Any, DType]:
    """Off, on and their element type."""
    given = call.value(2)
    if given.shape != (2,):
        raise call.refuse(f"the values are two numbers, not {list(given.shape)}")
    if isinstance(given, Known):
        off, on = given.array
        return off, on, element_of(given)
    parts = [call.let(w.call("reshape", w.call("slice", given, 0, i, i + 1), []), f"{call.hint}_value") for i in (0, 1)]
    return parts[0], parts[1], given.dtype


@operator("Trilu", upper=1)
def triangle(call: Call) -> Result:
    if 0 in call.value(0).shape:
        return call.value(0)
    x, k = call.tensor(0), option(call, 1)
    name = "upper_triangle" if call.attrs["upper"] else "lower_triangle"
    if isinstance(k, Tensor):
        return call.let(w.call(name, x, w.call("reshape", k, [])))
    return call.through(x, name, *([k] if k else []))


@operator("EyeLike", dtype=None, k=0)
def eye_like(call: Call) -> Result:
    like, given = call.value(0), call.attrs["dtype"]
    if len(like.shape) != 2:
        raise call.refuse(f"a matrix is expected, not {list(like.shape)}")
    dtype = element_of(like) if given is None else element_type(given)
    rows, columns = like.shape
    options: dict[str, Any] = {} if rows == columns else {"m": columns}
    options |= w.besides({"k": 0, "dtype": DType.F32}, k=call.attrs["k"], dtype=dtype)
    return call.let(w.call("eye", rows, **options))


@operator("Range")
def count(call: Call) -> Result:
    known = [call.known(place, what) for place, what in enumerate(("the start", "the limit", "the step"))]
    if any(k.array.size != 1 for k in known):
        raise call.refuse("the start, the limit and the step must be one number each")
    start, limit, step = (k.entries()[0] for k in known)
    if step == 0:
        raise call.refuse("the step must not be 0")
    if any(k.symbolic for k in known):
        return _symbolic(call, start, limit, step, next(k.sizes_in for k in known if k.symbolic))
    if not np.isfinite((limit - start) / step):
        raise call.refuse(f"the way from {start} to {limit} by {step} has no length")
    dtype = known[0].array.dtype
    length = max(0, int(np.ceil((limit - start) / step)))
    if length <= _LARGEST:
        return Known((start + np.arange(length) * step).astype(dtype))
    return _counted(call, length, start, step, element_of(known[0]))


def _symbolic(call: Call, start: Any, limit: Any, step: Any, dtype: DType) -> Result:
    start, limit, step = (int(v) if isinstance(v, float) and v.is_integer() else v for v in (start, limit, step))
    if not isinstance(step, int):
        raise call.refuse(f"the step {step} must be a number")
    length = (limit - start + step - 1) // step if step > 0 else (start - limit - step - 1) // -step
    return _counted(call, length, start, step, dtype)


def _counted(call: Call, length: Dim, start: Any, step: Any, dtype: DType) -> Result:
    counted: Any = w.call("arange", length, **w.besides({"dtype": DType.I64}, dtype=dtype))
    if step != 1:
        counted = w.infix(counted, "*", step)
    return call.let(counted if start == 0 else w.infix(counted, "+", start))


@operator("NonZero")
def nonzero(call: Call) -> Known:
    return Known(np.array(np.nonzero(call.known(0, "the tensor").array), np.int64))


@operator("Unique", axis=None, sorted=1)
def unique(call: Call) -> Results:
    """Values, where each is first, which of them each element is, and how often each is there."""
    array, axis = call.known(0, "the tensor").array, call.attrs["axis"]
    axis = None if axis is None else axis_of(call, axis, array.ndim)
    array = array if axis is not None else array.reshape(-1)
    values, first, which, counts = np.unique(array, True, True, True, axis=axis or 0)
    which = which.reshape(-1)
    if not call.attrs["sorted"]:
        order = np.argsort(first, kind="stable")
        place = np.argsort(order, kind="stable")
        values, first, counts, which = np.take(values, order, axis or 0), first[order], counts[order], place[which]
    return [Known(a) for a in (values, *(np.asarray(b, np.int64) for b in (first, which, counts)))]
