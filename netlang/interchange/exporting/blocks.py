"""Blocks of the standard library that ONNX has operators for: nodes that are, one for one, what a block makes.

A block is elaborated in a net of its own and compared with the graph, from its last node on. Numbers that the block is
given are recognised by their unlikely values; sizes of its input stand for those of the tensor that is found there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from netlang.frontend import load
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


@dataclass
class _Found:
    """A comparison: which value of the graph stands for which of the template, and the numbers of the block."""

    leaves: frozenset[Value]
    pairs: dict[Value, Value] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)

    def same(self, a: Value, b: Value) -> bool:
        """Whether two values are computed by the same ops; shapes are compared afterwards."""
        if a in self.pairs:
            return self.pairs[a] is b
        x, y = a.node, b.node
        if a not in self.leaves and (x.op, a.index, len(x.inputs)) != (y.op, b.index, len(y.inputs)):
            return False
        if a.dtype != b.dtype:
            return False
        self.pairs[a] = b
        if a in self.leaves:
            return True
        if x.op == "const":
            wanted, given = x.attrs["value"], y.attrs["value"]
            return bool(wanted.size == given.size == 1) and self._number(wanted.item(), given.item())
        keys = [key for key in x.attrs if key not in ("shape", "dim")]
        if not all(self._number(x.attrs[key], y.attrs[key]) for key in keys):
            return False
        return all(self.same(p, q) for p, q in zip(x.inputs, y.inputs, strict=True))

    def _number(self, wanted: Any, given: Any) -> bool:
        """Whether two attributes are equal; one that is a number of the block may be any, but always the same."""
        name = next((n for n, number in NUMBERS.items() if isinstance(wanted, float) and wanted == number), "")
        if not name:
            return bool(wanted == given)
        return bool(self.numbers.setdefault(name, given) == given)


def _matched(patterns: Patterns, made: Template, node: Node, exact: bool) -> _Found | None:
    found = _Found(frozenset(made.leaves))
    if not found.same(made.out, node.out) or any(leaf not in found.pairs for leaf in made.leaves):
        return None
    x = found.pairs[made.graph.inputs[0]]
    if x.rank != node.out.rank or (exact and not _fits(found.pairs, made.graph.inputs[0].shape, x.shape)):
        return None
    inner = {b.node for a, b in found.pairs.items() if a not in found.leaves and b.node.op != "const"}
    values = [v for n in inner - {node} for v in n.results]
    return found if all(_is_hidden(patterns, v, inner) for v in values) else None


def _is_hidden(patterns: Patterns, value: Value, inner: set[Node]) -> bool:
    """Whether nobody but these nodes would miss a value."""
    if value in patterns.kept or value in patterns.graph.escaping:
        return False
    return all(reader in inner for reader in patterns.graph.uses.get(value, ()))


def _fits(pairs: Mapping[Value, Value], own: Shape, given: Shape) -> bool:
    """Whether shapes are the template's, with the sizes of the tensor in place of the template's own."""
    numbers = {a: b for a, b in zip(own, given, strict=True) if isinstance(a, int)}
    names = {str(a): b for a, b in zip(own, given, strict=True) if isinstance(a, Sym)}

    def there(dim: Dim) -> Dim:
        return substitute(dim, names) if isinstance(dim, Sym) else numbers.get(dim, dim)

    return all(tuple(map(there, a.shape)) == b.shape for a, b in pairs.items() if a.node.op != "const")


def _match(node: Node, block: Block, made: Template, found: _Found) -> Match:
    inputs = tuple(found.pairs[leaf] for leaf in made.leaves)
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
