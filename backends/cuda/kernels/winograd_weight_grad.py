"""Lowering of the gradient by the weights of 3x3 convolutions without stride to Winograd's transforms, where a model of
costs says that it is faster.

    dw = G^T [sum over patches of (A dy A^T) * (B^T x B)] G

The sums are products of matrices over the patches of all images, one for each place of a patch. They are split into
parts by sizes alone, so that results are the same on all GPUs, and large batches go through in rounds, each with parts
of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from netlang.backends.common.gradient_problem import GradientProblem, gradient_problem
from netlang.backends.common.lowerings import Sliceable
from netlang.backends.common.steps import Arg, Buffer, Loop, Moving, Number, Place, Sizes, Step, evaluated, further
from netlang.backends.common.winograd_choice import gradient_transform
from netlang.backends.cuda.kernels.winograd_gradient_plan import M, WinogradGradientPlan, direct_seconds
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.product_tiles import effective
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles import gemm, winograd_input, winograd_weight_gradient
from netlang.backends.cuda.tiles.block_tile import FLOAT
from netlang.backends.cuda.tiles.winograd_input import CHANNELS, WinogradInput
from netlang.backends.cuda.tiles.winograd_weight_gradient import WinogradWeightGradient
from netlang.ir.dims import Dim
from netlang.ir.graph import Node

USUAL_IMAGES = 16
"""Of a training step where the graph does not say how many."""


def _plan(context: LoweringContext, node: Node) -> WinogradGradientPlan | None:
    """None where the gradient must, or had better, be computed another way."""
    problem = gradient_problem(node, flipped=True)
    if context.exact or effective(context.target, context.precision) != "float32" or problem is None:
        return None
    if gradient_transform(problem) != M:
        return None
    images = node.inputs[0].shape[0]
    count = images if isinstance(images, int) else context.options.batch or USUAL_IMAGES
    plan = WinogradGradientPlan.of(problem, context.target, count)
    if plan is None or plan.seconds(context.target, count) >= direct_seconds(problem, context.target, count):
        return None
    return plan


def _fits(context: LoweringContext, node: Node) -> bool:
    return _plan(context, node) is not None


def _slices(context: LoweringContext, node: Node) -> Sliceable:
    return Sliceable((0, 1))


@lowering("conv_weight_grad", priority=20, match=_fits, slices=_slices)
def winograd_weight_grad(context: LoweringContext, node: Node) -> list[Step]:
    """Transforms and parts of the sums round by round, then the gradient."""
    plan = _plan(context, node)
    assert plan is not None
    return list(_Gradient(context, node, plan).launches())


@dataclass(frozen=True)
class _Gradient:
    context: LoweringContext
    node: Node
    plan: WinogradGradientPlan

    @property
    def images(self) -> Dim:
        """Of a call."""
        return self.node.inputs[0].shape[0]

    def _each(self, sizes: Sizes) -> int:
        """Images of a round."""
        return self.plan.each(evaluated(self.images, sizes))

    def launches(self) -> list[Launch]:
        context, plan = self.context, self.plan
        x, dy = (context.buffer(v) for v in self.node.inputs)
        x_map = context.scratch(lambda sizes: plan.map_bytes(plan.words, self._each(sizes)))
        dy_map = context.scratch(lambda sizes: plan.map_bytes(plan.out_words, self._each(sizes)))
        sums = context.scratch(lambda sizes: plan.parts(evaluated(self.images, sizes)) * plan.part_bytes)
        loop = Loop(lambda sizes: plan.rounds(evaluated(self.images, sizes)))
        x_image, dy_image = (context.image_bytes(b, v.type) for b, v in zip((x, dy), self.node.inputs, strict=True))
        rounds = [
            self._transform(False, self._part(x, x_image, loop), x_image, x_map),
            self._transform(True, self._part(dy, dy_image, loop), dy_image, dy_map),
            self._product(dy_map, x_map, sums, loop),
        ]
        return [*(replace(launch, loops=(loop,)) for launch in rounds), self._sum(sums, x_image, dy_image)]

    def _part(self, buffer: Buffer, image: Dim, loop: Loop) -> Place:
        """What a round has of a tensor."""
        return _moving(buffer, loop, lambda sizes: self._each(sizes) * evaluated(image, sizes))

    def _transform(self, gradient: bool, source: Place, image: Dim, out: Buffer) -> Launch:
        """The transformed map of a round, or the gradient of the results."""
        plan, p = self.plan, self.plan.problem
        transform = WinogradInput(M, 32 if self.context.target.small else 128, gradient)
        words, size = (plan.out_words, p.out) if gradient else (plan.words, p.size)
        given: dict[str, Arg] = {
            "x": source,
            "out": out,
            "x_image": image,
            "patches": lambda sizes: plan.count(self._each(sizes)),
            "pitch": lambda sizes: plan.pitch(self._each(sizes)),
            "down": plan.patches[0],
            "across": plan.patches[1],
            "channels": p.out_channels if gradient else p.channels,
            "words": words,
            "height": size[0],
            "width": size[1],
            "pad_top": 0 if gradient else p.pad[0],
            "pad_left": 0 if gradient else p.pad[1],
        }

        def blocks(sizes: Sizes) -> int:
            return -(-plan.pitch(self._each(sizes)) // transform.patches)

        def work(sizes: Sizes) -> int:
            return plan.map_bytes(words, self._each(sizes))

        args = tuple(given[name] for name in winograd_input.ARGUMENTS)
        return Launch(transform.kernel, args, (out,), work, grid=(blocks, -(-words // CHANNELS), 1))

    def _product(self, dy: Buffer, x: Buffer, sums: Buffer, loop: Loop) -> Launch:
        """The parts of a round's sums."""
        plan, tile, rows = self.plan, self.plan.tile, self.plan.problem.out_channels
        row_tiles, column_tiles = -(-rows // tile.rows), -(-plan.words // tile.columns)
        numbers: Mapping[str, Number] = {
            "rows": rows,
            "columns": plan.words,
            "inner": lambda sizes: plan.pitch(self._each(sizes)),
            "a_pitch": plan.out_words,
            "b_pitch": plan.words,
            "row_tiles": row_tiles,
            "column_tiles": column_tiles,
            "splits": lambda sizes: plan.splits(self._each(sizes)),
            "split_steps": lambda sizes: plan.split_steps(self._each(sizes)),
            "a_batch": lambda sizes: plan.pitch(self._each(sizes)) * plan.out_words * FLOAT,
            "b_batch": lambda sizes: plan.pitch(self._each(sizes)) * plan.words * FLOAT,
            "split_pitch": plan.part_bytes // FLOAT,
        }
        out = _moving(sums, loop, lambda sizes: plan.splits(self._each(sizes)) * plan.part_bytes)
        args = (dy, x, out, *(numbers[name] for name in (*gemm.NUMBERS, *gemm.DISTANCES)))
        kernel = gemm.Gemm(replace(tile, n_major=True), "columns", "lines", 4, split=True).kernel

        def blocks(sizes: Sizes) -> int:
            return plan.places * row_tiles * column_tiles * plan.splits(self._each(sizes))

        def work(sizes: Sizes) -> int:
            return plan.part_bytes * plan.pitch(self._each(sizes))

        return Launch(kernel, args, (sums,), work, grid=(blocks, 1, 1))

    def _sum(self, sums: Buffer, x_image: Dim, dy_image: Dim) -> Launch:
        """All parts, in order."""
        plan, p = self.plan, self.plan.problem
        adding = WinogradWeightGradient(M, 32 if self.context.target.small else 128, p.flip)
        x, dy = (self.context.buffer(v) for v in self.node.inputs)
        out = self.context.buffer(self.node.out)
        given: dict[str, Arg] = {
            "parts": sums,
            "x": x,
            "dy": dy,
            "out": out,
            "x_image": x_image,
            "dy_image": dy_image,
            "count": lambda sizes: plan.parts(evaluated(self.images, sizes)),
            "images": self.images,
            "pitch": plan.words,
            **_geometry(p),
        }
        args = tuple(given[name] for name in winograd_weight_gradient.ARGUMENTS)
        blocks = -(-p.out_channels * plan.words // adding.threads)
        return Launch(adding.kernel, args, (out,), plan.part_bytes, grid=(blocks, 1, 1))


def _geometry(p: GradientProblem) -> dict[str, Arg]:
    """The numbers of the sum that follow from the problem."""
    return {
        "out_channels": p.out_channels,
        "channels": p.channels,
        "height": p.size[0],
        "width": p.size[1],
        "pad_top": p.pad[0],
        "pad_left": p.pad[1],
        "map_height": p.out[0],
        "map_width": p.out[1],
    }


def _moving(buffer: Buffer, loop: Loop, bytes: Number) -> Place:
    """So many bytes of a buffer for each round."""

    def twice(sizes: Sizes) -> int:
        return 2 * evaluated(bytes, sizes)

    return Moving(loop, (buffer, further(buffer, bytes), further(buffer, twice)), twice, bytes)
