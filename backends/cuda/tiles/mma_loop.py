"""Products of one stage on tensor cores, by mma.sync in tf32, bf16 or f16 with float32 sums.

Warps form a grid of `down` x `across`, each with a part of the tile of 16 x 8 fragments. Stages hold float32.

tf32: ldmatrix brings the numbers to where mma.sync wants them (it moves rows of 16 bytes of anything); they are rounded
there, in place.

16 bits: lane 4 g + t reads four neighbouring float32 of k at 16 t, one load a row, and packs them. The sum over k may
be taken in any order, so the fragments hold them in the order in which they were read, the same in A and in B. Of 64
bytes of each row, with numbers 4t, 4t+1, 4t+2, 4t+3 of k:

    k = 16             2t and 2t+1 are the first two, 2t+8 and 2t+9 the others
    k = 8 (sm_75)      the first two in one product, the others in another

Where B is n-major a lane reads its numbers of B one by one: column g of lines t and t + 4, or of 4t to 4t + 3.
"""

from __future__ import annotations

from netlang.backends.cuda.tiles.block_tile import FLOAT, ROW_BYTES, BlockTile, swizzle
from netlang.backends.cuda.tiles.text import Text


class MmaLoop:
    """Writes the parts of a kernel that multiply; the base of shared memory is the variable `base`."""

    def __init__(self, tile: BlockTile) -> None:
        self.tile = tile
        self.warp_rows, self.warp_columns = tile.rows // tile.down, tile.columns // tile.across
        self.m, self.n = self.warp_rows // 16, self.warp_columns // 8

    def begin(self, t: Text) -> None:
        """Where this lane reads, and sums of zero. Needs `base`."""
        tile = self.tile
        t(
            "g = i32(lane() >> i32(2))",
            "pair = i32(lane() & i32(3))",
            f"warp_row = i32(i32(warp() & i32({tile.down - 1})) * i32({self.warp_rows}))",
            f"warp_column = i32(i32(warp() >> i32({tile.down.bit_length() - 1})) * i32({self.warp_columns}))",
        )
        tf32 = tile.precision == "tf32"
        self._reads(t, "a", *(("i32(lane() & i32(15))", "i32(lane() >> i32(4))") if tf32 else ("g", "pair")))
        if tile.n_major:
            self._read_lines(t)
        elif tf32:
            row = "i32(i32(lane() & i32(7)) + i32(i32(lane() >> i32(4)) << i32(3)))"
            self._reads(t, "b", row, "i32(i32(lane() >> i32(3)) & i32(1))")
        else:
            self._reads(t, "b", "g", "pair")
        for m in range(self.m):
            for n in range(self.n):
                t("; ".join(f"{name} = f32(0)" for name in self._sums(m, n)))

    def stage(self, t: Text, offset: str) -> None:
        """All products of the stage at `base + offset`."""
        tile, tf32 = self.tile, self.tile.precision == "tf32"
        part = ROW_BYTES // (4 if tf32 else 2)
        t(f"at_a = u32(read_a + {offset})", f"at_b = u32(read_b + {offset})", "part = u32(0)")
        with t.block(f"while part < u32({ROW_BYTES}):"):
            t("here_a = u32(at_a ^ part)", "here_b = at_b" if tile.n_major else "here_b = u32(at_b ^ part)")
            (self._tf32 if tf32 else self._halves)(t)
            t(f"part = u32(part + u32({part}))")
            if tile.n_major:
                t(f"at_b = u32(at_b + u32({part // FLOAT * tile.line_bytes}))")

    def put(self, t: Text) -> None:
        """Store all sums in shared memory, in the order of `sums_tile`. All threads are done with the stages."""
        pitch = self.tile.columns * FLOAT
        t(
            "flip = i32(i32(i32(g & i32(1)) << i32(2)) | i32(g & i32(2)))",
            f"put = i32(i32(warp_row + g) * i32({pitch}))",
            "first = i32(i32(i32(pair >> i32(1)) ^ flip) << i32(4))",
            f"put = i32(put + i32(i32(warp_column * i32({FLOAT})) ^ first))",
            "put = i32(put + i32(i32(pair & i32(1)) << i32(3)))",
        )
        for n in range(self.n):
            t(f"at = u32(base + u32(i32(put ^ i32({8 * FLOAT * n}))))")
            for m in range(self.m):
                s = self._sums(m, n)
                t(f"store2_shared_f32(at, i32({16 * m * pitch}), ({s[0]}, {s[1]}))")
                t(f"store2_shared_f32(at, i32({(16 * m + 8) * pitch}), ({s[2]}, {s[3]}))")

    def _sums(self, m: int, n: int) -> list[str]:
        first = 4 * (m * self.n + n)
        return [f"s{first + i}" for i in range(4)]

    def _reads(self, t: Text, name: str, row: str, chunk: str) -> None:
        """Where a lane reads: a row of its warp's part of an operand, and a chunk of it."""
        first = "warp_row" if name == "a" else "warp_column"
        operand = "base" if name == "a" else f"u32(base + u32({self.tile.rows * ROW_BYTES}))"
        t(
            f"place = i32(i32(i32({row} + {first}) * i32({ROW_BYTES})) + i32(i32({chunk} ^ {swizzle(row)}) << i32(4)))",
            f"read_{name} = u32({operand} + u32(place))",
        )

    def _read_lines(self, t: Text) -> None:
        """Where a lane reads its first number of B, where that is n-major."""
        tile = self.tile
        line = "pair" if tile.precision == "tf32" else "i32(pair << i32(2))"
        chunk = f"i32(i32(i32(warp_column >> i32(2)) + i32(g >> i32(2))) ^ {tile.line_swizzle(line)})"
        t(
            f"place = i32(i32({line} * i32({tile.line_bytes})) + i32({chunk} << i32(4)))",
            "place = i32(place + i32(i32(g & i32(3)) << i32(2)))",
            f"read_b = u32(base + u32(i32(place + i32({tile.rows * ROW_BYTES}))))",
        )

    def _tf32(self, t: Text) -> None:
        """Products of eight numbers of k, 32 bytes of each row."""
        for n in range(0, self.n, 2):
            names = [f"b{i}_{k}" for i in (n, n + 1) for k in (0, 1)]
            if self.tile.n_major:
                for i in (n, n + 1):
                    t(f"at_n = u32(here_b ^ u32({8 * FLOAT * i}))")
                    t(*(f"b{i}_{k} = load_shared_u32(at_n, i32({4 * k * self.tile.line_bytes}))" for k in (0, 1)))
            else:
                t(f"{', '.join(names)} = ldmatrix_x4(u32(here_b + u32({8 * n * ROW_BYTES})))")
            t("; ".join(f"{name} = nearest_tf32({name})" for name in names))
        names = [f"a{k}" for k in range(4)]
        for m in range(self.m):
            t(f"{', '.join(names)} = ldmatrix_x4(u32(here_a + u32({16 * m * ROW_BYTES})))")
            t("; ".join(f"{name} = nearest_tf32({name})" for name in names))
            for n in range(self.n):
                s = ", ".join(self._sums(m, n))
                t(f"{s} = mma_tf32({s}, {', '.join(names)}, b{n}_0, b{n}_1)")

    def _halves(self, t: Text) -> None:
        """Products of sixteen numbers of k, 64 bytes of each row."""
        for n in range(self.n):
            if self.tile.n_major:
                t(f"at_n = u32(here_b ^ u32({8 * FLOAT * n}))")
                t(*(f"x{k} = load_shared_f32(at_n, i32({k * self.tile.line_bytes}))" for k in range(4)))
                self._pack(t, f"b{n}")
            else:
                self._packed(t, f"b{n}", "here_b", 8 * n)
        for m in range(self.m):
            self._packed(t, "a", "here_a", 16 * m)
            self._packed(t, "c", "here_a", 16 * m + 8)
            for n in range(self.n):
                s, word = ", ".join(self._sums(m, n)), f"mma_{self.tile.precision}"
                if self.tile.deep:
                    t(f"{s} = {word}({s}, a_0, c_0, a_1, c_1, b{n}_0, b{n}_1)")
                else:
                    t(*(f"{s} = {word}_k8({s}, a_{k}, c_{k}, b{n}_{k})" for k in (0, 1)))

    def _packed(self, t: Text, name: str, at: str, row: int) -> None:
        """Four numbers of k of one row of the fragment that begins at tile row `row`: NAME_0 and NAME_1."""
        t(f"x0, x1, x2, x3 = load4_shared_f32({at}, i32({row * ROW_BYTES}))")
        self._pack(t, name)

    def _pack(self, t: Text, name: str) -> None:
        pack = f"pack_{self.tile.precision}x2"
        t(f"{name}_0 = {pack}(x1, x0); {name}_1 = {pack}(x3, x2)")
