"""Flat nets drawn at random, of pieces that occur several times: what structure is found in must stay the same net.

`python -m tests.interchange.importing.random_nets 500` tries as many as one likes.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import netlang
from netlang.frontend import ast, load
from netlang.frontend.printing import text_of_file
from netlang.interchange.importing import named_weights
from netlang.interchange.importing import writing as w
from netlang.interchange.importing.flat import flat_file, living
from netlang.interchange.importing.sheet import Line, Sheet, Tensor, Weight
from netlang.interchange.importing.structure import structured
from netlang.ir.types import DType
from netlang.runtime.ports import Array
from netlang.runtime.weights import save

CHANNELS = 4


class Drawn:
    """A net in the making: pieces are drawn once and then written in several places, with other arguments."""

    def __init__(self, seed: int) -> None:
        self.rng, self.numbers = random.Random(seed), np.random.default_rng(seed)
        self.sheet = Sheet("drawn")
        self.kept: list[dict[str, Weight]] = []
        x = self.sheet.input("x", DType.F32, [2, CHANNELS, 4, 4])
        pieces = [self._piece(self.rng.randint(1, 3)) for _ in range(self.rng.randint(1, 3))]
        tensors = [x]
        for _ in range(self.rng.randint(2, 6)):
            tensors.append(self._written(self.rng.choice(pieces), tensors[-1]))
        for number, tensor in enumerate({t.name: t for t in [tensors[-1], self.rng.choice(tensors[1:])]}.values()):
            self.sheet.output(f"y{number}", tensor)

    def _piece(self, depth: int) -> list[object]:
        """What is done to a tensor, in order; a list inside is a branch that is joined by an operation."""
        kinds = ["conv", "relu", "norm", "shared", "scale", "param", "square"]
        piece: list[object] = [self.rng.choice(kinds) for _ in range(self.rng.randint(1, 4))]
        if depth > 1:
            branches = [self._piece(depth - 1) for _ in range(self.rng.randint(1, 2))]
            piece.insert(self.rng.randint(0, len(piece)), (self.rng.choice("+*-"), branches))
        return piece

    def _written(self, piece: list[object], x: Tensor) -> Tensor:
        for step in piece:
            if isinstance(step, tuple):
                sign, branches = step
                made = [self._written(branch, x) for branch in branches]
                x = self._let(w.infix(made[0], sign, made[-1] if len(made) > 1 else x))
            else:
                x = self._step(str(step), x)
        return x

    def _step(self, kind: str, x: Tensor) -> Tensor:
        match kind:
            case "conv" | "shared":
                kernel = self.rng.choice([1, 3])
                weights = {"weight": self._weight(CHANNELS, CHANNELS, kernel, kernel), "bias": self._weight(CHANNELS)}
                if kind == "shared" and self.kept:
                    weights = self.rng.choice(self.kept)
                    kernel = weights["weight"].array.shape[-1]
                self.kept.append(weights)
                return self._let(w.pipe(x, w.call("conv", CHANNELS, kernel, pad=kernel // 2)), weights)
            case "norm":
                names = ("weight", "bias", "running_mean", "running_var")
                weights = {name: self._weight(CHANNELS) for name in names}
                return self._let(w.pipe(x, w.name("batchnorm")), weights)
            case "scale":
                return self._let(w.infix(x, "*", self.rng.choice([0.5, 2.0])))
            case "param":
                scale = self.sheet.parameter("scale", self._weight(CHANNELS, 1, 1), True)
                return self._let(w.infix(x, "*", scale))
            case "square":
                return self._let(w.infix(x, "*", x))
        return self._let(w.pipe(x, w.name("relu")))

    def _let(self, value: ast.Expression, weights: dict[str, Weight] | None = None) -> Tensor:
        return self.sheet.let(value, "t/t", weights)

    def _weight(self, *shape: int) -> Weight:
        array = np.asarray(np.abs(self.numbers.normal(0.1, 0.1, shape)) + 0.05, np.float32)
        return Weight(array, f"w{self.numbers.integers(1 << 60)}")


def answers(file: ast.File, lines: list[Line], folder: Path) -> tuple[str, dict[str, Array]]:
    """The text of a file, and what the net makes of one input."""
    text = text_of_file(file)
    save(folder / "w.safetensors", named_weights(load(text, "drawn.net"), lines), {})
    model = netlang.compile(text, target="reference").load_weights(folder / "w.safetensors")
    x = np.linspace(-1, 1, 2 * CHANNELS * 16, dtype=np.float32).reshape(2, CHANNELS, 4, 4)
    result = model(x)
    return text, dict(result) if isinstance(result, dict) else {"": result}


def check(seed: int, folder: Path) -> tuple[int, int]:
    """Hold the structured net to the flat one; returns the lines of both."""
    drawn = Drawn(seed)
    lines = living(drawn.sheet.lines)
    plain, wanted = answers(flat_file("drawn", lines), lines, folder)
    text, got = answers(*structured(drawn.sheet, lines), folder)
    assert got.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_allclose(got[name], array, rtol=1e-5, err_msg=f"{seed} {name}\n{text}")
    return len(plain.splitlines()), len(text.splitlines())


if __name__ == "__main__":
    with TemporaryDirectory() as place:
        sizes = [check(seed, Path(place)) for seed in range(int(sys.argv[1]))]
    print(f"{len(sizes)} nets, {sum(a for a, _ in sizes)} lines -> {sum(b for _, b in sizes)}")
