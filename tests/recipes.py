"""A recipe for every op of the registry: see `tests.drawing`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netlang.ir.dims import Dim, Shape, size
from netlang.ir.types import DType
from netlang.ops.softmax import softmax
from tests.drawing import (
    Case,
    Draw,
    Fill,
    N,
    Operand,
    Recipe,
    above_one,
    below,
    inside,
    mixed,
    nonzero,
    normal,
    positive,
    tensor,
    truths,
    whole,
)
from tests.recipes_windows import RESPONSE_RECIPES, WINDOW_RECIPES

INDEX_TYPES = (DType.I64, DType.I32, DType.I8)
ANY_TYPE = (DType.F32, DType.F32, DType.F32, DType.I32, DType.BOOL, DType.F64, DType.BF16)


def any_fill(dtype: DType) -> Fill:
    return truths if dtype is DType.BOOL else mixed


# ---- elementwise


def unary(fill: Fill = mixed, dtype: DType = DType.F32, **options: tuple[Any, ...]) -> Recipe:
    def make(d: Draw, shape: Shape) -> Case:
        return Case((tensor(shape, fill, dtype),), {name: d.pick(*values) for name, values in options.items()})

    return Recipe(make)


def binary(left: Fill = mixed, right: Fill = mixed, dtype: DType = DType.F32) -> Recipe:
    def make(d: Draw, shape: Shape) -> Case:
        main = int(d.flag())
        other = d.partner(shape)
        shapes = (other, shape) if main else (shape, other)
        return Case((tensor(shapes[0], left, dtype), tensor(shapes[1], right, dtype)), main=main)

    return Recipe(make)


def whole_pair(d: Draw, shape: Shape) -> Case:
    """Small integers; zeros, negative ones and more places than there are bits are among them."""
    dtype = d.pick(*INDEX_TYPES)
    return Case((tensor(shape, whole, dtype), tensor(d.partner(shape), whole, dtype)))


def where(d: Draw, shape: Shape) -> Case:
    condition, other = d.pick(shape, shape[1:], ()), d.pick((), shape, shape[1:])
    return Case((tensor(condition, truths, DType.BOOL), tensor(shape), tensor(other)), main=1)


def cast(d: Draw, shape: Shape) -> Case:
    source = d.pick(DType.F32, DType.I32, DType.BOOL, DType.F64, DType.F16, DType.BF16, DType.I8, DType.I64)
    target = d.pick(DType.F64, DType.F32, DType.I32, DType.BF16, DType.F16, DType.I64, DType.I8, DType.BOOL)
    return Case((tensor(shape, any_fill(source), source),), {"dtype": target})


def random(d: Draw, shape: Shape) -> Case:
    static = tuple(map(d.actual, shape))
    attrs = {"shape": static, "stream": d.whole(0, 99), "dtype": d.pick(DType.F32, DType.F64, DType.F16, DType.BF16)}
    return Case((tensor((2,), lambda rng, s, made: rng.integers(0, 2**40, s), DType.I64),), attrs)


# ---- reductions


def reduction(d: Draw, shape: Shape) -> Case:
    axes = d.some(range(len(shape))) or ((d.axis(shape),) if shape and d.pick(True, True, False) else ())
    return Case((tensor(shape),), {"axes": axes, "keepdims": d.flag()})


def argmax(d: Draw, shape: Shape) -> Case:
    return Case((tensor(shape),), {"axis": d.axis(shape), "keepdims": d.flag()})


def along_axis(d: Draw, shape: Shape) -> Case:
    return Case((tensor(shape),), {"axis": d.axis(shape)})


def cross_entropy(d: Draw, shape: Shape) -> Case:
    logits = tensor(shape, normal)
    if d.flag():
        soft = tensor(shape, lambda rng, s, made: softmax(rng.normal(0, 1, s), axis=1))
        return Case((logits, soft))
    losses = (shape[0], *shape[2:])
    return Case((logits, tensor(losses, below(shape[1]), d.pick(*INDEX_TYPES))))


def batchnorm(d: Draw, shape: Shape) -> Case:
    vector = shape[1:2]
    parts = (tensor(vector), tensor(vector), tensor(vector), tensor(vector, positive))
    return Case((tensor(shape), *parts), {"eps": d.pick(1e-5, 1e-3)})


def batchnorm_train(d: Draw, shape: Shape) -> Case:
    return Case((tensor(shape, normal), tensor(shape[1:2]), tensor(shape[1:2])), {"eps": d.pick(1e-5, 1e-3)})


def matmul(d: Draw, shape: Shape) -> Case:
    *lead, rows, columns = shape
    ta, tb = d.flag(), d.flag()
    inner, outer = (rows if ta else columns), d.size()
    other = d.pick((), d.partner(tuple(lead))) if lead else d.pick((), (d.size(4),))
    matrix: Shape = (outer, inner) if tb else (inner, outer)
    return Case((tensor(shape), tensor((*other, *matrix))), {"transpose_a": ta, "transpose_b": tb})


# ---- movement


def movement(rule: Callable[[Draw, Shape], dict[str, Any]], ranks: tuple[int, int] = (0, 5)) -> Recipe:
    def make(d: Draw, shape: Shape) -> Case:
        dtype = d.pick(*ANY_TYPE)
        return Case((tensor(shape, any_fill(dtype), dtype),), rule(d, shape))

    return Recipe(make, ranks)


def reshaped(d: Draw, shape: Shape) -> dict[str, Any]:
    """Neighbours joined, numbers split, ones put in."""
    new: list[Dim] = []
    for dim in shape:
        if new and d.flag():
            new[-1] = new[-1] * dim
        elif isinstance(dim, int) and dim % 2 == 0 and d.flag():
            new += [2, dim // 2]
        else:
            new.append(dim)
    if d.flag():
        new.insert(d.whole(0, len(new)), 1)
    return {"shape": d.pick(tuple(new), (size(shape),))}


def broadcast(d: Draw, shape: Shape) -> Case:
    """The given shape is the result's: the input has ones in it or fewer dims."""
    small = tuple(1 if d.flag() else dim for dim in shape)[d.whole(0, len(shape)) :]
    return Case((tensor(small),), {"shape": shape})


