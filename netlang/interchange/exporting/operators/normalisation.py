"""Normalisation by given statistics, and by neighbouring channels."""

from __future__ import annotations

from netlang.interchange.exporting.record import Place, exports
from netlang.ir.dims import Dim
from netlang.ops.response import composed


@exports("batchnorm")
def _batchnorm(place: Place) -> str:
    return place.op("BatchNormalization", *place.inputs, epsilon=float(place.attrs["eps"]))


@exports("local_response_norm", "local_response_norm_grad")
def _response(place: Place) -> str:
    """LRN where its window is ours: of an odd number of channels. An even one begins one channel later in ONNX."""
    size, rank = place.attrs["size"], place.node.out.rank
    if place.node.op != "local_response_norm" or size % 2 == 0:
        return place.composed(lambda b: composed(b, place.node, place.node.inputs))[0]
    x, given = place.inputs[0], {key: float(place.attrs[key]) for key in ("alpha", "beta")}
    if rank != 4:  # onnxruntime's operator takes maps of two axes alone
        around: list[Dim] = [0, 0, -1, 1]
        x = place.op("Reshape", x, place.shape(around))
    y = place.op("LRN", x, size=size, bias=float(place.attrs["k"]), **given)
    return y if rank == 4 else place.op("Reshape", y, place.op("Shape", place.inputs[0]))
