"""Lowering of the gradient by the weights of convolutions to tiled products over the pixels of all images."""

from __future__ import annotations

from netlang.backends.common.choices import Candidate
from netlang.backends.common.conv_problem import whole_number
from netlang.backends.common.gradient_problem import GradientProblem, gradient_problem
from netlang.backends.common.lowerings import Sliceable
from netlang.backends.common.steps import Arg, Sizes, Step, evaluated
from netlang.backends.cuda.gradient_costs import Work, gradient_cost
from netlang.backends.cuda.kernel import WARP
from netlang.backends.cuda.kernels.split_sums import add_parts
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.product_tiles import gradient_tiles, most_shared
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.block_tile import DEPTH, FLOAT, BlockTile
from netlang.backends.cuda.tiles.pixel_copies import Window
from netlang.backends.cuda.tiles.weight_gradient import ARGUMENTS, WeightGradient
from netlang.ir.graph import Node

_PARTS = ((264, 4), (1024, 32))
"""Blocks, and stages of a part at least. With the first every multiprocessor of a large GPU has two blocks, however
short they are; with the second all have about as much to do, but parts have to be worth their sums' way to memory."""
_USUAL_TILE = (64, 128)
"""The tile that parts are counted for: they follow from sizes alone, so that float32 results are the same on all GPUs,
whatever tile is best there."""
_MOST_BYTES = 1 << 26
"""Of the sums of all parts."""
_MOST_PLANES = 1 << 31
"""Bytes of a group's channels in an image: distances within it are int32."""


def _columns(problem: GradientProblem) -> int:
    """Weights of an output channel."""
    return problem.channels // problem.groups * problem.kernel[0] * problem.kernel[1]


def _blocks(problem: GradientProblem, rows: int, columns: int) -> int:
    """Tiles of so many rows and columns, of all groups."""
    down = -(-(problem.out_channels // problem.groups) // rows)
    return down * -(-_columns(problem) // columns) * problem.groups


def _tiles(context: LoweringContext, problem: GradientProblem) -> dict[BlockTile, float]:
    """Tiles with what each would cost if there were parts enough; none where the GPU has no room for any."""
    work = Work(problem.out_channels // problem.groups, _columns(problem), problem.groups * _PARTS[-1][0])
    target, most = context.target, most_shared(context.target)
    offered = gradient_tiles(target, context.precision)
    return {tile: gradient_cost(target, tile, work) for tile in offered if _structure(problem, tile).shared <= most}


def _structure(problem: GradientProblem, tile: BlockTile) -> WeightGradient:
    """Windows of one element need no gathering."""
    ends = ((n - 1) * s for n, s in zip(problem.out, problem.stride, strict=True))
    inside = problem.pad == (0, 0) and all(map(int.__lt__, ends, problem.size))
    strided = problem.stride != (1, 1) or problem.size != problem.out
    window = Window(problem.kernel, problem.dilation, problem.flip)
    pointwise = problem.kernel == (1, 1) and inside
    wide = problem.out[0] * problem.out[1] % 4 == 0 and tile.threads > WARP
    return WeightGradient(tile, None if pointwise else window, wide, pointwise and strided)


def _fits(context: LoweringContext, node: Node) -> bool:
    problem = gradient_problem(node, flipped=True)
    if problem is None or not _tiles(context, problem):
        return False
    return problem.channels // problem.groups * problem.size[0] * problem.size[1] * FLOAT < _MOST_PLANES


def _slices(context: LoweringContext, node: Node) -> Sliceable:
    return Sliceable((0, 1))


@lowering("conv_weight_grad", priority=10, match=_fits, slices=_slices)
def tiled_weight_grad(context: LoweringContext, node: Node) -> list[Step]:
    """The sums of every part of the pixels, then their sum."""
    problem = gradient_problem(node, flipped=True)
    assert problem is not None
    tiles = _tiles(context, problem)
    name = context.pick("weights", [Candidate(tile.key, cost) for tile, cost in tiles.items()])
    tile = next(tile for tile in tiles if tile.key == name)
    count, images = whole_number(node.out.type.size), node.inputs[0].shape[0]
    pixels = images * (problem.out[0] * problem.out[1])
    blocks, usual = (_blocks(problem, *shape) for shape in ((tile.rows, tile.columns), _USUAL_TILE))

    most = max(1, min(_PARTS[-1][0] // usual, _MOST_BYTES // (count * FLOAT)))

    def part_steps(sizes: Sizes) -> int:
        steps = -(-evaluated(pixels, sizes) // DEPTH)
        wanted = max(min(enough // usual, steps // least) for enough, least in _PARTS)
        return max(1, -(-steps // max(1, min(most, wanted))))

    def parts(sizes: Sizes) -> int:
        return max(1, -(-evaluated(pixels, sizes) // (DEPTH * part_steps(sizes))))

    sums = context.scratch(lambda sizes: count * parts(sizes) * FLOAT)
    numbers = _numbers(context, node, problem, tile)
    numbers |= {"parts": sums, "part_steps": part_steps, "total": pixels, "weights": count}
    args = tuple(numbers[name] for name in ARGUMENTS)
    work = pixels * count
    fill = Launch(_structure(problem, tile).kernel, args, (sums,), work, grid=(blocks, parts, 1))
    return [fill, add_parts(context, sums, context.buffer(node.out), count, parts, most)]


def _numbers(context: LoweringContext, node: Node, problem: GradientProblem, tile: BlockTile) -> dict[str, Arg]:
    """Arguments that do not depend on the split."""
    x, dy = (context.buffer(v) for v in node.inputs)
    pixels, plane = problem.out[0] * problem.out[1], problem.size[0] * problem.size[1]
    rows, columns = problem.out_channels // problem.groups, _columns(problem)
    return {
        "b": x,
        "a": dy,
        "b_image": context.image_bytes(x, node.inputs[0].type),
        "a_image": context.image_bytes(dy, node.inputs[1].type),
        "b_group": problem.channels // problem.groups * plane * FLOAT,
        "a_group": rows * pixels * FLOAT,
        "rows": rows,
        "columns": columns,
        "row_tiles": -(-rows // tile.rows),
        "column_tiles": -(-columns // tile.columns),
        "pixels": pixels,
        "height": problem.size[0],
        "width": problem.size[1],
        "out_width": problem.out[1],
        "stride_down": problem.stride[0],
        "stride_across": problem.stride[1],
        "pad_top": problem.pad[0],
        "pad_left": problem.pad[1],
    }
