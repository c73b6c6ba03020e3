"""Products of one stage in float32 on the FFMA units.

Threads form a grid of `down` x `across`; thread (ty, tx) has the sums of rows ty + down i and columns tx + across j.
It reads four numbers of k of each of its rows and columns at a time. The 32 threads of a warp are 4 x 8 of the grid, so
that together they read four or eight neighbouring rows, which the swizzle spreads over the banks. All sums of a thread
are one tuple, which the word `dot4_IxJ` takes and returns.

Where B is n-major a thread has the columns of chunks tx + across j instead, four side by side, and the word is
`lines4_IxJ`.
"""

from __future__ import annotations

from netlang.backends.cuda.tiles.block_tile import CHUNK_BYTES, FLOAT, ROW_BYTES, BlockTile, swizzle
from netlang.backends.cuda.tiles.text import Text


class FfmaLoop:
    """Writes the parts of a kernel that multiply; the base of shared memory is the variable `base`."""

    def __init__(self, tile: BlockTile) -> None:
        self.tile = tile
        self.i, self.j = tile.rows // tile.down, tile.columns // tile.across

    def begin(self, t: Text) -> None:
        """Where this thread reads, and sums of zero. Needs `base`."""
        tile = self.tile
        beside = tile.across // 8
        t(
            f"tx = i32(i32(lane() & i32(7)) + i32(i32(warp() & i32({beside - 1})) << i32(3)))",
            f"ty = i32(i32(lane() >> i32(3)) + i32(i32(warp() >> i32({beside.bit_length() - 1})) << i32(2)))",
            f"read_a = u32(base + u32(i32(ty * i32({ROW_BYTES})) + i32({swizzle('ty')} << i32(4))))",
            f"read_b = u32(base + u32({self._first_b()}))",
            f"read_b = u32(read_b + u32({tile.rows * ROW_BYTES}))",
            f"sums = zeros{self.i * self.j}()",
        )

    def _first_b(self) -> str:
        """Bytes of B before the first that this thread reads."""
        if self.tile.n_major:
            return f"i32(tx * i32({CHUNK_BYTES}))"
        return f"i32(i32(tx * i32({ROW_BYTES})) + i32({swizzle('tx')} << i32(4)))"

    def stage(self, t: Text, offset: str) -> None:
        """All products of the stage at `base + offset`."""
        tile, shape = self.tile, f"{self.i}x{self.j}"
        t(f"at_a = u32(read_a + {offset})", f"at_b = u32(read_b + {offset})", "chunk = u32(0)")
        with t.block(f"while chunk < u32({ROW_BYTES}):"):
            pitch = f"i32({tile.down * ROW_BYTES})"
            if tile.n_major:
                step = f"i32({tile.across * CHUNK_BYTES})"
                t(
                    f"sums = lines4_{shape}(sums, u32(at_a ^ chunk), at_b, {pitch}, i32({tile.line_bytes}), {step})",
                    f"at_b = u32(at_b + u32({CHUNK_BYTES // FLOAT * tile.line_bytes}))",
                )
            else:
                factors = f"u32(at_a ^ chunk), u32(at_b ^ chunk), {pitch}, i32({tile.across * ROW_BYTES})"
                t(f"sums = dot4_{shape}(sums, {factors})")
            t(f"chunk = u32(chunk + u32({CHUNK_BYTES}))")

    def put(self, t: Text) -> None:
        """Store all sums in shared memory, in the order of `sums_tile`. All threads are done with the stages."""
        tile = self.tile
        pitch = tile.columns * FLOAT
        t("flip = i32(i32(i32(ty & i32(1)) << i32(2)) | i32(ty & i32(2)))", f"put = i32(ty * i32({pitch}))")
        if tile.n_major:
            self._put_fours(t, pitch)
            return
        t(
            "put = u32(base + u32(i32(put + i32(i32(i32(tx >> i32(2)) ^ flip) << i32(4)))))",
            "put = u32(put + u32(i32(i32(tx & i32(3)) << i32(2))))",
        )
        for j in range(self.j):
            t(f"at = u32(put ^ u32({j * tile.across * FLOAT}))")
            for i in range(self.i):
                t(f"store_shared_f32(at, i32({i * tile.down * pitch}), sums[{i * self.j + j}])")

    def _put_fours(self, t: Text, pitch: int) -> None:
        """Sums of four neighbouring columns, in pairs. Odd rows begin with the last two, so that half a warp reaches
        all banks; and sums that pass through a choice need not be neighbours in the registers, for which the main loop
        would have to make room."""
        tile = self.tile
        t(
            "put = u32(base + u32(i32(put + i32(i32(tx ^ flip) << i32(4)))))",
            "odd = i32(ty & i32(1)) != i32(0)",
            "put = u32(put ^ u32(8)) if odd else put",
        )
        for j in range(self.j // 4):
            t(f"at = u32(put ^ u32({j * tile.across * CHUNK_BYTES}))", "other = u32(at ^ u32(8))")
            for i in range(self.i):
                sums = [f"sums[{i * self.j + 4 * j + c}]" for c in range(4)]
                chosen = [f"{sums[c ^ 2]} if odd else {sums[c]}" for c in range(4)]
                place = i * tile.down * pitch
                t(f"store2_shared_f32(at, i32({place}), ({chosen[0]}, {chosen[1]}))")
                t(f"store2_shared_f32(other, i32({place}), ({chosen[2]}, {chosen[3]}))")
