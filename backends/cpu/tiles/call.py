"""Tiles as Numba intrinsics: what IR emitters look like from a kernel written in Numba's language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numba import types
from numba.extending import intrinsic

from netlang.backends.cpu.tiles.emitter import Emitter


def tile_call(count: int, lanes: int, emit: Callable[[Emitter, Sequence[Any]], None]) -> Any:
    """An intrinsic that takes one tuple of `count` integers and emits `emit(Emitter, values)` in place."""
    table = types.UniTuple(types.int64, count)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit(Emitter(builder, lanes), [builder.extract_value(arguments[0], i) for i in range(count)])
        return context.get_dummy_value()

    @intrinsic  # type: ignore[misc]
    def call(typing_context: Any, values: Any) -> Any:
        if len(values) != count:
            raise TypeError(f"this tile takes {count} integers, not {len(values)}")
        return types.void(table), codegen

    return call
