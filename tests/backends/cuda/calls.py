"""Kernels that call words of the vocabulary, one after another, with operands of every type."""

from __future__ import annotations

from collections.abc import Iterable

from netlang.backends.cuda.intrinsics.word import Word, element_and_count
from netlang.backends.cuda.kernel import Kernel

_OPERANDS = {
    "u64": "p",
    "i64": "i64(n)",
    "i32": "n",
    "u32": "u32(n)",
    "f32": "load_f32(p, n)",
    "f64": "load_f64(p, n)",
    "bool": "n > 3",
}


def calling(words: Iterable[Word]) -> Kernel:
    """A kernel of (address to read, address to write, int32) that calls each word and stores what it returns."""
    lines = ["def kernel(p, q, n):"]
    names = []
    for i, word in enumerate(words):
        names.append(word.name)
        lines += [f"    {line}" for line in _call(word, i)]
    text = "\n".join(lines)
    return Kernel(f"calls of {' '.join(names)}", lambda: text, "ppi", 128)


def _call(word: Word, i: int) -> list[str]:
    operands = []
    for type in word.parameters:
        element, count = element_and_count(type)
        one = _OPERANDS[element]
        operands.append(one if count == 1 else f"({', '.join([one] * count)})")
    call = f"{word.name}({', '.join(operands)})"
    element, count = element_and_count(word.result)
    if element == "none":
        return [call]
    store = "store_raw8" if element == "u64" else f"store_{element}"
    results = [f"r{i}"] if count == 1 else [f"r{i}[{k}]" for k in range(count)]
    return [f"r{i} = {call}", *(f"{store}(q, {512 * i + 8 * k}, {result})" for k, result in enumerate(results))]
