"""Random tensors: `random_uniform`, `random_normal`, `bernoulli`.

Each one written draws from a stream of its own, named by a hash of its layer's path, so that its numbers stay the same
when other parts of the net change. The runtime gives the key (seed, step) that all streams share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zlib import crc32

from netlang.frontend.context import Site
from netlang.frontend.faults import Fault
from netlang.frontend.operators import as_tensor
from netlang.frontend.signature import Signature
from netlang.frontend.values import Primitive, describe, is_dim, is_number
from netlang.ir.dims import Shape
from netlang.ir.graph import Value
from netlang.ir.types import DType, TensorType

Arguments = Mapping[str, Any]


def random_primitives() -> list[Primitive]:
    """The functions of this file; a call of them draws at once, whatever their first argument is."""
    uniform = Signature.of("random_uniform", "like", low=0.0, high=1.0, dtype=None)
    normal = Signature.of("random_normal", "like", mean=0.0, std=1.0, dtype=None)
    return [
        Primitive(uniform, 1, _random_uniform, at_once=True),
        Primitive(normal, 1, _random_normal, at_once=True),
        Primitive(Signature.of("bernoulli", "p", like=None), 1, _bernoulli, at_once=True),
    ]


def _random_uniform(site: Site, arguments: Arguments) -> Value:
    """Numbers of [low, high), like a tensor or of the sizes in a list."""
    drawn = _drawn(site, "uniform", _type(arguments))
    low, high = arguments["low"], arguments["high"]
    if is_number(low) and is_number(high) and low > high:
        raise Fault(f"random_uniform: 'low' {low} is above 'high' {high}")
    return _moved(site, drawn, low, high if _is(low, 0) else site.emit("sub", *_both(site, drawn, high, low)))


def _random_normal(site: Site, arguments: Arguments) -> Value:
    """Numbers of a normal distribution, like a tensor or of the sizes in a list."""
    return _moved(site, _drawn(site, "normal", _type(arguments)), arguments["mean"], arguments["std"])


def _bernoulli(site: Site, arguments: Arguments) -> Value:
    """1 with probability p, else 0: like p, or for one p like a tensor or of the sizes in a list."""
    p, like = arguments["p"], arguments["like"]
    if is_number(p) and not 0 <= p <= 1:
        raise Fault(f"bernoulli: a probability is from 0 to 1, got {p}")
    if isinstance(p, Value) and not p.dtype.is_float:
        raise Fault(f"bernoulli needs floating-point probabilities, got {p.type}")
    if not isinstance(p, Value | int | float) or isinstance(p, bool):
        raise Fault(f"bernoulli: a probability is a tensor or a number, not {describe(p)}")
    own = p.type if isinstance(p, Value) else TensorType(DType.F32, ())
    type = own if like is None else _type({"like": like, "dtype": own.dtype if isinstance(p, Value) else None})
    drawn = _drawn(site, "uniform", type)
    return site.emit("cast", site.emit("lt", drawn, as_tensor(site, p, type.dtype)), dtype=type.dtype)


def _type(arguments: Arguments) -> TensorType:
    """The type that is asked for: like a tensor, or f32 of the sizes in a list; `dtype` decides where it is given."""
    like, dtype = arguments["like"], arguments["dtype"]
    if dtype is not None and not (isinstance(dtype, DType) and dtype.is_float):
        raise Fault(f"random numbers have a floating-point type such as f32, not {describe(dtype)}")
    if isinstance(like, Value):
        found = dtype or like.dtype
        if not found.is_float:
            raise Fault(f"random numbers like {like.type} need a floating-point type", hint="give it as dtype = f32")
        return TensorType(found, like.shape)
    if isinstance(like, list | tuple):
        return TensorType(dtype or DType.F32, _shape(like))
    raise Fault(f"random numbers are drawn like a tensor or of the sizes in a list, not {describe(like)}")


def _shape(sizes: list[Any] | tuple[Any, ...]) -> Shape:
    for size in sizes:
        if not is_dim(size) or (isinstance(size, int) and size < 1):
            raise Fault(f"a size is a whole number of at least 1, not {describe(size)}")
    return tuple(sizes)


def _drawn(site: Site, op: str, type: TensorType) -> Value:
    path = site.context.frame.naming.instance.path
    stream = crc32(f"{path}#{site.context.draw(path)}".encode())
    return site.emit(op, site.context.rng(), shape=type.shape, stream=stream, dtype=type.dtype)


def _moved(site: Site, drawn: Value, start: Any, width: Any) -> Value:
    """start + width * drawn, without what changes nothing."""
    scaled = drawn if _is(width, 1) else site.emit("mul", *_both(site, drawn, drawn, width))
    return scaled if _is(start, 0) else site.emit("add", *_both(site, drawn, scaled, start))


def _both(site: Site, like: Value, *values: Any) -> list[Value]:
    return [as_tensor(site, v, like.dtype) for v in values]


def _is(value: Any, number: int) -> bool:
    return is_number(value) and value == number
