"""A handful of intrinsics for tests of the toolchain, which does not care what names mean."""

from __future__ import annotations

from typing import Any

import pytest


def words(arch: str) -> dict[str, Any]:
    """`load_f32(address, offset)` and `store_f32(address, offset, value)` in global memory."""
    from llvmlite import ir
    from numba import types
    from numba.cuda.extending import intrinsic

    def pointer(builder: Any, address: Any, offset: Any) -> Any:
        return builder.inttoptr(builder.add(address, offset), ir.PointerType(ir.FloatType(), addrspace=1))

    @intrinsic
    def load_f32(typing_context: Any, address: Any, offset: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.load(pointer(builder, *values))

        return types.float32(types.uint64, types.int64), generate

    @intrinsic
    def store_f32(typing_context: Any, address: Any, offset: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            builder.store(values[2], pointer(builder, *values[:2]))
            return context.get_dummy_value()

        return types.void(types.uint64, types.int64, types.float32), generate

    return {"load_f32": load_f32, "store_f32": store_f32}


@pytest.fixture
def few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels are written in these words."""
    monkeypatch.setattr("netlang.backends.cuda.compile.vocabulary", words)
