"""How an op is said in ONNX: one function per op, in one registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import helper

from netlang.interchange.exporting.sheet import Sheet
from netlang.interchange.exporting.sizes import Sizes
from netlang.ir.build import Builder
from netlang.ir.dims import Dim
from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.types import DType

if TYPE_CHECKING:
    from netlang.interchange.exporting.translation import Translation


DOMAIN = "netlang"
"""Of the functions that a model brings along."""


class Unsupported(Exception):
    """ONNX has no way to say this. The text completes `cannot be exported to ONNX: ...`."""


@dataclass(frozen=True)
class Place:
    """Where an op is being written: the sheet, the node, and what its inputs are called there."""

    translation: Translation
    sheet: Sheet
    node: Node
    inputs: tuple[str, ...]

    @property
    def attrs(self) -> Attrs:
        return self.node.attrs

    @property
    def sizes(self) -> Sizes:
        return self.translation.sizes

    @property
    def opset(self) -> int:
        return self.translation.opset

    def op(self, kind: str, *inputs: str, **attrs: Any) -> str:
        """A new operator's only result."""
        return self.sheet.op(kind, *inputs, path=self.node.name, **attrs)[0]

    def ops(self, kind: str, *inputs: str, outputs: int, **attrs: Any) -> list[str]:
        """A new operator's results."""
        return self.sheet.op(kind, *inputs, path=self.node.name, outputs=outputs, **attrs)

    def constant(self, value: Any, dtype: DType | np.dtype[Any] | type[Any]) -> str:
        """A constant tensor or number."""
        kind = dtype.numpy if isinstance(dtype, DType) else np.dtype(dtype)
        return self.sheet.constant(np.asarray(value).astype(kind))

    def like(self, value: float, of: Value) -> str:
        """A number of the element type of `of`."""
        return self.constant(value, of.dtype)

    def numbers(self, values: Sequence[int]) -> str:
        """Whole numbers as i64[n]."""
        return self.sheet.constant(np.array(values, np.int64), "/numbers")

    def shape(self, shape: Sequence[Dim]) -> str:
        """Sizes as i64[n]."""
        return self.sizes.vector(shape)

    def cast(self, name: str, dtype: DType) -> str:
        """The same numbers in another element type."""
        return self.op("Cast", name, to=element(dtype))

    def composed(
        self, make: Callable[[Builder], Sequence[Value] | Value], also: Mapping[Value, str] = MappingProxyType({})
    ) -> list[str]:
        """The names of values that are made by other ops of the node's inputs, and of those that `also` has."""
        made = make(Builder().like(self.node))
        called = dict(zip(self.node.inputs, self.inputs, strict=True))
        return self.translation.composed(self.sheet, {**called, **also}, [made] if isinstance(made, Value) else made)


Export = Callable[[Place], Sequence[str] | str]
"""Writes a node; returns what its results are called."""

_RECORDS: dict[str, Export] = {}


def exports(*ops: str) -> Callable[[Export], Export]:
    """Register how ops of these names are written. A name can be taken once."""

    def register(export: Export) -> Export:
        for op in ops:
            if op in _RECORDS:
                raise ValueError(f"the export of {op} is defined twice")
            _RECORDS[op] = export
        return export

    return register


def simple(table: Mapping[str, str]) -> None:
    """Register ops that are ONNX operators with the same inputs and no attributes."""

    def named(kind: str) -> Export:
        return lambda place: place.op(kind, *place.inputs)

    for op, kind in table.items():
        exports(op)(named(kind))


def record(op: str) -> Export | None:
    """How an op is written; None where nobody has said."""
    return _RECORDS.get(op)


def exported_ops() -> Iterator[str]:
    """The names of all ops that can be written."""
    yield from sorted(_RECORDS)


def element(dtype: DType) -> int:
    """ONNX's number for an element type."""
    return int(helper.np_dtype_to_tensor_dtype(dtype.numpy))
