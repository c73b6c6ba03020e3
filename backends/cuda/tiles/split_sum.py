"""The kernel that adds up the parts of a split sum, in the order of the parts, and carries out the epilogue."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from netlang.backends.common.epilogue import Epilogue
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles import epilogue
from netlang.backends.cuda.tiles.gemm import store
from netlang.backends.cuda.tiles.text import Text

_THREADS = 128


@dataclass(frozen=True)
class SplitSum:
    """`width` neighbouring results a thread, 4 or 1, as in `Gemm`."""

    width: int
    epilogue: Epilogue
    threads: int = _THREADS

    @property
    def kernel(self) -> Kernel:
        """Arguments: parts [splits, total], out, the operands of the epilogue; int32 splits and columns (channels);
        int64 total. A thread for each `width` results."""
        pointers = "pp" + "p" * len(epilogue.arguments(self.epilogue))
        steps = ";".join(map(str, self.epilogue))
        key = f"split_sum:{self.width}:{self.threads}:{steps}"
        return Kernel(key, partial(_source, self), pointers + "iil", self.threads)

    def blocks(self, total: int) -> int:
        """Blocks for so many results."""
        return -(-total // (self.width * self.threads))


def _source(structure: SplitSum) -> str:
    t, width = Text(), structure.width
    values = [f"v{i}" for i in range(width)]
    parts = [f"part{i}" for i in range(width)]
    word = "load_fixed_f32" if width == 1 else f"load{width}_fixed_f32"
    names = ("parts", "out", *epilogue.arguments(structure.epilogue), "splits", "columns", "total")
    t.open(f"def kernel({', '.join(names)}):")
    t(f"element = i64(i64(i64(block_x()) * i64({structure.threads}) + i64(thread())) * i64({width}))")
    with t.block("if element < total:"):
        t(
            "at = i64(element * i64(4))",
            f"{', '.join(values)} = {word}(parts, at)",
            "split = i32(1)",
        )
        with t.block("while split < splits:"):
            t(
                "at = i64(at + i64(total * i64(4)))",
                f"{', '.join(parts)} = {word}(parts, at)",
                *(f"{v} = f32({v} + {p})" for v, p in zip(values, parts, strict=True)),
                "split = i32(split + i32(1))",
            )
        if any(step.kind == "channel" for step in structure.epilogue):
            t("channel = i32(u64(element) % u64(columns))")
        epilogue.apply(t, structure.epilogue, values, "channel", "element")
        store(t, "out", "element", values)
    return str(t)
