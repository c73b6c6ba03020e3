"""What blocks are called: by what is in them, never by names of the file."""

from __future__ import annotations

from collections.abc import Sequence

from netlang.frontend import ast
from netlang.interchange.importing.structure.constants import Constant
from netlang.interchange.importing.structure.items import Block, Body, Item
from netlang.interchange.importing.structure.parameters import taken_names

_KINDS = {
    "conv": "conv", "conv_transpose": "deconv", "dense": "dense", "batchnorm": "norm", "layernorm": "norm",
    "groupnorm": "norm", "instancenorm": "norm", "rmsnorm": "norm", "maxpool": "pool", "avgpool": "pool",
}  # fmt: skip
_LONGEST = 4


def name_blocks(blocks: Sequence[Block], taken: set[str]) -> None:
    """Give each block, callees first, a name that nothing else has."""
    used = {*taken, *taken_names()}
    for block in blocks:
        plain = described(block.body)
        name, count = plain, 1
        while name in used:
            count += 1
            name = f"{plain}{count}"
        used.add(name)
        block.name = name


def described(body: Body) -> str:
    """A name for what a body does."""
    kinds = [kind_of(item) for item in body.items]
    if "softmax" in kinds and "matmul" in kinds:
        return "transformer_layer" if "add" in kinds else "attention_block"
    if body.items[-1].callee is not None and len(body.items) > _LONGEST:
        return "stage"
    if "add" in kinds and len(body.readers()[body.inputs[0]]) > 1:
        return _residual(body, kinds)
    if "concat" in kinds:
        return _joined(body)
    if kinds[-1] in ("reshape", "transpose", "flatten"):
        return "head"
    if is_separable(body.items):
        return "separable"
    words = [k for k in kinds if k]
    if len(body.items) <= _LONGEST and words and len({*words}) == len(words):
        return "_".join(words) if len(words) > 1 else f"{words[0]}_layer"
    if not _has_convolution(kinds):
        return "unit"
    return "double_conv" if kinds.count("conv") == 2 and {*kinds} <= {"conv", "norm", "relu"} else "stage"


def _has_convolution(kinds: list[str]) -> bool:
    return any(k.startswith(("conv", "separable", "double_conv", "stage")) for k in kinds)


def _residual(body: Body, kinds: list[str]) -> str:
    """Something is added to what goes around it; where that is not the input itself, the map gets another size."""
    sums = [i for i in body.items if kind_of(i) == "add"]
    plain = any(body.inputs[0] in i.operands for i in sums)
    kernels = [str(h[0].value) for i in body.items for r, h in zip(i.roles, i.holes, strict=True) if r == "kernel"]
    name = "bottleneck" if kernels.count("1") == (2 if plain else 3) and "3" in kernels else "residual"
    if not _has_convolution(kinds):
        return "residual_layer"
    return f"{name}_block" if plain else f"{name}_down"


def _joined(body: Body) -> str:
    """Branches side by side."""
    joins = next(i for i in body.items if kind_of(i) == "concat")
    if body.inputs[0] in joins.operands:
        return "grown"
    squeezed = len(joins.operands) == 2 and len(body.readers().get(body.inputs[0], ())) == 1
    return "fire" if squeezed else "inception" if len(joins.operands) > 2 else "branches"


def is_separable(items: Sequence[Item]) -> bool:
    """A convolution in as many groups as it has channels, then one of single pixels; both may be blocks."""
    convolutions = [i for i in items if kind_of(i).startswith("conv")]
    return len(convolutions) == 2 and _is_grouped(convolutions[0]) and not _is_grouped(convolutions[1])


def _is_grouped(item: Item) -> bool:
    if item.callee is not None:
        vectors = [p for i in item.callee.body.items for p in _groups(i)]
        return any(vector[c].value != 1 for vector in vectors for c in item.callee_cases)
    return any(c.value != 1 for vector in _groups(item) for c in vector)


def _groups(item: Item) -> list[tuple[Constant, ...]]:
    return [h for r, h in zip(item.roles, item.holes, strict=True) if r == "groups"]


def kind_of(item: Item) -> str:
    """A word for what an item does."""
    if item.callee is not None:
        return item.callee.name
    match item.pattern:
        case ast.Pipe(stages=(_, ast.Call(function=ast.Name() as name))) | ast.Pipe(stages=(_, ast.Name() as name)):
            return _KINDS.get(name.id.text, name.id.text)
        case ast.Call(function=ast.Name() as name):
            return _KINDS.get(name.id.text, name.id.text)
        case ast.Binary():
            return {"+": "add", "-": "sub", "*": "mul", "/": "div", "@": "matmul"}.get(item.pattern.operator.text, "")
    return ""
