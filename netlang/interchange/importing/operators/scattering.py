"""What puts elements and slices in by index."""

from __future__ import annotations

from typing import Any

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.axes import axis_of
from netlang.interchange.importing.operator import Call, Result, operator
from netlang.interchange.importing.operators.gathering import indices
from netlang.ir.types import DType


def _reduction(call: Call) -> dict[str, Any]:
    given = call.attrs["reduction"]
    if given not in ("none", "add", "mul", "max", "min"):
        raise call.refuse(f"reduction '{given}' is not one of ONNX's")
    return {} if given == "none" else {"reduction": w.text(given)}


@operator("Scatter", "ScatterElements", axis=0, reduction="none")
def scatter_elements(call: Call) -> Result:
    x, updates, reduction = call.tensor(0), call.value(2), _reduction(call)
    axis = axis_of(call, call.attrs["axis"], x.rank)
    if len(updates.shape) != x.rank:
        raise call.refuse(f"updates {list(updates.shape)} are not for {list(x.shape)}")
    if 0 in updates.shape:
        return x
    wanted = list(x.shape)
    wanted[axis] = updates.shape[axis]
    if list(updates.shape) != wanted:
        # Fewer lines than there are in x: by the places of all of them.
        options = {**w.besides({"axis": 1}, axis=axis), **reduction}
        return call.let(w.call("scatter_part", x, call.tensor(1), call.tensor(2), **options))
    found = indices(call, 1, x.shape[axis])
    options = {**w.besides({"axis": 1}, axis=axis), **reduction}
    return call.let(w.call("scatter_along", x, found, call.tensor(2), **options))


@operator("ScatterND", reduction="none")
def scatter_nd(call: Call) -> Result:
    if 0 in call.value(2).shape:
        return call.value(0)
    return call.let(w.call("scatter_nd", call.tensor(0), call.tensor(1), call.tensor(2), **_reduction(call)))


@operator("TensorScatter", axis=-2, mode="linear")
def tensor_scatter(call: Call) -> Result:
    """Every sample's steps put into its memory from a place of its own on; `circular`: past the end at the start."""
    past, update = call.tensor(0), call.tensor(1)
    axis, length = axis_of(call, call.attrs["axis"], past.rank), past.shape[call.attrs["axis"]]
    if call.attrs["mode"] not in ("linear", "circular"):
        raise call.refuse(f"the mode '{call.attrs['mode']}' is not one of ONNX's")
    steps: Any = w.call("places", update, axis)
    if call.has(2):
        first = w.call("reshape", w.call("cast", call.tensor(2), DType.I64), [-1, *[1] * (past.rank - 1)])
        steps = w.infix(steps, "+", first)
    if call.attrs["mode"] == "circular":
        steps = w.infix(steps, "%", length)
    found = call.sheet.let(w.call("broadcast", steps, list(update.shape)), f"{call.hint}_index")
    return call.let(w.call("scatter_along", past, found, update, **w.besides({"axis": 1}, axis=axis)))
