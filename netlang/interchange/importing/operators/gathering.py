"""What picks elements and slices by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.axes import axis_of
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operator import Call, Result, operator, weight_of
from netlang.interchange.importing.operators.movement import with_shape
from netlang.interchange.importing.sheet import Tensor
from netlang.ir.dims import Dim, size
from netlang.ir.graph import Value
from netlang.ir.types import DType

_NEVER_NEGATIVE = frozenset({"argmax", "topk", "iota"})
_SAME_VALUES = frozenset({"cast", "reshape", "transpose", "slice", "broadcast", "reverse"})


def indices(call: Call, place: int, length: Dim) -> Tensor:
    """Indices from 0 on: those below 0, which count from the end, are moved unless it is known that there are none."""
    given = call.value(place)
    if isinstance(given, Known) and not given.symbolic:
        array = given.array
        if array.dtype.kind not in "iu":
            raise call.refuse(f"indices are whole numbers, not {array.dtype}")
        if isinstance(length, int):
            _check(call, array, length)
            return call.sheet.tensor(Known(np.where(array < 0, array + length, array)), f"{call.hint}_index")
        if array.size and array.min() >= 0:
            return call.tensor(place)
    tensor = call.tensor(place)
    if _never_negative(tensor.value):
        return tensor
    return call.sheet.let(w.pipe(tensor, w.call("from_end", length)), f"{call.hint}_index")


def _check(call: Call, array: Any, length: int) -> None:
    if array.size and not -length <= array.min() <= array.max() < length:
        worst = array.min() if array.min() < -length else array.max()
        raise call.refuse(f"index {worst} is out of range: there are {length}")


def _never_negative(value: Value) -> bool:
    while value.node.op in _SAME_VALUES:
        value = value.node.inputs[0]
    return value.node.op in _NEVER_NEGATIVE and value.dtype.is_int


@operator("Gather", axis=0)
def gather(call: Call) -> Result:
    """One slice by a known number is a slice; rows of a trained table are an embedding."""
    value = call.value(0)
    axis = axis_of(call, call.attrs["axis"], len(value.shape))
    place, length = call.maybe_known(1), value.shape[axis]
    if place is not None and 0 in place.shape:
        shape = [*value.shape[:axis], *place.shape, *value.shape[axis + 1 :]]
        return Known(np.zeros([d if isinstance(d, int) else 1 for d in shape], _dtype(value)))
    if place is not None and place.array.ndim == 0 and not place.symbolic:
        return _one(call, axis, int(place.array), length)
    found = indices(call, 1, length)
    if isinstance(value, Known) and value.trained and axis == 0 and value.array.ndim == 2 and _floats(value):
        more = {} if value.array.dtype == np.float32 else {"dtype": DType.of(value.array.dtype)}
        return call.through(found, "embedding", *value.shape, weights={"weight": weight_of(value)}, **more)
    return call.let(w.call("gather", call.tensor(0), found, **w.besides({"axis": 0}, axis=axis)))


def _floats(value: Known) -> bool:
    return DType.of(value.array.dtype).is_float


def _dtype(value: Result) -> Any:
    return value.array.dtype if isinstance(value, Known) else value.dtype.numpy


def _one(call: Call, axis: int, index: int, length: Dim) -> Result:
    if isinstance(length, int):
        _check(call, np.array([index]), length)
    x, start = call.tensor(0), length + index if index < 0 else index
    if isinstance(start, int):
        part = call.let(w.pipe(x, w.call("slice", axis, start, start + 1)))
    else:  # a slice starts at a fixed place: the end is that of the reversed tensor
        turned = w.pipe(x, w.call("reverse", axis), w.call("slice", axis, -index - 1, -index))
        part = call.let(turned)
    return with_shape(call, part, [*x.shape[:axis], *x.shape[axis + 1 :]])


@operator("GatherElements", axis=0)
def gather_elements(call: Call) -> Result:
    x = call.tensor(0)
    axis = axis_of(call, call.attrs["axis"], x.rank)
    wanted = call.value(1).shape
    if len(wanted) != x.rank:
        raise call.refuse(f"indices {list(wanted)} are not for a tensor {list(x.shape)}")
    for other, (whole, count) in enumerate(zip(x.shape, wanted, strict=True)):
        if other != axis and whole != count:
            x = call.sheet.let(w.pipe(x, w.call("slice", other, 0, count)), f"{call.hint}_part")
    found = indices(call, 1, x.shape[axis])
    return call.let(w.call("take_along", x, found, **w.besides({"axis": 1}, axis=axis)))


@operator("GatherND", batch_dims=0)
def gather_nd(call: Call) -> Result:
    options = w.besides({"batch": 0}, batch=call.attrs["batch_dims"])
    return call.let(w.call("gather_nd", call.tensor(0), call.tensor(1), **options))


@operator("Compress", axis=None)
def compress(call: Call) -> Result:
    """The slices for which a known condition holds."""
    chosen = np.flatnonzero(call.known(1, "the condition").array)
    x, given = call.tensor(0), call.attrs["axis"]
    flat = given is None
    axis = 0 if given is None else axis_of(call, given, x.rank)
    length = size(x.shape) if flat else x.shape[axis]
    if isinstance(length, int):
        _check(call, chosen, length)
    if chosen.size == 0:
        shape: list[Dim] = [0] if flat else [*x.shape[:axis], 0, *x.shape[axis + 1 :]]
        return Known(np.zeros([d if isinstance(d, int) else 1 for d in shape], x.dtype.numpy))
    source = w.call("reshape", x, [-1]) if flat and x.rank != 1 else x
    found = call.sheet.tensor(Known(chosen.astype(np.int64)), f"{call.hint}_index")
    return call.let(w.call("gather", source, found, **w.besides({"axis": 0}, axis=axis)))


@operator("ReverseSequence", batch_axis=1, time_axis=0)
def reverse_sequence(call: Call) -> Result:
    """Every sample's steps backwards, up to its own length; the rest stays."""
    x = call.tensor(0)
    batch, time = (axis_of(call, call.attrs[key], x.rank) for key in ("batch_axis", "time_axis"))
    options = {"batch_axis": batch, "time_axis": time}
    return call.let(
        w.call("reverse_parts", x, call.tensor(1), **w.besides({"batch_axis": 0, "time_axis": 1}, **options))
    )
