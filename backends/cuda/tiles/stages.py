"""The ring of stages in shared memory: filled some steps ahead by copies, used one stage at a time.

A step is one barrier: after it the stage of this step is there for all threads, and nobody uses any more the stage of
the step before, which is where the copies of a later step go while this one is computed.
"""

from __future__ import annotations

from collections.abc import Callable

from netlang.backends.cuda.tiles.block_tile import BlockTile
from netlang.backends.cuda.tiles.text import Text

_WORDS = {4: "raw4", 8: "raw8", 16: "raw16"}
_ZEROS = {4: "u32(0)", 8: "u64(0)", 16: "(u32(0), u32(0), u32(0), u32(0))"}


def copy(t: Text, tile: BlockTile, bytes: int, to: str, source: str, holds: str = "") -> None:
    """Copy 4, 8 or 16 bytes to shared memory, zeros where the condition `holds` is there and false; nothing is read
    then. Both addresses are multiples of `bytes`."""
    if tile.asynchronous:
        count = f"i32({bytes}) if {holds} else i32(0)" if holds else f"i32({bytes})"
        t(f"cp_async{bytes}({to}, {source}, {count})")
        return
    word = _WORDS[bytes]
    value = f"load_{word}({source}, i32(0))"
    if holds:
        t(f"moved = {_ZEROS[bytes]}")
        with t.block(f"if {holds}:"):
            t(f"moved = {value}")
        value = "moved"
    t(f"store_shared_{word}({to}, i32(0), {value})")


def ring(t: Text, tile: BlockTile, steps: str, load: Callable[[str], None], math: Callable[[str], None]) -> None:
    """The main loop over `steps` (an int32 expression) stages.

    load    writes the copies of the next stage to `base + <its argument>` and moves on to the one after it
    math    writes the products of the stage at `base + <its argument>`
    Both arguments are names of u32 variables: bytes from the first stage.
    """
    size, whole = tile.stage_bytes, tile.stages * tile.stage_bytes
    t(f"steps = i32({steps})", "loaded = i32(0)", "write_stage = u32(0)", "read_stage = u32(0)", "step = i32(0)")
    with t.block(f"while loaded < i32({tile.stages - 1}):"):
        _fill(t, tile, load)
        t(f"write_stage = u32(write_stage + u32({size}))")
    with t.block("while step < steps:"):
        if tile.asynchronous:
            t(f"cp_wait{tile.stages - 2}()")
        if tile.groups:
            t("fence_async_shared()")  # what copies wrote becomes visible to wgmma
        t("sync()")
        _fill(t, tile, load)
        _turn(t, "write_stage", size, whole)
        math("read_stage")
        _turn(t, "read_stage", size, whole)
        t("step = i32(step + i32(1))")
    if tile.asynchronous:
        t("cp_wait0()")


def _fill(t: Text, tile: BlockTile, load: Callable[[str], None]) -> None:
    """Ask for the next stage, if there is one. A group of copies is made in any case: waits count them."""
    with t.block("if loaded < steps:"):
        load("write_stage")
    if tile.asynchronous:
        t("cp_commit()")
    t("loaded = i32(loaded + i32(1))")


def _turn(t: Text, name: str, size: int, whole: int) -> None:
    t(f"{name} = u32({name} + u32({size}))")
    with t.block(f"if {name} == u32({whole}):"):
        t(f"{name} = u32(0)")
