"""Lowerings of convolution in small groups, such as depthwise ones, and of its gradient by the input."""

from __future__ import annotations

from dataclasses import dataclass

from netlang.backends.common.chain import Chain, OuterValues, read_chain
from netlang.backends.common.conv_problem import ConvProblem, conv_problems
from netlang.backends.common.lowerings import Sliceable
from netlang.backends.common.steps import Arg, Step
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.depthwise import ARGUMENTS, Depthwise, Phase
from netlang.ir.graph import Node
from netlang.ir.types import DType

CONVOLUTIONS = frozenset({"conv", "conv_data_grad"})
_FLOAT = 4
_THREADS = 128
_MOST_TAPS = 64
"""Each tap of the kernel is a register of a thread."""
_SMALL_GROUP = 8
"""Most channels of a result's group: larger ones fill the tiles of a product of matrices."""


@dataclass(frozen=True)
class _Parts:
    """A node in the terms of the kernel: `problems` are its phases, or the one that it is."""

    chain: Chain
    problems: list[ConvProblem]


def _parts(context: LoweringContext, node: Node) -> _Parts | None:
    """None where the node must be carried out another way."""
    chain = read_chain(node, CONVOLUTIONS, 1)
    problems = conv_problems(chain.main) if chain and chain.pool is None and not chain.out_layout else []
    if chain is None or not problems or any(v.dtype not in (DType.F32, DType.BOOL) for v in chain.tensors):
        return None
    first = problems[0]
    if min(*first.size, *first.whole, first.channels, first.out_channels) < 1 or first.groups == 1:
        return None
    taps = sum(p.kernel[0] * p.kernel[1] for p in problems)
    if taps > _MOST_TAPS or first.out_channels // first.groups > _SMALL_GROUP:
        return None
    return _Parts(chain, problems)


def fits(context: LoweringContext, node: Node) -> bool:
    """Whether the kernel of this module can carry a convolution out."""
    return _parts(context, node) is not None


def _slices(context: LoweringContext, node: Node) -> Sliceable:
    """The map, unless it is an operand of the epilogue too, and the result."""
    parts = _parts(context, node)
    assert parts is not None
    inputs, chain = node.body.inputs if node.body else node.inputs, parts.chain
    return Sliceable([i for i, v in enumerate(inputs) if v == chain.source and v not in chain.tensors], (0,))


@lowering("conv", "conv_data_grad", "fused.conv", priority=20, match=fits, slices=_slices)
def depthwise(context: LoweringContext, node: Node) -> list[Step]:
    """One launch with a thread for each cell of the result, of all phases together."""
    parts = _parts(context, node)
    assert parts is not None
    chain, first = parts.chain, parts.problems[0]
    outer = OuterValues(context, node)
    x, result = outer(chain.source), context.buffer(node.results[0])
    images, shape = chain.source.shape[0], _shape(context, parts)
    whole = [-(-size // step) for size, step in zip(first.whole, first.step, strict=True)]
    down, across = (-(-count // each) for count, each in zip(whole, shape.cell, strict=True))
    cells = images * (first.out_channels * down * across)
    by_group, by_out, by_in = first.weight_strides[:3]
    numbers: dict[str, Arg] = {
        "x": x,
        "w": outer(chain.main.inputs[1]),
        "y": result,
        "cells": cells,
        "cells_down": down,
        "cells_across": across,
        "out_channels": first.out_channels,
        "per_in": first.channels // first.groups,
        "per_out": first.out_channels // first.groups,
        "x_image": context.image_bytes(x, chain.source.type),
        "y_image": context.image_bytes(result, node.results[0].type),
        "height": first.size[0],
        "width": first.size[1],
        "out_height": first.whole[0],
        "out_width": first.whole[1],
        "by_group": by_group,
        "by_out": by_out,
        "by_in": by_in,
    }
    args = [*(numbers[name] for name in ARGUMENTS), *map(outer, (*chain.channels, *chain.tensors))]
    work = images * sum(p.out_channels * p.out[0] * p.out[1] * p.kernel[0] * p.kernel[1] for p in parts.problems)
    grid = ((cells + (shape.threads - 1)) // shape.threads, 1, 1)
    return [Launch(shape.code(), tuple(args), (result,), work, grid=grid)]


def _shape(context: LoweringContext, parts: _Parts) -> Depthwise:
    """Cells of two rows and four columns, fewer where the map is smaller or phases make them more."""
    first = parts.problems[0]
    places = [-(-size // step) for size, step in zip(first.whole, first.step, strict=True)]
    rows = 1 if first.phased or first.stride[0] > 1 else 2
    columns = 2 if first.phased else 4
    return Depthwise(
        tuple(map(Phase.of, parts.problems)),
        (min(rows, places[0]), min(columns, places[1])),
        first.stride,
        first.step,
        first.channels == first.groups,
        tuple(parts.chain.before),
        tuple(v.dtype.value for v in parts.chain.tensors),
        32 if context.target.small else _THREADS,
    )
