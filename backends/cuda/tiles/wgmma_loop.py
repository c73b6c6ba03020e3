"""Products of one stage by wgmma (sm_90a), the product of the four warps of a warp group: 64 x 128 sums, 64 a thread.

Both operands are read from shared memory where they are, in the format of the precision: tf32 rounded before, or halves
packed (`factor_pack`). The sums are a tuple that the word takes and returns. A stage is used up when this returns: the
next barrier lets copies overwrite it.
"""

from __future__ import annotations

from netlang.backends.cuda.tiles.block_tile import FLOAT, ROW_BYTES, BlockTile
from netlang.backends.cuda.tiles.text import Text

_GROUP_ROWS = 64
_PRODUCTS = 4
"""Products of a stage, each over 32 bytes of k."""
_NEXT = 2
"""What is added to a descriptor for the next 32 bytes."""


class WgmmaLoop:
    """Writes the parts of a kernel that multiply; the base of shared memory is the variable `base`."""

    def __init__(self, tile: BlockTile) -> None:
        self.tile = tile

    def begin(self, t: Text) -> None:
        """Which rows this warp group has, and sums of zero. Needs `base`."""
        rows = f"u32(i32(i32(warp() >> i32(2)) * i32({_GROUP_ROWS * ROW_BYTES})))"
        t(
            f"read_a = u32(base + {rows})",
            f"read_b = u32(base + u32({self.tile.rows * ROW_BYTES}))",
            "sums = zeros64()",
        )

    def stage(self, t: Text, offset: str) -> None:
        """All products of the stage at `base + offset`."""
        for name in ("a", "b"):
            t(f"tile_{name} = u64(u64(WGMMA_DESCRIPTOR) | u64(u32(u32(read_{name} + {offset}) >> u32(4))))")
        t("sums = wgmma_fence(sums)")
        for k in range(_PRODUCTS):
            further = f"u64({k * _NEXT})"
            t(f"sums = wgmma_{self.tile.precision}(sums, u64(tile_a + {further}), u64(tile_b + {further}))")
        t("wgmma_commit()", "sums = wgmma_wait0(sums)")

    def put(self, t: Text) -> None:
        """Store all sums in shared memory, in the order of `sums_tile`. All threads are done with the stages."""
        pitch = self.tile.columns * FLOAT
        t(
            "g = i32(lane() >> i32(2))",
            "pair = i32(lane() & i32(3))",
            "flip = i32(i32(i32(g & i32(1)) << i32(2)) | i32(g & i32(2)))",
            f"put = i32(i32(i32(warp() * i32(16)) + g) * i32({pitch}))",
            "put = i32(put + i32(i32(i32(pair >> i32(1)) ^ flip) << i32(4)))",
            "put = i32(put + i32(i32(pair & i32(1)) << i32(3)))",
        )
        for j in range(self.tile.columns // 8):
            first = 4 * j
            t(
                f"at = u32(base + u32(i32(put ^ i32({8 * FLOAT * j}))))",
                f"store2_shared_f32(at, i32(0), (sums[{first}], sums[{first + 1}]))",
                f"store2_shared_f32(at, i32({8 * pitch}), (sums[{first + 2}], sums[{first + 3}]))",
            )
