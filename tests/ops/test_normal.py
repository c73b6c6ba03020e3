"""Normal random numbers: against SciPy's inverse, their moments, the same bits on the cpu backend."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from netlang.backends.cpu import Cpu
from netlang.backends.reference import Reference
from netlang.ir.build import Builder
from netlang.ir.graph import Graph
from netlang.ir.types import DType, TensorType
from netlang.ops.quantile import normal_quantile
from netlang.ops.random import philox_normal

WORDS = np.array(
    [0, 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1, 322122547, 322122548, 3972844747, 3972844748], np.uint32
)


def test_the_inverse_of_the_distribution() -> None:
    words = np.concatenate([WORDS, np.random.default_rng(0).integers(0, 2**32, 20000, dtype=np.uint32)])
    expected = stats.norm.ppf((words.astype(np.float64) + 0.5) * 2.0**-32)
    np.testing.assert_allclose(normal_quantile(words), expected, rtol=3e-15, atol=1e-16)


def test_it_is_odd_and_bounded() -> None:
    words = np.random.default_rng(1).integers(0, 2**32, 1000, dtype=np.uint32)
    assert np.array_equal(normal_quantile(~words), -normal_quantile(words))
    assert 6.33 < normal_quantile(WORDS).max() < 6.34


def test_distribution() -> None:
    drawn = philox_normal(5, 1, 2, 50_000).astype(np.float64)
    assert stats.kstest(drawn, "norm").pvalue > 0.01
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.02


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16, DType.F32, DType.F64])
def test_the_same_bits_on_cpu(dtype: DType) -> None:
    b = Builder()
    key = b.input("key", TensorType(DType.I64, (2,)))
    drawn = b.op("normal", key, shape=(7, 3011), stream=9, dtype=dtype)
    graph = Graph("g", (key,), (), (("y", drawn),))
    given = {"key": np.array([2**35 + 1, 12])}
    ours, theirs = (backend.compile(graph).run(given, {})["y"] for backend in (Cpu(), Reference()))
    assert ours.dtype == dtype.numpy and ours.tobytes() == theirs.tobytes()
    assert np.array_equal(theirs.ravel()[:99], philox_normal(2**35 + 1, 12, 9, 99, dtype))