def spread(d: Draw, shape: Shape) -> dict[str, Any]:
    stretched = tuple(d.size(5) if dim == 1 else dim for dim in shape)
    return {"shape": ((d.size(4),) if d.flag() else ()) + stretched}


def permuted(d: Draw, shape: Shape) -> dict[str, Any]:
    left = list(range(len(shape)))
    return {"perm": tuple(left.pop(d.whole(0, len(left) - 1)) for _ in shape)}


def reversed_axes(d: Draw, shape: Shape) -> dict[str, Any]:
    return {"axes": d.some(range(len(shape)))}


def padded(d: Draw, shape: Shape) -> dict[str, Any]:
    low, high = (tuple(d.pick(0, 1, 3) for _ in shape) for _ in range(2))
    return {"low": low, "high": high, "value": d.pick(0.0, 1.0)}


def sliced(d: Draw, shape: Shape) -> dict[str, Any]:
    axis = d.axis(shape)
    dim, actual = shape[axis], d.actual(shape[axis])
    start = d.whole(0, min(3, actual - 1))
    short = d.whole(0, min(3, actual - start - 1))
    return {"axis": axis, "start": start, "stop": dim - short, "step": d.pick(1, 2, 3)}


def slice_grad(d: Draw, shape: Shape) -> Case:
    axis, start, step = d.axis(shape), d.whole(0, 4), d.pick(1, 2, 3)
    full = start + (shape[axis] - 1) * step + 1 + d.whole(0, 4)
    return Case((tensor(shape),), {"axis": axis, "start": start, "step": step, "size": full})


def concat(d: Draw, shape: Shape) -> Case:
    axis = d.axis(shape)
    others: list[Shape] = []
    for _ in range(d.whole(0, 4)):
        dim = d.pick(shape[axis], d.size(5), N)
        others.append((*shape[:axis], dim, *shape[axis + 1 :]))
    if N not in shape:
        others = [s for s in others if N not in s]
    main = d.whole(0, len(others))
    return Case(tuple(map(tensor, (*others[:main], shape, *others[main:]))), {"axis": axis}, main)


