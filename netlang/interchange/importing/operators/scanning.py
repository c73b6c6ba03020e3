"""Scan: a graph carried over the steps of sequences, as the language's own `scan`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.axes import axis_of
from netlang.interchange.importing.items import Anything
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.node import OnnxGraph
from netlang.interchange.importing.operator import REQUIRED, Call, Result, operator
from netlang.interchange.importing.operators.movement import transposed, with_shape
from netlang.interchange.importing.operators.sequences import joined
from netlang.interchange.importing.sheet import Tensor, element_of
from netlang.ir.types import DType, TensorType


@operator(
    "Scan",
    control=True,
    body=REQUIRED,
    num_scan_inputs=REQUIRED,
    directions=None,
    scan_input_axes=None,
    scan_input_directions=None,
    scan_output_axes=None,
    scan_output_directions=None,
)
def scan(call: Call) -> list[Anything | None]:
    if call.version < 9:
        return _of_a_batch(call)
    body, count = call.attrs["body"], call.attrs["num_scan_inputs"]
    if not 0 < count <= len(call.values):
        raise call.refuse(f"'num_scan_inputs' is {count}, but there are {len(call.values)} inputs")
    whole = len(call.values)
    if not 0 < count <= whole:
        raise call.refuse(f"there are {whole} inputs, of which {count} cannot be sequences")
    states = [call.value(place) for place in range(whole - count)]
    sequences = [call.tensor(place) for place in range(whole - count, whole)]
    axes, turned = _listed(call, "scan_input_axes", count), _listed(call, "scan_input_directions", count)
    ready = [_first(call, x, axis, bool(back)) for x, axis, back in zip(sequences, axes, turned, strict=True)]
    made = _scanned(call, body, states, ready)
    emitted = len(made) - len(states)
    axes, turned = _listed(call, "scan_output_axes", emitted), _listed(call, "scan_output_directions", emitted)
    for i, (axis, back) in enumerate(zip(axes, turned, strict=True), len(states)):
        made[i] = _placed(call, made[i], axis, bool(back))
    return [*made]


def _listed(call: Call, attribute: str, count: int) -> Sequence[int]:
    found: Sequence[int] = call.attrs[attribute] or (0,) * count
    if len(found) != count:
        raise call.refuse(f"'{attribute}' has {len(found)} entries for {count}")
    return found


def _scanned(call: Call, body: OnnxGraph, begins: Sequence[Result], sequences: Sequence[Tensor]) -> list[Tensor]:
    """The states after the last step, then what is emitted; sequences go along axis 0."""
    floats = next((x.dtype for x in sequences if x.dtype.is_float), DType.F32)
    states = [zeros_or_tensor(call, state, floats) for state in begins]
    types = [*(type_of(x) for x in begins), *(TensorType(x.dtype, x.shape[1:]) for x in sequences)]
    if len(types) != len(body.inputs):
        raise call.refuse(f"the body takes {len(body.inputs)} tensors, but there are {len(types)}")
    draft = call.cell(body, types)
    cell = draft.finish(draft.results, last=len(states))
    options = {"state": list(states) if len(states) > 1 else states[0]} if states else {}
    run = w.pipe([*sequences] if len(sequences) > 1 else sequences[0], w.call("scan", cell.layer, axis=0, **options))
    names = [name or "last" for name in (*call.node.outputs, *[""] * len(draft.results))][: len(draft.results)]
    if not states and len(names) == 1:
        return [call.let(run, names[0], cell.weights)]
    spare = ["emitted"] if len(names) == len(states) else []
    return call.sheet.several(run, [*names, *spare], cell.weights)[: len(names)]


def type_of(value: Result) -> TensorType:
    """The type that a value has as a tensor."""
    return TensorType(element_of(value), value.shape) if isinstance(value, Known) else value.value.type


def zeros_or_tensor(call: Call, value: Result, dtype: DType) -> Any:
    """The state of a scan: a shape for zeros of the type that a scan has anyway, or a tensor."""
    zeros = isinstance(value, Known) and not value.symbolic and value.shape and not np.asarray(value.array).any()
    return list(value.shape) if zeros and type_of(value).dtype is dtype else call.sheet.tensor(value, "state")


def _first(call: Call, x: Tensor, axis: int, back: bool) -> Tensor:
    """A sequence with its steps along axis 0, the last first if `back`."""
    place = axis_of(call, axis, x.rank)
    moved = transposed(call, x, [place, *(i for i in range(x.rank) if i != place)])
    return call.let(w.pipe(moved, w.call("reverse", 0)), "turned") if back else moved


def _placed(call: Call, y: Tensor, axis: int, back: bool) -> Tensor:
    """What was emitted, with its steps along another axis."""
    if back:
        y = call.let(w.pipe(y, w.call("reverse", 0)), "turned")
    place = axis_of(call, axis, y.rank)
    order = list(range(1, y.rank))
    return transposed(call, y, [*order[:place], 0, *order[place:]])


def _of_a_batch(call: Call) -> list[Anything | None]:
    """As opset 8 had it: sequences [batch, steps, ...] of the same length, each carried over by itself."""
    body, count = call.attrs["body"], call.attrs["num_scan_inputs"]
    if not 0 < count <= len(call.values):
        raise call.refuse(f"'num_scan_inputs' is {count}, but there are {len(call.values)} inputs")
    if call.has(0):
        raise call.refuse("sequences of different lengths in a Scan are not supported", "a newer opset has none")
    tensors = [call.tensor(place) for place in range(1, len(call.values))]
    batch = tensors[0].shape[0] if tensors and tensors[0].rank else 0
    if any(x.rank == 0 or x.shape[0] != batch for x in tensors) or len(tensors) < count:
        raise call.refuse("the states and sequences of a Scan must be batches of one size")
    if not isinstance(batch, int):
        raise call.refuse(f"a Scan over a batch of {batch} needs its size as a number", "give it one: --size")
    turned = _listed(call, "directions", count)
    rows: list[list[Tensor]] = []
    for number in range(batch):
        row = [_row(call, x, number) for x in tensors]
        sequences = [_first(call, x, 0, bool(b)) for x, b in zip(row[-count:], turned, strict=True)]
        rows.append(_scanned(call, body, row[:-count], sequences))
    return [joined(call, list(column), 0, new_axis=True) for column in zip(*rows, strict=True)]


def _row(call: Call, x: Tensor, number: int) -> Tensor:
    one = x if x.shape[0] == 1 else call.let(w.pipe(x, w.call("slice", 0, number, number + 1)), "row")
    return call.sheet.tensor(with_shape(call, one, one.shape[1:], "row"))
