"""Element types and tensor types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import ml_dtypes
import numpy as np

from netlang.ir import dims
from netlang.ir.dims import Dim, Shape
from netlang.ir.dims import shape_text as shape_text


class DType(Enum):
    """An element type: its name in the language, its NumPy type."""

    BOOL = "bool"
    U8 = "u8"
    I8 = "i8"
    U16 = "u16"
    I16 = "i16"
    U32 = "u32"
    I32 = "i32"
    U64 = "u64"
    I64 = "i64"
    F16 = "f16"
    BF16 = "bf16"
    F32 = "f32"
    F64 = "f64"

    def __str__(self) -> str:
        return self.value

    @property
    def numpy(self) -> np.dtype[Any]:
        return _NUMPY[self]

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return int(_NUMPY[self].itemsize)

    @property
    def is_float(self) -> bool:
        return self in _FLOATS

    @property
    def is_int(self) -> bool:
        """Whether it holds whole numbers; bool does not."""
        return self in _SIGNED or self in _UNSIGNED

    @property
    def is_unsigned(self) -> bool:
        return self in _UNSIGNED

    @property
    def bounds(self) -> tuple[int, int]:
        """The smallest and the largest number of an integer type."""
        info = np.iinfo(_NUMPY[self])
        return int(info.min), int(info.max)

    @staticmethod
    def of(dtype: Any) -> DType:
        """The element type of a NumPy dtype. Raises KeyError where there is none."""
        return _FROM_NUMPY[np.dtype(dtype)]


_FLOATS = (DType.F16, DType.BF16, DType.F32, DType.F64)
_SIGNED = (DType.I8, DType.I16, DType.I32, DType.I64)
_UNSIGNED = (DType.U8, DType.U16, DType.U32, DType.U64)
_NUMPY: dict[DType, np.dtype[Any]] = {
    DType.BOOL: np.dtype(np.bool_),
    DType.U8: np.dtype(np.uint8),
    DType.I8: np.dtype(np.int8),
    DType.U16: np.dtype(np.uint16),
    DType.I16: np.dtype(np.int16),
    DType.U32: np.dtype(np.uint32),
    DType.I32: np.dtype(np.int32),
    DType.U64: np.dtype(np.uint64),
    DType.I64: np.dtype(np.int64),
    DType.F16: np.dtype(np.float16),
    DType.BF16: np.dtype(ml_dtypes.bfloat16),
    DType.F32: np.dtype(np.float32),
    DType.F64: np.dtype(np.float64),
}
_FROM_NUMPY = {v: k for k, v in _NUMPY.items()}


@dataclass(frozen=True)
class TensorType:
    """Element type, shape and memory layout of a tensor.

    `layout` is "" for plain row-major storage. The CPU backend's layout pass also uses "c16" (channel-blocked:
    `[N][C/16][spatial...][16]`); `shape` is the logical shape in either case.
    """

    dtype: DType
    shape: Shape
    layout: str = ""

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Dim:
        """Number of elements."""
        return dims.size(self.shape)

    @property
    def bytes(self) -> Dim:
        """Bytes of the elements, without any padding of the layout."""
        return self.size * self.dtype.size

    def with_shape(self, shape: Shape) -> TensorType:
        return replace(self, shape=tuple(shape))

    def with_dtype(self, dtype: DType) -> TensorType:
        return replace(self, dtype=dtype)

    def with_layout(self, layout: str) -> TensorType:
        return replace(self, layout=layout)

    def concrete(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape with every name replaced by its size."""
        return tuple(dims.evaluate(d, sizes) for d in self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}{shape_text(self.shape)}" + (f":{self.layout}" if self.layout else "")
