"""Local response normalisation in the simulator: windows of every size, its gradient, and the pool after it."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from netlang.passes import fuse
from tests.backends.compared import B, feed_of, graph_of, inputs_like
from tests.backends.cuda.simulated.against_reference import check, compiled
from tests.backends.cuda.simulated.single_ops import check_op, check_sample, normal, samples

OPS = ("local_response_norm", "local_response_norm_grad")
POOL: dict[str, Any] = {"kernel": (3, 3), "stride": (2, 2), "pad": ((1, 0), (0, 1))}


@pytest.mark.parametrize("dtype, tolerance", [
    (np.float32, 2e-5), (np.float64, 1e-12), (np.float16, 4e-3), (ml_dtypes.bfloat16, 3e-2),
])  # fmt: skip
@pytest.mark.parametrize("op", OPS)
def test_samples(op: str, dtype: Any, tolerance: float) -> None:
    for sample in samples(op):
        check_sample(op, sample, dtype, tolerance)


@pytest.mark.parametrize("size", [1, 2, 4, 5, 16])
@pytest.mark.parametrize("channels", [1, 3, 8, 19])
def test_windows_and_runs_of_channels(size: int, channels: int) -> None:
    attrs = {"size": size, "alpha": 0.5, "beta": 0.75, "k": 2.0}
    arrays = [normal(0, 2, channels, 2, 3), normal(1, 2, channels, 2, 3)]
    check_op(OPS[0], arrays[:1], attrs, 2e-5)
    check_op(OPS[1], arrays, attrs, 2e-5)


@pytest.mark.parametrize("beta", [0.0, 0.25, 0.5, 0.6, 1.0, 1.5, 2.5, 3.0])
def test_exponents(beta: float) -> None:
    arrays = [normal(0, 1, 9, 4), normal(1, 1, 9, 4)]
    for op, given in zip(OPS, (arrays[:1], arrays), strict=True):
        check_op(op, given, {"size": 3, "alpha": 0.5, "beta": beta, "k": 1.0}, 2e-5)


def test_channels_that_are_not_there_have_no_share_where_the_divisor_is_zero() -> None:
    x = normal(0, 1, 2, 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        got = check_op(OPS[1], [x, normal(1, 1, 2, 3)], {"size": 5, "alpha": 1.0, "beta": 0.75, "k": 0.0}, 2e-5)
    assert np.isfinite(got["y0"]).all()


@pytest.mark.parametrize("pool", ["max_pool", "max_pool_switch", "avg_pool", "sum_pool"])
@pytest.mark.parametrize("channels", [5, 12])
def test_with_the_pool_after_it(pool: str, channels: int) -> None:
    """Both are one launch; the normalised map is nowhere in memory."""
    x = normal(0, 2, channels, 5, 6)
    (value,) = inputs_like([x])
    y = B.op(OPS[0], value, size=5, alpha=0.5, beta=0.75, k=1.0)
    attrs = POOL | ({"dilation": (1, 1)} if pool.startswith("max") else {})
    graph = fuse.run(graph_of([value], *B.node(pool, y, **attrs).results))
    assert [n.attrs["kind"] for n in graph.nodes if n.op == "fused"] == ["response"]
    assert len(compiled(graph).steps) == 1
    check(graph, feed_of([x]), 2e-5)


def test_result_in_a_concatenation() -> None:
    arrays = [normal(0, 2, 5, 2, 3), normal(1, 2, 3, 2, 3)]
    x, other = inputs_like(arrays)
    y = B.op(OPS[0], x, size=3, alpha=0.5, beta=0.75, k=1.0)
    joined = B.op("concat", other, y, axis=1)
    check(graph_of([x, other], B.op(OPS[0], joined, size=3, alpha=0.5, beta=0.75, k=1.0)), feed_of(arrays), 2e-5)
