"""Random numbers. They are of the distribution that a node asks for, but not those of another tool's generator: here
they follow from the seed of a call, so `seed` of a node says nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operator import REQUIRED, Call, Result, element_type, operator
from netlang.interchange.importing.sheet import Tensor
from netlang.ir.types import DType

_FLOAT, _INT32 = 1, 6


@operator("Dropout", ratio=0.5, seed=None, is_test=1)
def dropout(call: Call) -> list[Result | None]:
    """Nothing, in a network that answers: what is dropped is only then, when the file says that it is being trained."""
    training = call.version >= 12 and call.has(2) and bool(call.known(2, "training_mode").array)
    share = call.operand(1) if call.version >= 12 and call.has(1) else np.float32(call.attrs["ratio"])
    if not training or (not isinstance(share, Tensor) and share == 0):
        return [call.value(0), _everything(call) if call.reads(1) else None]
    x = call.tensor(0)
    keep = call.let(w.infix(1, "-", share), "keep") if isinstance(share, Tensor) else np.float32(1 - share)
    draw = w.call("bernoulli", keep, like=list(x.shape))
    mask = call.let(w.infix(draw, ">", 0), call.node.outputs[1] if call.reads(1) else "mask")
    scaled = w.infix(x, "/", w.call("cast", keep, x.dtype) if isinstance(keep, Tensor) else keep)
    return [call.let(w.call("where", mask, scaled, 0)), mask]


def _everything(call: Call) -> Result:
    """A mask that lets all through; before opset 10 it was of the type of the elements."""
    x = call.tensor(0)
    one = np.array(True) if call.version >= 10 else np.ones((), x.dtype.numpy)
    return call.let(w.call("broadcast", call.sheet.tensor(Known(one), "one"), list(x.shape)), call.node.outputs[1])


@operator("Bernoulli", dtype=None, seed=None)
def bernoulli(call: Call) -> Result:
    p, wanted = call.tensor(0), call.attrs["dtype"]
    drawn = w.call("bernoulli", p)
    dtype = p.dtype if wanted is None else element_type(wanted)
    return call.let(drawn if dtype == p.dtype else w.call("cast", drawn, dtype))


@operator("RandomNormal", dtype=_FLOAT, mean=0.0, scale=1.0, seed=None, shape=REQUIRED)
@operator("RandomNormalLike", dtype=None, mean=0.0, scale=1.0, seed=None)
def random_normal(call: Call) -> Result:
    return _drawn(call, "random_normal", w.besides({"mean": 0, "std": 1}, mean=_f(call, "mean"), std=_f(call, "scale")))


@operator("RandomUniform", dtype=_FLOAT, high=1.0, low=0.0, seed=None, shape=REQUIRED)
@operator("RandomUniformLike", dtype=None, high=1.0, low=0.0, seed=None)
def random_uniform(call: Call) -> Result:
    return _drawn(call, "random_uniform", w.besides({"low": 0, "high": 1}, low=_f(call, "low"), high=_f(call, "high")))


def _f(call: Call, attribute: str) -> Any:
    return np.float32(call.attrs[attribute])


def _drawn(call: Call, function: str, numbers: dict[str, Any]) -> Result:
    like = call.tensor(0) if "shape" not in call.attrs else None
    shape = list(call.attrs["shape"]) if like is None else list(like.shape)
    wanted = call.attrs["dtype"]
    dtype = like.dtype if like is not None and wanted is None else element_type(wanted)
    more = {} if dtype is DType.F32 else {"dtype": dtype}
    if not shape:
        return call.let(w.call("reshape", w.call(function, [1], **numbers, **more), []))
    return call.let(w.call(function, shape, **numbers, **more))


@operator("Multinomial", dtype=_INT32, sample_size=1, seed=None)
def multinomial(call: Call) -> Result:
    """Classes drawn by logarithms of their weights [N, classes]: the largest after Gumbel's noise was added."""
    x, count, dtype = call.tensor(0), call.attrs["sample_size"], element_type(call.attrs["dtype"])
    batch, classes = x.shape
    more = {} if x.dtype is DType.F32 else {"dtype": x.dtype}
    noise = call.let(w.call("random_uniform", [batch, count, classes], **more), "noise")
    gumbel = w.negative(w.call("log", w.negative(w.call("log", noise))))
    best = call.let(w.call("argmax", w.infix(w.call("reshape", x, [batch, 1, classes]), "+", gumbel), axis=2))
    return best if best.dtype is dtype else call.let(w.call("cast", best, dtype))
