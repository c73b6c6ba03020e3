"""Small graphs made by hand, and results compared with what they should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType

Array = NDArray[Any]
B = Builder()


def inputs_like(arrays: Sequence[Array]) -> list[Value]:
    """One graph input `x<i>` for each array."""
    return [B.input(f"x{i}", TensorType(DType.of(a.dtype), a.shape)) for i, a in enumerate(arrays)]


def feed_of(arrays: Sequence[Array]) -> dict[str, Array]:
    """The arrays under the names that `inputs_like` gives, C-contiguous."""
    return {f"x{i}": np.array(a, order="C") for i, a in enumerate(arrays)}


def graph_of(inputs: Sequence[Value], *results: Value) -> Graph:
    return Graph("g", tuple(inputs), (), tuple((f"y{i}", v) for i, v in enumerate(results)))


def assert_same(got: Mapping[str, Array], want: Mapping[str, Array], tolerance: float) -> None:
    """Equal within `tolerance`, relative to each element and, for sums that cancel, to the largest one."""
    assert got.keys() == want.keys()
    for name, expected in want.items():
        found = got[name]
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        wide = np.asarray(expected, np.float64)
        finite = np.abs(wide[np.isfinite(wide)])
        slack = tolerance * float(finite.max()) if finite.size else 0.0
        np.testing.assert_allclose(np.asarray(found, np.float64), wide, rtol=tolerance, atol=slack, err_msg=name)
