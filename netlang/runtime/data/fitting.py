"""Making a data set suit a net: names, sizes, channels, element types."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import isqrt, prod
from typing import Any

import numpy as np

from netlang.diagnostics import NetError
from netlang.ir.dims import Dim
from netlang.ir.graph import Value
from netlang.ir.types import shape_text
from netlang.runtime.data.dataset import IMAGE, LABEL, Array, Columns, Dataset, Fitted, check_rows, same_length
from netlang.runtime.data.resize import resize
from netlang.runtime.ports import dtype_name, plain_array

_CHANNELS = (1, 3, 4)
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue in grey: Rec. 601, the weights that Pillow and JPEG use."""

ImageShape = tuple[int, int, int]
"""Channels, height, width."""


def wanted_image(inputs: Sequence[Value], targets: Collection[str]) -> ImageShape | None:
    """The images that a net with these inputs takes, where that is clear: [N, C, H, W], or [N, F] with F a square."""
    pictures = [v for v in inputs if v.node.name not in targets]
    return image_shape(pictures[0].shape[1:]) if len(pictures) == 1 else None


def wanted_length(inputs: Sequence[Value]) -> int | None:
    """The length of the rows of letters or words that a net takes, [N, T] of whole numbers, where it says one."""
    lengths = {v.shape[1] for v in inputs if v.dtype.is_int and v.rank == 2}
    length = lengths.pop() if len(lengths) == 1 else None
    return length if isinstance(length, int) else None


def image_shape(shape: Sequence[Dim]) -> ImageShape | None:
    """(C, H, W) of one sample of this shape; a flat one counts as a square grey image."""
    sizes = [d for d in shape if isinstance(d, int)]
    if len(sizes) != len(shape):
        return None
    if len(sizes) == 3:
        return sizes[0], sizes[1], sizes[2]
    if len(sizes) == 2:
        return 1, sizes[0], sizes[1]
    if len(sizes) == 1 and isqrt(sizes[0]) ** 2 == sizes[0] and sizes[0] > 1:
        return 1, isqrt(sizes[0]), isqrt(sizes[0])
    return None


def fit_to(data: Dataset, inputs: Sequence[Value], targets: Collection[str]) -> Fitted:
    """The data set with one array per input of a training graph (the net's inputs and the targets).

    Images are enlarged or resampled to [N, C, H, W] or flattened to [N, F]; labels become integers, or one-hot rows
    where the target is [N, classes] of floats. Raises NetError where the data does not suit.
    """
    train: dict[str, Array] = {}
    test: dict[str, Array] = {}
    for value in inputs:
        name = value.node.name
        source = _source(data, value, inputs, targets)
        train[name] = _suited(data, data.train[source], value, source)
        if data.test:
            test[name] = _suited(data, data.test[source], value, source)
    dtypes = {v.node.name: v.dtype for v in inputs}
    for part in (train, test):
        same_length(data.name, part)
    if not len(Columns(train, dtypes)):
        raise NetError(f"{data.name} holds no samples")
    columns = Columns(train, dtypes), Columns(test, dtypes)
    return Fitted(data.name, *columns, data.classes, data.held_out, data.vocabulary)


def _source(data: Dataset, value: Value, inputs: Sequence[Value], targets: Collection[str]) -> str:
    """Which array of the data set goes into an input: its namesake, its plural, or the only image or label there is."""
    name, arrays = value.node.name, data.train
    for spelling in (name, f"{name}s"):
        if spelling in arrays:
            return spelling
    is_target = name in targets
    rivals = [v for v in inputs if (v.node.name in targets) == is_target]
    usual = LABEL if is_target else IMAGE
    if is_target and value.dtype.is_float and IMAGE in arrays and _like_an_input(value, inputs, targets):
        return IMAGE
    if len(rivals) == 1:
        for spelling in (usual, f"{usual}s"):
            if spelling in arrays:
                return spelling
    what = "target" if is_target else "input"
    raise NetError(f"{data.name} has nothing for {what} '{name}'; it has {', '.join(arrays) or 'no arrays'}")


def _like_an_input(target: Value, inputs: Sequence[Value], targets: Collection[str]) -> bool:
    """Whether a target is the input again, as an autoencoder's is."""
    return any(v.type == target.type for v in inputs if v.node.name not in targets)


def _suited(data: Dataset, array: Array, value: Value, source: str) -> Array:
    shape = value.shape[1:]
    check_rows(data.name, source, array)
    if value.dtype.is_float and array.ndim == 1 and np.issubdtype(array.dtype, np.integer) and len(shape) == 1:
        return _one_hot(data, array, value, source)
    if array.dtype == np.uint8 or (array.ndim >= 3 and _sized(array.shape[1:], shape) != array.shape[1:]):
        array = _images(data, array, value, source)
    elif len(shape) == 1 and array.ndim > 2:
        array = array.reshape(len(array), -1)
    if _sized(array.shape[1:], shape) != array.shape[1:]:
        raise _unsuited(data, array, value, source)
    if array.dtype == np.uint8 and value.dtype.is_float:
        return array
    if value.dtype.is_int and array.dtype.kind in "iu":
        _check_bounds(data, array, value, source)
    elif not np.can_cast(array.dtype, value.dtype.numpy, "same_kind") and not (
        value.dtype.is_float and array.dtype.kind in "biuf"
    ):
        raise _unsuited(data, array, value, source)
    return np.ascontiguousarray(array, value.dtype.numpy)


