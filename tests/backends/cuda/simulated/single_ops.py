"""One op at a time in the simulator against the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netlang.ir.build import make_node
from netlang.ir.opdef import Sample, opdef
from tests.backends.compared import Array, feed_of, graph_of, inputs_like
from tests.backends.cuda.simulated.against_reference import check


def check_op(op: str, arrays: Sequence[Array], attrs: dict[str, Any], tolerance: float = 1e-5) -> dict[str, Array]:
    """An op on these arrays; returns what the simulator computed."""
    inputs = inputs_like(arrays)
    node = make_node(op, inputs, attrs)
    return check(graph_of(inputs, *node.results), feed_of(arrays), tolerance)


def check_sample(op: str, sample: Sample, dtype: Any = np.float32, tolerance: float = 1e-5) -> None:
    """A sample of an op's record, its floats in this element type."""
    arrays = [np.asarray(a) for a in sample.inputs]
    arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]
    check_op(op, arrays, dict(sample.attrs), tolerance)


def samples(op: str) -> list[Sample]:
    """The samples of an op's record."""
    found = opdef(op).samples
    assert found is not None
    return list(found(np.random.default_rng(0)))


def normal(seed: int, *shape: int) -> Array:
    """float32, normally distributed."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def ties(seed: int, *shape: int) -> Array:
    """float32 of few different values, and a NaN."""
    x = np.round(normal(seed, *shape))
    x.flat[x.size // 2] = np.nan
    return x
