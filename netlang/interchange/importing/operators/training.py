"""Training (ai.onnx.preview.training): gradients, and steps of optimisers for any number of tensors at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operator import REQUIRED, Call, Result, operator
from netlang.interchange.importing.sheet import Tensor
from netlang.ir.types import DType

_DOMAIN = "ai.onnx.preview.training"


@dataclass(frozen=True)
class _Learnt:
    """A tensor that is learnt: inputs of each kind (itself, its gradient, what the optimiser keeps), and the names of
    the outputs (itself, what is kept)."""

    inputs: tuple[Tensor, ...]
    names: tuple[str, ...]


def _learnt(call: Call, kinds: int) -> list[_Learnt]:
    """The tensors of a node; the rate and the number of updates come before them."""
    count, rest = divmod(len(call.values) - 2, kinds)
    names = (*call.node.outputs, *[""] * (count * kinds))
    if rest or count < 1:
        raise call.refuse(f"besides the rate and the count there must be {kinds} inputs for each tensor")
    return [
        _Learnt(
            tuple(call.tensor(2 + kind * count + i) for kind in range(kinds)),
            tuple(names[kind * count + i] or "updated" for kind in range(kinds - 1)),
        )
        for i in range(count)
    ]


def _gathered(parts: list[tuple[Tensor, ...]]) -> list[Result | None]:
    """The outputs: of every kind, those of all tensors."""
    return [tensor for kind in zip(*parts, strict=True) for tensor in kind]


def _scalar(call: Call, place: int) -> Any:
    """A scalar input, also where it has one element in a list; a number where it is known."""
    value = call.value(place)
    if isinstance(value, Known) and value.array.size == 1:
        return value.array.reshape(())[()]
    tensor = call.tensor(place)
    return tensor if tensor.rank == 0 else call.let(w.call("reshape", tensor, []), call.name(place))


def _regularised(call: Call, x: Tensor, gradient: Tensor) -> Tensor:
    factor = call.attrs["norm_coefficient"]
    return call.let(w.infix(w.infix(np.float32(factor), "*", x), "+", gradient), "regular") if factor else gradient


def _mixed(old: Tensor, new: Any, keep: float) -> Any:
    """`keep * old + (1 - keep) * new`"""
    kept = np.float32(keep)
    return w.infix(w.infix(kept, "*", old), "+", w.infix(w.infix(1, "-", kept), "*", new))


@operator("Gradient", domain=_DOMAIN, xs=REQUIRED, y=REQUIRED, zs=())
def gradient(call: Call) -> list[Result | None]:
    """The gradient of the last input, which the attribute `y` names, with respect to the first ones."""
    *given, _ = call.node.inputs
    if given != [*call.attrs["xs"], *call.attrs["zs"]]:
        raise call.refuse("a gradient at other tensors than those that it is taken with respect to is not supported")
    if not all(isinstance(call.value(place), Tensor) for place in (*range(len(call.attrs["xs"])), len(given))):
        raise call.refuse("a gradient with respect to what is known when the network is imported is not supported")
    y: Any = call.sheet.tensor(call.value(len(given)))
    total = call.let(w.call("sum", y), "total") if y.rank else y
    xs = [call.tensor(place) for place in range(len(call.attrs["xs"]))]
    return [call.let(w.call("grad", total, x), name) for x, name in zip(xs, call.node.outputs, strict=False)]


@operator("Adagrad", domain=_DOMAIN, decay_factor=0.0, epsilon=1e-6, norm_coefficient=0.0)
def adagrad(call: Call) -> list[Result | None]:
    rate: Any = _scalar(call, 0)
    if call.attrs["decay_factor"]:
        slower = w.infix(1, "+", w.infix(_count(call, rate), "*", np.float32(call.attrs["decay_factor"])))
        rate = call.let(w.infix(rate, "/", slower), "rate")
    made: list[tuple[Tensor, ...]] = []
    for learnt in _learnt(call, 3):
        x, gradient, squares = learnt.inputs
        g = _regularised(call, x, gradient)
        h = call.let(w.infix(squares, "+", w.infix(g, "*", g)), learnt.names[1])
        root = _above(w.call("sqrt", h), call.attrs["epsilon"])
        made.append((call.let(w.infix(x, "-", w.infix(w.infix(rate, "*", g), "/", root)), learnt.names[0]), h))
    return _gathered(made)


@operator("Adam", domain=_DOMAIN, alpha=0.9, beta=0.999, epsilon=1e-6, norm_coefficient=0.0, norm_coefficient_post=0.0)
def adam(call: Call) -> list[Result | None]:
    rate, alpha, beta = _adam_rate(call), call.attrs["alpha"], call.attrs["beta"]
    made: list[tuple[Tensor, ...]] = []
    for learnt in _learnt(call, 4):
        x, gradient, mean, squares = learnt.inputs
        g = _regularised(call, x, gradient)
        v = call.let(_mixed(mean, g, alpha), learnt.names[1])
        h = call.let(_mixed(squares, w.infix(g, "*", g), beta), learnt.names[2])
        root = _above(w.call("sqrt", h), call.attrs["epsilon"])
        new: Any = w.infix(x, "-", w.infix(w.infix(rate, "*", v), "/", root))
        if call.attrs["norm_coefficient_post"]:
            new = w.infix(np.float32(1 - call.attrs["norm_coefficient_post"]), "*", new)
        made.append((call.let(new, learnt.names[0]), v, h))
    return _gathered(made)


def _adam_rate(call: Call) -> Any:
    """The rate, corrected for means that began at zero, as they have after the first update."""
    rate = _scalar(call, 0)
    count = _count(call, rate)
    ratio = w.infix(
        w.call("sqrt", w.infix(1, "-", w.infix(np.float32(call.attrs["beta"]), "**", count))),
        "/",
        w.infix(1, "-", w.infix(np.float32(call.attrs["alpha"]), "**", count)),
    )
    return call.let(w.call("where", w.infix(count, ">", 0), w.infix(rate, "*", ratio), rate), "rate")


@operator("Momentum", domain=_DOMAIN, alpha=REQUIRED, beta=REQUIRED, mode=REQUIRED, norm_coefficient=REQUIRED)
def momentum(call: Call) -> list[Result | None]:
    """In the first update (number 0), the gradient is not scaled by beta."""
    rate, alpha, beta = _scalar(call, 0), np.float32(call.attrs["alpha"]), np.float32(call.attrs["beta"])
    if call.attrs["mode"] not in ("standard", "nesterov"):
        raise call.refuse(f"mode '{call.attrs['mode']}' is not one of standard, nesterov")
    share = None
    if beta != 1:
        count = _count(call, rate)
        share = call.let(w.call("where", w.infix(count, ">", 0), w.call("scalar", beta, count.dtype), 1), "share")
    made: list[tuple[Tensor, ...]] = []
    for learnt in _learnt(call, 3):
        x, gradient, velocity = learnt.inputs
        g = _regularised(call, x, gradient)
        scaled = g if share is None else w.infix(share, "*", g)
        v = call.let(w.infix(w.infix(alpha, "*", velocity), "+", scaled), learnt.names[1])
        step = v if call.attrs["mode"] == "standard" else w.infix(g, "+", w.infix(alpha, "*", v))
        made.append((call.let(w.infix(x, "-", w.infix(rate, "*", step)), learnt.names[0]), v))
    return _gathered(made)


def _count(call: Call, rate: Any) -> Tensor:
    """The number of updates so far, in the element type of the rate."""
    count = call.tensor(1)
    dtype = rate.dtype if isinstance(rate, Tensor) else DType.of(rate.dtype)
    return call.let(w.call("cast", w.call("reshape", count, []) if count.rank else count, dtype), "updates")


def _above(root: Any, epsilon: float) -> Any:
    return w.infix(root, "+", np.float32(epsilon)) if epsilon else root
