"""Normalisation over the batch: by the statistics of a file, or by the batch's own."""

from __future__ import annotations

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.operator import Call, Result, operator, weight_of
from netlang.interchange.importing.operators.normalisation import eps_option, scaled
from netlang.interchange.importing.sheet import Tensor

_STATISTICS = ("weight", "bias", "running_mean", "running_var")


@operator("BatchNormalization", epsilon=1e-5, momentum=0.9, spatial=1, training_mode=0)
def batchnorm(call: Call) -> Result | list[Result | None]:
    """Before opset 14 a network was to be trained if it asked for more than the result."""
    x = call.tensor(0)
    if call.attrs["training_mode"] or (call.version < 14 and any(call.outputs[1:])):
        return _trained(call, x)
    known = [call.maybe_known(place) for place in range(1, 5)]
    if not call.attrs["spatial"] and x.rank > 2:
        return _by_position(call, x)
    if any(k is None for k in known):
        given = [call.tensor(place) for place in range(1, 5)]
        return call.apply("batchnorm_inference", x, *given, **eps_option(call))
    weights = {key: weight_of(k) for key, k in zip(_STATISTICS, known, strict=True) if k is not None}
    return call.through(x, "batchnorm", weights=weights, **eps_option(call))


def _trained(call: Call, x: Tensor) -> list[Result | None]:
    """By the batch's own statistics; and the running ones, moved towards them."""
    if not call.attrs["spatial"] and x.rank > 2:
        raise call.refuse("statistics for every position are not made in training")
    names = [f"{call.hint}_{end}" for end in ("normalised", "mean", "variance")]
    layer = w.call("batchnorm_train", x, call.tensor(1), call.tensor(2), **eps_option(call))
    found = call.sheet.several(layer, names)
    kept, results = np.float32(call.attrs["momentum"]), list[Result | None](found[:1])
    for place, now in zip((3, 4), found[1:], strict=True):
        before = w.infix(call.tensor(place), "*", kept)
        results.append(call.let(w.infix(before, "+", w.infix(now, "*", np.float32(1) - kept))))
    return [*results, *found[1:]][: len(call.node.outputs)]


def _by_position(call: Call, x: Tensor) -> Tensor:
    """Statistics for every position of a sample, as opsets 7 and 8 could have them."""
    scale, shift, mean, variance = (call.tensor(place) for place in range(1, 5))
    eps = np.float32(call.attrs["epsilon"])
    centred = call.let(w.infix(x, "-", mean))
    deviation = call.apply("sqrt", w.infix(variance, "+", eps))
    return scaled(call, w.infix(centred, "/", deviation), scale, shift)