# ---- indices


def gather(d: Draw, shape: Shape) -> Case:
    axis = d.axis(shape)
    picked: Shape = tuple(d.size(5) for _ in range(d.whole(0, 2)))
    if N in shape and picked and d.flag():
        picked = (N, *picked[1:])
    indices = tensor(picked, below(shape[axis]), d.pick(*INDEX_TYPES))
    return Case((tensor(shape), indices), {"axis": axis})


def scatter_add(d: Draw, shape: Shape) -> Case:
    rank = d.whole(0, len(shape))
    axis = d.whole(0, len(shape) - rank)
    total = d.size()
    indices = tensor(shape[axis : axis + rank], below(total), d.pick(*INDEX_TYPES))
    return Case((tensor(shape), indices), {"axis": axis, "size": total})


def _line_indices(d: Draw, shape: Shape, axis: int, limit: Dim) -> Operand:
    count = d.pick(d.size(5), N) if N in shape else d.size(5)
    return tensor((*shape[:axis], count, *shape[axis + 1 :]), below(limit), d.pick(*INDEX_TYPES))


def take_along(d: Draw, shape: Shape) -> Case:
    axis = d.axis(shape)
    return Case((tensor(shape), _line_indices(d, shape, axis, shape[axis])), {"axis": axis})


def put_along(d: Draw, shape: Shape) -> Case:
    size = d.size()
    indices = tensor(shape, below(size), d.pick(*INDEX_TYPES))
    return Case((tensor(shape), indices), {"axis": d.axis(shape), "size": size})


def scatter_along(d: Draw, shape: Shape) -> Case:
    axis, reduction = d.axis(shape), d.pick("set", "add", "mul", "max", "min")
    indices = _line_indices(d, shape, axis, shape[axis])
    fill = nonzero if reduction == "mul" else mixed
    attrs = {"axis": axis, "reduction": reduction}
    return Case((tensor(shape, fill), indices, tensor(indices.type.shape, fill)), attrs)


def topk(d: Draw, shape: Shape) -> Case:
    """Whole numbers among the others make ties."""
    axis = d.pick(*(i for i, dim in enumerate(shape) if isinstance(dim, int)))
    size = shape[axis]
    assert isinstance(size, int)
    return Case((tensor(shape, mixed, d.pick(DType.F32, DType.I32, DType.F64)),), {"k": d.whole(1, size), "axis": axis})


def resample(d: Draw, shape: Shape) -> Case:
    axis = d.axis(shape)
    size = d.pick(d.size(), shape[axis] * 2, shape[axis] * 3)
    return Case((tensor(shape),), {"axis": axis, "size": size, "mode": d.pick("linear", "nearest")})


def one_hot(d: Draw, shape: Shape) -> Case:
    classes = d.size()
    attrs = {"classes": classes, "dtype": d.pick(DType.F32, DType.F64, DType.I32, DType.BOOL)}
    return Case((tensor(shape, below(classes), d.pick(*INDEX_TYPES)),), attrs)


def counted(d: Draw, shape: Shape) -> Case:
    return Case((), {"size": d.size(), "dtype": d.pick(*INDEX_TYPES, DType.F32, DType.F64)})


COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")

