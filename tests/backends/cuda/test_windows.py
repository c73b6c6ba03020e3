"""Machine code of the kernels of pools, normalisations and indexing, for every architecture: no spills."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netlang.backends.cuda import toolchain
from netlang.backends.cuda.backend import lowered
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.target import CudaTarget
from netlang.ir.graph import Value
from netlang.ir.types import DType, TensorType
from netlang.passes import fuse
from tests.backends.compared import B, graph_of
from tests.backends.cuda import needs

pytestmark = needs.compiler

OTHERS = ("75", "80", "100")
FEW = ("maxima of 3x3", "means of 3x3", "local response", "scatter_add to few rows")
"""For every architecture; the rest for one."""
TWO: dict[str, Any] = {"kernel": (2, 2), "stride": (2, 2), "pad": ((0, 0), (0, 0))}
THREE: dict[str, Any] = {"kernel": (3, 3), "stride": (2, 2), "pad": ((1, 1), (1, 1))}
LARGE: dict[str, Any] = {"kernel": (7, 7), "stride": (3, 3), "pad": ((3, 3), (3, 3))}
DENSE: dict[str, Any] = {"dilation": (1, 1)}
RESPONSE: dict[str, Any] = {"size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2.0}
Make = Callable[..., Any]


def tensor(name: str, *shape: int, dtype: DType = DType.F32) -> Value:
    return B.input(name, TensorType(dtype, shape))


def kernels(make: Make, arch: str) -> list[Kernel]:
    """The kernels of the values that `make` gives."""
    inputs: dict[str, Value] = {}

    def given(name: str, *shape: int, dtype: DType = DType.F32) -> Value:
        return inputs.setdefault(name, tensor(name, *shape, dtype=dtype))

    found = make(given)
    graph = fuse.run(graph_of([*inputs.values()], *(found if isinstance(found, tuple) else (found,))))
    _, steps = lowered(graph, CudaTarget(arch))
    launches = [step for own in steps.values() for step in own]
    assert launches and all(isinstance(step, Launch) for step in launches)
    return [step.kernel for step in launches]


def maxima(given: Make, window: dict[str, Any]) -> tuple[Value, ...]:
    x = given("x", 2, 8, 30, 30)
    y, switch = B.node("max_pool_switch", x, **window, **DENSE).results
    dy = given("dy", *(int(str(d)) for d in y.shape))
    back = B.op("max_unpool", dy, switch, size=(30, 30), **window, **DENSE)
    return y, back, B.op("max_pool", x, **window, **DENSE), B.op("max_pool_grad", x, y, dy, **window, **DENSE)


def means(given: Make, window: dict[str, Any]) -> tuple[Value, ...]:
    y = B.op("avg_pool", given("x", 2, 8, 30, 30), **window)
    return y, B.op("avg_pool_grad", y, size=(30, 30), **window, count_include_pad=False)


def response(given: Make) -> tuple[Value, ...]:
    x = given("x", 2, 96, 27, 27)
    y = B.op("local_response_norm", x, **RESPONSE)
    return y, B.op("local_response_norm_grad", x, y, **RESPONSE)


def pooled_response(given: Make) -> tuple[Value, ...]:
    y = B.op("local_response_norm", given("x", 2, 96, 27, 27), **RESPONSE)
    return tuple(B.node("max_pool_switch", y, **THREE, **DENSE).results)


CASES: dict[str, Make] = {
    "maxima of 2x2": lambda given: maxima(given, TWO),
    "maxima of 3x3": lambda given: maxima(given, THREE),
    "maxima of 7x7": lambda given: maxima(given, LARGE),
    "means of 3x3": lambda given: means(given, THREE),
    "means of 7x7": lambda given: means(given, LARGE),
    "whole maps": lambda given: B.op(
        "avg_pool", given("x", 2, 8, 7, 7), kernel=(7, 7), stride=(7, 7), pad=((0, 0), (0, 0))
    ),
    "local response": response,
    "local response and pool": pooled_response,
    "gather": lambda given: B.op("gather", given("x", 50, 64), given("i", 9, dtype=DType.I64), axis=0),
    "scatter_add": lambda given: B.op(
        "scatter_add", given("x", 9, 64), given("i", 9, dtype=DType.I64), axis=0, size=5000
    ),
    "scatter_add to few rows": lambda given: B.op(
        "scatter_add", given("x", 9, 64, dtype=DType.BF16), given("i", 9, dtype=DType.I32), axis=0, size=5
    ),
    "take_along": lambda given: B.op("take_along", given("x", 9, 64), given("i", 9, 5, dtype=DType.I64), axis=1),
    "put_along": lambda given: B.op("put_along", given("x", 9, 5), given("i", 9, 5, dtype=DType.I64), axis=1, size=64),
    "scatter_along": lambda given: B.op(
        "scatter_along", given("x", 9, 64), given("i", 9, 5, dtype=DType.I64), given("u", 9, 5), axis=1, reduction="mul"
    ),
    "cumsum": lambda given: B.op("cumsum", given("x", 9, 64), axis=1),
    "topk by warps": lambda given: tuple(B.node("topk", given("x", 9, 1000), axis=1, k=5).results),
    "argmax by threads": lambda given: B.op("argmax", given("x", 2, 21, 900, dtype=DType.F16), axis=1),
    "resampling": lambda given: B.op("resample", given("x", 2, 14, 14), axis=2, size=28, mode="linear"),
    "gradient of resampling": lambda given: B.op(
        "resample_grad", given("x", 2, 28, 14), axis=1, size=14, mode="linear"
    ),
}


@pytest.mark.parametrize("case, arch", [*((c, "90") for c in CASES), *((c, a) for c in FEW for a in OTHERS)])
def test_nothing_spills(case: str, arch: str) -> None:
    for kernel in kernels(CASES[case], arch):
        resources = toolchain.cubin(kernel, arch).resources
        assert (resources.stack, resources.spills) == (0, 0), kernel.key
        assert resources.registers * kernel.threads <= 1 << 16, kernel.key


def test_the_usual_pools_of_two_load_pairs_and_wait_for_all_of_them_at_once() -> None:
    (kernel,) = kernels(lambda given: B.op("max_pool", given("x", 2, 8, 30, 30), **TWO, **DENSE), "90")
    text = toolchain.ptx(kernel, "90").text
    assert text.count("ld.global.v2.f32") == 2 and text.count("ld.global") == 2
