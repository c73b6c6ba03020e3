"""The launches of a Winograd convolution (see `tiles.winograd_text`): one for the weights, and three for each round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netlang.backends.common.steps import Arg, Buffer, Number, Sizes, evaluated
from netlang.backends.cuda.kernels.winograd_plan import WinogradPlan
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles import gemm, winograd_input, winograd_weights
from netlang.backends.cuda.tiles.block_tile import DEPTH, FLOAT
from netlang.backends.cuda.tiles.winograd_input import CHANNELS, WinogradInput
from netlang.backends.cuda.tiles.winograd_output import output_kernel


@dataclass(frozen=True)
class WinogradSteps:
    """Those of a plan, for so many images a round. `given`: addresses and distances by the names of arguments, to which
    `numbers` belong."""

    plan: WinogradPlan
    images: Number
    small: bool

    @property
    def numbers(self) -> dict[str, Arg]:
        """The numbers of kernels that follow from the problem and the images."""
        plan, p = self.plan, self.plan.problem
        _, by_out, by_in, down, across = p.weight_strides
        return {
            "out_stride": by_out,
            "in_stride": by_in,
            "down_stride": down,
            "across_stride": across,
            "down": plan.patches[0],
            "across": plan.patches[1],
            "out_channels": p.out_channels,
            "channels": p.channels,
            "height": p.size[0],
            "width": p.size[1],
            "pad_top": p.pad[0],
            "pad_left": p.pad[1],
            "map_height": p.out[0],
            "map_width": p.out[1],
            "out_height": plan.result[0],
            "out_width": plan.result[1],
            "patches": lambda sizes: plan.count(evaluated(self.images, sizes)),
            "pitch": lambda sizes: plan.pitch(evaluated(self.images, sizes)),
        }

    def weights(self, given: Mapping[str, Arg], packed: Buffer) -> Launch:
        """Transformed weights; the only one that is not part of a round."""
        plan, threads = self.plan, 32 if self.small else 128
        kernel = winograd_weights.weights_kernel(plan.m, threads)
        units = plan.problem.out_channels * plan.words
        own: dict[str, Arg] = {**given, "out": packed, "pitch": plan.words}
        args = tuple(own[name] for name in winograd_weights.ARGUMENTS)
        return Launch(kernel, args, (packed,), units * plan.places, grid=(-(-units // threads), 1, 1))

    def input(self, given: Mapping[str, Arg], map_: Buffer) -> Launch:
        """The transformed map."""
        plan = self.plan
        transform = WinogradInput(plan.m, 32 if self.small else 128)
        own: dict[str, Arg] = {**given, "out": map_, "words": plan.words}
        args = tuple(own[name] for name in winograd_input.ARGUMENTS)

        def blocks(sizes: Sizes) -> int:
            return -(-plan.pitch(evaluated(self.images, sizes)) // transform.patches)

        def work(sizes: Sizes) -> int:
            return plan.map_bytes(evaluated(self.images, sizes))

        return Launch(transform.kernel, args, (map_,), work, grid=(blocks, -(-plan.words // CHANNELS), 1))

    def product(self, packed: Buffer, map_: Buffer, products: Buffer) -> Launch:
        """A product of matrices for each place of a patch."""
        plan, tile = self.plan, self.plan.tile
        rows, words = plan.problem.out_channels, plan.words

        def columns(sizes: Sizes) -> int:
            return plan.pitch(evaluated(self.images, sizes))

        def column_tiles(sizes: Sizes) -> int:
            return -(-columns(sizes) // tile.columns)

        row_tiles = -(-rows // tile.rows)
        numbers: dict[str, Number] = {
            "rows": rows,
            "columns": columns,
            "inner": words,
            "a_pitch": words,
            "b_pitch": words,
            "row_tiles": row_tiles,
            "column_tiles": column_tiles,
            "splits": 1,
            "split_steps": -(-words // DEPTH),
            "a_batch": rows * words * FLOAT,
            "b_batch": lambda sizes: columns(sizes) * words * FLOAT,
            "split_pitch": 0,
        }
        kernel = gemm.Gemm(tile, "wide", "wide", 4).kernel
        args = (packed, map_, products, *(numbers[name] for name in (*gemm.NUMBERS, *gemm.DISTANCES)))

        def blocks(sizes: Sizes) -> int:
            return plan.places * row_tiles * column_tiles(sizes)

        def work(sizes: Sizes) -> int:
            return plan.places * rows * columns(sizes) * words

        return Launch(kernel, args, (products,), work, grid=(blocks, 1, 1))

    def output(self, given: Mapping[str, Arg], writes: tuple[Buffer, ...]) -> Launch:
        """The results."""
        plan, output = self.plan, self.plan.output
        args = tuple(given[name] for name in output.arguments)

        def blocks(sizes: Sizes) -> int:
            return -(-plan.problem.out_channels * plan.pitch(evaluated(self.images, sizes)) // output.threads)

        def work(sizes: Sizes) -> int:
            return plan.product_bytes(evaluated(self.images, sizes))

        return Launch(output_kernel(output), args, writes, work, grid=(blocks, 1, 1))
