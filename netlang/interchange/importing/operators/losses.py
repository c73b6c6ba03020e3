"""Losses of class numbers: NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss."""

from __future__ import annotations

from typing import Any

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.operator import Call, Result, operator
from netlang.interchange.importing.sheet import Tensor


@operator("NegativeLogLikelihoodLoss", ignore_index=None, reduction="mean")
def negative_log_likelihood(call: Call) -> Result:
    return _reduced(call, call.tensor(0))


@operator("SoftmaxCrossEntropyLoss", ignore_index=None, reduction="mean")
def softmax_cross_entropy(call: Call) -> list[Result | None]:
    """The second output are the logarithms of the probabilities."""
    scores, wanted = call.tensor(0), call.reads(1)
    if not wanted and not call.has(2) and call.attrs["ignore_index"] is None and call.attrs["reduction"] == "mean":
        return [call.apply("cross_entropy", scores, call.tensor(1)), None]
    logs = call.let(w.pipe(scores, "log_softmax"), call.node.outputs[1] if wanted else "logs")
    return [_reduced(call, logs), logs]


def _reduced(call: Call, logs: Tensor) -> Tensor:
    """What is lost at each place [N, ...], or its sum or weighted mean. `logs` are [N, classes, ...]."""
    reduction = call.attrs["reduction"]
    if reduction not in ("none", "sum", "mean"):
        raise call.refuse(f"reduction '{reduction}' is not one of none, sum, mean")
    weights, labels = _weights(call, logs)
    if labels.rank != logs.rank - 1:
        raise call.refuse(f"there must be a label for each place of {list(logs.shape)}, not {list(labels.shape)}")
    raised = call.let(w.call("reshape", labels, [labels.shape[0], 1, *labels.shape[1:]]), "labels")
    picked = call.let(w.call("reshape", w.call("take_along", logs, raised), list(labels.shape)), "picked")
    if weights is None:
        lost = w.negative(picked)
        return call.let(lost if reduction == "none" else w.call(reduction, lost))
    lost = w.negative(w.infix(picked, "*", weights))
    if reduction == "none":
        return call.let(lost)
    total = w.call("sum", lost)
    return call.let(total if reduction == "sum" else w.infix(total, "/", w.call("sum", weights)))


def _weights(call: Call, logs: Tensor) -> tuple[Tensor | None, Tensor]:
    """The weight of each place, None where all have the same; and class numbers that are all there, to be looked up."""
    labels, ignored = call.tensor(1), call.attrs["ignore_index"]
    if ignored is None:
        return (call.let(w.call("gather", call.tensor(2), labels), "weights") if call.has(2) else None), labels
    counts: Any = call.let(w.infix(labels, "!=", ignored), "counts")
    labels = call.let(w.call("where", counts, labels, 0), "labels")
    if not call.has(2):
        return call.let(w.call("cast", counts, logs.dtype), "weights"), labels
    return call.let(w.call("where", counts, w.call("gather", call.tensor(2), labels), 0), "weights"), labels
