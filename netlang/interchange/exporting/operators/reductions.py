"""Sums, means and extremes over axes."""

from __future__ import annotations

import numpy as np

from netlang.interchange.exporting.record import Export, Place, exports

_KINDS = {"reduce_sum": "ReduceSum", "reduce_mean": "ReduceMean", "reduce_max": "ReduceMax", "reduce_min": "ReduceMin"}
_GLOBAL = {"reduce_mean": "GlobalAveragePool", "reduce_max": "GlobalMaxPool"}
"""What a reduction over all pixels of a map is called."""


def _reduction(kind: str) -> Export:
    def export(place: Place) -> str:
        axes, keep, (x,) = place.attrs["axes"], place.attrs["keepdims"], place.node.inputs
        if not axes:
            return place.inputs[0]
        if place.node.op in _GLOBAL and x.rank >= 3 and axes == tuple(range(2, x.rank)):
            pooled = place.op(_GLOBAL[place.node.op], place.inputs[0])
            return pooled if keep else place.op("Flatten", pooled)
        return place.op(kind, place.inputs[0], place.numbers(axes), keepdims=int(keep))

    return export


for _op, _kind in _KINDS.items():
    exports(_op)(_reduction(_kind))


@exports("argmax")
def _argmax(place: Place) -> str:
    return place.op("ArgMax", place.inputs[0], axis=place.attrs["axis"], keepdims=int(place.attrs["keepdims"]))


@exports("cumsum")
def _cumsum(place: Place) -> str:
    return place.op("CumSum", place.inputs[0], place.constant(place.attrs["axis"], np.int64))


@exports("softmax")
def _softmax(place: Place) -> str:
    return place.op("Softmax", place.inputs[0], axis=place.attrs["axis"])


@exports("log_softmax")
def _log_softmax(place: Place) -> str:
    return place.op("LogSoftmax", place.inputs[0], axis=place.attrs["axis"])
