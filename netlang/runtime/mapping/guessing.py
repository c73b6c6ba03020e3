"""Which tensor is which parameter where names do not say: layers with the same kinds and shapes, in order.

A layer is what has one name up to the last dot. Files do not keep the order of layers: safetensors are sorted. So the
order is that of names with numbers counted, `conv2` before `conv10`. Where there are more such layers in the file than
in the net, or fewer, they are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from netlang.runtime.mapping.stored import Entry

_KINDS = {
    "weight": "weight", "kernel": "weight", "filter": "weight", "gamma": "weight", "scale": "weight",
    "bias": "bias", "beta": "bias", "offset": "bias",
    "running_mean": "mean", "moving_mean": "mean", "mean": "mean",
    "running_var": "variance", "moving_variance": "variance", "var": "variance", "variance": "variance",
}  # fmt: skip
"""What the last part of a name says that a tensor is."""

Layer = dict[str, str]
"""Names by their kinds."""
Shapes = frozenset[tuple[str, tuple[int, ...]]]


def by_order(tensors: Mapping[str, Entry], lacking: Mapping[str, Entry]) -> dict[str, str]:
    """A tensor for each parameter in `lacking` that has one; parameters are in the order of the net."""
    found: dict[str, str] = {}
    theirs, ours = _layers(sorted(tensors, key=natural), tensors), _layers(lacking, lacking)
    for shapes, layers in ours.items():
        others = theirs.get(shapes, [])
        if len(others) == len(layers):
            for layer, other in zip(layers, others, strict=True):
                found.update({name: other[kind] for kind, name in layer.items()})
    return found


def natural(name: str) -> list[tuple[int, str]]:
    """A key by which `conv2` comes before `conv10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]{1,18})", name) if part]


def _layers(names: Iterable[str], entries: Mapping[str, Entry]) -> dict[Shapes, list[Layer]]:
    """The layers by what they have. Parameters of one kind in one layer cannot be told apart: it is left out."""
    layers: dict[str, Layer] = {}
    unclear = set()
    for name in names:
        prefix, _, last = name.rpartition(".")
        layer, kind = layers.setdefault(prefix, {}), _KINDS.get(last, last)
        if kind in layer:
            unclear.add(prefix)
        layer[kind] = name
    found: dict[Shapes, list[Layer]] = {}
    for prefix, layer in layers.items():
        if prefix not in unclear:
            found.setdefault(frozenset((kind, entries[n].shape) for kind, n in layer.items()), []).append(layer)
    return found
