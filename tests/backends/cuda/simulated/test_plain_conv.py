"""Plain convolutions and unshared ones, and their gradients, in the simulator: any geometry, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netlang.ops.windows import Windows
from tests.backends.compared import B, feed_of, graph_of, inputs_like
from tests.backends.cuda.simulated.convolutions import OPS, check, geometry, integers, problem

THREE_AXES = ((2, 2, 4, 5, 4), (4, 1, 2, 3, 2), geometry((1, 2, 1), ((1, 0), (0, 1), (2, 0)), (1, 1, 2), 2, True))
TWO_AXES = ((2, 4, 7, 6), (6, 2, 3, 2), geometry((2, 1), ((1, 0), (2, 1)), (1, 2), 2))
ONE_AXIS = ((3, 3, 17), (5, 3, 4), geometry((3,), ((2, 3),), (2,), 1, True))


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(
    ("case", "dtype"), [(THREE_AXES, "f4"), (THREE_AXES, "f8"), (TWO_AXES, "f8"), (ONE_AXIS, "f8")]
)
def test_plain_loops(op: str, case: Any, dtype: str) -> None:
    x, w, attrs = case
    check(problem(op, x, w, attrs, dtype=dtype), f"plain:{op}:f{8 * int(dtype[1])}")


@pytest.mark.parametrize("op", OPS)
def test_a_window_that_reaches_nothing_but_padding_sums_to_zero(op: str) -> None:
    attrs = geometry((4,), ((5, 5),), (1,))
    check(problem(op, (1, 1, 2), (1, 1, 3), attrs, dtype=np.float64), "plain:")


@pytest.mark.parametrize("op", OPS)
def test_half_precision_is_computed_in_single(op: str) -> None:
    """Every sum of such small numbers is one that float16 holds exactly."""
    x, w, attrs = ONE_AXIS
    keys = check(problem(op, x, w, attrs, dtype=np.float16), "")
    assert len(keys) >= 4 and not any(key.startswith("plain:") for key in keys)


# ---- unshared

LOCAL_CASES = [
    # rank 1, several chunks of a patch, two parts of the images, two blocks of output channels
    ((9, 40, 7), 5, (3,), {"stride": (2,), "pad": ((1, 0),)}),
    ((2, 3, 5, 6), 6, (3, 2), {"stride": (2, 1), "pad": ((1, 0), (2, 1))}),
    ((1, 2, 3, 4, 3), 2, (2, 1, 2), {"stride": (1, 2, 2), "pad": ((0, 1), (1, 1), (1, 0))}),
]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(("x", "out_channels", "kernel", "attrs"), LOCAL_CASES)
def test_unshared(x: Any, out_channels: int, kernel: Any, attrs: Any, dtype: str) -> None:
    out = Windows.of("local_conv", attrs, kernel).output(x[2:])
    w, y = (*out, out_channels, x[1], *kernel), (x[0], out_channels, *out)
    arrays = [integers(seed, shape, dtype) for seed, shape in enumerate((x, w, y))]
    inputs = inputs_like(arrays)
    results = [
        B.op("local_conv", inputs[0], inputs[1], **attrs),
        B.op("local_conv_data_grad", inputs[2], inputs[1], size=x[2:], **attrs),
        B.op("local_conv_weight_grad", inputs[0], inputs[2], kernel=kernel, **attrs),
    ]
    keys = check((graph_of(inputs, *results), feed_of(arrays)), "local_conv")
    assert len(keys) == 3
