"""Element types as kernels see them: what they compute in, how many bytes they take, and where an element is."""

from __future__ import annotations

from netlang.backends.common.element import INTEGERS, UNSIGNED, bounds
from netlang.backends.cuda.tiles.integers import register
from netlang.backends.cuda.tiles.writer import literal
from netlang.ir.types import DType


def computed(dtype: str) -> str:
    """The type in which elements are computed with: what is narrower than 32 bits is widened when it is loaded."""
    if dtype in INTEGERS:
        return register(dtype)
    return {"f16": "f32", "bf16": "f32", "bool": "i32"}.get(dtype, dtype)


def least(dtype: str) -> str:
    """The smallest number of an element type."""
    return literal(dtype, bounds(dtype)[0]) if dtype in INTEGERS else f"{computed(dtype)}(-1e999)"


def raw(bytes: int) -> str:
    """The word under which elements of so many bytes are moved without looking at them."""
    return f"raw{bytes}"


def at(address: str, index: str, dtype: str) -> str:
    """The arguments of a load or store of element `index` (32 bits, not negative) behind an address."""
    size = int(dtype[3:]) if dtype.startswith("raw") else DType(dtype).size
    return f"{address} + u64(u32({index})) * u64({size}), i32(0)"


def load(address: str, index: str, dtype: str, count: int = 1) -> str:
    """The expression that reads `count` elements from `index` on."""
    found = f"load{count if count > 1 else ''}_{dtype}({at(address, index, dtype)})"
    return f"i32({found})" if dtype == "bool" else found


def store(address: str, index: str, dtype: str, value: str) -> str:
    """The statement that writes an element."""
    return f"store_{dtype}({at(address, index, dtype)}, {value})"


def chosen(address: str, index: str, dtype: str, count: str) -> str:
    """The expression that reads an index (int32) out of 0 .. count - 1; others are moved to the nearest of these."""
    if dtype in UNSIGNED:
        return f"i32(min_u64(u64({load(address, index, dtype)}), u64(i64({count}) - i64(1))))"
    wide = f"i64({load(address, index, dtype)})"
    return f"i32(min_i64(max_i64({wide}, i64(0)), i64({count}) - i64(1)))"
