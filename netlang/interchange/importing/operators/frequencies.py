"""Signals and their frequencies: the discrete Fourier transform as a product with a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.axes import axis_of
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operator import Call, Result, element_type, operator
from netlang.interchange.importing.sheet import Tensor
from netlang.runtime.ports import Array


@operator("DFT", axis=None, inverse=0, onesided=0)
def transform(call: Call) -> Result:
    """Numbers along an axis, of one or (real, imaginary) in the last."""
    x, inverse, onesided = call.tensor(0), bool(call.attrs["inverse"]), bool(call.attrs["onesided"])
    axis = call.integers(2, "axis") or [1 if call.version < 20 else -2]
    along = axis_of(call, axis[0], x.rank)
    if along == x.rank - 1 or x.shape[-1] not in (1, 2):
        raise call.refuse(f"{list(x.shape)} is no signal along axis {along} with one or two numbers in the last")
    length = call.integers(1)
    size = length[0] if length else x.shape[along]
    if not length and inverse and onesided:
        size = 2 * (x.shape[along] - 1)
    return transformed(call, x, along, size, inverse, onesided)


def transformed(call: Call, x: Tensor, axis: int, length: Any, inverse: bool, onesided: bool) -> Tensor:
    """The transform of `length` numbers along an axis; of more the first ones, of fewer with zeros after them."""
    if not isinstance(length, int):
        raise call.refuse(f"the length {length} must be a number", "give the size one: --size")
    needed = length // 2 + 1 if inverse and onesided else length
    x = _as_long(call, x, axis, needed)
    parts = x.shape[-1]
    assert isinstance(parts, int)
    matrix = _matrix(length, parts, inverse, onesided)
    factor = call.sheet.tensor(Known(matrix.astype(x.dtype.numpy)), f"{call.hint}_waves")
    order = [i for i in range(x.rank - 1) if i != axis] + [axis, x.rank - 1]
    shape = [x.shape[i] for i in order]
    out = 1 if inverse and onesided else 2
    moved: Any = x if order == sorted(order) else w.call("transpose", x, order)
    rows = w.call("reshape", moved, [*shape[:-2], needed * parts])
    result = w.call("reshape", w.infix(rows, "@", factor), [*shape[:-2], matrix.shape[1] // out, out])
    if order != sorted(order):
        result = w.call("transpose", result, [order.index(i) for i in range(x.rank)])
    return call.let(result)


def _as_long(call: Call, x: Tensor, axis: int, length: int) -> Tensor:
    have = x.shape[axis]
    if have == length:
        return x
    if not isinstance(have, int):
        raise call.refuse(f"the size {have} must be a number", "give it one: --size")
    if have > length:
        return call.let(w.pipe(x, w.call("slice", axis, 0, length)))
    return call.let(w.pipe(x, w.call("pad", [[0, length - have]], axes=[axis])))


def _matrix(length: int, parts: int, inverse: bool, onesided: bool) -> Array:
    """[parts of the numbers that come in, those that come out], both in the order (number, real or imaginary)."""
    half = length // 2 + 1
    if inverse and onesided:
        given, made = np.arange(half), np.arange(length)
        # The other half mirrors this one, but for its ends.
        weight = np.where((given == 0) | (2 * given == length), 1, 2) / length
        waves = weight[:, None] * np.exp(2j * np.pi * (given[:, None] * made % length) / length)
        return np.stack([waves.real, -waves.imag], 1)[:, :parts].reshape(half * parts, length)
    given, made = np.arange(length), np.arange(half if onesided else length)
    sign = 2j if inverse else -2j
    waves = np.exp(sign * np.pi * (given[:, None] * made % length) / length) / (length if inverse else 1)
    pairs = np.stack([np.stack([waves.real, waves.imag], -1), np.stack([-waves.imag, waves.real], -1)], 1)
    return pairs[:, :parts].reshape(length * parts, -1)


@operator("STFT", onesided=1)
def short_transforms(call: Call) -> Result:
    """Of pieces of a signal [N, samples, 1 or 2], one every `frame_step` samples, weighted by a window."""
    x, step = call.tensor(0), call.known(1, "the step").entries()[0]
    given = call.integers(3, "the length of a frame")
    length = given[0] if given else call.value(2).shape[0]
    samples = x.shape[1]
    if not isinstance(samples, int) or not isinstance(length, int):
        raise call.refuse(f"{samples} samples in frames of {length}: both must be numbers", "give sizes: --size")
    if not 1 <= length <= samples or step < 1:
        raise call.refuse(f"there are no frames of {length} every {step} of {samples} samples")
    starts = np.arange(0, samples - length + 1, step)
    places = call.sheet.tensor(Known(starts[:, None] + np.arange(length)), f"{call.hint}_places")
    frames = call.sheet.let(w.call("gather", x, places, axis=1), f"{call.hint}_frames")
    if call.has(2):
        window = w.call("reshape", call.tensor(2), [length, 1])
        frames = call.sheet.let(w.infix(frames, "*", window), f"{call.hint}_frames")
    return transformed(call, frames, 2, length, False, bool(call.attrs["onesided"]))


@operator("MelWeightMatrix", output_datatype=1)
def mel_weights(call: Call) -> Known:
    """[frequencies, bins]: triangles that are equally wide by the mel scale (2595 log10(1 + f / 700))."""
    bins, length, rate = (int(call.known(i).entries()[0]) for i in range(3))
    low, high = (2595 * np.log10(1 + float(call.known(i).entries()[0]) / 700) for i in (3, 4))
    edges = 700 * (10 ** ((np.arange(bins + 2) * (high - low) / (bins + 2) + low) / 2595) - 1)
    places = ((length + 1) * edges // rate).astype(int)
    weights = np.zeros((length // 2 + 1, bins))
    for i, (left, middle, right) in enumerate(zip(places, places[1:], places[2:], strict=False)):
        rising, falling = np.arange(left, middle + 1), np.arange(middle, right)
        weights[rising, i] = (rising - left) / (middle - left) if middle > left else 1
        weights[falling, i] = (right - falling) / max(1, right - middle)
    return Known(weights.astype(element_type(call.attrs["output_datatype"]).numpy))