RECIPES: dict[str, Recipe] = {
    **{op: unary() for op in ("neg", "exp", "abs", "sign", "floor", "erf", "relu", "sigmoid", "tanh", "softplus")},
    **{op: unary() for op in ("ceil", "round", "sin", "cos", "atan", "sinh", "cosh", "asinh")},
    **{op: unary(positive) for op in ("log", "sqrt")},
    **{op: unary(inside) for op in ("tan", "asin", "acos", "atanh")},
    "acosh": unary(above_one),
    "bit_not": Recipe(lambda d, shape: Case((tensor(shape, whole, d.pick(*INDEX_TYPES)),))),
    **{op: Recipe(whole_pair) for op in ("floor_div", "bit_and", "bit_or", "bit_xor", "shift_left", "shift_right")},
    "fmod": binary(mixed, nonzero),
    "leaky_relu": unary(slope=(0.01, 0.3, -0.5)),
    "elu": unary(alpha=(1.0, 0.3, -0.5)),
    "gelu": unary(approximate=(False, True)),
    "not": unary(truths, DType.BOOL),
    "stop_gradient": movement(lambda d, shape: {}),
    "cast": Recipe(cast),
    **{op: binary() for op in ("add", "sub", "mul", "max", "min", "prelu", *COMPARISONS)},
    "div": binary(mixed, nonzero),
    "pow": binary(positive, normal),
    **{op: binary(truths, truths, DType.BOOL) for op in ("and", "or")},
    "where": Recipe(where),
    **{op: Recipe(random) for op in ("uniform", "normal")},
    **{f"reduce_{how}": Recipe(reduction) for how in ("sum", "mean", "max", "min")},
    "argmax": Recipe(argmax, (1, 5)),
    **{op: Recipe(along_axis, (1, 5)) for op in ("softmax", "log_softmax")},
    "cross_entropy": Recipe(cross_entropy, (2, 5)),
    **{
        op: Recipe(make, (2, 5), lambda shape: isinstance(shape[1], int))
        for op, make in (("batchnorm", batchnorm), ("batchnorm_train", batchnorm_train))
    },
    "matmul": Recipe(matmul, (2, 5)),
    "reshape": movement(reshaped),
    "broadcast": Recipe(broadcast),
    "transpose": movement(permuted),
    "reverse": movement(reversed_axes),
    "pad": movement(padded),
    "slice": movement(sliced, (1, 5)),
    "slice_grad": Recipe(slice_grad, (1, 5)),
    "concat": Recipe(concat, (1, 5)),
    "gather": Recipe(gather, (1, 5)),
    "scatter_add": Recipe(scatter_add),
    "one_hot": Recipe(one_hot, (0, 4)),
    "take_along": Recipe(take_along, (1, 5)),
    "put_along": Recipe(put_along, (1, 5)),
    "scatter_along": Recipe(scatter_along, (1, 5)),
    "cumsum": Recipe(along_axis, (1, 5)),
    "topk": Recipe(topk, (1, 5), lambda shape: any(isinstance(dim, int) for dim in shape)),
    **{op: Recipe(resample, (1, 5)) for op in ("resample", "resample_grad")},
    "iota": Recipe(counted),
    **WINDOW_RECIPES,
    **RESPONSE_RECIPES,
}


def float_movement(rule: Callable[[Draw, Shape], dict[str, Any]], ranks: tuple[int, int] = (0, 5)) -> Recipe:
    return Recipe(lambda d, shape: Case((tensor(shape),), rule(d, shape)), ranks)


CHAINS: dict[str, Recipe] = {
    **{op: RECIPES[op] for op in ("relu", "tanh", "sigmoid", "gelu", "softplus", "leaky_relu", "elu", "abs", "neg")},
    **{op: RECIPES[op] for op in ("add", "sub", "mul", "max", "min", "prelu", "where")},
    **{op: RECIPES[op] for op in ("reduce_sum", "reduce_mean", "reduce_max", "softmax", "log_softmax")},
    **{op: RECIPES[op] for op in ("matmul", "batchnorm", "batchnorm_train", "concat", "gather")},
    **{op: RECIPES[op] for op in ("conv", "max_pool", "avg_pool", "sum_pool", "l2_pool", "local_response_norm")},
    "reshape": float_movement(reshaped),
    "broadcast": float_movement(spread, (0, 4)),
    "transpose": float_movement(permuted),
    "reverse": float_movement(reversed_axes),
    "pad": float_movement(padded),
    "slice": float_movement(sliced, (1, 5)),
    "resample": RECIPES["resample"],
}
"""Ops whose main input may be any float: what chains are made of."""
