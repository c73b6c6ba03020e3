"""Winograd's convolution (see `tiles.winograd_text`) as ways to carry out what the tiles of `conv` do.

Products are in float32: where factors may be rounded to what tensor cores take, these are faster by themselves than
Winograd's fewer products, and the transforms would make several times as much of the rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from netlang.backends.common.chain import Chain, OuterValues, results_of, stored
from netlang.backends.common.conv_problem import ConvProblem, PoolProblem
from netlang.backends.common.steps import (
    Arg,
    At,
    Buffer,
    Loop,
    Moving,
    Place,
    Scratch,
    Sizes,
    evaluated,
    further,
)
from netlang.backends.cuda.kernels.winograd_plan import WinogradPlan, plans_of
from netlang.backends.cuda.kernels.winograd_steps import WinogradSteps
from netlang.backends.cuda.lower import LoweringContext
from netlang.backends.cuda.product_tiles import effective
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.block_tile import FLOAT
from netlang.backends.cuda.ways import Needed, Way
from netlang.ir.dims import Dim
from netlang.ir.graph import Node


def winograd_ways(
    context: LoweringContext, node: Node, chain: Chain, problem: ConvProblem, pool: PoolProblem | None
) -> list[Way]:
    """All transforms that may carry a problem out: none where only plain sums are wanted."""
    if context.exact or effective(context.target, context.precision) != "float32":
        return []
    fixed = context.is_fixed(OuterValues(context, node)(chain.main.inputs[1]))
    plans = plans_of(problem, pool, chain, context.target, not fixed)
    weights: dict[int, tuple[Launch, Scratch]] = {}
    return [_Winograd(context, node, chain, plan, weights).way for plan in plans]


@dataclass(frozen=True)
class _Winograd:
    """A node by one plan. `weights`: by transform, what transforms the weights for all plans that have it, and where it
    puts them."""

    context: LoweringContext
    node: Node
    chain: Chain
    plan: WinogradPlan
    weights: dict[int, tuple[Launch, Scratch]]

    @property
    def way(self) -> Way:
        return Way(
            f"winograd {self.plan.m}/{self.plan.tile.key}",
            lambda sizes: self.plan.seconds(self.context.target, evaluated(self.images, sizes)),
            self._launches,
            f"winograd {self.plan.m}",
        )

    @property
    def images(self) -> Dim:
        """Of a call."""
        return self.chain.source.shape[0]

    def _each(self, sizes: Sizes) -> int:
        """Images of a round."""
        return self.plan.each(evaluated(self.images, sizes))

    def _launches(self, needed: Needed) -> list[Launch]:
        """Weights once, then transform, product and transform of every round."""
        context, plan = self.context, self.plan
        map_ = context.scratch(needed(lambda sizes: plan.map_bytes(self._each(sizes))))
        products = context.scratch(needed(lambda sizes: plan.product_bytes(self._each(sizes))))
        loop = Loop(lambda sizes: plan.rounds(evaluated(self.images, sizes)))
        steps = WinogradSteps(plan, self._each, context.target.small)
        given = steps.numbers | self._addresses(loop)
        if plan.m not in self.weights:
            packed = context.scratch(plan.weight_bytes)
            self.weights[plan.m] = steps.weights(given, packed), packed
        weights, packed = self.weights[plan.m]
        rounds = [
            steps.input(given, map_),
            steps.product(packed, map_, products),
            steps.output({**given, "products": products}, results_of(context, self.node, self.chain)),
        ]
        if not self._single:
            rounds = [replace(launch, loops=(loop,)) for launch in rounds]
        return [weights, *rounds]

    @property
    def _single(self) -> bool:
        """Whether one round is known to do."""
        return isinstance(self.images, int) and self.plan.rounds(self.images) <= 1

    # ---- places

    def _addresses(self, loop: Loop) -> dict[str, Arg]:
        """Where everything is in a round, by the names of arguments, and the distances of images."""
        context, chain, plan, outer = self.context, self.chain, self.plan, OuterValues(self.context, self.node)
        assert chain.result is not None
        results, start = results_of(context, self.node, chain), plan.problem.weight_start
        x, weights = outer(chain.source), outer(chain.main.inputs[1])
        x_image = context.image_bytes(x, stored(chain.source).type)
        out_image = context.image_bytes(results[0], chain.result.type)
        found: dict[str, Arg] = {
            "x": self._part(x, x_image, loop),
            "weights": At(weights, start * FLOAT) if start else weights,
            "out": self._part(results[0], out_image, loop),
            "x_image": x_image,
            "out_image": out_image,
        }
        if chain.switch is not None:
            image = context.image_bytes(results[-1], chain.switch.type)
            found["switches"] = self._part(results[-1], image, loop)
        found |= {f"channel{i}": outer(v) for i, v in enumerate(chain.channels)}
        for i, value in enumerate(chain.tensors):
            tensor = outer(value)
            found[f"tensor{i}"] = self._part(tensor, context.image_bytes(tensor, stored(value).type), loop)
        return found

    def _part(self, buffer: Buffer, image: Dim, loop: Loop) -> Place:
        """What a round has of a tensor."""
        if self._single:
            return buffer

        def bytes(sizes: Sizes) -> int:
            return self._each(sizes) * evaluated(image, sizes)

        def twice(sizes: Sizes) -> int:
            return 2 * bytes(sizes)

        return Moving(loop, (buffer, further(buffer, bytes), further(buffer, twice)), twice, bytes)
