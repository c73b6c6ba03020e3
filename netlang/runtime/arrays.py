"""Arrays at the border: what callers hand in becomes what compiled code may read, and sizes are bound to names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from netlang.ir.graph import Value
from netlang.ir.types import TensorType
from netlang.runtime.aligned import ALIGNMENT as ALIGNMENT
from netlang.runtime.aligned import aligned_zeros as aligned_zeros
from netlang.runtime.ports import Port, arguments, converted, sizes_of

Array = NDArray[Any]


def as_array(value: Any, type: TensorType, what: str, adopt: Callable[[Any], Any] | None = None) -> Array:
    """`value` as a C-contiguous array of the element type of `type`: see `converted`."""
    return converted(value, type.dtype.numpy, str(type), what, adopt)


def port(name: str, type: TensorType) -> Port:
    """A value of this type, as what a net takes or gives."""
    return Port(name, str(type.dtype), type.shape)


def bind_sizes(inputs: Sequence[Value], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """The size of every symbolic dim, from the shapes of the inputs by name: see `sizes_of`."""
    return sizes_of([port(v.node.name, v.type) for v in inputs], shapes)


def by_name(inputs: Sequence[Value], args: Sequence[Any], named: Mapping[str, Any], caller: str) -> dict[str, Any]:
    """Arguments given in order or by keyword, by input name. Raises NetError for a missing, unknown or double one."""
    return arguments([v.node.name for v in inputs], args, named, caller)