def _sized(found: Sequence[int], wanted: Sequence[Dim]) -> tuple[int, ...] | None:
    """`found` where it suits `wanted`, any size suiting a symbolic dim."""
    if len(found) != len(wanted):
        return None
    return tuple(f if not isinstance(w, int) else w for f, w in zip(found, wanted, strict=True))


def _images(data: Dataset, array: Array, value: Value, source: str) -> Array:
    wanted = image_shape(value.shape[1:])
    channels = wanted[0] if wanted else value.shape[1] if value.rank == 4 else None
    if array.ndim not in (3, 4) or not isinstance(channels, int):
        return array
    images = _planes(array)
    if images.shape[1] != channels:
        recoloured = _recoloured(images, channels)
        if recoloured is None:
            raise _unsuited(data, array, value, source)
        images = recoloured
    if wanted is None:
        return images
    images = resize(images, wanted[1], wanted[2])
    sizes = [d for d in value.shape[1:] if isinstance(d, int)]
    return images.reshape(len(images), *sizes) if prod(sizes) == prod(wanted) else images


def _planes(array: Array) -> Array:
    """[n, c, h, w], whichever order the images came in."""
    if array.ndim == 3:
        return array[:, None]
    last = array.shape[3] in _CHANNELS and array.shape[1] not in _CHANNELS
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if last else array


def _recoloured(images: Array, channels: int) -> Array | None:
    """Grey to any number of channels by repetition, colour to grey by luminance; None for anything else."""
    if images.shape[1] == 1:
        return np.repeat(images, channels, axis=1)
    if channels == 1 and images.shape[1] == 3:
        grey: Array = np.einsum("nchw,c->nhw", images, LUMINANCE)[:, None]
        return np.rint(grey).astype(np.uint8) if images.dtype == np.uint8 else grey
    return None


def _one_hot(data: Dataset, labels: Array, value: Value, source: str) -> Array:
    classes = value.shape[1]
    if not isinstance(classes, int):
        raise _unsuited(data, labels, value, source)
    bad = np.flatnonzero((labels < 0) | (labels >= classes))
    if bad.size:
        raise NetError(
            f"{data.name}: '{source}'[{bad[0]}] is {labels[bad[0]]}; target '{value.node.name}' has {classes} classes"
        )
    return np.eye(classes, dtype=value.dtype.numpy)[labels]


def _check_bounds(data: Dataset, array: Array, value: Value, source: str) -> None:
    """Raise NetError where a whole number does not fit into the elements that are wanted."""
    low, high = value.dtype.bounds
    for number in (array.min(), array.max()) if not np.can_cast(array.dtype, value.dtype.numpy) else ():
        if not low <= int(number) <= high:
            raise NetError(f"{data.name}: '{source}' has {int(number)}, which does not fit into {value.dtype} elements")


def _unsuited(data: Dataset, array: Array, value: Value, source: str) -> NetError:
    shape = array.shape[1:]
    found = f"{dtype_name(array.dtype)}{shape_text(shape)}"
    wanted = f"{value.dtype}{shape_text(value.shape[1:])}"
    message = f"{data.name}: each sample of '{source}' is {found}, '{value.node.name}' takes {wanted}"
    return NetError(message, hint=_remedy(array, value))


def _remedy(array: Array, value: Value) -> str:
    """What would make an array suit, if that is plain."""
    shape, wanted = array.shape[1:], value.shape[1:]
    if _sized(shape, wanted) == shape:
        return f"if these are whole numbers: .astype('{value.dtype.numpy}')" if array.dtype.kind == "f" else ""
    if value.dtype.is_int and not wanted and len(shape) == 1 and shape[0] > 1:
        return "class numbers are wanted: .argmax(axis=1)"
    sizes = [d for d in wanted if isinstance(d, int)]
    if len(sizes) == len(wanted) and prod(sizes) == prod(shape):
        return f".reshape({', '.join(map(str, (-1, *sizes)))})"
    return ""


def from_arrays(arrays: Mapping[str, Any], name: str = "the data") -> Dataset:
    """A data set of arrays in memory, all of them for training.

    Accepts what `netlang.runtime.ports.plain_array` does. Raises NetError for anything but arrays by name.
    """
    if not isinstance(arrays, Mapping):
        hint = "such as {'image': images, 'label': labels}"
        raise NetError(f"data is given as arrays by name, not as a {type(arrays).__name__}", hint=hint)
    return Dataset(name, {key: plain_array(value, f"{name}: '{key}'") for key, value in arrays.items()}, {})
