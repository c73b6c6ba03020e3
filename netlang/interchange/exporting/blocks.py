"""Blocks of the standard library that ONNX has operators for: nodes that are, one for one, what a block makes.

A block is elaborated in a net of its own and compared with the graph, from its last node on. Numbers that the block is
given are recognised by their unlikely values; sizes of its input stand for those of the tensor that is found there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from netlang.frontend import load
from netlang.interchange.exporting.comparison import Comparison, equal, is_hidden
from netlang.interchange.exporting.patterns import Match, Patterns, pattern
from netlang.interchange.exporting.record import Place
from netlang.ir.dims import Dim, Shape, Sym, substitute
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.types import DType

NUMBERS = {"alpha": 0.30517578125, "beta": 0.71875, "eps": 0.0009765625, "low": -3.8125, "high": 5.6875}
"""What stands for numbers of a block: in every floating-point type exactly, and in no other place."""


@dataclass(frozen=True)
class Block:
    """How a block is called, which operator it is, and the operator's attributes by the block's numbers.

    ranks   of its input, where the block depends on it; else it is elementwise, and one of rank 1 stands for all
    dims    how many of the last dimensions it is about
    """

    call: str
    kind: str
    attributes: tuple[tuple[str, str], ...] = ()
    ranks: Sequence[int] = ()
    dims: int = 0


BLOCKS = (  # of two that begin alike the one that says more comes first
    Block("hard_sigmoid({alpha}, {beta})", "HardSigmoid", (("alpha", "alpha"), ("beta", "beta"))),
    Block("hard_swish", "HardSwish"),
    Block("mish", "Mish"),
    Block("softsign", "Softsign"),
    Block("celu({alpha})", "Celu", (("alpha", "alpha"),)),
    Block("selu({alpha}, {beta})", "Selu", (("alpha", "alpha"), ("beta", "gamma"))),
    Block("thresholded_relu({alpha})", "ThresholdedRelu", (("alpha", "alpha"),)),
    Block("clip({low}, {high})", "Clip"),
    Block("instancenorm({eps})", "InstanceNormalization", (("eps", "epsilon"),), ranks=(3, 4, 5)),
    *(
        Block(
            f"layernorm({dims}, {{eps}}{bias})",
            "LayerNormalization",
            (("eps", "epsilon"),),
            (2, 3, 4)[dims - 1 :],
            dims,
        )
        for dims in (1, 2, 3)
        for bias in ("", ", bias = false")
    ),
)


@dataclass(frozen=True)
class Template:
    """A block as a graph: what it gives, its input, its parameters in their order."""

    graph: Graph

    @property
    def out(self) -> Value:
        return self.graph.outputs[0][1]

    @property
    def leaves(self) -> tuple[Value, ...]:
        return (*self.graph.inputs, *self.graph.params)


@lru_cache(maxsize=256)
def template(block: Block, rank: int, dtype: DType) -> Template:
    """A block applied to a tensor of sizes d0, d1, ..."""
    sizes = [f"d{i}" if not block.ranks or i < 1 else str(_SIZES[i]) for i in range(rank)]
    call = block.call.format(**NUMBERS)
    text = f"net block {{\n  input x: {dtype}[{', '.join(sizes)}]\n  output y = x -> {call}\n}}\n"
    return Template(load(text).net)


_COMPUTED = (DType.F32, DType.F16)
"""Element types for which onnxruntime has these operators."""
_SIZES = (0, 11, 13, 17, 19)
"""Sizes of a template that a block makes parameters of, which are numbers: each another, and none that a block has."""


def _roots() -> dict[str, list[Block]]:
    """The blocks by the op of their last node, by which they are looked for."""
    found: dict[str, list[Block]] = {}
    for block in BLOCKS:
        made = template(block, block.ranks[-1] if block.ranks else 1, DType.F32)
        found.setdefault(made.out.node.op, []).append(block)
    return found


_BY_ROOT: dict[str, list[Block]] = {}


@pattern("min", "mul", "div", "where", "add")
def _block(patterns: Patterns, node: Node) -> Match | None:
    if node.out.dtype not in _COMPUTED:
        return None
    if not _BY_ROOT:
        _BY_ROOT.update(_roots())
    for block in _BY_ROOT.get(node.op, ()):
        if block.ranks and node.out.rank not in block.ranks:
            continue
        made = template(block, node.out.rank if block.ranks else 1, node.out.dtype)
        found = _matched(patterns, made, node, bool(block.ranks))
        if found is not None:
            return _match(node, block, made, found)
    return None


def _matched(patterns: Patterns, made: Template, node: Node, exact: bool) -> _Found | None:
    found = _Found(made)
    pairs = found.comparison.pairs
    if not found.comparison.same(made.out, node.out) or any(leaf not in pairs for leaf in made.leaves):
        return None
    x, inner = pairs[made.graph.inputs[0]], found.comparison.inner
    if x.rank != node.out.rank or (exact and not _fits(pairs, made.graph.inputs[0].shape, x.shape)):
        return None
    values = [v for n in inner - {node} for v in n.results]
    return found if all(is_hidden(patterns, v, inner) for v in values) else None


class _Found:
    """A comparison with a block, and the numbers that the block has been given."""

    def __init__(self, made: Template) -> None:
        self.numbers: dict[str, float] = {}
        self.comparison = Comparison(frozenset(made.leaves), loose=True, fits=self._number)

    def _number(self, wanted: Any, given: Any) -> bool:
        """Whether two attributes are equal; one that is a number of the block may be any, but always the same."""
        if isinstance(wanted, np.ndarray):
            return bool(wanted.size == given.size == 1) and self._number(wanted.item(), given.item())
        name = next((n for n, number in NUMBERS.items() if isinstance(wanted, float) and wanted == number), "")
        return bool(self.numbers.setdefault(name, given) == given) if name else equal(wanted, given)


def _fits(pairs: Mapping[Value, Value], own: Shape, given: Shape) -> bool:
    """Whether shapes are the template's, with the sizes of the tensor in place of the template's own."""
    numbers = {a: b for a, b in zip(own, given, strict=True) if isinstance(a, int)}
    names = {str(a): b for a, b in zip(own, given, strict=True) if isinstance(a, Sym)}

    def there(dim: Dim) -> Dim:
        return substitute(dim, names) if isinstance(dim, Sym) else numbers.get(dim, dim)

    return all(tuple(map(there, a.shape)) == b.shape for a, b in pairs.items() if a.node.op != "const")


def _match(node: Node, block: Block, made: Template, found: _Found) -> Match:
    inputs = tuple(found.comparison.pairs[leaf] for leaf in made.leaves)
    word = block.call.split("(")[0]
    return Match(inputs, node.results, lambda place: _written(place, block, found.numbers), word)


def _written(place: Place, block: Block, numbers: Mapping[str, float]) -> str:
    given: dict[str, Any] = {attr: float(numbers[name]) for name, attr in block.attributes}
    more: list[str] = []
    if block.kind == "Clip":
        more = [place.constant(numbers[name], place.node.out.dtype) for name in ("low", "high")]
    if block.dims:
        given["axis"] = -block.dims
    return place.op(block.kind, *place.inputs, *more, **given)
