"""Sequences of tensors, whose lengths are known while a network is imported, and optionals."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.axes import axis_of
from netlang.interchange.importing.items import Anything, Items, Nothing
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operator import REQUIRED, Call, Result, operator
from netlang.interchange.importing.operators.movement import with_shape


@operator("SequenceEmpty", dtype=None)
def sequence_empty(call: Call) -> Items:
    return Items(())


@operator("SequenceConstruct")
def sequence_construct(call: Call) -> Items:
    return Items(tuple(call.anything(place) for place in range(len(call.values))))


@operator("SequenceLength")
def sequence_length(call: Call) -> Result:
    return Known(np.array(len(call.items(0)), np.int64))


@operator("SequenceAt")
def sequence_at(call: Call) -> Anything:
    items = call.items(0)
    return items[_place(call, 1, len(items))]


@operator("SequenceInsert")
def sequence_insert(call: Call) -> Items:
    items = call.items(0)
    items.insert(_place(call, 2, len(items), more=1) if call.has(2) else len(items), call.anything(1))
    return Items(tuple(items))


@operator("SequenceErase")
def sequence_erase(call: Call) -> Items:
    items = call.items(0)
    del items[_place(call, 1, len(items)) if call.has(1) else -1]
    return Items(tuple(items))


def _place(call: Call, place: int, count: int, more: int = 0) -> int:
    """A position in a sequence of `count`, from its end where it is below 0; it may be `more` beyond the last."""
    found = int(call.known(place, "the position").array.reshape(()))
    if not -count <= found < count + more:
        raise call.refuse(f"there is no position {found} in a sequence of {count}")
    return found + count if found < 0 else found


@operator("ConcatFromSequence", axis=REQUIRED, new_axis=0)
def concat_from_sequence(call: Call) -> Result:
    parts = [call.result(item) for item in call.items(0)]
    if not parts:
        raise call.refuse("the sequence is empty")
    return joined(call, parts, call.attrs["axis"], bool(call.attrs["new_axis"]))


def joined(call: Call, parts: list[Result], axis: int, new_axis: bool, hint: str = "") -> Result:
    """Tensors side by side, along an axis of theirs or a new one."""
    along = axis_of(call, axis, len(parts[0].shape) + new_axis)
    known = [part.array for part in parts if isinstance(part, Known)]
    if len(known) == len(parts):
        return Known(np.stack(known, along) if new_axis else np.concatenate(known, along))
    if new_axis:
        parts = [with_shape(call, part, [*part.shape[:along], 1, *part.shape[along:]], hint) for part in parts]
    tensors = [call.sheet.tensor(part, hint) for part in parts]
    return tensors[0] if len(tensors) == 1 else call.let(w.pipe(tensors, w.call("concat", axis=along)), hint)


@operator("SplitToSequence", axis=0, keepdims=1)
def split_to_sequence(call: Call) -> Items:
    """Parts of size 1 without `split`, which then lose their axis unless it is kept; of one size, the last of which
    may be smaller, or of as many sizes as it has."""
    value = call.value(0)
    axis = axis_of(call, call.attrs["axis"], len(value.shape))
    whole = value.shape[axis]
    if not isinstance(whole, int):
        raise call.refuse(f"a size {whole} that is known only later cannot be split into a sequence")
    sizes, flat = [1] * whole, not call.has(1) and not call.attrs["keepdims"]
    if call.has(1):
        split = call.known(1, "split").array
        sizes = _equal(call, int(split), whole) if split.ndim == 0 else [int(v) for v in split]
    if sum(sizes) != whole or any(v < 1 for v in sizes):
        raise call.refuse(f"{sizes} does not split a size of {whole}")
    items: list[Anything] = []
    start = 0
    for part in sizes:
        items.append(_slice(call, value, axis, start, start + part, flat))
        start += part
    return Items(tuple(items))


def _equal(call: Call, part: int, whole: int) -> list[int]:
    if part < 1:
        raise call.refuse(f"parts have a size of at least 1, not {part}")
    return [min(part, whole - start) for start in range(0, whole, part)]


def _slice(call: Call, value: Result, axis: int, start: int, stop: int, flat: bool) -> Result:
    if isinstance(value, Known):
        found = np.take(value.array, range(start, stop), axis)
        return Known(found.squeeze(axis) if flat else found)
    part = call.let(w.pipe(value, w.call("slice", axis, start, stop)))
    return with_shape(call, part, [*part.shape[:axis], *part.shape[axis + 1 :]]) if flat else part


# ---- optionals


@operator("Optional", type=None)
def optional(call: Call) -> Anything:
    return call.anything(0) if call.has(0) else Nothing()


@operator("OptionalHasElement")
def optional_has_element(call: Call) -> Result:
    return Known(np.array(call.has(0) and not isinstance(call.anything(0), Nothing)))


@operator("OptionalGetElement")
def optional_get_element(call: Call) -> Anything:
    found = call.anything(0)
    if isinstance(found, Nothing):
        raise call.refuse("an optional without a value is asked for it")
    return found


@operator("SequenceMap", control=True, body=REQUIRED)
def sequence_map(call: Call) -> list[Anything | None]:
    """The body for each entry of the first sequence, with those of the others that stand at the same place."""
    count = len(call.items(0))
    columns: list[list[Any]] = []
    for place in range(len(call.values)):
        given = call.anything(place)
        columns.append(list(given.items) if isinstance(given, Items) else [given] * count)
    if any(len(column) != count for column in columns):
        raise call.refuse("the sequences differ in length")
    rows = [call.graph(call.attrs["body"], [column[i] for column in columns]) for i in range(count)]
    return [Items(tuple(row[i] for row in rows)) for i in range(len(call.node.outputs))]
